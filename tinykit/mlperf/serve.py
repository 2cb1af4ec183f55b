# SPDX-License-Identifier: Apache-2.0
"""An emulated board's serial line for other programs: as a pseudo-terminal, or on a TCP port.

The benchmark's own runner opens the pseudo-terminal as it would a board's serial port.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import tty
from collections.abc import Callable
from contextlib import suppress

from tinykit.emulators import Transport
from tinykit.errors import TinykitError
from tinykit.mlperf.runner import Bench, time_step

Announce = Callable[[str], None]
_CHUNK = 4096


def serve(
    bench: Bench, announce: Announce, *, port: int | None = None, real_time: bool = False
) -> None:
    """Boot the board and offer its serial line until interrupted, or asked to end (SIGTERM).

    Args:
        bench: a built firmware.
        announce: called with the terminal's path, or "host:port", once it can be opened.
        port: as `serve_socket`; a pseudo-terminal by default.
        real_time: run no faster than emulated time.

    Raises:
        KeyboardInterrupt: it was interrupted or asked to end.
        TinykitError: the port is taken, or the board has ended by itself.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    step = time_step(bench.board)
    transport = bench.machine.boot(
        bench.build.elf, bench.board, time_step=step, real_time=real_time
    )
    try:
        if port is None:
            serve_terminal(transport, announce)
        else:
            serve_socket(transport, port, announce)
    finally:
        transport.close()
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def serve_terminal(transport: Transport, announce: Announce) -> None:
    """Copy bytes between the board and a new pseudo-terminal until the board ends.

    Args:
        transport: the board's channel; the caller closes it.
        announce: called with the terminal's path once it can be opened.

    Raises:
        TinykitError: the board has ended by itself.
    """
    ours, theirs = os.openpty()
    # Our own handle on their side keeps the terminal alive between programs that open it.
    try:
        tty.setraw(theirs)
        line = _Line(lambda: os.read(ours, _CHUNK), lambda data: _write_all(ours, data))
        announce(os.ttyname(theirs))
        _bridge(transport, line)
    finally:
        os.close(ours)
        os.close(theirs)


def serve_socket(transport: Transport, port: int, announce: Announce) -> None:
    """Copy bytes between the board and whoever connects, one after the other.

    What the board says while nobody is there is lost, as on a real line.

    Args:
        transport: the board's channel; the caller closes it.
        port: on the loopback address; 0 takes a free one.
        announce: called with "host:port" once it can be connected to.

    Raises:
        TinykitError: the port is taken, or the board has ended by itself.
    """
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise TinykitError(
            f"port {port} cannot be had: {error.strerror}.",
            where="--port",
            remedy="Choose another; 0 takes a free one.",
        ) from error
    with listener:
        visitors = _Visitors(listener)
        announce("{}:{}".format(*listener.getsockname()[:2]))
        _bridge(transport, _Line(visitors.read, visitors.write))


class _Line:
    """The other side: `read` waits for bytes, and `write` sends all."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], None]) -> None:
        self.read, self.write = read, write


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


class _Visitors:
    """Whoever is connected at the moment, if anyone is."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._visitor: socket.socket | None = None

    def read(self) -> bytes:
        """Bytes of the present visitor, or of the next."""
        while True:
            if self._visitor is None:
                self._visitor = self._listener.accept()[0]
            with suppress(ConnectionError):
                if data := self._visitor.recv(_CHUNK):
                    return data
            gone, self._visitor = self._visitor, None
            gone.close()

    def write(self, data: bytes) -> None:
        """To the present visitor; nowhere if there is none."""
        visitor = self._visitor
        if visitor is not None:
            with suppress(OSError):
                visitor.sendall(data)


def _bridge(transport: Transport, line: _Line) -> None:
    """Copy both ways; ends with the board."""

    def inwards() -> None:
        with suppress(OSError, ValueError):
            while data := line.read():
                transport.write(data)

    threading.Thread(target=inwards, daemon=True).start()
    while data := transport.read():
        line.write(data)
    raise TinykitError(
        f"the emulator ended: {transport.ending()}.",
        where=transport.name,
        remedy="Run it again; if it ends by itself, look at what it says.",
    )
