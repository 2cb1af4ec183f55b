# SPDX-License-Identifier: Apache-2.0
"""The host's side of the serial protocol."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tinykit.emulators.conversation import NO_PROGRESS_SECONDS, Conversation, Transport
from tinykit.emulators.records import decode, fault_error
from tinykit.errors import TinykitError
from tinykit.mlperf.expected import Answer

READY: Final = "m-ready"
# The firmware takes commands of 80 characters: "db " and 38 bytes. The benchmark's own runner
# sends 31.
_BYTES = 38


@dataclass(frozen=True)
class Inference:
    """What the firmware said to `infer`.

    Attributes:
        results: between the brackets of "m-results-[...]".
        laps: the timestamps, in microseconds; none in energy mode.
    """

    results: str
    laps: tuple[int, ...]

    @property
    def elapsed(self) -> int | None:
        """Microseconds of the timed inferences; None in energy mode."""
        return (self.laps[1] - self.laps[0]) % 2**32 if len(self.laps) == 2 else None


class Dut(Conversation):
    """A device under test: a context manager that ends it.

    Args:
        transport: the channel, right after reset.
        board: name for messages.
        timeout: wall seconds without output after which the firmware counts as hung.
    """

    def __init__(
        self, transport: Transport, board: str, timeout: float = NO_PROGRESS_SECONDS
    ) -> None:
        super().__init__(transport, board, timeout)
        try:
            self.greeting = self._lines()
        except BaseException:
            self.close()
            raise

    def command(self, text: str) -> list[str]:
        """Send a command; its answer, without the final "m-ready".

        Raises:
            TinykitError: the firmware refuses it, crashes, hangs or ends.
        """
        self._write(f"{text}%".encode())
        lines = self._lines()
        for line in lines:
            if line.startswith("e-["):
                raise TinykitError(
                    f"the firmware refused {text[:40]!r}: {line.removeprefix('e-')}.",
                    where=self._board,
                    remedy="Generate the project again from the network it is to run.",
                )
        return lines

    def load(self, data: bytes) -> None:
        """Load one input."""
        lines = self.command(f"db load {len(data)}")
        for start in range(0, len(data), _BYTES):
            lines = self.command(f"db {data[start : start + _BYTES].hex()}")
        if "m-load-done" not in lines:
            raise self._unexpected("db", lines)

    def infer(self, count: int, warmups: int) -> Inference:
        """`count` timed inferences of the loaded input after `warmups` others."""
        lines = self.command(f"infer {count} {warmups}")
        laps = tuple(int(line.removeprefix(_LAP)) for line in lines if line.startswith(_LAP))
        return Inference(self._bracketed("results", lines), laps)

    def crc(self) -> str:
        """CRC-32 of the last output, eight hexadecimal digits."""
        return self._bracketed("crc", self.command("crc"))

    def answer(self, data: bytes) -> Answer:
        """Load one input and run it once."""
        self.load(data)
        return Answer(self.infer(1, 0).results, self.crc())

    def _bracketed(self, name: str, lines: Sequence[str]) -> str:
        for line in lines:
            if match := re.fullmatch(rf"m-{name}-\[([^]]*)\]", line):
                return match[1]
        raise self._unexpected(name, lines)

    def _unexpected(self, what: str, lines: Sequence[str]) -> TinykitError:
        return TinykitError(
            f"the firmware's answer lacks {what}: {' | '.join(lines)[:200]!r}.",
            where=self._board,
            remedy="The line lost bytes, or this is another firmware; build it again.",
        )

    def _lines(self) -> list[str]:
        """Lines up to "m-ready", which is left out."""
        lines: list[str] = []
        while True:
            line = self._receive(lambda buffer: buffer.find(b"\n"))
            text = line.decode("ascii", errors="replace").strip()
            if text == READY:
                return lines
            if text.startswith('{"t":"fault"'):
                raise fault_error(decode(line), self._board)
            if text:
                lines.append(text)


_LAP = "m-lap-us-"
