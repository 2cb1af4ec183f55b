# SPDX-License-Identifier: Apache-2.0
"""Talk to a running firmware: the same for every emulator, for the host and for a serial port."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Literal, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from tinykit.emulators.records import Record, Sequence, decode, fault_error
from tinykit.errors import TinykitError

MarkKind = Literal["begin", "layer", "frontend_begin", "frontend_end"]
MARK_KINDS: tuple[MarkKind, ...] = ("begin", "layer", "frontend_begin", "frontend_end")
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


class Session:
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
        self._sequence = Sequence()
        self._buffer = bytearray()
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._closed = False
        self._reader = threading.Thread(target=self._pump, daemon=True)
        self._reader.start()

    def __enter__(self) -> Session:
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

    def next_record(self) -> Record:
        """The next record.

        Raises:
            TinykitError: a fault record, a garbled or repeated one, a hang, the emulator's end.
        """
        line = b""
        while not line.strip():
            line = self._receive(lambda buffer: buffer.find(b"\n"))
        try:
            record = decode(line)
        except TinykitError as error:
            self._prefer_fault(error)
        if record["t"] == "fault":
            raise fault_error(record, self._board)
        if record["t"] == "error":
            raise TinykitError(
                f"the firmware refused: {record['what']}.",
                where=self._board,
                remedy="Generate the project again from the network it is to run.",
            )
        self._sequence.check(record)
        return record

    def _following(self) -> Record | None:
        """The next line's record if it comes soon and is whole."""
        with suppress(TinykitError):
            deadline = time.monotonic() + min(2.0, self._timeout)
            while b"\n" not in self._buffer:
                self._fill(deadline)
            return decode(bytes(self._buffer).split(b"\n", 1)[0])
        return None

    def _prefer_fault(self, error: TinykitError) -> NoReturn:
        """A line cut by a crash is followed by the crash's record, which says more."""
        following = self._following()
        if following and following["t"] == "fault":
            raise fault_error(following, self._board) from None
        raise error

    def records(self) -> Iterator[Record]:
        """Records up to "ready" (not included), as they come: the self-test at boot."""
        while (record := self.next_record())["t"] != "ready":
            yield record

    def self_test(self) -> list[Record]:
        """All records of the self-test at boot."""
        return list(self.records())

    def again(self) -> list[Record]:
        """Run the self-test once more; records up to and with "done"."""
        self._sequence = Sequence()
        self._write(b"s\n")
        found: list[Record] = []
        while not found or found[-1]["t"] != "done":
            found.append(self.next_record())
        return found

    def send_clip(self, samples: NDArray[np.int16], hop: int) -> Record:
        """Let the firmware classify a recording.

        Args:
            samples: int16, (n,) or (n, channels).
            hop: samples per channel that the firmware takes at a time.
        """
        if samples.dtype != np.int16 or samples.ndim not in (1, 2):
            raise ValueError(f"int16 of one or two axes expected, not {samples.dtype}")
        self._write(f"c {len(samples)}\n".encode())
        for start in range(0, len(samples), hop):
            self._wait_for_prompt()
            self._write(np.ascontiguousarray(samples[start : start + hop], dtype="<i2").tobytes())
        return self._answer("clip")

    def send_features(self, features: NDArray[np.int8]) -> Record:
        """Let the firmware classify int8 features, of the network's input shape."""
        if features.dtype != np.int8:
            raise ValueError(f"int8 expected, not {features.dtype}")
        self._write(b"f\n")
        self._wait_for_prompt()
        self._write(np.ascontiguousarray(features).tobytes())
        return self._answer("vector")

    def quit(self) -> None:
        """Let the firmware say goodbye, then end the emulator."""
        if not self._closed:
            self._write(b"q\n")
            self._answer("bye")
        self.close()

    def marks(self) -> list[Mark]:
        """The marks so far, in order; empty where nothing counts instructions (host)."""
        return self._transport.marks()

    def _answer(self, kind: str) -> Record:
        record = self.next_record()
        if record["t"] != kind:
            raise TinykitError(
                f"the firmware answered with {record['t']!r} instead of {kind!r}.",
                where=self._board,
                remedy="Read the self-test's records before sending a command.",
            )
        return record

    def _wait_for_prompt(self) -> None:
        """Wait for the '>' that says the firmware takes bytes now."""

        def prompt(buffer: bytearray) -> int:
            if buffer.lstrip(b"\r\n").startswith(b">"):
                return buffer.index(b">")
            return buffer.find(b"\n", len(buffer) - len(buffer.lstrip(b"\r\n")))

        taken = self._receive(prompt)
        if not taken.endswith(b">"):
            self._buffer[:0] = taken
            record = self.next_record()
            raise TinykitError(
                f"the firmware sent {record['t']!r} where it was to ask for samples.",
                where=self._board,
                remedy="Check that the recording has the length that the network expects.",
            )

    def _write(self, data: bytes) -> None:
        try:
            self._transport.write(data)
        except (OSError, ValueError) as error:
            # What it sent before it went may tell more: a fault record, or its last words.
            with suppress(TinykitError):
                while True:
                    self._fill(time.monotonic() + 1.0)
            if b'"fault"' in self._buffer:
                self.next_record()
            raise self._ended() from error


def tail(stream: IO[bytes], lines: int = 6) -> str:
    """The first and the last lines of a process's stderr, on one line."""
    stream.flush()
    stream.seek(0)
    text = stream.read().decode(errors="replace")
    said = [line.strip() for line in text.splitlines() if line.strip()]
    if len(said) > lines:
        said = [*said[: lines // 2], "...", *said[-(lines // 2) :]]
    return " | ".join(line[:200] for line in said)
