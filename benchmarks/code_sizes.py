# SPDX-License-Identifier: Apache-2.0
"""Measure the code of a firmware, function by function, for the estimate before a build.

    python benchmarks/code_sizes.py            writes tinykit/codegen/code_sizes.json
    python benchmarks/code_sizes.py --check    compares with it; exit status 1 where it is stale

Compiles all C of the firmware with the flags of every kind of core among the boards, and reads from
the objects what each function and each constant takes and what it refers to. Members of the C
library and of libgcc that a link of all of it pulls in are read likewise.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tinykit.boards import Board, list_boards, manifest, project_files
from tinykit.codegen.apps import main_group, selftest_context
from tinykit.codegen.code_sizes import TABLE, flags_key
from tinykit.codegen.isa import Isa, isa_of
from tinykit.codegen.mlperf import TASKS, Mlperf, mlperf_group, render_main
from tinykit.codegen.plan import lay_out
from tinykit.codegen.render import render_model
from tinykit.codegen.sources import source_closure
from tinykit.codegen.vectors import Vectors
from tinykit.files import write_atomic
from tinykit.frontends import Frontend, Imu, LogMel, Mfcc
from tinykit.frontends.render import render_frontend
from tinykit.network import Network
from tinykit.network.sample import Builder, ds_cnn, har_cnn, mobilenet, resnet8
from tinykit.resources import resource_dir
from tinykit.templating import render_template

# As boards/platform/builder/main.py builds, as far as the code depends on it.
FLAGS = ("-O2", "-ffunction-sections", "-fdata-sections", "-fno-common")
WIDE = "-DTK_WIDE_ACCUMULATORS"
PREFIXES = {"arm": "arm-none-eabi-", "riscv": "riscv64-unknown-elf-"}
# Folders of kernels that only cores with a feature of that name can compile.
FEATURES = frozenset({"dsp", "mve"})
# Of the psABI: a call, and the permission to shorten it. The linker makes one instruction of two.
_RISCV_CALLS = frozenset({18, 19})
_RISCV_RELAX = 51
_SHORTER_CALL = 4
# What the linker scripts throw away.
_DISCARDED = (".ARM.ex", ".eh_frame", ".init", ".fini")

Nodes = dict[str, list[Any]]
"""By name: bytes of flash, bytes of RAM, and the names that it refers to."""


@dataclass(frozen=True)
class Core:
    """Boards with the same flags.

    Attributes:
        prefix: of the compiler's name.
        cflags: of the boards.
        features: of the boards.
        isa: that kernels are chosen for.
        boards: one for each port.
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
    grouped: dict[tuple[str, ...], dict[str, Board]] = {}
    own = resource_dir("boards")
    for board in list_boards():
        if board.arch != "host" and board.directory.parent == own:
            grouped.setdefault(board.cflags, {}).setdefault(board.port, board)
    found = []
    for cflags, ports in grouped.items():
        first, *others = ports.values()
        if any((b.features, b.arch) != (first.features, first.arch) for b in others):
            sys.exit(f"boards with {' '.join(cflags)} differ in their features")
        found.append(
            Core(PREFIXES[first.arch], cflags, first.features, isa_of(first), tuple(ports.values()))
        )
    return sorted(found, key=lambda core: core.key)


