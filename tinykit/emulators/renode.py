# SPDX-License-Identifier: Apache-2.0
"""Renode: counts by hooks at the marks, the serial line through a socket."""

from __future__ import annotations

import functools
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tinykit.boards import Board
from tinykit.boards.elf import find_symbols
from tinykit.emulators.conversation import MARK_SYMBOLS, NO_PROGRESS_SECONDS, Transport, tail
from tinykit.emulators.levels import Levels
from tinykit.emulators.process import CountingProcess
from tinykit.emulators.resd import Recording, period_of
from tinykit.emulators.scripts import render_script
from tinykit.emulators.session import Session
from tinykit.errors import TinykitError

INSTALL = (
    "get a release at https://github.com/renode/renode/releases, or use PlatformIO's tool-renode"
)
START_SECONDS = 90.0
_PARTS = {"imu": "inertial sensor", "lines": "inputs for comparators"}
_FAILED = b"There was an error executing command"

# Runs inside Renode, in its Python 2. Each hook keeps names of its own, so each has its own file;
# the files are merged by count.
_HOOK = (
    "f = globals().get('f') or open('{log}', 'w'); "
    "f.write('{mark} %d\\n' % self.ExecutedInstructions); f.flush()"
)
# The sensor's model reads a recording from the moment on when the firmware has started it. It takes
# its first sample at once; half a period ahead in the recording, each is from the middle of one.
SAMPLING_SYMBOL = "tk_mark_sampling"
_FEED = (
    "from Antmicro.Renode.Utilities.RESD import RESDStreamSampleOffset as offset; "
    "imu = self.GetMachine()['{imu}']; "
    "now = offset.CurrentVirtualTime; "
    "imu.FeedAccelerationSamplesFromRESD('{path}', 0, 0, now, {ahead})"
)
_FEED_TURNING = "imu.FeedAngularRateSamplesFromRESD('{path}', 0, 0, now, {ahead})"
_RUN = "execfile('{path}', {{'machine': self.GetMachine()}})"


