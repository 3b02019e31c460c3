"""Try a plugin within a test, without a process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from . import blocks, settings
from .blocks import Header, Packed
from .record import Record
from .serve import Plugin, Refused


@dataclass
class Became:
    """A record that goes on."""

    value: Any
    key: bytes | None = None
    topic: str = ""
    headers: list[Header] = field(default_factory=list)


def problems(plugin: Plugin, given: dict[str, Any]) -> list[str]:
    """Give what the plugin says against settings: "field: what"."""
    _, found = settings.read(plugin.settings, json.dumps(given))
    return [f"{p.field}: {p.what}" for p in found]


def one(plugin: Plugin, given: dict[str, Any], value: Any, key: bytes | None = None) -> list[Became] | Refused:
    """Give what becomes of a record: those that go on, or why it was refused.

    value is what the JSON stands for, or bytes where the plugin wants them. ValueError: the
    settings are refused.
    """
    made, found = settings.read(plugin.settings, json.dumps(given))
    if found:
        raise ValueError(f"{found[0].field}: {found[0].what}")
    raw = json.dumps(value).encode() if plugin.decoded else value
    packed = Packed(0 if key is None else blocks.HAS_KEY, key or b"", raw)
    record = Record(packed, plugin.decoded)
    try:
        became = plugin.new(made)(record)
    except Refused as refused:
        return refused
    records = [] if became is None else [became] if isinstance(became, Record) else list(became)
    return [Became(r.value, r.key, r.topic, r.headers) for r in records]