class Object:
    """A relocatable ELF file, as nodes.

    Attributes:
        nodes: by name; static ones and constants are named after the file.
        names: the node of each global symbol.
    """

    def __init__(self, content: bytes, label: str, without: tuple[str, ...] = ()) -> None:
        elf = ELFFile(BytesIO(content))
        self._sections = list(elf.iter_sections())
        table = elf.get_section_by_name(".symtab")
        self._symbols = [] if table is None else list(table.iter_symbols())
        self._riscv = elf["e_machine"] == "EM_RISCV"
        self._label, self._without = label, (*_DISCARDED, *without)
        self.names: dict[str, str] = {}
        self._keys = self._named()
        self.nodes: Nodes = {
            key: [*self._bytes(index), *self._references(index)]
            for index, key in self._keys.items()
        }

    def _named(self) -> dict[int, str]:
        """A name for each section that a firmware may hold."""
        globals_: dict[int, list[str]] = {}
        for symbol in self._symbols:
            at = symbol["st_shndx"]
            if isinstance(at, int) and symbol["st_info"]["bind"] != "STB_LOCAL":
                globals_.setdefault(at, []).append(symbol.name)
        keys = {}
        for index, section in enumerate(self._sections):
            kept = section["sh_flags"] & SH_FLAGS.SHF_ALLOC
            if not kept or section.name.startswith(self._without):
                continue
            names = sorted(globals_.get(index, []))
            if not names and not section["sh_size"]:
                continue
            keys[index] = self._key(section.name, names)
            self.names |= dict.fromkeys(names, keys[index])
        return keys

    def _key(self, section: str, names: list[str]) -> str:
        if section == ".vectors":
            return section
        own = section.split(".", 2)[-1]
        if own in names:
            return own
        return names[0] if names else f"{self._label}:{section}"

    def _bytes(self, index: int) -> tuple[int, int]:
        """Flash and RAM, with the most that alignment can add."""
        section = self._sections[index]
        size = section["sh_size"] - self._shortened(index)
        size = -(-size // 4) * 4 + max(section["sh_addralign"] - 4, 0)
        flags = section["sh_flags"]
        written = bool(flags & SH_FLAGS.SHF_WRITE)
        zero = section["sh_type"] == "SHT_NOBITS"
        return (0 if zero else size, size if written else 0)

    def _relocations(self, index: int) -> Iterator[Any]:
        for section in self._sections:
            if section["sh_type"] in ("SHT_REL", "SHT_RELA") and section["sh_info"] == index:
                yield from section.iter_relocations()

    def _shortened(self, index: int) -> int:
        """Bytes that the linker takes out of the calls of a section."""
        if not self._riscv:
            return 0
        kinds: dict[int, set[int]] = {}
        for one in self._relocations(index):
            kinds.setdefault(one["r_offset"], set()).add(one["r_info_type"])
        calls = [k for k in kinds.values() if k & _RISCV_CALLS and _RISCV_RELAX in k]
        return _SHORTER_CALL * len(calls)

    def _references(self, index: int) -> list[str]:
        found = set()
        for one in self._relocations(index):
            symbol = self._symbols[one["r_info_sym"]]
            at = symbol["st_shndx"]
            found.add(self._keys.get(at, "") if isinstance(at, int) else symbol.name)
        return sorted(found - {"", self._keys[index]})


class Compiler:
    """Compiles a folder of C for one core, as PlatformIO would."""

    def __init__(self, core: Core, folder: Path) -> None:
        self._core, self._folder = core, folder
        self._specs = core.specs()

    def objects(self, sources: Iterable[str], *flags: str) -> dict[str, Path]:
        """Objects of files below `src`, by their name there."""
        return {name: self._one(name, flags) for name in sorted(sources)}

    def _one(self, name: str, flags: tuple[str, ...]) -> Path:
        target = self._folder / "obj" / "".join([name.replace("/", "-"), *flags, ".o"])
        target.parent.mkdir(exist_ok=True)
        source = self._folder / "src" / name
        language = ["-std=c11"] if name.endswith(".c") else ["-x", "assembler-with-cpp"]
        includes = [f"-I{self._folder / 'include'}", f"-I{source.parent}"]
        command = [f"{self._core.prefix}gcc", *FLAGS, *self._specs, *self._core.cflags, *language]
        _output([*command, *includes, *flags, "-c", str(source), "-o", str(target)])
        return target

    def library(self, objects: Iterable[Path]) -> list[Object]:
        """The members of the C library and of libgcc that `objects` need."""
        # Without extension suffixes, as in boards/platform/builder/main.py.
        cflags = [re.sub("_z.*", "", flag) for flag in self._core.cflags]
        command = [f"{self._core.prefix}gcc", *cflags, *self._specs, "-nostartfiles"]
        command += [f"-Wl,{option}" for option in _LINK_ALL]
        linked = self._folder / "linked"
        listed = _output([*command, *map(str, objects), "-o", str(linked)])
        members = sorted(
            set(re.findall(r"^\(?([^()\n]*\.a)[()]+([^()\n]+)\)?$", listed, re.MULTILINE))
        )
        return [Object(self._member(*one), one[1]) for one in members]

    def _member(self, archive: str, name: str) -> bytes:
        command = [f"{self._core.prefix}ar", "p", archive, name]
        return subprocess.run(command, capture_output=True, check=True).stdout


class Survey:
    """All that the table says of one core."""

    def __init__(self, core: Core, folder: Path) -> None:
        self._core, self._folder = core, folder
        self._compiler = Compiler(core, folder)
        self._paths: list[Path] = []

    def entry(self) -> dict[str, Any]:
        """For JSON."""
        sources = _firmware_sources(self._core)
        self._write("", source_closure(sources))
        groups = {"common": self._read(self._compiler.objects(sources))}
        groups |= {f"port {board.port}": self._port(board) for board in self._core.boards}
        groups |= {f"frontend {one.kind}": self._frontend(one) for one in _FRONTENDS}
        groups |= {name: self._main(*of) for name, of in _mains().items()}
        affected = [name for name in sources if _mentions_wide(name)]
        groups["wide"] = self._read(self._compiler.objects(affected, WIDE))
        groups["common"] += self._compiler.library(self._paths)
        return {
            "isa": self._core.isa,
            "model": self._model(),
            "params": self._params(),
            "groups": _as_nodes(groups),
        }

    def _write(self, place: str, files: Mapping[str, bytes | str]) -> None:
        for name, content in files.items():
            path = self._folder / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def _read(self, paths: Mapping[str, Path], without: tuple[str, ...] = ()) -> list[Object]:
        self._paths += paths.values()
        return [Object(path.read_bytes(), Path(name).name, without) for name, path in paths.items()]

    def _port(self, board: Board) -> list[Object]:
        files = project_files(board)
        place = f"src/port-{board.port}"
        names = [Path(name).name for name in files if name.startswith("src/port/")]
        self._write(place, {name: files[f"src/port/{name}"] for name in names})
        self._write("", {name: text for name, text in files.items() if name.startswith("include/")})
        sources = [f"port-{board.port}/{name}" for name in names if not name.endswith(".h")]
        defines = manifest(board)["build"]["defines"]
        return self._read(
            self._compiler.objects(
                sources, *(f"-D{name}={value}" for name, value in defines.items())
            )
        )

    def _frontend(self, frontend: Frontend) -> list[Object]:
        """Its code; tables and state are counted with the network's data."""
        place = f"frontend-{frontend.kind}"
        self._write(f"src/{place}", render_frontend(frontend))
        return self._read(self._compiler.objects([f"{place}/frontend.c"]), _OBJECTS)

    def _main(self, network: Network, files: Mapping[str, str]) -> list[Object]:
        """Code and strings of main.c; buffers are counted with the network's data."""
        layout = lay_out(network, self._core.isa)
        model = render_model(network, layout.layers, layout.plan, self._core.isa)
        place = f"main-{len(self._paths)}"
        self._write(f"src/{place}", {**model, **files})
        path = self._compiler.objects([f"{place}/main.c"])[f"{place}/main.c"]
        self._paths.append(path)
        return [Object(path.read_bytes(), "main.c", _VARIABLES)]

    def _model(self) -> list[int]:
        """Bytes of model.c's code without layers, and of each layer, at most."""
        alone = [self._model_code(_one_layer(10, bits)) for bits in (8, 4)]
        layer = 0
        for network in _networks():
            size, calls = self._model_code(network)
            layer = max(layer, math.ceil((size - alone[0][0]) / (calls - 1)))
        return [max(size for size, _ in alone) - layer, layer]

    def _model_code(self, network: Network) -> tuple[int, int]:
        """Bytes of model.c's code, and the number of calls."""
        layout = lay_out(network, self._core.isa)
        place = f"model-{network.digest[:8]}"
        files = render_model(network, layout.layers, layout.plan, self._core.isa)
        self._write(f"src/{place}", files)
        (code,) = self._read(self._compiler.objects([f"{place}/model.c"]), _OBJECTS)
        return sum(node[0] for node in code.nodes.values()), sum(
            len(layer.calls) or 1 for layer in layout.layers
        )

    def _params(self) -> dict[str, int]:
        """sizeof of each params struct."""
        headers = _params_headers()
        lines = [f'#include "tinykit/{name}"' for name in sorted(headers)]
        types = sorted({one for found in headers.values() for one in found})
        lines += [f"const unsigned char size_of_{one}[sizeof({one})] = {{1}};" for one in types]
        self._write("src", {"params.c": "\n".join(lines) + "\n"})
        path = self._compiler.objects(["params.c"])["params.c"]
        nodes = Object(path.read_bytes(), "").nodes
        return {one: nodes[f"size_of_{one}"][0] for one in types}


# So that every library member that anything needs is pulled in, and nothing else matters.
_LINK_ALL = (
    # Twice, for the members of libraries too.
    *("--trace", "--trace", "--unresolved-symbols=ignore-all", "--allow-multiple-definition"),
    *("-e,0", "--no-warn-rwx-segments"),
)
_VARIABLES = (".bss", ".sbss", ".data", ".sdata")
_OBJECTS = (*_VARIABLES, ".rodata", ".srodata")
_FRONTENDS: tuple[Frontend, ...] = (Mfcc(), LogMel(), Imu())


def _firmware_sources(core: Core) -> list[str]:
    """C files below firmware/src that the core can run."""
    root = resource_dir("firmware") / "src"
    found = (path.relative_to(root) for path in root.rglob("*.c"))
    lacking = FEATURES - core.features
    return sorted(path.as_posix() for path in found if not lacking & set(path.parts))


def _mentions_wide(source: str) -> bool:
    """Whether a file or what it includes depends on the width of accumulators."""
    return any(WIDE[2:].encode() in text for text in source_closure([source]).values())


def _params_headers() -> dict[str, list[str]]:
    """The headers that define params structs, and their names."""
    folder = resource_dir("firmware") / "include" / "tinykit"
    found = {
        path.name: re.findall(r"\b(tk_\w+_params);", path.read_text())
        for path in sorted(folder.glob("*.h"))
    }
    return {name: types for name, types in found.items() if types}


@functools.cache
def _one_layer(classes: int, bits: int) -> Network:
    builder = Builder(np.random.default_rng(0), (60,), bits=bits, name="one")
    return builder.dense(classes, relu=False, bits=bits).build()


@functools.cache
def _networks() -> tuple[Network, ...]:
    """To measure what a layer's call takes."""
    return ds_cnn(64), har_cnn("w4a4"), resnet8(), mobilenet()


def _mains() -> dict[str, tuple[Network, Mapping[str, str]]]:
    """main.c and what it includes, and the network that they are for, by group."""
    found: dict[str, tuple[Network, Mapping[str, str]]] = {}
    for few in (True, False):
        # The compiler unrolls the loops over few classes.
        network = _one_layer(3 if few else 1000, 8)
        found[main_group("", False, few)] = (network, _self_test(network, None, 0))
        for frontend in _FRONTENDS:
            for clips in (0, 1):
                files = _self_test(network, frontend, clips)
                found[main_group(frontend.kind, clips > 0, few)] = (network, files)
    for task in TASKS.values():
        # Of the autoencoder, ends are alike.
        network = _one_layer(60, 8)
        found[mlperf_group(task)] = (network, {"main.c": render_main(Mlperf(task), network)})
    return found


def _self_test(network: Network, frontend: Frontend | None, clips: int) -> dict[str, str]:
    """main.c and its headers."""
    vectors = _vectors(network, clips)
    # The board's name is counted with the board.
    context = selftest_context("", "", 8, vectors, frontend=frontend is not None)
    files = {one: render_template(f"{one}.j2", **context) for one in ("main.c", "vectors.h")}
    return files if frontend is None else files | render_frontend(frontend)


def _vectors(network: Network, clips: int) -> Vectors:
    """Vectors of nothing, to render main.c with."""
    shape = network.tensor(network.input).shape
    classes = network.tensor(network.output).shape[-1]
    return Vectors(
        features=np.zeros((2, *shape), np.int8),
        scores=np.zeros((2, classes), np.int8),
        layer_crcs={},
        clips=np.zeros((clips, 16000 if clips else 0), np.int16),
        clip_feature_crcs=(0,) * clips,
        clip_scores=np.zeros((clips, classes), np.int8),
    )


def _as_nodes(groups: Mapping[str, list[Object]]) -> dict[str, Nodes]:
    """Nodes by group, with references to nodes only; "wide" holds what differs from "common"."""
    objects = [one for group in groups.values() for one in group]
    names = {symbol: key for one in objects for symbol, key in one.names.items()}
    known = {key for one in objects for key in one.nodes}
    tables: dict[str, Nodes] = {}
    for group, members in groups.items():
        nodes = {key: node for one in members for key, node in one.nodes.items()}
        tables[group] = {
            key: [flash, ram, *sorted({_node_of(ref, names) for ref in refs} & known - {key})]
            for key, (flash, ram, *refs) in nodes.items()
        }
    for group in tables:
        if group.startswith("main "):
            tables[group] = {"main": _joined(tables[group])}
    common = tables["common"]
    tables["wide"] = {k: n for k, n in tables["wide"].items() if common.get(k) != n}
    return tables


def _node_of(name: str, symbols: Mapping[str, str]) -> str:
    """The node of a symbol, or the node itself."""
    return symbols.get(name, name)


def _joined(nodes: Nodes) -> list[Any]:
    """Nodes that are linked all or none, as one."""
    refs = {ref for node in nodes.values() for ref in node[2:]} - nodes.keys()
    return [sum(node[0] for node in nodes.values()), 0, *sorted(refs)]


def _dump(table: Mapping[str, Any]) -> str:
    """JSON with one line a function, so that a change is seen for what it is."""
    text = json.dumps(table, indent=1, sort_keys=True)
    return re.sub(r"\[[^][{}]*\]", lambda m: json.dumps(json.loads(m[0])), text) + "\n"


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
