# SPDX-License-Identifier: Apache-2.0
"""What a board adds to a generated project, so that it builds where tinykit is not installed."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from tinykit.boards.board import Board
from tinykit.boards.keys import Keys
from tinykit.errors import TinykitError
from tinykit.resources import resource_dir

BAUD = 115200


def project_files(board: Board, *, baud: int = BAUD) -> dict[str, bytes]:
    """Relative POSIX path to content: PlatformIO platform, board manifest, port and linker script.

    Args:
        board: the board.
        baud: of its serial line.

    Raises:
        TinykitError: the board names a port that does not exist.
    """
    files: dict[str, bytes] = {}
    platform = resource_dir("boards") / "platform"
    for path in sorted(platform.rglob("*")):
        if path.is_file() and path.suffix in (".json", ".py"):
            files[f"platform/tinykit/{path.relative_to(platform).as_posix()}"] = path.read_bytes()
    files[f"boards/{board.id}.json"] = _manifest_text(board, baud)
    header = resource_dir("firmware") / "include" / "tinykit" / "port.h"
    files["include/tinykit/port.h"] = header.read_bytes()
    port = Port(board)
    for folder in port.folders:
        for path in sorted(folder.iterdir()):
            if path.suffix in (".c", ".h", ".S"):
                files[f"src/port/{path.name}"] = path.read_bytes()
    if port.linker_script:
        files["ld/link.ld"] = port.linker_script.read_bytes()
    return files


class Port:
    """The folders of C that make a board's chip run.

    Attributes:
        folders: the port's own and those it includes, as its `port.toml` lists them.
        linker_script: None on the host.
        defines: macros that the port needs, by name.
        buses: to sensors, such as i2c; none where the port cannot reach any.
        lines: inputs that wake the core, for comparators; 0 where the port has none.
    """

    def __init__(self, board: Board) -> None:
        ports = resource_dir("firmware") / "ports"
        places = (board.directory / board.port, ports / board.port)
        own = next((place for place in places if (place / "port.toml").is_file()), None)
        if own is None:
            known = ", ".join(sorted(p.parent.name for p in ports.glob("*/port.toml")))
            raise TinykitError(
                f"key `port` names {board.port!r}, which does not exist.",
                where=board.directory / "board.toml",
                remedy=f"Use one of {known}; or add a folder with a port.toml beside board.toml.",
            )
        keys = _read(own / "port.toml")
        names = keys.texts("include")
        script = keys.text("linker_script") if "linker_script" in keys.names() else None
        defines = keys.table("defines", optional=True)
        self.defines = {name: defines.text(name) for name in defines.names()}
        self.buses = keys.texts("buses") if "buses" in keys.names() else ()
        self.lines = keys.integer("lines", least=1) if "lines" in keys.names() else 0
        keys.end()
        self.folders = (*(ports / name for name in names), own)
        for folder in self.folders:
            if not folder.is_dir():
                raise keys.error("include", f"names {folder.name!r}", "There is no such port.")
        self.linker_script = self._script(script, own, ports)

    @staticmethod
    def _script(name: str | None, own: Path, ports: Path) -> Path | None:
        if name is None:
            return None
        return own / name if (own / name).is_file() else ports / name


def _read(path: Path) -> Keys:
    try:
        return Keys(tomllib.loads(path.read_text(encoding="utf-8")), path)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TinykitError(
            f"the port's description cannot be read: {error}.",
            where=path,
            remedy="Compare it with tinykit's.",
        ) from error


def _manifest_text(board: Board, baud: int) -> bytes:
    return (json.dumps(manifest(board, baud=baud), indent=2) + "\n").encode()


def manifest(board: Board, *, baud: int = BAUD) -> dict[str, Any]:
    """The PlatformIO board manifest, derived: `board.toml` is the one place that says it."""
    build: dict[str, Any] = {
        "arch": board.arch,
        "mcu": board.core,
        "cflags": list(board.cflags),
        "defines": _defines(board, baud),
        "emulate": emulate_command(board, "$ELF"),
    }
    upload: dict[str, Any] = {"maximum_size": 0, "maximum_ram_size": 0}
    if memory := board.memory:
        build["f_cpu"] = f"{board.clock_hz}L"
        build["memory"] = {
            "flash_origin": f"{memory.flash_origin:#x}",
            "flash_length": memory.flash_bytes,
            "ram_origin": f"{memory.ram_origin:#x}",
            "ram_length": memory.ram_bytes,
            "stack_length": memory.stack_bytes,
        }
        upload = {"maximum_size": memory.flash_bytes, "maximum_ram_size": memory.ram_bytes}
    if board.upload:
        protocols = board.upload["protocols"]
        upload["protocol"] = board.upload["default"]
        upload["protocols"] = sorted(protocols)
        upload["tools"] = protocols
    return {
        "name": board.name,
        "vendor": board.vendor,
        "url": board.url,
        "frameworks": [],
        "build": build,
        "upload": upload,
    }


def _defines(board: Board, baud: int) -> dict[str, str]:
    defines = {**Port(board).defines, **board.defines}
    if board.memory:
        defines["TK_CLOCK_HZ"] = f"{board.clock_hz}u"
        defines["TK_BAUD"] = f"{baud}u"
    return dict(sorted(defines.items()))


def emulate_command(board: Board, elf: str) -> list[str]:
    """The command that runs `elf` with its serial line on stdin and stdout; empty if none can."""
    if board.arch == "host":
        return [elf]
    if not board.qemu:
        return []
    return [
        f"qemu-system-{board.qemu['system']}",
        *("-machine", board.qemu["machine"]),
        *board.qemu["args"],
        *("-display", "none", "-monitor", "none", "-serial", "stdio"),
        *("-kernel", elf),
    ]
