# SPDX-License-Identifier: Apache-2.0
"""A board: one folder with `board.toml` and, for Renode, `<id>.repl`; no Python.

Folders are looked for in the user's own places first (`$TINYKIT_BOARDS`, a list of folders like
`$PATH`, or an argument), then in tinykit's `boards/`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from tinykit.boards.keys import Keys
from tinykit.errors import TinykitError
from tinykit.resources import resource_dir

Arch = Literal["arm", "riscv", "host"]
_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Memory:
    """Addresses and sizes in bytes. `stack_bytes` is taken from the lower end of the RAM."""

    flash_origin: int
    flash_bytes: int
    ram_origin: int
    ram_bytes: int
    stack_bytes: int


@dataclass(frozen=True)
class Estimates:
    """What turns a count of instructions into time and energy. Estimates, never measurements.

    Attributes:
        cycles_per_instruction: mean over integer kernels.
        cycles_source: where that number comes from.
        pj_per_cycle: picojoules per core cycle, supply included as `energy_source` says.
        energy_source: the document and figure.
    """

    cycles_per_instruction: float
    cycles_source: str
    pj_per_cycle: float
    energy_source: str


@dataclass(frozen=True)
class Board:
    """One board, as its `board.toml` describes it.

    Attributes:
        id: folder name; a C identifier.
        core: such as "cortex-m4f" or "rv32imac".
        cflags: the compiler's flags for this core.
        features: instruction set extensions that kernels use: "dsp", "mve", "zbb".
        memory: None on the host, where nothing limits a firmware.
        clock_hz: core clock that the port sets up; 0 on the host.
        port: folder under `firmware/ports/`, or inside the board's own folder.
        defines: preprocessor macros for the port.
        qemu: "system" (arm, riscv32), "machine", "args"; empty if QEMU has no such machine.
        renode: "uart", "cpu" and, where there are any, "imu" and "lines" (the port of inputs for
            comparators), as the .repl names them; empty if
            there is no .repl.
        upload: "default" and, by protocol name, {"tool": "openocd"|"jlink", "args": [...]}.
        directory: the board's folder.
    """

    id: str
    name: str
    vendor: str
    url: str
    core: str
    arch: Arch
    port: str
    clock_hz: int
    cflags: tuple[str, ...]
    features: frozenset[str]
    memory: Memory | None
    estimates: Estimates | None
    defines: Mapping[str, str] = field(hash=False)
    qemu: Mapping[str, Any] = field(hash=False)
    renode: Mapping[str, Any] = field(hash=False)
    upload: Mapping[str, Any] = field(hash=False)
    directory: Path

    @property
    def flash_bytes(self) -> int:
        """Bytes of flash; 0 means unlimited (host)."""
        return self.memory.flash_bytes if self.memory else 0

    @property
    def ram_bytes(self) -> int:
        """Bytes of RAM, the stack's included; 0 means unlimited (host)."""
        return self.memory.ram_bytes if self.memory else 0

    @property
    def stack_bytes(self) -> int:
        """Bytes of RAM reserved for the stack; 0 on the host."""
        return self.memory.stack_bytes if self.memory else 0

    @property
    def cycles_per_instruction(self) -> float:
        """See Estimates; 0 on the host, where no estimate is made."""
        return self.estimates.cycles_per_instruction if self.estimates else 0.0

    @property
    def pj_per_cycle(self) -> float:
        """See Estimates; 0 on the host, where no estimate is made."""
        return self.estimates.pj_per_cycle if self.estimates else 0.0

    @property
    def energy_source(self) -> str:
        """Document and figure behind `pj_per_cycle`; empty on the host."""
        return self.estimates.energy_source if self.estimates else ""

    @property
    def emulators(self) -> tuple[str, ...]:
        """The emulators that know this board, best first."""
        if self.arch == "host":
            return ("host",)
        known = (("renode", self.renode), ("qemu", self.qemu))
        return tuple(name for name, settings in known if settings)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.id,
            "name": self.name,
            "core": self.core,
            "arch": self.arch,
            "features": sorted(self.features),
            "flash_bytes": self.flash_bytes,
            "ram_bytes": self.ram_bytes,
            "stack_bytes": self.stack_bytes,
            "clock_hz": self.clock_hz,
            "cycles_per_instruction": self.cycles_per_instruction,
            "pj_per_cycle": self.pj_per_cycle,
            "energy_source": self.energy_source,
            "emulators": list(self.emulators),
            "upload": sorted(self.upload.get("protocols", {})),
            "directory": str(self.directory),
        }


def read_board(directory: Path) -> Board:
    """Read and check `directory/board.toml`.

    Raises:
        TinykitError: the file is missing, is no TOML, or a key is missing, unknown or ill-typed.
    """
    path = directory / "board.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TinykitError(
            f"the board's description cannot be read: {error}.",
            where=path,
            remedy="A board is a folder with a board.toml; copy one of tinykit's.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise TinykitError(
            f"not valid TOML: {error}.", where=path, remedy="Correct the line that it names."
        ) from error
    if not _ID.fullmatch(directory.name):
        raise TinykitError(
            f"{directory.name!r} cannot be a board's id.",
            where=directory,
            remedy="Name the folder with lower-case letters, digits and underscores.",
        )
    return _board(Keys(document, path), directory)


