"""The record that a plugin is given."""

from __future__ import annotations

import copy
from typing import Any

from . import blocks, exact
from .blocks import Header, Packed


class Record:
    """One record. It belongs to the call that has it.

    value is what the JSON stands for, or bytes where the plugin wants them: change it in
    place, or set it. Numbers with a point are floats that are written as they came, unless
    they are changed. key is None where there is none; topic "" is the sink's own; time is in
    milliseconds since 1970. A value that was only read goes out byte for byte as it came.
    """

    __slots__ = ("key", "topic", "headers", "time", "_packed", "_decoded", "_value", "_read", "_before", "_exact", "_new")

    def __init__(self, packed: Packed, decoded: bool) -> None:
        self.key: bytes | None = packed.key if packed.parts & blocks.HAS_KEY else None
        self.topic: str = packed.topic
        self.headers: list[Header] = list(packed.headers)
        self.time: int = packed.time
        self._packed, self._decoded = packed, decoded
        self._value: Any = None
        self._read, self._exact, self._new = False, False, False
        self._before = b""

    @property
    def value(self) -> Any:
        """The value."""
        if not self._read:
            self._read = True
            if not self._decoded:
                self._value = self._packed.value
            else:
                self._value, self._exact = exact.loads(self._packed.value)
                self._before = exact.dumps(self._value, self._exact)
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        if not self._read:
            self._read, self._exact = True, True  # parts of other values may be in it
        self._exact, self._value, self._before = True, value, b""

    @property
    def raw(self) -> bytes:
        """The value as it came."""
        return self._packed.value

    def header(self, name: str) -> bytes | None:
        """Give the first header of a name."""
        return next((h.value for h in self.headers if h.name == name), None)

    def set_header(self, name: str, value: bytes) -> None:
        """Put a header in the place of all of its name."""
        self.headers = [h for h in self.headers if h.name != name] + [Header(name, value)]

    def clone(self) -> "Record":
        """Give another record that is as this one is now: to make several of one."""
        other = Record(self._packed, self._decoded)
        other.key, other.topic, other.headers, other.time = self.key, self.topic, list(self.headers), self.time
        other.value = copy.deepcopy(self.value)
        other._new = True
        return other

    def _pack(self) -> Packed | None:
        """Give the parts that are others now; None: all is as it came."""
        was, out = self._packed, Packed()
        if self.key != (was.key if was.parts & blocks.HAS_KEY else None):
            out.parts |= blocks.NEW_KEY | (blocks.HAS_KEY if self.key is not None else 0)
            out.key = self.key or b""
        if self._read:
            value = exact.dumps(self._value, self._exact) if self._decoded else bytes(self._value)
            if value != (self._before if self._decoded else was.value):
                out.parts, out.value = out.parts | blocks.NEW_VALUE, value
        if self.topic != was.topic:
            out.parts, out.topic = out.parts | blocks.NEW_TOPIC, self.topic
        if self.headers != was.headers:
            out.parts, out.headers = out.parts | blocks.NEW_HEADERS, self.headers
        if self.time != was.time:
            out.parts, out.time = out.parts | blocks.NEW_TIME, self.time
        return out if out.parts or self._new else None
