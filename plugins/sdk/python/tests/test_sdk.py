"""Tests of the SDK that need no Penstock."""

from __future__ import annotations

import json
import unittest
from dataclasses import dataclass
from typing import Any, Literal, Optional

import grpc

from penstock_plugin import Header, Plugin, Record, Refused, blocks, exact, setting, settings
from penstock_plugin import transform_pb2 as pb
from penstock_plugin.blocks import Packed
from penstock_plugin.testing import one, problems


class Blocks(unittest.TestCase):
    """Blocks are read as they are written."""

    def test_records(self) -> None:
        records = [
            Packed(blocks.HAS_KEY, b"k", b"v\xff", "tü", [Header("a", b"1"), Header("", b"")], -7),
            Packed(0, b"", b"", "", [], 0),
        ]
        block = b"".join(blocks.pack(r) for r in records)
        self.assertEqual(blocks.unpack(block, 2), records)
        for cut in range(len(block)):
            with self.assertRaises(ValueError):
                blocks.unpack(block[:cut], 2)
        with self.assertRaises(ValueError):
            blocks.unpack(block, 1)

    def test_answer(self) -> None:
        answer = blocks.Answer()
        for call in (answer.keep, answer.keep, answer.drop):
            call()
        answer.refuse("ü", True)
        answer.keep()
        want = b"\x01\x02\0\0\0" b"\x02\x01\0\0\0" b"\x03\x01\x02\0\0\0\xc3\xbc" b"\x01\x01\0\0\0"
        self.assertEqual(answer.block(), want)


class Exact(unittest.TestCase):
    """Numbers and texts go out as they came."""

    def test_numbers(self) -> None:
        for text in ('[12.50,-0.0e-7,1e400,9223372036854775808]', '{"a":1.0,"b":[true,null,"ü\\u2028"]}', '"\\ud800"', "[]"):
            value, found = exact.loads(text.encode())
            self.assertEqual(json.loads(exact.dumps(value, found)), json.loads(text), text)
            if found:
                self.assertIn(b"12.50" if "12.50" in text else b"1.0", exact.dumps(value, found))

    def test_changed(self) -> None:
        value, found = exact.loads(b"[1.50]")
        self.assertEqual(exact.dumps([value[0], value[0] + 1, 2.5], found), b"[1.50,2.5,2.5]")
        for wrong in (float("nan"), float("inf")):
            with self.assertRaises(ValueError):
                exact.dumps([wrong], True)


def record(value: bytes, **more: Any) -> Record:
    """Make a record as it comes."""
    return Record(Packed(blocks.HAS_KEY, b"k", value, "", [Header("h", b"1"), Header("h", b"2")], 5), **{"decoded": True, **more})


class Records(unittest.TestCase):
    """Only what was changed is given back."""

    def parts(self, r: Record) -> tuple[int, bytes]:
        packed = r._pack()
        return (0, b"") if packed is None else (packed.parts, packed.value)

    def test_untouched(self) -> None:
        r = record(b'{ "a" : 1.0 }')
        self.assertEqual(r.value["a"], 1.0)
        self.assertEqual(self.parts(r), (0, b""))

    def test_changed(self) -> None:
        r = record(b'{ "a" : 1.0 }')
        r.value["b"] = "ü"
        self.assertEqual(self.parts(r), (blocks.NEW_VALUE, '{"a":1.0,"b":"ü"}'.encode()))
        r = record(b"1")
        r.key, r.topic, r.time = None, "t", 6
        r.set_header("h", b"3")
        self.assertEqual(self.parts(r), (blocks.NEW_KEY | blocks.NEW_TOPIC | blocks.NEW_TIME | blocks.NEW_HEADERS, b""))
        self.assertEqual(r.header("h"), b"3")
        r = record(b"1")
        r.value = {"n": 2.5}
        self.assertEqual(self.parts(r), (blocks.NEW_VALUE, b'{"n":2.5}'))

    def test_bytes(self) -> None:
        r = record(b"\xff", decoded=False)
        self.assertEqual(r.value, b"\xff")
        r.value = b"\xfe"
        self.assertEqual(self.parts(r), (blocks.NEW_VALUE, b"\xfe"))

    def test_clone(self) -> None:
        r = record(b'{"l":[1]}')
        other = r.clone()
        other.value["l"].append(2)
        self.assertEqual(self.parts(r), (0, b""))
        self.assertEqual(self.parts(other), (blocks.NEW_VALUE, b'{"l":[1,2]}'))


