# SPDX-License-Identifier: Apache-2.0
"""Measure the code of a firmware, section by section, so that its size is known before a build.

    python benchmarks/code_sizes.py            writes tinykit/codegen/code_sizes.json
    python benchmarks/code_sizes.py --check    compares with it; exit status 1 where it is stale

Compiles all C of the firmware as PlatformIO would, for every kind of core among the boards, and
keeps of the objects what the linker goes by: sections with their bytes and alignment, what they
refer to, and on RISC-V the calls that it may shorten. Members of the C library and of libgcc that a
link of all of it pulls in are read likewise. `tinykit.codegen.linker` does the rest.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tinykit.boards import Board, list_boards, manifest, project_files
from tinykit.boards.project import BAUD
from tinykit.codegen.apps import SELF_TEST, App
from tinykit.codegen.bit_stream import BitStream
from tinykit.codegen.code_sizes import TABLE, TYPES, flags_key
from tinykit.codegen.isa import Isa, isa_of
from tinykit.codegen.linker import Call, Object, Section, Target
from tinykit.codegen.mlperf import ENERGY_BAUD, TASKS, Mlperf
from tinykit.codegen.plan import lay_out
from tinykit.codegen.render import render_model
from tinykit.codegen.sources import source_closure
from tinykit.codegen.stream import BUSES, ImuStream
from tinykit.codegen.vectors import Vectors
from tinykit.files import write_atomic
from tinykit.frontends import Analog, Frontend, Imu, LogMel, Mfcc
from tinykit.frontends.render import render_frontend
from tinykit.network import Network
from tinykit.network.sample import Builder, adaptive_cnn, har_cnn
from tinykit.resources import resource_dir
from tinykit.sensors import SENSORS

# As boards/platform/builder/main.py builds, as far as the code depends on it.
FLAGS = ("-O2", "-ffunction-sections", "-fdata-sections", "-fno-common")
WIDE = "-DTK_WIDE_ACCUMULATORS"
PREFIXES = {"arm": "arm-none-eabi-", "riscv": "riscv64-unknown-elf-"}
# Folders of kernels that only cores with a feature of that name can compile.
FEATURES = frozenset({"dsp", "mve"})
# Of the psABI: a call, a filling, and the permission to shorten what stands at the same place.
_RISCV_CALLS = frozenset({18, 19})
_RISCV_ALIGN = 43
_RISCV_RELAX = 51
# What the linker scripts throw away.
_DISCARDED = (".ARM.ex", ".eh_frame", ".init", ".fini")


@dataclass(frozen=True)
class Core:
    """Boards with the same flags.

    Attributes:
        prefix: of the compiler's name.
        cflags: of the boards.
        features: of the boards.
        isa: that kernels are chosen for.
        boards: all of them.
    """

    prefix: str
    cflags: tuple[str, ...]
    features: frozenset[str]
    isa: Isa
    boards: tuple[Board, ...]

    @property
    def key(self) -> str:
        """In the table."""
        return flags_key(self.cflags)

    def specs(self) -> list[str]:
        """The option for the smallest C library that the compiler has."""
        for name in ("nano.specs", "picolibc.specs"):
            found = _output([f"{self.prefix}gcc", f"-print-file-name={name}"]).strip()
            if Path(found).is_absolute():
                return [f"--specs={name}"]
        return []


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def cores() -> list[Core]:
    """Those of tinykit's boards, in the order of their keys."""
    grouped: dict[tuple[str, ...], list[Board]] = {}
    own = resource_dir("boards")
    for board in list_boards():
        if board.arch != "host" and board.directory.parent == own:
            grouped.setdefault(board.cflags, []).append(board)
    found = []
    for cflags, boards in grouped.items():
        first, *others = boards
        if any((b.features, b.arch) != (first.features, first.arch) for b in others):
            sys.exit(f"boards with {' '.join(cflags)} differ in their features")
        prefix, isa = PREFIXES[first.arch], isa_of(first)
        found.append(Core(prefix, cflags, first.features, isa, tuple(boards)))
    return sorted(found, key=lambda core: core.key)


