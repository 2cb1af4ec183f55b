# SPDX-License-Identifier: Apache-2.0
"""The firmware compiled for this machine, run as a process. It counts nothing."""

from __future__ import annotations

import os
from pathlib import Path

from tinykit.boards import Board
from tinykit.emulators.conversation import NO_PROGRESS_SECONDS, Transport
from tinykit.emulators.process import Process
from tinykit.emulators.session import Session
from tinykit.errors import TinykitError


class Host:
    """The host itself."""

    name = "host"

    def available(self, board: Board) -> bool:
        """Whether the board is the host."""
        return board.arch == "host"

    def start(self, elf: Path, board: Board, *, timeout: float = NO_PROGRESS_SECONDS) -> Session:
        """Run the self-test `elf`; raises as `boot`."""
        return Session(self.boot(elf, board), board.id, timeout)

    def boot(
        self, elf: Path, board: Board, *, time_step: int | None = None, real_time: bool = False
    ) -> Transport:
        """Run `elf`, by the wall clock whatever `time_step` is.

        Raises:
            TinykitError: the board is none that runs here, or `elf` is missing.
        """
        if board.arch != "host":
            raise TinykitError(
                f"{board.name} does not run on this machine.",
                where="--emulator",
                remedy="Use --emulator auto.",
            )
        if not os.access(elf, os.X_OK):
            raise TinykitError(
                "there is no program here.", where=elf, remedy="Build it with `tinykit build`."
            )
        return Process("the host", [str(elf.resolve())])
