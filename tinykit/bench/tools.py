# SPDX-License-Identifier: Apache-2.0
"""A digest of all that decides, besides the network, what a firmware is and how it is counted."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from tinykit.boards import Board
from tinykit.resources import resource_dir

_ROOMS: Final = ("boards", "codegen", "emulators", "network")
_SUFFIXES: Final = frozenset({".py", ".c", ".h", ".j2", ".toml", ".json", ".ld", ".S"})
_COMPILERS: Final = {"arm": "arm-none-eabi-gcc", "riscv": "riscv64-unknown-elf-gcc", "host": "gcc"}


def _files() -> Iterator[Path]:
    package = Path(str(resources.files("tinykit")))
    folders = [package / room for room in _ROOMS]
    folders += [resource_dir("firmware"), resource_dir("templates"), resource_dir("boards")]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                yield path


@cache
def _sources() -> bytes:
    digest = hashlib.sha256()
    for path in _files():
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.digest()


@cache
def _compiler(arch: str) -> str:
    """First line of what the compiler says of itself; empty if there is none."""
    program = shutil.which(_COMPILERS[arch])
    if program is None:
        return ""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return said.stdout.partition("\n")[0]


def tools_digest(board: Board) -> str:
    """sha256 of tinykit's generator, C, templates, boards and emulators, and the compiler's name.

    Two results of one network with equal digests need no second measurement.
    """
    return hashlib.sha256(_sources() + _compiler(board.arch).encode()).hexdigest()
