# SPDX-License-Identifier: Apache-2.0
"""Talk to a firmware that tests itself: the same for every emulator, for the host and a board."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from tinykit.emulators.conversation import NO_PROGRESS_SECONDS, Conversation, Transport
from tinykit.emulators.records import Record, Sequence, decode, fault_error
from tinykit.errors import TinykitError


class Session(Conversation):
    """Records and commands of the self-test; a context manager that ends the firmware.

    Args:
        transport: the channel.
        board: name for messages.
        timeout: wall seconds without output after which the firmware counts as hung.
    """

    def __init__(
        self, transport: Transport, board: str, timeout: float = NO_PROGRESS_SECONDS
    ) -> None:
        super().__init__(transport, board, timeout)
        self._sequence = Sequence()

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

    def feed(self, parts: Iterable[bytes]) -> Iterator[Record]:
        """Send one of `parts` after each '>'; the records that come in between, as they come."""
        for part in parts:
            while (record := self._record_or_prompt()) is not None:
                yield record
            self._write(part)
        while (record := self._record_or_prompt()) is not None:
            yield record

    def set_mode(self, mode: int) -> None:
        """Let further inferences run in the mode of this number, of a network with exits."""
        self._write(f"m {mode}\n".encode())
        self._answer("mode")

    def quit(self) -> None:
        """Let the firmware say goodbye, then end the emulator."""
        if not self._closed:
            self._write(b"q\n")
            self._answer("bye")
        self.close()

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
        record = self._record_or_prompt()
        if record is not None:
            raise TinykitError(
                f"the firmware sent {record['t']!r} where it was to ask for samples.",
                where=self._board,
                remedy="Check that the recording has the length that the network expects.",
            )

    def _record_or_prompt(self) -> Record | None:
        """The next record, or None where the firmware sends '>' instead."""

        def prompt(buffer: bytearray) -> int:
            if buffer.lstrip(b"\r\n").startswith(b">"):
                return buffer.index(b">")
            return buffer.find(b"\n", len(buffer) - len(buffer.lstrip(b"\r\n")))

        taken = self._receive(prompt)
        if taken.endswith(b">"):
            return None
        self._buffer[:0] = taken
        return self.next_record()

    def _gone(self) -> TinykitError:
        # A fault record tells more than its end.
        if b'"fault"' in self._buffer:
            self.next_record()
        return self._ended()
