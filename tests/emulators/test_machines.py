# SPDX-License-Identifier: Apache-2.0
"""Every board boots, speaks, counts and fails as it should, in every emulator that knows it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from tinykit.boards import list_boards, load_board
from tinykit.emulators import Mark, Session, select
from tinykit.emulators.measure import measure
from tinykit.errors import TinykitError

QEMU_BOARDS = [board.id for board in list_boards() if "qemu" in board.emulators]
# One of each architecture profile; Renode takes seconds to start.
RENODE_BOARDS = ("nrf52840dk", "mps2_an386", "mps2_an505", "hifive1", "virt_rv32imac_zbb")
needs_renode = pytest.mark.skipif(
    shutil.which("renode") is None, reason="Renode is not installed on this machine"
)
HOP = 320


def converse(session: Session) -> list[Mark]:
    """Use every command and check every answer; returns the marks."""
    boot, vector, stack, done = session.self_test()
    assert boot["t"] == "boot"
    assert vector == {"t": "vector", "i": 0, "class": 0, "scores": [0, 0, -128, 127], "pass": True}
    assert stack["t"] == "stack"
    assert done["verdict"] == "PASS"
    # All byte values cross the line, both ways of a signed 16-bit sample, and a short last chunk.
    samples = np.arange(-500, 501, dtype=np.int16) * 65
    clip = session.send_clip(samples, HOP)
    assert int(clip["features"], 16) == zlib.crc32(samples.astype("<i2").tobytes())
    features = np.array([1, 2, 3, 4, 5, 6, 7, -127], dtype=np.int8)
    assert session.send_features(features)["class"] == int(features.sum()) % 4
    assert [record["t"] for record in session.again()] == ["vector", "stack", "done"]
    session.quit()
    return session.marks()


def check_counts(marks: list[Mark]) -> None:
    """Four inferences of three layers, each about twice the one before; four hops, one short."""
    found = measure(marks)
    assert found.inference is not None
    assert found.hop is not None
    assert found.inference.times == 4
    assert found.inference.least == found.inference.most
    first, second, third = found.layers
    assert 400 < first.mean < second.mean < third.mean < 4000
    # The layers differ in turns: 100, 200, 400. What a turn costs is the same in each.
    ratio = (third.mean - second.mean) / (second.mean - first.mean)
    assert ratio == pytest.approx(2, abs=0.02)
    assert found.inference.mean == first.mean + second.mean + third.mean
    assert found.hop.times == 4
    assert found.hop.least < found.hop.most


@pytest.mark.parametrize("board_id", QEMU_BOARDS)
def test_qemu_runs_and_counts(firmware, board_id: str) -> None:
    board = load_board(board_id)
    with select("qemu", board).start(firmware(board_id).elf, board, timeout=30) as session:
        check_counts(converse(session))


def test_the_host_runs(firmware) -> None:
    board = load_board("host")
    with select("auto", board).start(firmware("host").elf, board, timeout=30) as session:
        assert converse(session) == []


@needs_renode
@pytest.mark.parametrize("board_id", RENODE_BOARDS)
def test_renode_counts_what_qemu_counts(firmware, board_id: str) -> None:
    board = load_board(board_id)
    elf = firmware(board_id).elf
    with select("renode", board).start(elf, board, timeout=60) as session:
        marks = converse(session)
    check_counts(marks)
    if "qemu" in board.emulators:
        with select("qemu", board).start(elf, board, timeout=30) as session:
            assert measure(converse(session)) == measure(marks)


@needs_renode
def test_the_generated_robot_test_passes_and_fails(firmware, tmp_path: Path) -> None:
    project = firmware("mps2_an386").elf.parents[3]
    robot = project / "emulation" / "mps2_an386.robot"
    command = ["renode-test", "-r", str(tmp_path), str(robot)]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    robot.write_text(robot.read_text().replace('"t":"fault"', '"t":"vector"'))
    assert subprocess.run(command, capture_output=True, timeout=120).returncode != 0


@pytest.mark.parametrize(
    ("board_id", "kind"),
    [
        ("host", "signal"),
        ("microbit", "hard"),
        ("mps2_an386", "usage"),
        ("mps3_an547", "usage"),
        ("hifive1", "illegal instruction"),
    ],
)
def test_a_fault_shows_its_registers(firmware, board_id: str, kind: str) -> None:
    board = load_board(board_id)
    elf = firmware(board_id, SMOKE_FAULT="1").elf
    with (
        select(board.emulators[-1], board).start(elf, board, timeout=30) as session,
        pytest.raises(TinykitError, match=rf"crashed \({kind} fault\)") as caught,
    ):
        session.self_test()
    if board_id != "host":
        assert "pc=" in caught.value.what
        assert "lr=" in caught.value.what


@pytest.mark.parametrize("board_id", ["stm32vldiscovery", "mps2_an500", "hifive1", "virt_rv32imc"])
def test_a_stack_overflow_is_called_so(firmware, board_id: str) -> None:
    board = load_board(board_id)
    elf = firmware(board_id, SMOKE_OVERFLOW="1").elf
    with (
        select("qemu", board).start(elf, board, timeout=30) as session,
        pytest.raises(TinykitError, match="stack overflow") as caught,
    ):
        session.self_test()
    assert "stack_bytes" in str(caught.value.remedy)


@needs_renode
def test_a_stack_overflow_is_noticed_where_only_renode_runs(firmware) -> None:
    board = load_board("nrf52840dk")
    elf = firmware("nrf52840dk", SMOKE_OVERFLOW="1").elf
    with (
        select("renode", board).start(elf, board, timeout=60) as session,
        pytest.raises(TinykitError, match="stack overflow"),
    ):
        session.self_test()


def test_a_hang_is_noticed(firmware) -> None:
    board = load_board("host")
    elf = firmware("host", SMOKE_HANG="1").elf
    with (
        select("auto", board).start(elf, board, timeout=0.5) as session,
        pytest.raises(TinykitError, match=r"hangs: nothing came in 0\.5 s"),
    ):
        session.self_test()


def test_a_garbled_record_is_refused(firmware) -> None:
    board = load_board("host")
    elf = firmware("host", SMOKE_GARBLE="1").elf
    with (
        select("auto", board).start(elf, board, timeout=30) as session,
        pytest.raises(TinykitError, match="garbled"),
    ):
        session.self_test()


def test_a_killed_emulator_is_noticed(firmware) -> None:
    board = load_board("mps2_an386")
    with select("qemu", board).start(firmware("mps2_an386").elf, board, timeout=30) as session:
        session.self_test()
        os.kill(session._transport.process.pid, signal.SIGKILL)
        with pytest.raises(TinykitError, match=r"ended.*killed by SIGKILL"):
            session.send_features(np.zeros(8, dtype=np.int8))


def test_an_emulator_that_refuses_says_why(firmware) -> None:
    board = load_board("hifive1")
    unknown = dataclasses.replace(board, qemu={**board.qemu, "machine": "abacus"})
    with (
        select("qemu", unknown).start(firmware("hifive1").elf, unknown, timeout=30) as session,
        pytest.raises(TinykitError, match=r"exit status 1; it said: .*unsupported machine type"),
    ):
        session.self_test()


def test_nothing_is_left_behind(firmware, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    board = load_board("hifive1")
    with select("qemu", board).start(firmware("hifive1").elf, board, timeout=30) as session:
        session.self_test()
        process = session._transport.process
    assert process.poll() is not None
    assert list(tmp_path.iterdir()) == []


def test_a_missing_emulator_names_the_command(firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    board = load_board("hifive1")
    elf = firmware("hifive1").elf
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(TinykitError, match="apt install qemu-system-misc"):
        select("auto", board)
    with pytest.raises(TinykitError, match="apt install qemu-system-misc"):
        select("qemu", board).start(elf, board)
    with pytest.raises(TinykitError, match="Renode is not installed"):
        select("renode", board).start(elf, board)


def test_an_emulator_that_does_not_know_the_board_is_refused() -> None:
    with pytest.raises(TinykitError, match="qemu does not know nRF52840 DK"):
        select("qemu", load_board("nrf52840dk"))
    with pytest.raises(TinykitError, match="there is no emulator 'bochs'"):
        select("bochs", load_board("hifive1"))


def test_a_missing_firmware_is_refused(tmp_path: Path) -> None:
    for board_id in ("hifive1", "host"):
        board = load_board(board_id)
        with pytest.raises(TinykitError, match=r"firmware\.elf"):
            select(board.emulators[-1], board).start(tmp_path / "firmware.elf", board)