class _Reader:
    """A relocatable ELF file, as an Object."""

    def __init__(self, content: bytes) -> None:
        elf = ELFFile(BytesIO(content))
        self._sections = list(elf.iter_sections())
        table = elf.get_section_by_name(".symtab")
        self._symbols = [] if table is None else list(table.iter_symbols())
        self._riscv = elf["e_machine"] == "EM_RISCV"
        kept = [index for index, section in enumerate(self._sections) if _is_linked(section)]
        self._numbers = {index: number for number, index in enumerate(kept)}

    def object(self) -> Object:
        """Its sections that take memory, and what they define."""
        sections = tuple(self._section(index) for index in self._numbers)
        symbols = {
            symbol.name: (self._numbers[symbol["st_shndx"]], self._into(symbol))
            for symbol in self._symbols
            if symbol["st_info"]["bind"] != "STB_LOCAL" and symbol["st_shndx"] in self._numbers
        }
        weak = {one.name for one in self._symbols if one["st_info"]["bind"] == "STB_WEAK"}
        return Object(sections, dict(sorted(symbols.items())), frozenset(weak & symbols.keys()))

    def _into(self, symbol: Any) -> int:
        """Where a symbol lies in its section; bit 0 of Thumb functions says what they are."""
        thumb = not self._riscv and symbol["st_info"]["type"] == "STT_FUNC"
        return int(symbol["st_value"] & ~1 if thumb else symbol["st_value"])

    def _section(self, index: int) -> Section:
        section = self._sections[index]
        kinds: dict[int, dict[int, Any]] = {}
        for one in self._relocations(index):
            kinds.setdefault(one["r_offset"], {})[one["r_info_type"]] = one
        return Section(
            name=section.name,
            size=section["sh_size"],
            align=max(section["sh_addralign"], 1),
            refs=self._references(index),
            calls=tuple(self._calls(kinds)) if self._riscv else (),
            fills=tuple(self._fills(kinds)) if self._riscv else (),
            constants=tuple(_constants(section)),
        )

    def _relocations(self, index: int) -> Iterator[Any]:
        for section in self._sections:
            if section["sh_type"] in ("SHT_REL", "SHT_RELA") and section["sh_info"] == index:
                yield from section.iter_relocations()

    def _target(self, relocation: Any) -> Target | None:
        symbol = self._symbols[relocation["r_info_sym"]]
        at = symbol["st_shndx"]
        return self._numbers.get(at) if isinstance(at, int) else symbol.name or None

    def _references(self, index: int) -> tuple[Target, ...]:
        found = {self._target(one) for one in self._relocations(index)}
        own = self._numbers[index]
        return tuple(sorted((one for one in found if one not in (None, own)), key=str))

    def _calls(self, kinds: Mapping[int, Mapping[int, Any]]) -> Iterator[Call]:
        for offset, found in sorted(kinds.items()):
            call = next((one for kind, one in found.items() if kind in _RISCV_CALLS), None)
            if call is None or _RISCV_RELAX not in found:
                continue
            target = self._target(call)
            if target is not None:
                symbol = self._symbols[call["r_info_sym"]]
                inside = symbol["st_value"] if isinstance(target, int) else 0
                yield Call(offset, target, inside + call["r_addend"])

    def _fills(self, kinds: Mapping[int, Mapping[int, Any]]) -> Iterator[tuple[int, int]]:
        for offset, found in sorted(kinds.items()):
            if _RISCV_ALIGN in found:
                count = found[_RISCV_ALIGN]["r_addend"]
                if count != 2:
                    sys.exit(f"a filling of {count} bytes, where the linker model knows 2")
                yield offset, count


def _is_linked(section: Any) -> bool:
    """Whether the linker scripts keep it, if anything refers to it."""
    return bool(
        section["sh_flags"] & SH_FLAGS.SHF_ALLOC
        and section["sh_size"]
        and not section.name.startswith(_DISCARDED)
    )