class _RenodeProcess(CountingProcess):
    """Renode with its monitor on stdin and stdout, and the serial line on a socket."""

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        # Renode clears folders of other instances out of the temporary folder: it gets its own.
        super().__init__("Renode", command, folder=folder, env={"TMPDIR": str(folder)}, piped=False)
        try:
            self._socket = self._connect(port)
        except BaseException:
            self.close()
            raise

    def _connect(self, port: int) -> socket.socket:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if _FAILED in (self.folder / "stderr").read_bytes():
                break
            try:
                line = socket.create_connection(("127.0.0.1", port), timeout=1.0)
            except OSError:
                time.sleep(0.1)
                continue
            line.settimeout(None)
            return line
        raise TinykitError(
            f"Renode did not start the machine: {tail((self.folder / 'stderr').open('rb'))}",
            where="renode",
            remedy="`tinykit doctor` says which Renode is found; 1.15 and 1.16 are known to work.",
        )

    def write(self, data: bytes) -> None:
        """Send `data` to the serial line."""
        self._socket.sendall(data)

    def read(self) -> bytes:
        """Bytes of the serial line."""
        return self._socket.recv(65536)

    def close(self) -> None:
        """End Renode and the socket."""
        super().close()
        if hasattr(self, "_socket"):
            self._socket.close()

    def _read_marks(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("marks.*"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _feed_line(board: Board, address: int, folder: Path, sensed: Recording | Levels) -> str:
    """Writes what is sensed to `folder`; the line that has it so from `address` on."""
    if isinstance(sensed, Recording):
        hook = _imu_feed(board, folder, sensed)
    else:
        hook = _lines_feed(board, folder, sensed)
    return f'{board.renode["cpu"]} AddHook {address:#x} "{hook}"'


def _imu_feed(board: Board, folder: Path, recording: Recording) -> str:
    path = folder / "recording.resd"
    path.write_bytes(recording.resd())
    feed = _FEED if recording.samples.shape[1] == 3 else f"{_FEED}; {_FEED_TURNING}"
    return feed.format(imu=board.renode["imu"], path=path, ahead=period_of(recording.hertz) // 2)


def _lines_feed(board: Board, folder: Path, levels: Levels) -> str:
    table, script = folder / "levels.txt", folder / "levels.py"
    table.write_text(levels.table())
    script.write_text(levels.driver(board.renode["lines"], str(table)))
    return _RUN.format(path=script)


def _session_script(
    board: Board,
    symbols: dict[str, int],
    folder: Path,
    port: int,
    *,
    real_time: bool,
    sensed: Recording | Levels | None,
) -> str:
    lines = [
        "logLevel 3",
        # As fast as this machine can, unless it is to be as the board's clock would.
        f"emulation SetGlobalAdvanceImmediately {str(not real_time).lower()}",
        f"$elf=@{folder}/firmware.elf",
        f"include @{folder}/{board.id}.resc",
    ]
    for number, name in enumerate(MARK_SYMBOLS):
        if name in symbols:
            hook = _HOOK.format(log=folder / f"marks.{number}", mark=number)
            lines.append(f'{board.renode["cpu"]} AddHook {symbols[name]:#x} "{hook}"')
    if sensed is not None:
        lines.append(_feed_line(board, symbols[SAMPLING_SYMBOL], folder, sensed))
    lines += [
        f'emulation CreateServerSocketTerminal {port} "tinykit" false',
        f"connector Connect {board.renode['uart']} tinykit",
        "start",
    ]
    return "\n".join(lines) + "\n"


class Renode:
    """Renode, found on the PATH."""

    name = "renode"

    def available(self, board: Board) -> bool:
        """Whether it is installed and the board has a platform description."""
        return bool(board.renode) and shutil.which("renode") is not None

    def start(self, elf: Path, board: Board, *, timeout: float = NO_PROGRESS_SECONDS) -> Session:
        """Boot the self-test `elf`; raises as `boot`."""
        return Session(self.boot(elf, board), board.id, timeout)

    def boot(
        self,
        elf: Path,
        board: Board,
        *,
        time_step: int | None = None,
        real_time: bool = False,
        sensed: Recording | Levels | None = None,
    ) -> Transport:
        """Boot `elf`; its time follows instructions whatever `time_step` is.

        Args:
            elf, board, time_step, real_time: as in `Emulator`.
            sensed: what the board's inertial sensor senses, or its comparators' lines, once the
                firmware has started them.

        Raises:
            TinykitError: the board has no .repl or no sensor in it, Renode is not installed or
                does not start, or `elf` is missing.
        """
        part = "lines" if isinstance(sensed, Levels) else "imu"
        if sensed is not None and part not in board.renode:
            raise TinykitError(
                f"its platform description for Renode has no {_PARTS[part]}.",
                where=board.name,
                remedy="Choose nrf52840dk.",
            )
        if not board.renode:
            raise TinykitError(
                f"{board.name} has no platform description for Renode.",
                where="--emulator",
                remedy="Use --emulator auto.",
            )
        program = shutil.which("renode")
        if program is None:
            raise TinykitError(
                "Renode is not installed.",
                where="--emulator",
                remedy=f"To install it, {INSTALL}; or use --emulator qemu.",
            )
        symbols = find_symbols(elf, (*MARK_SYMBOLS, SAMPLING_SYMBOL))
        if sensed is not None and SAMPLING_SYMBOL not in symbols:
            raise TinykitError(
                "this firmware reads no sensor.",
                where=elf,
                remedy="Generate it with --app stream.",
            )
        folder = Path(tempfile.mkdtemp(prefix="tinykit-"))
        try:
            script = functools.partial(
                _session_script, board, symbols, real_time=real_time, sensed=sensed
            )
            return self._boot(program, elf, board, folder, script)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @staticmethod
    def _boot(
        program: str,
        elf: Path,
        board: Board,
        folder: Path,
        session_script: Callable[[Path, int], str],
    ) -> _RenodeProcess:
        # All in one folder of ours: Renode's paths may hold no blanks.
        shutil.copyfile(elf, folder / "firmware.elf")
        shutil.copyfile(board.directory / f"{board.id}.repl", folder / f"{board.id}.repl")
        (folder / f"{board.id}.resc").write_text(render_script(board))
        port = _free_port()
        script = folder / "session.resc"
        script.write_text(session_script(folder, port))
        command = [program, "--console", "--plain", "--config", str(folder / "config"), str(script)]
        return _RenodeProcess(command, folder, port)
