# SPDX-License-Identifier: Apache-2.0
"""JSON to dataclasses and back, checked field by field."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class CodecError(ValueError):
    """A value is not what the document has there; the message names the field."""


def to_json(document: Any) -> str:
    """A dataclass as indented JSON, the same bytes for the same content."""
    return json.dumps(asdict(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def parse_json(text: str) -> Any:
    """Strict JSON: no NaN, no Infinity.

    Raises:
        CodecError: it is none.
    """

    def refuse(word: str) -> Any:
        raise CodecError(f"{word} is no number a report can show")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise CodecError(f"line {error.lineno}: {error.msg}") from error


def decode(kind: type[T], value: Any, place: str = "") -> T:
    """Build the dataclass `kind` from parsed JSON; keys it does not know are left out.

    Raises:
        CodecError: a field is missing or of another type.
    """
    if not isinstance(value, Mapping):
        raise CodecError(f"{place or 'the file'} is no object")
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        where = f"{place}.{field.name}" if place else field.name
        if field.name in value:
            given[field.name] = _value(hints[field.name], value[field.name], where)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise CodecError(f"{where!r} is missing")
    return kind(**given)


def _value(hint: Any, value: Any, place: str) -> Any:
    if hint is Any:
        return value
    if is_dataclass(hint):
        return decode(hint, value, place)  # type: ignore[arg-type]
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (only,) = (one for one in args if one is not type(None))
        return _value(only, value, place)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise CodecError(f"{place!r} is no list")
        return tuple(_value(args[0], one, f"{place}[{i}]") for i, one in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise CodecError(f"{place!r} is no object")
        return {str(key): _value(args[1], one, f"{place}.{key}") for key, one in value.items()}
    return _scalar(hint, value, place)


def _scalar(hint: Any, value: Any, place: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise CodecError(f"{place!r} is {value!r}, not {hint.__name__}")
    return value
