# SPDX-License-Identifier: Apache-2.0
"""What the linker makes of objects: the sizes of its output sections, to the byte.

It does what GNU ld 2.40 does with the linker scripts of `firmware/ports`: sections that nothing
reaches go (`--gc-sections`), equal constants become one, and the rest is laid out in the order of
the files, each section at its alignment. On RISC-V, calls are shortened where their targets are
near, as `_bfd_riscv_relax_call` of binutils does it: once, in the order of the sections, with the
new places of what comes before a call and the old ones of what comes after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Target = int | str
"""A section of the same object by its number, or a symbol."""

Place = Literal["text", "data", "bss"]

# Bytes of the call as it is compiled, of a jump and of a short jump, and how far the two reach.
_CALL, _JUMP, _SHORT = 8, 4, 2
_JUMP_REACH, _SHORT_REACH = 1 << 20, 1 << 11


class Call(NamedTuple):
    """A call that the linker may shorten: where it stands, and where in its target it goes."""

    offset: int
    target: Target
    into: int


@dataclass(frozen=True)
class Section:
    """A section of an object.

    Attributes:
        name: such as ".text.tk_dense".
        size: bytes, as it was compiled.
        align: a power of two.
        refs: what it refers to.
        calls: that can be shortened.
        fills: (offset, bytes) of the fillings before places that are aligned to four.
        constants: its parts, where equal ones of all sections may become one; texts end with NUL.
    """

    name: str
    size: int
    align: int
    refs: tuple[Target, ...] = ()
    calls: tuple[Call, ...] = ()
    fills: tuple[tuple[int, int], ...] = ()
    constants: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Where the linker scripts put it: vectors, code, constants; data; what is zero."""
        if self.name == ".vectors":
            return 0
        for rank, names in enumerate(_NAMES, start=1):
            if self.name in names or self.name.startswith(tuple(f"{name}." for name in names)):
                return rank
        raise ValueError(f"the linker scripts have no place for {self.name}")

    def as_list(self) -> list[Any]:
        """For JSON; what is empty at the end is left out."""
        calls = [list(call) for call in self.calls]
        fields: list[Any] = [list(self.refs), calls, list(self.fills), list(self.constants)]
        while fields and not fields[-1]:
            fields.pop()
        return [self.name, self.size, self.align, *fields]

    @classmethod
    def of_list(cls, data: Sequence[Any]) -> Section:
        """The inverse of `as_list`."""
        fields = [*data[3:], *[()] * (7 - len(data))]
        name, size, align = data[:3]
        return cls(
            name=name,
            size=size,
            align=align,
            refs=tuple(fields[0]),
            calls=tuple(Call(*call) for call in fields[1]),
            fills=tuple((at, count) for at, count in fields[2]),
            constants=tuple(fields[3]),
        )


_NAMES = ((".text",), (".rodata", ".srodata"), (".data", ".sdata"), (".bss", ".sbss", "COMMON"))
_PLACES: tuple[Place, ...] = ("text", "text", "text", "data", "bss")


@dataclass(frozen=True)
class Object:
    """A compiled file.

    Attributes:
        sections: in their order.
        symbols: what it defines, by name: the number of the section and the place in it.
        weak: those of them that give way to another definition, wherever it stands.
    """

    sections: tuple[Section, ...]
    symbols: dict[str, tuple[int, int]]
    weak: frozenset[str] = frozenset()

    def needs(self) -> set[str]:
        """The symbols that it refers to."""
        return {ref for one in self.sections for ref in one.refs if isinstance(ref, str)}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        symbols = {name: list(place) for name, place in self.symbols.items()}
        weak = {"weak": sorted(self.weak)} if self.weak else {}
        return {"sections": [s.as_list() for s in self.sections], "symbols": symbols, **weak}

    @classmethod
    def of_dict(cls, data: dict[str, Any]) -> Object:
        """The inverse of `as_dict`."""
        symbols = {name: (number, into) for name, (number, into) in data["symbols"].items()}
        sections = tuple(Section.of_list(one) for one in data["sections"])
        return cls(sections, symbols, frozenset(data.get("weak", ())))


@dataclass(frozen=True)
class Linked:
    """Bytes of the output sections, and the code alone, which is a part of text."""

    text: int
    data: int
    bss: int
    code: int


class _Kept(NamedTuple):
    """A section that stays: the object it is of, and its number there."""

    owner: int
    number: int


_Symbols = dict[str, tuple[_Kept, int]]
"""The section in which each symbol lies, and its place there."""


def link(
    files: Sequence[Object], entries: Iterable[str], libraries: Sequence[Sequence[Object]] = ()
) -> Linked:
    """Sizes of what the linker makes of `files`.

    Args:
        files: in the order of the command line.
        entries: the symbols that must stay.
        libraries: members of each, in their order; those are linked that define what is missing.
    """
    objects = [*files, *_members(files, libraries)]
    symbols = _defined(objects)
    kept = _reachable(objects, symbols, entries)

    def rank(one: _Kept) -> tuple[int, _Kept]:
        return objects[one.owner].sections[one.number].rank, one

    order = sorted(kept, key=rank)
    sections = [objects[one.owner].sections[one.number] for one in order]
    sizes = _merged(sections)
    calls = _short_calls(objects, symbols, order, sizes)
    return _laid_out(sections, sizes, calls)


