# SPDX-License-Identifier: Apache-2.0
"""Run a firmware where there is no board: Renode, QEMU, or the host."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from tinykit.boards import Board
from tinykit.emulators.conversation import NO_PROGRESS_SECONDS, Mark, Transport
from tinykit.emulators.host import Host
from tinykit.emulators.qemu import PACKAGES, Qemu
from tinykit.emulators.renode import INSTALL, Renode
from tinykit.emulators.session import Session
from tinykit.errors import TinykitError

__all__ = [
    "NAMES",
    "NO_PROGRESS_SECONDS",
    "Emulator",
    "Mark",
    "Session",
    "Transport",
    "select",
]


class Emulator(Protocol):
    """Something that boots a firmware."""

    name: str

    def available(self, board: Board) -> bool:
        """Whether it is installed and knows `board`."""

    def boot(
        self, elf: Path, board: Board, *, time_step: int | None = None, real_time: bool = False
    ) -> Transport:
        """Boot `elf`; the channel to it, which is to be closed.

        Args:
            elf: the firmware.
            board: the board it was built for.
            time_step: tie emulated time to the program: an instruction takes 2^time_step ns, 0 to
                10, so that what the firmware times is the same every time. QEMU only; without it,
                QEMU's time is that of the wall clock. Renode's time always follows instructions.
            real_time: run no faster than emulated time.

        Raises:
            TinykitError: the emulator is not installed, does not know the board, or fails.
        """

    def start(self, elf: Path, board: Board, *, timeout: float = NO_PROGRESS_SECONDS) -> Session:
        """Boot the self-test `elf`; the Session is a context manager that ends the emulator.

        Args:
            elf: the firmware.
            board: the board it was built for.
            timeout: wall seconds without output after which it counts as hung.

        Raises:
            TinykitError: the emulator is not installed, does not know the board, or fails.
        """


_ALL: Final[dict[str, type[Emulator]]] = {"renode": Renode, "qemu": Qemu, "host": Host}
NAMES: Final = ("auto", *_ALL)


def select(name: str, board: Board) -> Emulator:
    """The emulator called `name`; "auto" is the best one that is installed and knows the board.

    Raises:
        TinykitError: there is none of that name, it does not know the board, or, for "auto",
            none that does is installed.
    """
    if name not in NAMES:
        raise TinykitError(
            f"there is no emulator {name!r}.",
            where="--emulator",
            remedy=f"Choose one of {', '.join(NAMES)}.",
        )
    if name != "auto":
        if name not in board.emulators:
            raise TinykitError(
                f"{name} does not know {board.name}.",
                where="--emulator",
                remedy=f"Choose one of auto, {', '.join(board.emulators)}.",
            )
        return _ALL[name]()
    for candidate in board.emulators:
        emulator = _ALL[candidate]()
        if emulator.available(board):
            return emulator
    raise _none_installed(board)


def _none_installed(board: Board) -> TinykitError:
    ways = []
    if board.qemu:
        package = PACKAGES.get(board.qemu["system"], "qemu-system")
        ways.append(f"on Debian, apt install {package}")
    if board.renode:
        ways.append(INSTALL)
    advice = f"To install one: {'; or '.join(ways)}."
    return TinykitError(
        f"no emulator that knows {board.name} is installed.",
        where="--emulator",
        remedy=advice if ways else "Use a real board: tinykit flash.",
    )