def _constants(section: Any) -> Iterator[str]:
    """The parts of a section that the linker may make one with others."""
    flags = section["sh_flags"]
    if not flags & SH_FLAGS.SHF_MERGE:
        return
    data, size = section.data().decode("latin-1"), section["sh_entsize"]
    if not flags & SH_FLAGS.SHF_STRINGS:
        yield from (data[at : at + size] for at in range(0, len(data), size))
        return
    at, align = 0, section["sh_addralign"]
    while at < len(data):
        end = data.index("\0", at) + 1
        yield data[at:end]
        at = -(-end // align) * align


class Compiler:
    """Compiles a folder of C for one core, as PlatformIO would."""

    def __init__(self, core: Core, folder: Path) -> None:
        self._core, self._folder = core, folder
        self._specs = core.specs()

    def compiled(self, name: str, *flags: str) -> Path:
        """The object of a file below `src`."""
        target = self._folder / "obj" / "".join([name.replace("/", "-"), *flags, ".o"])
        target.parent.mkdir(exist_ok=True)
        source = self._folder / "src" / name
        language = ["-std=c11"] if name.endswith(".c") else ["-x", "assembler-with-cpp"]
        includes = [f"-I{self._folder / 'include'}", f"-I{source.parent}"]
        command = [f"{self._core.prefix}gcc", *FLAGS, *self._specs, *self._core.cflags, *language]
        _output([*command, *includes, *flags, "-c", str(source), "-o", str(target)])
        return target

    def version(self) -> str:
        """Of the compiler."""
        return _output([f"{self._core.prefix}gcc", "--version"]).splitlines()[0]

    def library(self, symbols: Iterable[str]) -> list[list[bytes]]:
        """Members of the libraries that firmware may need, by library, in the linker's order.

        Args:
            symbols: that libraries are to define, each alone or together with others.
        """
        wanted = sorted(symbols)
        found = [one for names in (wanted, *([name] for name in wanted)) for one in self._of(names)]
        return [
            [
                self._member(archive, name)
                for name in _output([f"{self._core.prefix}ar", "t", archive]).split()
                if (archive, name) in found
            ]
            for archive in dict.fromkeys(archive for archive, _ in found)
        ]

    def _of(self, symbols: list[str]) -> list[tuple[str, str]]:
        """Archives and members that a link of `symbols` takes, in its order."""
        # Without extension suffixes, as in boards/platform/builder/main.py.
        cflags = [re.sub("_z.*", "", flag) for flag in self._core.cflags]
        command = [f"{self._core.prefix}gcc", *cflags, *self._specs, "-nostartfiles"]
        command += [f"-Wl,{option}" for option in _LINK_LIBRARY]
        command += [f"-Wl,-u,{name}" for name in symbols]
        listed = _output([*command, "-o", str(self._folder / "linked")])
        return re.findall(r"^\(?([^()\n]*\.a)[()]+([^()\n]+)\)?$", listed, re.MULTILINE)

    def _member(self, archive: str, name: str) -> bytes:
        command = [f"{self._core.prefix}ar", "p", archive, name]
        return subprocess.run(command, capture_output=True, check=True).stdout


class Survey:
    """All that the table says of one core."""

    def __init__(self, core: Core, folder: Path) -> None:
        self._core, self._folder = core, folder
        self._compiler = Compiler(core, folder)
        self._seen: list[Object] = []

    def entry(self) -> dict[str, Any]:
        """For JSON."""
        sources = _firmware_sources(self._core)
        headers = (resource_dir("firmware") / "include" / "tinykit").glob("*.h")
        self._write("include/tinykit", {path.name: path.read_bytes() for path in headers})
        self._write("", source_closure(sources))
        objects = {name: self._read(name) for name in sources}
        wide = {name: self._read(name, WIDE) for name in sources if _mentions_wide(name)}
        return {
            "isa": self._core.isa,
            "compiler": self._compiler.version(),
            "objects": _as_dicts(objects),
            "wide": _as_dicts({k: one for k, one in wide.items() if one != objects[k]}),
            "ports": {board.id: self._port(board) for board in self._core.boards},
            "frontends": {one.kind: self._frontend(one).as_dict() for one in _FRONTENDS},
            "mains": {name: self._main(i, *of).as_dict() for i, (name, of) in enumerate(_mains())},
            **self._types(),
            "library": [
                [_Reader(member).object().as_dict() for member in members]
                for members in self._compiler.library(self._unresolved())
            ],
        }

    def _write(self, place: str, files: Mapping[str, bytes | str]) -> None:
        for name, content in files.items():
            path = self._folder / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def _read(self, name: str, *flags: str) -> Object:
        found = _Reader(self._compiler.compiled(name, *flags).read_bytes()).object()
        self._seen.append(found)
        return found

    def _unresolved(self) -> set[str]:
        """What objects refer to and none defines."""
        refs = {ref for one in self._seen for section in one.sections for ref in section.refs}
        return {ref for ref in refs if isinstance(ref, str)}.difference(
            *(one.symbols for one in self._seen)
        )

    def _port(self, board: Board) -> dict[str, Any]:
        files = project_files(board)
        place = f"board-{board.id}"
        names = [Path(name).name for name in files if name.startswith("src/port/")]
        self._write(f"src/{place}", {name: files[f"src/port/{name}"] for name in names})
        self._write("", {name: text for name, text in files.items() if name.startswith("include/")})
        sources = sorted(name for name in names if not name.endswith(".h"))
        usual, *others = (self._port_objects(board, sources, baud) for baud in _BAUDS)
        differing = {
            str(baud): {name: one for name, one in found.items() if one != usual[name]}
            for baud, found in zip(_BAUDS[1:], others, strict=True)
        }
        return {
            "port": board.port,
            "objects": _as_dicts(usual),
            "bauds": {baud: _as_dicts(found) for baud, found in differing.items() if found},
        }

    def _port_objects(self, board: Board, sources: list[str], baud: int) -> dict[str, Object]:
        defines = manifest(board, baud=baud)["build"]["defines"]
        flags = [f"-D{name}={value}" for name, value in defines.items()]
        return {f"port/{name}": self._read(f"board-{board.id}/{name}", *flags) for name in sources}

    def _frontend(self, frontend: Frontend) -> Object:
        place = f"frontend-{frontend.kind}"
        self._write(f"src/{place}", render_frontend(frontend))
        return self._read(f"{place}/frontend.c")

    def _main(self, number: int, app: App, network: Network, vectors: Vectors) -> Object:
        layout = lay_out(network, self._core.isa)
        files = render_model(network, layout.layers, layout.plan, self._core.isa)
        files |= app.files(network, self._core.boards[0], vectors)
        frontend = app.frontend(network)
        files |= {} if frontend is None else render_frontend(frontend)
        self._write(f"src/main-{number}", files)
        return self._read(f"main-{number}/main.c")

    def _types(self) -> dict[str, Any]:
        """Size and alignment of constants of each type, and alignment of arrays by their bytes."""
        headers = _struct_headers()
        lines = [f'#include "tinykit/{name}"' for name in sorted(headers)]
        types = sorted({one for found in headers.values() for one in found})
        lines += [f"const {one} of_{one} = {{0}};" for one in types]
        lines += [f"const unsigned char array_{size}[{size}] = {{1}};" for size in _ARRAYS]
        self._write("src", {"types.c": "\n".join(lines) + "\n"})
        found = _Reader(self._compiler.compiled("types.c").read_bytes()).object()
        of = {name: found.sections[number] for name, (number, _) in found.symbols.items()}
        return {
            "types": {one: [of[f"of_{one}"].size, of[f"of_{one}"].align] for one in types},
            "arrays": [[size, of[f"array_{size}"].align] for size in _ARRAYS],
        }


# Twice, for the members of libraries too.
_LINK_LIBRARY = ("--trace", "--trace", "--unresolved-symbols=ignore-all", "-e,0")
_FRONTENDS: tuple[Frontend, ...] = (Mfcc(), LogMel(), Imu(), Analog())
_BAUDS = (BAUD, *sorted({ENERGY_BAUD, *(task.baud for task in TASKS.values())} - {BAUD}))
# Compilers align arrays more that vectors fit in.
_ARRAYS = (1, 2, 4, 8, 12, 16, 32, 64, 256)


def _as_dicts(objects: Mapping[str, Object]) -> dict[str, Any]:
    return {name: one.as_dict() for name, one in objects.items()}


def _firmware_sources(core: Core) -> list[str]:
    """C files below firmware/src that the core can run."""
    root = resource_dir("firmware") / "src"
    found = (path.relative_to(root) for path in root.rglob("*.c"))
    lacking = FEATURES - core.features
    return sorted(path.as_posix() for path in found if not lacking & set(path.parts))


def _mentions_wide(source: str) -> bool:
    """Whether a file or what it includes depends on the width of accumulators."""
    return any(WIDE[2:].encode() in text for text in source_closure([source]).values())


def _struct_headers() -> dict[str, list[str]]:
    """The headers that define structs of constants, and their names."""
    folder = resource_dir("firmware") / "include" / "tinykit"
    found = {}
    for path in sorted(folder.glob("*.h")):
        text = path.read_text()
        names = re.findall(r"^\} (tk_\w+);", text, re.MULTILINE)
        names += re.findall(r"^struct (tk_\w+) \{", text, re.MULTILINE)
        found[path.name] = [name for name in names if name.endswith("_params") or name in TYPES]
    return {name: types for name, types in found.items() if types}


def _mains() -> Iterator[tuple[str, tuple[App, Network, Vectors]]]:
    """All that main.c can be, by its name in the table."""
    network = Builder(np.random.default_rng(0), (60,), name="one").dense(60, relu=False).build()
    adaptive = adaptive_cnn(widths=(2, 2), steps=128, modes=0)
    listening = (_listening(one, Imu()) for one in (har_cnn(widths=(2,)), adaptive))
    for one in (network, adaptive, *listening):
        for count, clips in ((0, 0), (1, 0), (0, 1), (1, 1)):
            if one.frontend is not None or not clips:
                vectors = _vectors(one, count, clips)
                yield SELF_TEST.main_variant(one, vectors), (SELF_TEST, one, vectors)
    for bus in BUSES:
        for heard in (_listening(one, Imu()) for one in (har_cnn(widths=(2,)), adaptive)):
            streaming, none = ImuStream(SENSORS["lsm6dso"], 1, 1, bus), _vectors(heard, 0, 0)
            yield streaming.main_variant(heard, none), (streaming, heard, none)
    source = Builder(np.random.default_rng(0), Analog().output_shape, name="bits")
    bits = _listening(source.conv(2, (3, 3)).mean().build(), Analog())
    sleeping = BitStream(1, 1, 1, 0)
    yield sleeping.main_variant(bits, none), (sleeping, bits, none)
    for task in TASKS.values():
        app, none = Mlperf(task), _vectors(network, 0, 0)
        yield app.main_variant(network, none), (app, network, none)


def _listening(network: Network, frontend: Frontend) -> Network:
    """`network` behind a front end whose features it takes."""
    scale, zero_point = frontend.scale, frontend.zero_point
    tensors = tuple(
        replace(one, scale=scale, zero_point=zero_point) if one.name == network.input else one
        for one in network.tensors
    )
    return replace(network, tensors=tensors, frontend=frontend.to_config())


def _vectors(network: Network, count: int, clips: int) -> Vectors:
    """Vectors of nothing, to render main.c with."""
    shape = network.tensor(network.input).shape
    classes = network.tensor(network.output).shape[-1]
    return Vectors(
        features=np.zeros((count, *shape), np.int8),
        scores=np.zeros((count, classes), np.int8),
        layer_crcs={},
        clips=np.zeros((clips, 16000 if clips else 0), np.int16),
        clip_feature_crcs=(0,) * clips,
        clip_scores=np.zeros((clips, classes), np.int8),
    )


def _dump(table: Mapping[str, Any]) -> str:
    """JSON with one line a section, so that a change is seen for what it is."""
    return _lines(table, "") + "\n"


def _lines(value: Any, indent: str) -> str:
    """A value with its members a line each, down to lists of no lists."""
    inner = f"{indent} "
    if isinstance(value, dict) and value:
        members = [f"{json.dumps(key)}: {_lines(value[key], inner)}" for key in sorted(value)]
        opening, closing = "{", "}"
    elif isinstance(value, list) and value and all(isinstance(one, list) for one in value):
        members = [json.dumps(one, separators=(",", ":")) for one in value]
        opening, closing = "[", "]"
    elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        members = [_lines(one, inner) for one in value]
        opening, closing = "[", "]"
    else:
        return json.dumps(value)
    return opening + ",".join(f"\n{inner}{one}" for one in members) + f"\n{indent}{closing}"


def _surveyed(core: Core) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        entry = Survey(core, Path(folder)).entry()
    print(core.key, file=sys.stderr, flush=True)
    return entry


def main() -> int:
    """Write or check the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--only", default="", help="cores whose flags hold this text")
    options = parser.parse_args()
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    chosen = [core for core in cores() if options.only in core.key]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip((core.key for core in chosen), pool.map(_surveyed, chosen), strict=True))
    if options.check:
        return _report({key: table.get(key, {}) for key in found}, found)
    kept = table if options.only else {}
    write_atomic(TABLE, _dump({**kept, **found}))
    return 0


def _report(old: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    """Say what differs."""
    lines = list(difflib.unified_diff(_dump(old).split("\n"), _dump(new).split("\n"), n=0))
    if not lines:
        return 0
    print("\n".join(lines[:40]))
    print(f"{TABLE.name} is stale. Run: python benchmarks/code_sizes.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
