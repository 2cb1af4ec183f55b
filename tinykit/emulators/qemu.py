# SPDX-License-Identifier: Apache-2.0
"""QEMU with an exact count of instructions, by a plugin that is compiled once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tinykit.boards import Board
from tinykit.boards.cache import writing_cache
from tinykit.boards.elf import find_symbols
from tinykit.boards.project import emulate_command
from tinykit.data.places import cache_root
from tinykit.emulators.conversation import MARK_SYMBOLS, NO_PROGRESS_SECONDS, Transport
from tinykit.emulators.process import CountingProcess
from tinykit.emulators.session import Session
from tinykit.errors import TinykitError
from tinykit.files import write_atomic

PACKAGES = {"arm": "qemu-system-arm", "riscv32": "qemu-system-misc"}
_SOURCE = Path(__file__).with_name("qemu_plugin.c")


def find_qemu(system: str) -> str | None:
    """Path of qemu-system-`system`, or None."""
    return shutil.which(f"qemu-system-{system}")


def plugin() -> Path:
    """The compiled plugin, from the cache.

    Raises:
        TinykitError: there is no host compiler, or it refuses.
    """
    source = _SOURCE.read_bytes()
    path = cache_root() / "qemu" / f"count-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if path.exists():
        return path
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise TinykitError(
            "the instruction counter cannot be compiled: there is no C compiler.",
            remedy="On Debian: apt install gcc",
        )
    with tempfile.TemporaryDirectory(prefix="tinykit-") as folder:
        built = Path(folder) / "count.so"
        flags = ["-std=c11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden"]
        done = subprocess.run(
            [compiler, *flags, "-o", str(built), str(_SOURCE)], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise TinykitError(
                f"the instruction counter does not compile: {done.stderr.strip()[:400]}",
                where=_SOURCE,
                remedy="Check the host compiler with `tinykit doctor`.",
            )
        with writing_cache():
            write_atomic(path, built.read_bytes())
    return path


class Qemu:
    """QEMU's system emulators."""

    name = "qemu"

    def available(self, board: Board) -> bool:
        """Whether it is installed and knows the board."""
        return bool(board.qemu) and find_qemu(board.qemu["system"]) is not None

    def start(self, elf: Path, board: Board, *, timeout: float = NO_PROGRESS_SECONDS) -> Session:
        """Boot the self-test `elf`; raises as `boot`."""
        return Session(self.boot(elf, board), board.id, timeout)

    def boot(
        self, elf: Path, board: Board, *, time_step: int | None = None, real_time: bool = False
    ) -> Transport:
        """Boot `elf`; see `Emulator.boot`.

        Raises:
            TinykitError: QEMU has no such machine or is not installed, or `elf` is missing.
        """
        if not board.qemu:
            raise TinykitError(
                f"QEMU has no machine for {board.name}.",
                where="--emulator",
                remedy="Use --emulator renode.",
            )
        system = board.qemu["system"]
        if find_qemu(system) is None:
            raise TinykitError(
                f"qemu-system-{system} is not installed.",
                where="--emulator",
                remedy=f"On Debian: apt install {PACKAGES.get(system, 'qemu-system')}",
            )
        symbols = find_symbols(elf, MARK_SYMBOLS)
        folder = Path(tempfile.mkdtemp(prefix="tinykit-"))
        try:
            command = emulate_command(board, str(elf)) + self._counting(symbols, folder)
            if time_step is not None:
                command += ["-icount", f"shift={time_step}{',align=on' if real_time else ''}"]
            return CountingProcess("QEMU", command, folder=folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @staticmethod
    def _counting(symbols: dict[str, int], folder: Path) -> list[str]:
        # A mark that the firmware lacks keeps its number, at an address where nothing executes.
        addresses = [symbols.get(name, 0xFFFFFFFF) for name in MARK_SYMBOLS]
        marks = ",".join(f"mark={address:#x}" for address in addresses)
        # QEMU's options are parted by commas; one that belongs to a path is doubled.
        file, log = (str(path).replace(",", ",,") for path in (plugin(), folder / "marks"))
        return ["-plugin", f"file={file},log={log},{marks}"]
