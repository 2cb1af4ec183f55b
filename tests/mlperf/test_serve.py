# SPDX-License-Identifier: Apache-2.0
"""The serial line of an emulated board for other programs."""

from __future__ import annotations

import os
import select as waiting
import signal
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.mlperf.devices import NETWORKS, loading
from tinykit.boards import load_board
from tinykit.codegen.mlperf import TASKS
from tinykit.emulators.process import Process
from tinykit.errors import TinykitError
from tinykit.mlperf.expected import expect
from tinykit.mlperf.serve import serve_socket, serve_terminal
from tinykit.runs import Run

# Long beyond any machine's; only a broken server reaches it.
PATIENCE = 120.0


@contextmanager
def serving(
    program: Path, serve: Callable[[Process, Callable[[str], None]], None]
) -> Iterator[str]:
    """Serve the program in a thread; gives the address that it announces."""
    process = Process("the host", [str(program)])
    announced = threading.Event()
    address: list[str] = []

    def announce(text: str) -> None:
        address.append(text)
        announced.set()

    def run() -> None:
        with suppress(TinykitError):
            serve(process, announce)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert announced.wait(PATIENCE)
        yield address[0]
    finally:
        process.process.kill()
        thread.join(PATIENCE)
        process.close()
    assert not thread.is_alive()


def read_answer(receive: Callable[[int], bytes]) -> list[str]:
    """Lines up to "m-ready"."""
    text = b""
    while not text.endswith(b"m-ready\r\n"):
        part = receive(1)
        assert part, f"the line ended after {text!r}"
        text += part
    return text.decode().split("\r\n")[:-2]


def converse(send: Callable[[bytes], object], receive: Callable[[int], bytes]) -> None:
    """Name, one inference, and its result."""
    data = np.random.default_rng(3).bytes(490)
    for text in ("name", *loading(data), "infer 1 0"):
        send(f"{text}%".encode())
        answer = read_answer(receive)
        if text == "name" and "m-init-done" in answer:
            # It has just started, and this was its greeting.
            answer = read_answer(receive)
        if text == "name":
            assert answer == ["m-name-dut-[tinykit]"]
    right = expect(TASKS["kws01"], NETWORKS["kws01"](), [data])[0]
    assert answer[-1] == f"m-results-[{right.results}]"


def _terminal(path: str) -> tuple[int, Callable[[int], bytes]]:
    """Open it as a program would open a serial port."""
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)

    def receive(count: int) -> bytes:
        assert waiting.select([line], [], [], PATIENCE)[0]
        return os.read(line, count)

    return line, receive


def test_a_terminal_that_is_opened_twice(device: Callable[..., Path]) -> None:
    with serving(device("kws01"), serve_terminal) as path:
        line, receive = _terminal(path)
        assert "m-init-done" in read_answer(receive)
        converse(lambda data: os.write(line, data), receive)
        os.close(line)
        line, receive = _terminal(path)
        converse(lambda data: os.write(line, data), receive)
        os.close(line)


def test_a_socket_with_one_visitor_after_the_other(device: Callable[..., Path]) -> None:
    def serve(process: Process, announce: Callable[[str], None]) -> None:
        serve_socket(process, 0, announce)

    with serving(device("kws01"), serve) as address:
        host, port = address.split(":")
        assert host == "127.0.0.1"
        for _ in range(2):
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
                converse(line.sendall, line.recv)


def test_a_port_that_is_taken(device: Callable[..., Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = Process("the host", [str(device("kws01"))])
        try:
            with pytest.raises(TinykitError, match="cannot be had"):
                serve_socket(process, taken.getsockname()[1], lambda text: None)
        finally:
            process.close()


def test_the_end_of_the_board_is_told(device: Callable[..., Path]) -> None:
    process = Process("the host", [str(device("kws01"))])

    def kill(text: str) -> None:
        process.process.kill()

    try:
        with pytest.raises(TinykitError, match="SIGKILL"):
            serve_terminal(process, kill)
    finally:
        process.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_qemu_until_it_is_told_to_end(
    run_of: Callable[[str], Run], number: signal.Signals
) -> None:
    run = run_of("kws01")
    command = [sys.executable, "-m", "tinykit", "mlperf", str(run.directory), "--task", "kws01"]
    command += ["--board", load_board("mps2_an386").id, "--emulator", "qemu", "--serve"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A shell's background jobs ignore interrupts, and would leave that to the server.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as server:
        try:
            assert server.stdout is not None
            line, receive = _terminal(server.stdout.readline().strip())
            converse(lambda data: os.write(line, data), receive)
            os.close(line)
            server.send_signal(number)
            assert server.wait(PATIENCE) == 130
        finally:
            server.terminate()
