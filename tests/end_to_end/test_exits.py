# SPDX-License-Identifier: Apache-2.0
"""Modes on emulated boards: exits, classes, and that what is left out costs nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tinykit.adaptive.tune import costs_on
from tinykit.boards import load_board
from tinykit.emulators import select
from tinykit.errors import TinykitError
from tinykit.network import Mode
from tinykit.network.sample import adaptive_cnn
from tinykit.runs import Run
from tinykit.verify import inputs_of
from tinykit.workflow import build_firmware, generate_firmware, run_firmware

from .conftest import Tinykit


@pytest.fixture(scope="module")
def adaptive(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network with two exits and six modes, in which random inputs leave everywhere."""
    directory = tmp_path_factory.mktemp("adaptive")
    network = adaptive_cnn()
    network.save(directory / "network.tkn")
    return Run(directory, network)


@pytest.mark.parametrize("board", ["mps2_an386", "virt_rv32imc"])
def test_every_mode_on_a_board(adaptive: Run, board: str) -> None:
    firmware = generate_firmware(adaptive, load_board(board))
    inputs = inputs_of(adaptive)[:8]
    result = run_firmware(firmware, build_firmware(firmware), emulator="qemu", features=inputs)
    assert result.exact, [result.differences, result.modes]
    assert [one.name for one in result.modes] == [one.name for one in adaptive.network.modes]
    full, fastest, *others = result.modes
    assert (full.shares, fastest.shares) == ((0, 0, 1), (1, 0, 0))
    assert full.instructions > fastest.instructions
    assert all(fastest.instructions <= one.instructions for one in others)
    assert any(0 < share < 1 for one in others for share in one.shares)
    predicted = costs_on(adaptive.network, load_board(board))
    for mode, one in zip(adaptive.network.modes, result.modes, strict=True):
        expected = float(predicted.by_exit(mode) @ one.shares)
        assert one.instructions == pytest.approx(expected, rel=0.05)
    # In the first mode heads are left out: vectors and clips ran in it, and so did these inputs.
    assert full.instructions == pytest.approx(result.measurement.inference.mean, rel=0.01)
    assert all(layer.most < 100 for layer in result.measurement.layers[2:4])


def test_a_wrong_threshold_is_seen(adaptive: Run, tmp_path) -> None:
    """The board is asked in each mode, not believed."""
    firmware = generate_firmware(adaptive, load_board("host"), tmp_path / "p")
    built = build_firmware(firmware)
    modes = [replace(one, thresholds=((0,), (0,))) for one in adaptive.network.modes[1:]]
    other = replace(adaptive.network, modes=(adaptive.network.modes[0], *modes))
    cheated = replace(firmware, run=Run(tmp_path, other))
    result = run_firmware(cheated, built, features=inputs_of(adaptive)[:8])
    assert not result.exact
    assert any(mode.wrong and "exit and scores" in mode.first_wrong for mode in result.modes)


@pytest.mark.parametrize("mode", ["9", "", "x", "0x", "256"])
def test_the_firmware_refuses_a_mode_that_it_lacks(adaptive: Run, mode: str, tmp_path) -> None:
    firmware = generate_firmware(adaptive, load_board("host"), tmp_path / "p")
    built = build_firmware(firmware)
    with select("host", firmware.board).start(built.elf, firmware.board) as session:
        session.self_test()
        session.set_mode(5)
        with pytest.raises(TinykitError, match="unknown command"):
            session.set_mode(mode)


def test_the_self_test_runs_again_after_another_mode(adaptive: Run, tmp_path) -> None:
    firmware = generate_firmware(adaptive, load_board("host"), tmp_path / "p")
    built = build_firmware(firmware)
    with select("host", firmware.board).start(built.elf, firmware.board) as session:
        session.self_test()
        session.set_mode(1)
        record = session.send_features(inputs_of(adaptive)[0])
        assert (record["mode"], record["exit"]) == (1, 0)
        assert session.again()[-1]["verdict"] == "PASS"
        assert session.send_features(inputs_of(adaptive)[0])["mode"] == 0


def test_verify_and_run_say_what_every_mode_did(adaptive: Run, tinykit: Tinykit) -> None:
    options = ("--board", "mps2_an386", "--clips", 3, "--json")
    found = json.loads(tinykit("verify", adaptive.directory, *options).stdout)
    assert found["exact"]
    assert all("every mode" in row["compares"] for row in found["rows"] if "C" in row["executor"])
    shown = tinykit("run", adaptive.directory, "-b", "mps2_an386", "--mode-inputs", 2).stdout
    assert "fastest" in shown


def test_modes_are_described_in_the_project(adaptive: Run, tmp_path) -> None:
    named = Mode("eco", ((3,), (1, 2, 3, 4, 5, 6)))
    network = replace(adaptive.network, modes=(adaptive.network.modes[0], named))
    run = Run(adaptive.directory, network)
    metadata = generate_firmware(run, load_board("host"), tmp_path / "p").metadata
    assert [one["name"] for one in metadata["modes"]] == ["full", "eco"]
    assert [one["last"] - one["head"] for one in metadata["exits"]] == [1, 1]
