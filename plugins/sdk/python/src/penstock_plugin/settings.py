"""Settings as a dataclass: its checks, and its JSON Schema."""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from typing import Any, Literal, NamedTuple, Union


class Problem(NamedTuple):
    """One mistake in settings: at a field (fields[0], or "" for all of them)."""

    field: str
    what: str
    do: str


def setting(*, doc: str = "", example: Any = None, default: Any = dataclasses.MISSING, default_factory: Any = dataclasses.MISSING) -> Any:
    """Describe a field of the dataclass. Without a default it is required."""
    metadata = {"doc": doc, "example": example}
    if default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    if default is not dataclasses.MISSING:
        return dataclasses.field(default=default, metadata=metadata)
    return dataclasses.field(metadata=metadata)


class _Wrong(Exception):
    def __init__(self, field: str, what: str, do: str) -> None:
        super().__init__(what)
        self.problem = Problem(field, what, do)


_NAMES: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "an object", Any: "anything"}
_SCHEMAS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def read(of: type, text: str) -> tuple[Any, list[Problem]]:
    """Make settings of JSON text, and tell what is wrong with them."""
    try:
        given = json.loads(text or "{}")
    except ValueError:
        return None, [Problem("", "the settings are no JSON", "write an object")]
    try:
        made = _object(of, given, "")
    except _Wrong as wrong:
        return None, [wrong.problem]
    check = getattr(made, "validate", None)
    return made, [Problem(*p) for p in check()] if check else []


def _object(of: Any, given: Any, path: str) -> Any:
    if not isinstance(given, dict):
        raise _Wrong(path, f"has to be an object, not {_name(given)}", "write an object")
    hints, fields = typing.get_type_hints(of), {f.name: f for f in dataclasses.fields(of)}
    values = {}
    for name, value in given.items():
        at = f"{path}.{name}" if path else name
        if name not in fields:
            near = difflib.get_close_matches(name, fields, 1)
            raise _Wrong(at, f'unknown field "{name}"', "write " + (near[0] if near else ", ".join(fields) or "nothing"))
        values[name] = _value(hints[name], value, at)
    for name, f in fields.items():
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise _Wrong(path, f"{name} is missing", f"write {name}: {_sample(f, hints[name])}")
    return of(**values)


def _value(hint: Any, given: Any, path: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return given
    if origin in (Union, types.UnionType):
        if given is None and type(None) in args:
            return None
        return _value(next(a for a in args if a is not type(None)), given, path)
    if origin is Literal:
        if given not in args:
            raise _Wrong(path, f"has to be one of {', '.join(map(str, args))}", "write one of them")
        return given
    if dataclasses.is_dataclass(hint):
        return _object(hint, given, path)
    base = origin or hint
    if base is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if not isinstance(given, base) or isinstance(given, bool) and base is not bool:
        raise _Wrong(path, f"has to be {_NAMES.get(base, base.__name__)}, not {_name(given)}", f"write {_NAMES.get(base, base.__name__)}")
    if base is list and args:
        return [_value(args[0], v, f"{path}[{i}]") for i, v in enumerate(given)]
    if base is dict and args:
        return {k: _value(args[1], v, f"{path}.{k}") for k, v in given.items()}
    return given


def _name(given: Any) -> str:
    if given is None:
        return "nothing"
    return "text" if isinstance(given, str) else _NAMES.get(type(given), type(given).__name__)


def _sample(f: "dataclasses.Field[Any]", hint: Any) -> str:
    example = f.metadata.get("example")
    return json.dumps(example) if example is not None else _NAMES.get(typing.get_origin(hint) or hint, "…")


def schema(of: type) -> str:
    """Give the JSON Schema of settings."""
    return json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **_schema(of)}, indent=2, ensure_ascii=False)


def _schema(hint: Any) -> dict[str, Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _schema(next(a for a in args if a is not type(None)))
    if origin is Literal:
        return {"enum": list(args)}
    if dataclasses.is_dataclass(hint):
        return _object_schema(hint)
    base = origin or hint
    if base is list:
        return {"type": "array", **({"items": _schema(args[0])} if args else {})}
    if base is dict:
        return {"type": "object", **({"additionalProperties": _schema(args[1])} if args else {})}
    return {"type": _SCHEMAS[base]} if base in _SCHEMAS else {}


def _object_schema(of: Any) -> dict[str, Any]:
    hints, properties, required = typing.get_type_hints(of), {}, []
    for f in dataclasses.fields(of):
        one = _schema(hints[f.name])
        if f.metadata.get("doc"):
            one["description"] = f.metadata["doc"]
        if f.metadata.get("example") is not None:
            one["examples"] = [f.metadata["example"]]
        if f.default is not dataclasses.MISSING:
            one["default"] = f.default
        elif f.default_factory is dataclasses.MISSING:
            required.append(f.name)
        properties[f.name] = one
    return {"type": "object", "additionalProperties": False, "properties": properties, **({"required": required} if required else {})}
