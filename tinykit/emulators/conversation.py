# SPDX-License-Identifier: Apache-2.0
"""A byte channel to a running firmware, whatever it speaks: hangs and ends are noticed here."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Literal, Protocol, Self

from tinykit.errors import TinykitError

MarkKind = Literal["begin", "layer", "frontend_begin", "frontend_end", "timestamp"]
MARK_KINDS: tuple[MarkKind, ...] = (
    "begin",
    "layer",
    "frontend_begin",
    "frontend_end",
    "timestamp",
)
MARK_SYMBOLS = tuple(f"tk_mark_{kind}" for kind in MARK_KINDS)

# Wall seconds without one byte from the firmware after which it counts as hung. The slowest thing
# between two bytes is one inference, seconds under emulation.
NO_PROGRESS_SECONDS = 60.0
_LONGEST_LINE = 65536


@dataclass(frozen=True)
class Mark:
    """A mark function was called after `count` instructions since reset."""

    kind: MarkKind
    count: int


class Transport(Protocol):
    """A byte channel to a firmware and the process behind it."""

    name: str

    def write(self, data: bytes) -> None:
        """Send `data`; OSError if the firmware's side is gone."""

    def read(self) -> bytes:
        """Some bytes, waiting for them; empty at the end."""

    def close(self) -> None:
        """End the process; may be called again."""

    def ending(self) -> str:
        """Why the process ended, with the tail of what it said."""

    def marks(self) -> list[Mark]:
        """All marks so far, in order."""


class Conversation:
    """A conversation with a firmware, a context manager that ends it.

    Args:
        transport: the channel.
        board: name for messages.
        timeout: wall seconds without output after which the firmware counts as hung.
    """

    def __init__(
        self, transport: Transport, board: str, timeout: float = NO_PROGRESS_SECONDS
    ) -> None:
        self._transport = transport
        self._board = board
        self._timeout = timeout
        self._buffer = bytearray()
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._closed = False
        self._reader = threading.Thread(target=self._pump, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the emulator, whatever it does; may be called again."""
        if not self._closed:
            self._closed = True
            self._transport.close()
            self._reader.join(timeout=5)

    def _pump(self) -> None:
        with suppress(OSError, ValueError):
            while data := self._transport.read():
                self._chunks.put(data)
        self._chunks.put(b"")

    def _fill(self, deadline: float) -> None:
        """Wait for more bytes."""
        try:
            data = self._chunks.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            tail = bytes(self._buffer[-80:]).decode("ascii", errors="backslashreplace")
            raise TinykitError(
                f"the firmware hangs: nothing came in {self._timeout:g} s"
                + (f", after {tail!r}." if tail else "."),
                where=f"{self._board} under {self._transport.name}",
                remedy="If the board is only slow, allow more with --timeout.",
            ) from None
        if not data:
            self._chunks.put(b"")
            raise self._ended()
        self._buffer += data

    def _ended(self) -> TinykitError:
        cut = " in the middle of a record" if self._buffer else ""
        return TinykitError(
            f"the emulator ended{cut}: {self._transport.ending()}.",
            where=f"{self._board} under {self._transport.name}",
            remedy="Run it again; if it ends by itself, look at what it says.",
        )

    def _receive(self, wanted: Callable[[bytearray], int]) -> bytes:
        """Bytes up to and including the index that `wanted` finds in the buffer (-1: none yet)."""
        deadline = time.monotonic() + self._timeout
        while (index := wanted(self._buffer)) < 0:
            size = len(self._buffer)
            self._fill(deadline)
            if len(self._buffer) > size:
                deadline = time.monotonic() + self._timeout
            if len(self._buffer) > _LONGEST_LINE:
                raise TinykitError(
                    "the board sends no line ends.",
                    where=f"{self._board} under {self._transport.name}",
                    remedy="This is no tinykit firmware, or the baud rate is wrong.",
                )
        taken = bytes(self._buffer[: index + 1])
        del self._buffer[: index + 1]
        return taken

    def marks(self) -> list[Mark]:
        """The marks so far, in order; empty where nothing counts instructions (host)."""
        return self._transport.marks()

    def _write(self, data: bytes) -> None:
        try:
            self._transport.write(data)
        except (OSError, ValueError) as error:
            # What it sent before it went may tell more.
            with suppress(TinykitError):
                while True:
                    self._fill(time.monotonic() + 1.0)
            raise self._gone() from error

    def _gone(self) -> TinykitError:
        """Why nothing can be written any more; the buffer holds all that came."""
        return self._ended()


def tail(stream: IO[bytes], lines: int = 6) -> str:
    """The first and the last lines of a process's stderr, on one line."""
    stream.flush()
    stream.seek(0)
    text = stream.read().decode(errors="replace")
    said = [line.strip() for line in text.splitlines() if line.strip()]
    if len(said) > lines:
        said = [*said[: lines // 2], "...", *said[-(lines // 2) :]]
    return " | ".join(line[:200] for line in said)
