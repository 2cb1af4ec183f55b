# SPDX-License-Identifier: Apache-2.0
"""A flatbuffer read by a table of its schema, every offset checked before it is followed.

The file is never trusted: whatever a schema says of a field, its bytes must lie inside the file and
be aligned, and what is decoded is bounded in number, so that neither a bent offset nor a table that
a thousand others point to can cost more than the limits say. Types may not contain themselves, so
no chain of offsets can go round in a circle.

The format: https://flatbuffers.dev/internals/ — a table starts with the signed distance to its
vtable, which lists for each field where in the table it lies, or 0 where it is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError

MAX_BYTES = 64 << 20
"""Of a whole file."""
MAX_TABLES = 1 << 17
"""Of all kinds together; the largest models for microcontrollers have a few thousand."""
MAX_STRING = 1 << 12

_SCALARS = {
    "bool": "<?",
    "int8": "<b",
    "uint8": "<B",
    "int32": "<i",
    "uint32": "<I",
    "float32": "<f",
    "int64": "<q",
    "uint64": "<Q",
}

Table = dict[str, Any]
Schema = Mapping[str, Sequence[str]]
"""Of each table the fields in their order, as "name: type", or "" for one that is not read.

A type is a scalar ("int32"), "string", a table's name, a vector of any of these ("[int32]",
"[Tensor]"), or "union NAME" for a field whose type is told by the field before it, through the
mapping NAME of `read`. A field may name its default after an equals sign: "stride_w: int32 = 1".
"""


def read(
    data: bytes,
    schema: Schema,
    root: str,
    *,
    identifier: bytes,
    unions: Mapping[str, Mapping[int, str]],
) -> Table:
    """The root table, as dictionaries of its fields.

    Numbers are Python's; vectors of numbers are read-only NumPy views of `data`, those of tables
    are lists; strings are text. A table that is left out is None, a vector that is left out is
    empty; of a union whose type is not known, the content is None.

    Args:
        data: the file.
        schema: see `Schema`.
        root: name of the root table.
        identifier: the four bytes at offset 4.
        unions: for each union, the table's name by type number.

    Raises:
        TinykitError: the file is no such flatbuffer, is damaged, or exceeds a limit.
    """
    if len(data) > MAX_BYTES:
        raise _fail(f"has {len(data)} bytes; at most {MAX_BYTES >> 20} MiB are read")
    if len(data) < 8 or data[4:8] != identifier:
        raise _fail(f"does not have the mark {identifier.decode()} at its start")
    reader = _Reader(data, {name: _fields(one) for name, one in schema.items()}, unions)
    return reader.table(root, reader.offset(0, root), root)


def _fail(what: str) -> TinykitError:
    return TinykitError(
        f"the file {what}.", remedy="Copy it again, or name a .tflite file that TFLite can run."
    )


@dataclass(frozen=True)
class _Field:
    name: str
    kind: str
    default: Any


def _fields(lines: Sequence[str]) -> list[_Field | None]:
    return [_field(line) if line else None for line in lines]


def _field(line: str) -> _Field:
    name, _, rest = line.partition(":")
    kind, _, default = (part.strip() for part in rest.partition("="))
    number = float if kind == "float32" else int
    return _Field(name.strip(), kind, number(default or 0))


@dataclass
class _Reader:
    data: bytes
    schema: Mapping[str, list[_Field | None]]
    unions: Mapping[str, Mapping[int, str]]
    # Content that is pointed to twice is decoded once.
    tables: dict[tuple[str, int], Table] = field(default_factory=dict)
    strings: dict[int, str] = field(default_factory=dict)
    entries: int = 0

    def scalar(self, kind: str, place: int, what: str) -> Any:
        """A number at `place`."""
        layout = _SCALARS[kind]
        size = struct.calcsize(layout)
        self._check(place, size, size, what)
        value = struct.unpack_from(layout, self.data, place)[0]
        return bool(value) if kind == "bool" else value

    def offset(self, place: int, what: str) -> int:
        """Where the unsigned offset at `place` leads."""
        distance = int(self.scalar("uint32", place, what))
        target = place + distance
        if distance == 0 or target >= len(self.data):
            raise _fail(f"points outside itself at {what}")
        return target

    def _check(self, place: int, size: int, alignment: int, what: str) -> None:
        if place < 0 or place + size > len(self.data):
            raise _fail(f"ends within {what}")
        if place % alignment:
            raise _fail(f"holds {what} at the odd place {place}")

    def table(self, name: str, place: int, what: str) -> Table:
        """The table of that kind at `place`."""
        known = self.tables.get((name, place))
        if known is not None:
            return known
        self._count(1)
        places = self._vtable(name, place, what)
        result: Table = {}
        for index, one in enumerate(self.schema[name]):
            if one is None:
                continue
            here = places[index] if index < len(places) else None
            result[one.name] = self._value(one, here, f"{what}.{one.name}", result)
        self.tables[name, place] = result
        return result

    def _vtable(self, name: str, place: int, what: str) -> list[int | None]:
        """Where the table's fields lie; None for those that are left out."""
        start = place - int(self.scalar("int32", place, what))
        self._check(start, 4, 2, f"the list of fields of {what}")
        size, table_size = struct.unpack_from("<HH", self.data, start)
        self._check(start, size, 2, f"the list of fields of {what}")
        self._check(place, table_size, 4, what)
        if size < 4 or size % 2 or table_size < 4:
            raise _fail(f"has a broken list of fields of {what}")
        count = min((size - 4) // 2, len(self.schema[name]))
        offsets = struct.unpack_from(f"<{count}H", self.data, start + 4)
        if any(one and not 4 <= one < table_size for one in offsets):
            raise _fail(f"has fields of {what} outside it")
        return [place + one if one else None for one in offsets]

    def _value(self, one: _Field, place: int | None, what: str, before: Table) -> Any:
        kind = one.kind
        if kind in _SCALARS:
            return one.default if place is None else self.scalar(kind, place, what)
        if kind.startswith("["):
            return self._vector(kind[1:-1], place, what)
        if kind.startswith("union "):
            # The type stands in the field before.
            kind = self.unions[kind[6:]].get(before[f"{one.name}_type"], "")
        if place is None or not kind:
            return "" if kind == "string" else None
        target = self.offset(place, what)
        return self._string(target, what) if kind == "string" else self.table(kind, target, what)

    def _vector(self, kind: str, place: int | None, what: str) -> Any:
        numbers = kind in _SCALARS
        if place is None:
            return np.zeros(0, _SCALARS[kind]) if numbers else []
        target = self.offset(place, what)
        count = int(self.scalar("uint32", target, what))
        layout = np.dtype(_SCALARS[kind]) if numbers else np.dtype("<u4")
        start = target + 4
        if count:
            self._check(start, count * layout.itemsize, min(layout.itemsize, 8), what)
        if numbers:
            return self._numbers(layout, start, count)
        self._count(count)
        found = []
        for index in range(count):
            entry = f"{what}[{index}]"
            at = self.offset(start + 4 * index, entry)
            found.append(
                self._string(at, entry) if kind == "string" else self.table(kind, at, entry)
            )
        return found

    def _numbers(self, layout: np.dtype[Any], start: int, count: int) -> NDArray[Any]:
        if not count:
            return np.zeros(0, layout)
        return np.frombuffer(self.data, layout, count, start)

    def _string(self, place: int, what: str) -> str:
        if place not in self.strings:
            count = int(self.scalar("uint32", place, what))
            if count > MAX_STRING:
                raise _fail(f"has a text of {count} bytes at {what}")
            self._check(place + 4, count, 1, what)
            text = self.data[place + 4 : place + 4 + count]
            self.strings[place] = text.decode("utf-8", errors="replace")
        return self.strings[place]

    def _count(self, more: int) -> None:
        self.entries += more
        if self.entries > MAX_TABLES:
            raise _fail(f"has more than {MAX_TABLES} parts")