def _members(files: Sequence[Object], libraries: Sequence[Sequence[Object]]) -> list[Object]:
    """Members of a group of libraries, in the order in which the linker comes by them."""
    taken: list[Object] = []
    waiting = [list(members) for members in libraries]
    defined: set[str] = set().union(*(one.symbols for one in files))
    missing = set().union(*(one.needs() for one in files)) - defined
    before = -1
    while len(taken) != before:
        before = len(taken)
        for members in waiting:
            # A library is gone through until nothing that it defines is missing.
            count = -1
            while len(taken) != count:
                count = len(taken)
                for one in list(members):
                    if missing & one.symbols.keys():
                        members.remove(one)
                        taken.append(one)
                        defined |= one.symbols.keys()
                        missing = (missing | one.needs()) - defined
    return taken


def _defined(objects: Sequence[Object]) -> _Symbols:
    """The first definition of each symbol that is not weak, else the first."""
    strong: _Symbols = {}
    weak: _Symbols = {}
    for owner, one in enumerate(objects):
        for name, (number, into) in one.symbols.items():
            found = weak if name in one.weak else strong
            found.setdefault(name, (_Kept(owner, number), into))
    return weak | strong


def _reachable(objects: Sequence[Object], symbols: _Symbols, entries: Iterable[str]) -> set[_Kept]:
    waiting = [symbols[name][0] for name in entries if name in symbols]
    waiting += [
        _Kept(owner, number)
        for owner, one in enumerate(objects)
        for number, section in enumerate(one.sections)
        if section.rank == 0
    ]
    kept: set[_Kept] = set()
    while waiting:
        one = waiting.pop()
        if one in kept:
            continue
        kept.add(one)
        for ref in objects[one.owner].sections[one.number].refs:
            found = _resolve(ref, one.owner, symbols)
            if found is not None:
                waiting.append(found[0])
    return kept


def _resolve(target: Target, owner: int, symbols: _Symbols) -> tuple[_Kept, int] | None:
    """The section and the place in it; None for what the linker script defines."""
    return (_Kept(owner, target), 0) if isinstance(target, int) else symbols.get(target)


def _merged(sections: Sequence[Section]) -> list[int]:
    """Sizes, with constants where they occur first, and no text that another one ends with."""
    seen: dict[tuple[str, int], set[str]] = {}
    for section in sections:
        if section.constants:
            seen.setdefault(_kind(section), set()).update(section.constants)
    for kind, texts in seen.items():
        texts -= _endings(texts, kind[1])
    sizes = []
    for section in sections:
        size = section.size
        if section.constants:
            size, left = 0, seen[_kind(section)]
            for constant in section.constants:
                if constant in left:
                    size = -(-size // section.align) * section.align + len(constant)
                    left.remove(constant)
        sizes.append(size)
    return sizes


def _kind(section: Section) -> tuple[str, int]:
    """Sections whose constants may become one: ".str1.4" and 4, say."""
    return ".".join(section.name.split(".")[-2:]), section.align


def _endings(texts: set[str], align: int) -> set[str]:
    """Those that are the end of another one, at a place where they may begin."""
    return {
        text
        for text in texts
        if text.endswith("\0")
        and any(
            other != text and other.endswith(text) and (len(other) - len(text)) % align == 0
            for other in texts
        )
    }


def _short_calls(
    objects: Sequence[Object],
    symbols: _Symbols,
    order: Sequence[_Kept],
    sizes: list[int],
) -> list[dict[int, int]]:
    """By section, the bytes that are left of the call at an offset."""
    sections = [objects[one.owner].sections[one.number] for one in order]
    text = [i for i, section in enumerate(sections) if _PLACES[section.rank] == "text"]
    margin = max((sections[i].align for i in text), default=1)
    old, end = {}, 0
    for i in text:
        old[i] = _up(end, sections[i].align)
        end = old[i] + sizes[i]
    at = {order[i]: i for i in text}
    new: dict[int, int] = {}
    left: list[dict[int, int]] = [{} for _ in sections]
    end = 0
    for i in text:
        for call in sections[i].calls:
            found = _resolve(call.target, order[i].owner, symbols)
            if found is None or found[0] not in at:
                continue
            j, into = at[found[0]], found[1] + call.into
            into -= _saved(left[j], into) if j < i else 0
            distance = new.get(j, old[j]) + into - (old[i] + call.offset)
            far = distance + (-margin if distance < 0 else margin)
            if -_SHORT_REACH <= far < _SHORT_REACH:
                left[i][call.offset] = _SHORT
            elif -_JUMP_REACH <= far < _JUMP_REACH:
                left[i][call.offset] = _JUMP
        new[i] = _up(end, sections[i].align)
        end = new[i] + sizes[i] - _saved(left[i], sizes[i])
    return left


def _saved(left: dict[int, int], before: int) -> int:
    """Bytes that are taken out of the calls that stand before an offset."""
    return sum(_CALL - size for offset, size in left.items() if offset < before)


def _laid_out(
    sections: Sequence[Section], sizes: Sequence[int], calls: Sequence[dict[int, int]]
) -> Linked:
    """Ends of the output sections, each of whose parts lies at its alignment."""
    ends: dict[Place, int] = {"text": 0, "data": 0, "bss": 0}
    code = 0
    for section, size, left in zip(sections, sizes, calls, strict=True):
        if not size:
            continue
        place = _PLACES[section.rank]
        start = _up(ends[place], section.align)
        end = start
        done = 0
        for offset, count in section.fills:
            end += offset - _saved(left, offset) - (done - _saved(left, done))
            end, done = _up(end, 4), offset + count
        end += size - _saved(left, size) - (done - _saved(left, done))
        if section.rank <= 1:
            code += end - ends[place]
        ends[place] = end
    return Linked(_up(ends["text"], 4), _up(ends["data"], 8), _up(ends["bss"], 4), code)


def _up(value: int, align: int) -> int:
    return -(-value // align) * align
