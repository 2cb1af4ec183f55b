# SPDX-License-Identifier: Apache-2.0
"""Make a PlatformIO project of `smoke.c` for any board, without the code generator."""

from __future__ import annotations

from pathlib import Path

from tinykit.boards import Board, project_files
from tinykit.boards.platformio import BuildResult, build
from tinykit.emulators.scripts import render_emulation
from tinykit.resources import resource_dir

_SHARED = ("src/crc.c", "src/marks.c", "src/record.c")
_HEADERS = ("crc.h", "lines.h", "marks.h", "record.h", "sensor.h")


def write_project(board: Board, folder: Path, **defines: str) -> Path:
    """Write the project into `folder`; `defines` are macros of `smoke.c`."""
    firmware = resource_dir("firmware")
    files = dict(project_files(board))
    for name in _SHARED:
        files[name] = (firmware / name).read_bytes()
    for name in _HEADERS:
        files[f"include/tinykit/{name}"] = (firmware / "include" / "tinykit" / name).read_bytes()
    files["src/main.c"] = Path(__file__).with_name("smoke.c").read_bytes()
    meta = {"board": board.id, "network": "0123456789abcdef"}
    for name, text in render_emulation(board, meta).items():
        files[f"emulation/{name}"] = text.encode()
    flags = " ".join(f"-D{name}={value}" for name, value in defines.items())
    files["platformio.ini"] = (
        f"[platformio]\nplatforms_dir = platform\n\n[env:{board.id}]\nplatform = tinykit\n"
        f"board = {board.id}\nbuild_flags = {flags}\n"
    ).encode()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def build_smoke(board: Board, folder: Path, **defines: str) -> BuildResult:
    """Write and build it."""
    return build(write_project(board, folder, **defines), board)
