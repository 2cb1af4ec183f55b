# SPDX-License-Identifier: Apache-2.0
"""An emulator as a child process: started in a group of its own, always ended, stderr kept."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tinykit.emulators.conversation import MARK_KINDS, Mark, tail

GRACE_SECONDS = 3.0


class Process:
    """A child with pipes at stdin and stdout; what it writes to stderr lies in a file.

    Args:
        name: of the emulator, for messages.
        command: program and arguments.
        folder: a private folder, removed at the end; a new one if None.
        env: variables beside those of this process.
        piped: False sends stdout to stderr's file, for an emulator whose serial line is elsewhere.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        piped: bool = True,
    ) -> None:
        self.name = name
        self.folder = folder or Path(tempfile.mkdtemp(prefix="tinykit-"))
        self._stderr = (self.folder / "stderr").open("w+b")
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if piped else self._stderr,
            stderr=self._stderr,
            env=None if env is None else {**os.environ, **env},
            # Its own group: the emulator's children end with it, and a Ctrl-C reaches only us.
            start_new_session=True,
            bufsize=0,
        )
        self._ending = ""

    def write(self, data: bytes) -> None:
        """Send `data` to its stdin."""
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            written = self.process.stdin.write(view)
            view = view[written or 0 :]

    def read(self) -> bytes:
        """Bytes of its stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.read(65536)

    def close(self) -> None:
        """End the whole group: asked first, then killed."""
        if self._stderr.closed:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None and number == signal.SIGTERM:
                continue
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE_SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()
        self._keep_results()
        self._stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keep_results(self) -> None:
        """Read what is still needed once the folder is gone."""
        self._ending = self.ending()

    def ending(self) -> str:
        """How it ended, and the last lines of its stderr."""
        if self._ending:
            return self._ending
        try:
            status = self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its output but still runs"
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        said = tail(self._stderr)
        return f"{how}; it said: {said}" if said else how

    def marks(self) -> list[Mark]:
        """None: a plain process counts nothing."""
        return []


class CountingProcess(Process):
    """A process that writes "<mark> <count>" lines to `folder/marks`."""

    _kept: list[Mark] | None = None

    def marks(self) -> list[Mark]:
        """All marks so far, in order of count."""
        if self._kept is not None:
            return self._kept
        found = []
        for line in self._read_marks().splitlines():
            mark, _, count = line.partition(" ")
            if count.isdigit():
                found.append(Mark(MARK_KINDS[int(mark)], int(count)))
        return sorted(found, key=lambda mark: mark.count)

    def _read_marks(self) -> str:
        path = self.folder / "marks"
        return path.read_text() if path.exists() else ""

    def _keep_results(self) -> None:
        super()._keep_results()
        self._kept = self.marks()
