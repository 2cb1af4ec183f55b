# SPDX-License-Identifier: Apache-2.0
"""What the code of a firmware takes, from a table that benchmarks/code_sizes.py measured.

The table has, for every kind of core among the boards, the objects of all C as far as the linker
goes by them. Generated C is data but for two files whose code is always the same: of these the
table has the objects too, and the sizes of their data are put in. So a firmware can be linked in
all but the bytes, and its size is exact for the compiler that the table names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from tinykit.boards import Board
from tinykit.codegen.datum import Datum
from tinykit.codegen.isa import isa_of
from tinykit.codegen.linker import Linked, Object, Section, Target, link

TABLE = Path(__file__).with_name("code_sizes.json")
# Structs besides those called tk_..._params that generated C defines.
TYPES = frozenset(
    {
        *("tk_affine_column", "tk_fft_bin", "tk_exit", "tk_exits"),
        *("tk_analog_filter", "tk_analog_channel"),
        *("tk_layer", "tk_network", "tk_stream_format", "tk_bits_format", "tk_vectors"),
    }
)
# Where the linker starts, besides vectors.
_ENTRIES = ("tk_reset", "_start")
_SCALARS = {
    **{"char": 1, "int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2},
    **{"int32_t": 4, "uint32_t": 4, "float": 4, "void *": 4},
}
# Objects and constants of generated C of their own, by the file that defines them.
_ROOTS = {
    **{"model.c": "tk_model", "vectors.c": "tk_self_test"},
    **{"stream.c": "tk_stream", "bits.c": "tk_bits"},
}
_ALONE = frozenset({"tk_model_layer_names", "tk_model_class_names"})
# What other files name besides.
_SEEN = frozenset({"tk_model_exits"})


@dataclass(frozen=True)
class Firmware:
    """What a project consists of.

    Attributes:
        sources: hand-written C, by paths below firmware/src.
        main: which main.c, as the table calls it.
        frontend: the kind of frontend.c, or "" for none.
        data: what generated files define, by their names; of main.c and frontend.c what depends on
            the network.
        functions: that model.c names.
        wide: it is built with TK_WIDE_ACCUMULATORS.
        baud: of the serial line.
    """

    sources: frozenset[str]
    main: str
    frontend: str
    data: Mapping[str, Sequence[Datum]]
    functions: frozenset[str]
    wide: bool
    baud: int


@dataclass(frozen=True)
class Result:
    """A firmware in memory.

    Attributes:
        linked: bytes of the output sections.
        data: bytes of what generated files define, by file and name.
        exact: the table was measured for this very board.
    """

    linked: Linked
    data: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    exact: bool = True


def flags_key(cflags: Iterable[str]) -> str:
    """The name of a kind of core in the table."""
    return " ".join(cflags)


def link_for(board: Board, firmware: Firmware) -> Result:
    """What the linker makes of `firmware` for `board`.

    A core or a port that the table lacks is taken for the largest that it has.

    Raises:
        KeyError: the table is older than a file of the firmware.
    """
    exact, cores = _cores(board)
    known, ports = _ports(board, cores)
    found = []
    for core, port in ports:
        data = {
            name: {one.name: core.datum_bytes(one) for one in data}
            for name, data in firmware.data.items()
        }
        objects = core.objects(firmware, port)
        files = [objects[path] for path in sorted(objects)]
        linked = link(files, _ENTRIES, core.libraries())
        found.append(Result(linked, data, exact and known))
    return max(found, key=lambda one: (one.linked.text + one.linked.data, one.linked.bss))


@cache
def _table() -> Mapping[str, Any]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def compilers() -> dict[str, str]:
    """By kind of core, the compiler that the sizes are exact for."""
    return {key: entry["compiler"] for key, entry in _table().items()}


def _cores(board: Board) -> tuple[bool, list[_Core]]:
    """The entry of the board's flags, else all for which the same kernels are chosen."""
    isa, exact = isa_of(board), _table().get(flags_key(board.cflags))
    if exact is not None and exact["isa"] == isa:
        return True, [_core(flags_key(board.cflags))]
    return False, [_core(key) for key, entry in _table().items() if entry["isa"] == isa]