def _board(keys: Keys, directory: Path) -> Board:
    arch = cast(Arch, keys.choice("arch", get_args(Arch)))
    bare = arch != "host"
    board = Board(
        id=directory.name,
        name=keys.text("name"),
        vendor=keys.text("vendor"),
        url=keys.text("url"),
        core=keys.text("core"),
        arch=arch,
        port=keys.text("port"),
        clock_hz=keys.integer("clock_hz", least=1) if bare else 0,
        cflags=keys.texts("cflags"),
        features=frozenset(keys.texts("features")),
        memory=_memory(keys.table("memory", "give the origins and sizes of flash and RAM"))
        if bare
        else None,
        estimates=_estimates(keys.table("estimates")) if bare else None,
        defines=_text_table(keys.table("defines", optional=True)),
        qemu=_qemu(keys.table("qemu", optional=True)),
        renode=_renode(keys.table("renode", optional=True), directory),
        upload=_upload(keys.table("upload", optional=True)),
        directory=directory,
    )
    keys.end()
    return board


def _memory(keys: Keys) -> Memory:
    memory = Memory(
        flash_origin=keys.integer("flash_origin", least=0),
        flash_bytes=keys.integer("flash_bytes", least=1024),
        ram_origin=keys.integer("ram_origin", least=0),
        ram_bytes=keys.integer("ram_bytes", least=1024),
        stack_bytes=keys.integer("stack_bytes", least=1024),
    )
    if memory.stack_bytes >= memory.ram_bytes or memory.stack_bytes % 32:
        raise keys.error(
            "stack_bytes",
            f"is {memory.stack_bytes}, which is not a multiple of 32 below ram_bytes",
            "Reserve 1024 to 8192 bytes.",
        )
    keys.end()
    return memory


def _estimates(keys: Keys) -> Estimates:
    estimates = Estimates(
        cycles_per_instruction=keys.positive("cycles_per_instruction"),
        cycles_source=keys.text("cycles_source"),
        pj_per_cycle=keys.positive("pj_per_cycle"),
        energy_source=keys.text("energy_source"),
    )
    keys.end()
    return estimates


def _text_table(keys: Keys) -> dict[str, str]:
    table = {name: keys.text(name) for name in keys.names()}
    keys.end()
    return table


def _qemu(keys: Keys) -> dict[str, Any]:
    if not keys.names():
        return {}
    table = {
        "system": keys.text("system"),
        "machine": keys.text("machine"),
        "args": list(keys.texts("args")),
    }
    keys.end()
    return table


def _renode(keys: Keys, directory: Path) -> dict[str, Any]:
    if not keys.names():
        return {}
    table = {"uart": keys.text("uart"), "cpu": keys.text("cpu")}
    for part in ("imu", "lines"):
        if part in keys.names():
            table[part] = keys.text(part)
    keys.end()
    if not (directory / f"{directory.name}.repl").is_file():
        raise keys.error(
            "uart",
            f"needs a platform description {directory.name}.repl beside it",
            "Add the file, or drop the table if Renode cannot run this board.",
        )
    return table


def _upload(keys: Keys) -> dict[str, Any]:
    if not keys.names():
        return {}
    default = keys.text("default")
    protocols: dict[str, Any] = {}
    tables = keys.table("protocols")
    for name in tables.names():
        protocol = tables.table(name)
        protocols[name] = {
            "tool": protocol.choice("tool", ("openocd", "jlink")),
            "args": list(protocol.texts("args")),
        }
        protocol.end()
    tables.end()
    keys.end()
    if default not in protocols:
        raise keys.error(
            "default",
            f"is {default!r}, which is none of {', '.join(sorted(protocols))}",
            "Name one of the protocols.",
        )
    return {"default": default, "protocols": protocols}


def board_folders(extra: Path | None = None) -> tuple[Path, ...]:
    """Where boards are looked for, first match wins: `extra`, `$TINYKIT_BOARDS`, tinykit's own."""
    own = [Path(part) for part in os.environ.get("TINYKIT_BOARDS", "").split(os.pathsep) if part]
    return (*([extra] if extra else []), *own, resource_dir("boards"))


def _candidates(extra: Path | None) -> Iterator[Path]:
    for folder in board_folders(extra):
        if folder.is_dir():
            yield from sorted(p.parent for p in folder.glob("*/board.toml"))


def list_boards(extra: Path | None = None) -> list[Board]:
    """All boards by id, the user's before tinykit's of the same id.

    Raises:
        TinykitError: one of them is not valid.
    """
    found: dict[str, Path] = {}
    for directory in _candidates(extra):
        found.setdefault(directory.name, directory)
    return [read_board(found[name]) for name in sorted(found)]


def load_board(board_id: str, extra: Path | None = None) -> Board:
    """The board `board_id`.

    Args:
        board_id: its folder's name, or a path to its folder (with a slash in it).
        extra: a folder of boards to look in first.

    Raises:
        TinykitError: there is none, or its description is not valid.
    """
    if os.sep in board_id:
        return read_board(Path(board_id).resolve())
    names: list[str] = []
    for directory in _candidates(extra):
        if directory.name == board_id:
            return read_board(directory)
        names.append(directory.name)
    raise TinykitError(
        f"there is no board {board_id!r}.",
        where="--board",
        remedy=f"Choose one of {', '.join(sorted(set(names)))}; "
        "or name a folder of your own boards in $TINYKIT_BOARDS.",
    )
