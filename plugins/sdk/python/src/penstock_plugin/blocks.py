"""The blocks that records are packed in; plugins/wire/README.md describes them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

HAS_KEY, NEW_KEY, NEW_VALUE, NEW_TOPIC, NEW_HEADERS, NEW_TIME = 1, 2, 4, 8, 16, 32

KEEP, DROP, REFUSE, BECOME = 1, 2, 3, 4

_HEAD = struct.Struct("<BBHIIIq")
_LENGTHS = struct.Struct("<II")
_RUN = struct.Struct("<BI")
_REFUSAL = struct.Struct("<BBI")


class Header(NamedTuple):
    """One header of a record. Order and duplicates are kept."""

    name: str
    value: bytes


@dataclass(slots=True)
class Packed:
    """A record as a block holds it."""

    parts: int = 0
    key: bytes = b""
    value: bytes = b""
    topic: str = ""
    headers: list[Header] = field(default_factory=list)
    time: int = 0


def unpack(block: bytes, records: int) -> list[Packed]:
    """Read so many records of a block. ValueError: it holds fewer, or more."""
    out, at, view = [], 0, memoryview(block)

    def take(n: int) -> memoryview:
        nonlocal at
        if at + n > len(view):
            raise ValueError("the block ends in the middle of something")
        at += n
        return view[at - n : at]

    for _ in range(records):
        parts, _zero, headers, key, value, topic, time = _HEAD.unpack(take(_HEAD.size))
        record = Packed(parts, bytes(take(key)), bytes(take(value)), str(take(topic), "utf-8"), [], time)
        for _ in range(headers):
            name, size = _LENGTHS.unpack(take(_LENGTHS.size))
            record.headers.append(Header(str(take(name), "utf-8"), bytes(take(size))))
        out.append(record)
    if at != len(view):
        raise ValueError("the block holds more records than the call says")
    return out


def pack(record: Packed) -> bytes:
    """Give a record as a block holds it."""
    topic = record.topic.encode()
    out = [
        _HEAD.pack(record.parts, 0, len(record.headers), len(record.key), len(record.value), len(topic), record.time),
        record.key,
        record.value,
        topic,
    ]
    for header in record.headers:
        name = header.name.encode()
        out += [_LENGTHS.pack(len(name), len(header.value)), name, header.value]
    return b"".join(out)


class Answer:
    """An answer on its way: what becomes of each record, in order."""

    def __init__(self) -> None:
        self._out: list[bytes] = []
        self._kind, self._run = 0, 0

    def keep(self) -> None:
        """The next record goes on as it came."""
        self._count(KEEP)

    def drop(self) -> None:
        """The next record goes no further."""
        self._count(DROP)

    def refuse(self, why: str, may_pass: bool) -> None:
        """The next record is refused."""
        self._end()
        text = why.encode("utf-8", "replace")
        self._out += [_REFUSAL.pack(REFUSE, may_pass, len(text)), text]

    def become(self, records: list[Packed]) -> None:
        """The next record becomes these."""
        self._end()
        self._out.append(_RUN.pack(BECOME, len(records)))
        self._out += [pack(record) for record in records]

    def block(self) -> bytes:
        """All of it."""
        self._end()
        return b"".join(self._out)

    def _count(self, kind: int) -> None:
        if self._kind != kind:
            self._end()
            self._kind = kind
        self._run += 1

    def _end(self) -> None:
        if self._run:
            self._out.append(_RUN.pack(self._kind, self._run))
        self._kind, self._run = 0, 0