@dataclass
class Inner:
    """One of a list."""

    kind: Literal["a", "b"] = "a"


@dataclass
class Some:
    """Settings of all types."""

    name: str = setting(doc="Who.", example="x")
    limit: int = 5
    rate: float = 1.0
    list: list[Inner] = setting(default_factory=list)
    more: Optional[dict[str, Any]] = None

    def validate(self) -> list[tuple[str, str, str]]:
        """Find what is wrong."""
        return [("name", "is bad", "write good")] if self.name == "bad" else []


plugin = Plugin("p", version="1", doc="d", settings=Some, new=lambda s: lambda r: r)


class Settings(unittest.TestCase):
    """Mistakes have a place."""

    def test_problems(self) -> None:
        for given, want in (
            ({"name": "x", "list": [{"kind": "b"}, {}], "more": {"a": 1}, "rate": 2}, []),
            ({}, [": name is missing"]),
            ({"name": "x", "limt": 1}, ['limt: unknown field "limt"']),
            ({"name": 1}, ["name: has to be text, not a whole number"]),
            ({"name": "x", "limit": True}, ["limit: has to be a whole number, not true or false"]),
            ({"name": "x", "list": [{}, {"kind": "c"}]}, ["list[1].kind: has to be one of a, b"]),
            ({"name": "bad"}, ["name: is bad"]),
        ):
            self.assertEqual(problems(plugin, given), want)

    def test_schema(self) -> None:
        schema = json.loads(settings.schema(Some))
        self.assertEqual(schema["required"], ["name"])
        self.assertEqual(schema["properties"]["list"]["items"]["properties"]["kind"]["enum"], ["a", "b"])


class Transforms(unittest.TestCase):
    """What a transform gives back."""

    def becomes(self, transform: Any) -> Any:
        return one(Plugin("p", version="1", doc="d", new=lambda _: transform), {}, {"n": 1})

    def test_one(self) -> None:
        self.assertEqual([b.value for b in self.becomes(lambda r: r)], [{"n": 1}])
        self.assertEqual(self.becomes(lambda r: None), [])
        self.assertEqual(len(self.becomes(lambda r: (r, r.clone()))), 2)

        def refuse(_: Record) -> None:
            raise Refused("no", may_pass=True)

        refused = self.becomes(refuse)
        self.assertEqual((refused.why, refused.may_pass), ("no", True))


class Batches(unittest.TestCase):
    """A transform of batches, as the service calls it."""

    def answer(self, transform: Any) -> bytes:
        p = Plugin("p", version="1", doc="d", new=lambda _: transform, batches=True)
        p._open(pb.OpenRequest(settings="{}"), None)
        block = b"".join(blocks.pack(Packed(0, b"", b"%d" % n)) for n in range(3))
        return p._apply(pb.ApplyRequest(records=3, block=block), Context()).block

    def test_batch(self) -> None:
        def transform(records: list[Record]) -> list[Any]:
            return [records[0], None, Refused("no")]

        self.assertEqual(self.answer(transform), b"\x01\x01\0\0\0" b"\x02\x01\0\0\0" b"\x03\0\x02\0\0\0no")

    def test_whole(self) -> None:
        def fails(_: list[Record]) -> list[Any]:
            raise OSError("my server is away")

        for transform in (fails, lambda records: records[:1]):
            with self.assertRaises(Aborted) as caught:
                self.answer(transform)
            self.assertEqual(caught.exception.code, grpc.StatusCode.ABORTED)
            self.assertNotIn("my server", str(caught.exception))


class Aborted(Exception):
    """What abort of a call raises."""

    def __init__(self, code: Any, why: str) -> None:
        super().__init__(why)
        self.code = code


class Context:
    """A call that is under way."""

    def is_active(self) -> bool:
        return True

    def abort(self, code: Any, why: str) -> None:
        raise Aborted(code, why)


if __name__ == "__main__":
    unittest.main()
