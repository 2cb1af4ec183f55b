# SPDX-License-Identifier: Apache-2.0
"""Bits of comparators to captures, windows and decisions: the firmware's C and Python agree."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.streaming.conftest import Build, run_with
from tests.streaming.listening import APP, bits, network
from tinykit.boards import load_board
from tinykit.codegen.bit_stream import BitStream
from tinykit.emulators.levels import levels_of
from tinykit.errors import TinykitError
from tinykit.network import Network, interpret
from tinykit.network.packing import pack_bits
from tinykit.network.sample import ds_cnn
from tinykit.replay_bits import hear
from tinykit.streaming import Capture, Capturing

LATE = 1


def told(net: Network, app: BitStream, heard: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Decisions that the firmware must report."""
    return [
        {
            **{"t": "decision", "i": one.index, "class": one.label, "smoothed": one.smoothed},
            **{"features": f"{one.features:08x}", "scores": list(one.scores)},
        }
        for one in hear(net, app, heard).decisions
    ]


def driven(heard: NDArray[np.bool_], flags: int = 0) -> bytes:
    """For the imitated inputs."""
    levels = levels_of(heard, 10_000)
    pairs = np.stack([levels.micros, levels.levels], axis=1).astype("<u4")
    return np.array([flags, len(pairs)], "<u4").tobytes() + pairs.tobytes()


@pytest.mark.parametrize(
    ("app", "filters", "width"),
    [
        (APP, 16, 1),
        (BitStream(50, 1, 130, 0), 16, 8),
        (BitStream(13, 2, 1, 99, "uart"), 11, 1),
    ],
)
def test_the_firmware_decides_what_python_decides(
    build: Build, app: BitStream, filters: int, width: int
) -> None:
    net = network(filters, width)
    heard = hear(net, app, bits(filters))
    data = driven(heard.bits)
    if app.bus == "uart":
        data = pack_bits(np.where(heard.bits, 1, -1), 1).tobytes()
    records, status = run_with(build(net, app), data)
    assert status == 0
    assert [one["t"] for one in records[:2]] == ["boot", "ready"]
    decisions = [one for one in records if one["t"] == "decision"]
    assert decisions == told(net, app, bits(filters))
    slept = [one["rows"] for one in records if one["t"] == "asleep"]
    assert tuple(slept) == heard.captures
    assert slept
    assert len({str(one["scores"]) for one in decisions}) > 1


def test_windows_are_cut_from_the_bits_around_the_sound() -> None:
    """The first window of a capture begins `lead` rows before it, as a batch would cut it."""
    net, heard = network(), bits()
    found = Capture(net, Capturing(100, 25, 25, 25)).push(heard)
    first = int(heard.any(axis=1).argmax())
    assert found[0][0] == first - 25 + 100
    window = np.where(heard[first - 25 : first + 75], 1, -1).astype(np.int8)
    assert found[0][1].features == zlib.crc32(window.tobytes())
    shaped = window.reshape(1, *net.tensor(net.input).shape)
    assert found[0][1].scores == tuple(interpret(net, shaped)[0].tolist())


def test_a_line_that_is_high_twice_in_a_hop_is_one_bit(build: Build) -> None:
    """Pulses shorter than a hop, two lines at once, and a level through the end of a hop."""
    steps = [(5000, 3), (5600, 0), (6000, 2), (6500, 6), (7000, 4), (12_000, 0), (23_000, 0x8000)]
    steps += [(23_001, 0)]
    rows = np.zeros((140, 16), np.bool_)
    for hop, line in ((0, 0), (0, 1), (0, 2), (1, 2), (2, 15)):
        rows[hop, line] = True
    data = np.array([0, len(steps)], "<u4").tobytes() + np.array(steps, "<u4").tobytes()
    records, status = run_with(build(network(), APP), data)
    assert status == 0
    assert records[2:-1] == told(network(), APP, rows)


def test_rows_that_come_too_fast_are_said_to_be_lost(build: Build) -> None:
    records, status = run_with(build(network(), APP), driven(bits(), LATE))
    assert status == 0
    (at,) = [i for i, one in enumerate(records) if one["t"] == "error"]
    assert "lost" in records[at]["what"]
    # It goes on with what it hears from then on.
    assert any(one["t"] == "decision" for one in records[at + 1 :])


def test_only_suitable_networks_and_boards_are_taken() -> None:
    board = load_board("nrf52840dk")
    APP.check(network(), board)
    with pytest.raises(TinykitError, match="0 inputs for 16 comparators"):
        APP.check(network(), load_board("mps2_an386"))
    replace(APP, bus="uart").check(network(), load_board("mps2_an386"))
    with pytest.raises(TinykitError, match="no analog parts"):
        APP.check(ds_cnn(width=8), board)
    with pytest.raises(TinykitError, match="lead is 100"):
        replace(APP, lead=100).check(network(), board)