def _ports(board: Board, cores: Sequence[_Core]) -> tuple[bool, list[tuple[_Core, str]]]:
    """The objects of a board's chip: its own, else those of its port, else all."""
    every = [(core, name, port["port"]) for core in cores for name, port in core.ports()]
    for known, wanted in ((True, board.id), (False, None)):
        found = [
            (core, name)
            for core, name, port in every
            if port == board.port and wanted in (name, None)
        ]
        if found:
            return known, found
    return False, [(core, name) for core, name, _ in every]


class _Core:
    """An entry of the table."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self._entry = entry
        self._read: dict[tuple[str, ...], Object] = {}

    def ports(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Boards and their ports."""
        yield from self._entry["ports"].items()

    def libraries(self) -> list[list[Object]]:
        """Members of libraries, by library."""
        return [
            [self._of("library", i, j) for j in range(len(members))]
            for i, members in enumerate(self._entry["library"])
        ]

    def _of(self, *path: str | int) -> Object:
        key = tuple(map(str, path))
        if key not in self._read:
            found: Any = self._entry
            for part in path:
                if isinstance(part, str) and part not in found:
                    raise KeyError(
                        f"{TABLE.name} lacks {part}: run python benchmarks/code_sizes.py"
                    )
                found = found[part]
            self._read[key] = Object.of_dict(found)
        return self._read[key]

    def objects(self, firmware: Firmware, board: str) -> dict[str, Object]:
        """By the paths of the files, which the linker takes in their order."""
        wide = self._entry["wide"] if firmware.wide else {}
        found = {
            name: self._of("wide" if name in wide else "objects", name)
            for name in firmware.sources
            if name.endswith(".c")
        }
        port, baud = self._entry["ports"][board], str(firmware.baud)
        for name in port["objects"]:
            other = name in port["bauds"].get(baud, {})
            path = ("bauds", baud) if other else ("objects",)
            found[name] = self._of("ports", board, *path, name)
        found["main.c"] = self._filled(self._of("mains", firmware.main), firmware.data["main.c"])
        if firmware.frontend:
            measured = self._of("frontends", firmware.frontend)
            found["frontend.c"] = self._filled(measured, firmware.data["frontend.c"])
        for name, root in _ROOTS.items():
            if name in firmware.data:
                functions = firmware.functions if name == "model.c" else frozenset()
                found[name] = self._generated(firmware.data[name], root, functions)
        return found

    def datum_bytes(self, datum: Datum) -> int:
        """Its size."""
        size = _SCALARS.get(datum.type) or self._type(datum.type)[0]
        return int(size * (1 if datum.count is None else datum.count))

    def _type(self, name: str) -> list[int]:
        """Size and alignment of a struct."""
        types = self._entry["types"]
        if name not in types:
            raise KeyError(f"{TABLE.name} lacks {name}: run python benchmarks/code_sizes.py")
        return list(types[name])

    def _section(self, datum: Datum) -> Section:
        size = self.datum_bytes(datum)
        if datum.type in _SCALARS:
            align = max(align for least, align in self._entry["arrays"] if least <= size)
        else:
            align = self._type(datum.type)[1]
        kind = ".bss" if datum.zero else ".rodata"
        return Section(f"{kind}.{datum.name}", size, max(align, datum.align))

    def _filled(self, measured: Object, data: Sequence[Datum]) -> Object:
        """An object with the sizes of its data exchanged."""
        sections = list(measured.sections)
        numbers = {one.name.split(".", 2)[-1]: i for i, one in enumerate(sections)}
        for datum in data:
            new, old = self._section(datum), sections[numbers[datum.name]]
            align = new.align if datum.type in _SCALARS else old.align
            sections[numbers[datum.name]] = replace(old, size=new.size, align=align)
        return replace(measured, sections=tuple(sections))

    def _generated(self, data: Sequence[Datum], root: str, functions: frozenset[str]) -> Object:
        """A file of data, which the compiler emits last first; all hangs on `root`."""
        ordered = list(reversed(data))
        numbers = {datum.name: i for i, datum in enumerate(ordered)}
        others = (i for name, i in numbers.items() if name != root and name not in _ALONE)
        refs: dict[str, tuple[Target, ...]] = {root: (*others, *sorted(functions))}
        sections = tuple(
            replace(self._section(datum), refs=refs.get(datum.name, ())) for datum in ordered
        )
        symbols = {name: (i, 0) for name, i in numbers.items() if name in (root, *_ALONE, *_SEEN)}
        return Object(sections, symbols)


@cache
def _core(key: str) -> _Core:
    return _Core(_table()[key])
