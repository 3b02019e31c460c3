"""JSON whose numbers go out as they came."""

from __future__ import annotations

import json
from json import encoder
from typing import Any


class Number(float):
    """A number with a point or an exponent: a float, that is written as it was read."""

    text: str

    def __new__(cls, text: str) -> "Number":
        number = super().__new__(cls, text)
        number.text = text
        return number


def _written(number: float) -> str:
    if isinstance(number, Number):
        return number.text
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("JSON knows no NaN and no infinity")
    return float.__repr__(number)


class _Encoder(json.JSONEncoder):
    """The encoder of the standard library, but for how floats are written."""

    def iterencode(self, o: Any, _one_shot: bool = False) -> Any:
        make = encoder._make_iterencode  # type: ignore[attr-defined]
        text = encoder.encode_basestring_ascii if self.ensure_ascii else encoder.encode_basestring
        return make({}, self.default, text, None, _written, self.key_separator, self.item_separator, False, False, _one_shot)(o, 0)


# By whether there may be Numbers, and whether all is to be ASCII.
_encoders = {
    (True, False): _Encoder(ensure_ascii=False, separators=(",", ":")),
    (True, True): _Encoder(separators=(",", ":")),
    (False, False): json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False),
    (False, True): json.JSONEncoder(separators=(",", ":"), allow_nan=False),
}


def loads(text: bytes) -> tuple[Any, bool]:
    """Read JSON; the second says whether there are Numbers in it."""
    found = False

    def number(text: str) -> Number:
        nonlocal found
        found = True
        return Number(text)

    return json.loads(text, parse_float=number), found


def dumps(value: Any, exact: bool) -> bytes:
    """Write JSON; exact where there may be Numbers in it. ValueError, TypeError: it is none."""
    try:
        return _encoders[exact, False].encode(value).encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair: UTF-8 has none, an escape is one
        return _encoders[exact, True].encode(value).encode("ascii")
