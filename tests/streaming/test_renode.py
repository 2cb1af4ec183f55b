# SPDX-License-Identifier: Apache-2.0
"""Renode's model of the sensor senses a recording, and the firmware reads it through its driver."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import write_run
from tests.streaming import listening
from tinykit.boards import load_board
from tinykit.codegen.stream import ImuStream
from tinykit.data import hapt, load_dataset
from tinykit.data.dataset import IMU_SCALE
from tinykit.data.places import search_roots
from tinykit.emulators.resd import Recording
from tinykit.errors import TinykitError
from tinykit.replay import replay
from tinykit.replay_bits import replay_bits
from tinykit.sensors import SENSORS
from tinykit.workflow import build_firmware, generate_firmware

SENSOR = SENSORS["lsm6dso"]


def recorded() -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Five seconds, of HAPT where it is."""
    if any(hapt.find(root) for root in search_roots()):
        return hapt.recording_of("16").signal[3000:3250]
    x = load_dataset("synthetic_gait").part("test").x
    return x[:2].reshape(-1, x.shape[2])[:250]


def test_a_recording_comes_back_to_the_step() -> None:
    """Renode turns g and rad/s into steps by the sensor's scale; every step must survive that."""
    every = np.arange(-32768, 32768, dtype=np.int16)
    data = Recording(np.repeat(every[:, None], 6, axis=1), SENSOR.scale, 52.0).resd()
    assert data[:8] == b"RESD\1\0\0\0"
    head, body = struct.Struct("<BHHQQQQ"), 12 * len(every)
    for number, (kind, unit) in enumerate(((2, 1e6), (3, 1e5))):
        at = 8 + number * (head.size + body)
        found = head.unpack_from(data, at)
        assert found == (2, kind, 0, 24 + body, 0, 19230769, 0)
        real = np.frombuffer(data, "<i4", 3 * len(every), at + head.size).reshape(-1, 3) / unit
        steps = real / np.asarray(SENSOR.scale[3 * number : 3 * number + 3])
        assert (np.rint(steps) == every[:, None]).all()
        # Far from where rounding could go either way.
        assert abs(steps - every[:, None]).max() < 0.1


needs_renode = pytest.mark.skipif(
    shutil.which("renode") is None, reason="Renode is not installed on this machine"
)


@needs_renode
def test_comparators_wake_a_board_that_decides_as_python_does(tmp_path: Path) -> None:
    run = listening.write_run(tmp_path / "run")
    firmware = generate_firmware(run, load_board("nrf52840dk"), app=listening.APP)
    built = build_firmware(firmware)
    result = replay_bits(firmware, built.elf, listening.bits())
    assert result.exact
    assert len(result.captures[1]) == 3
    with pytest.raises(TinykitError, match="no such inertial sensor"):
        replay(firmware, built.elf, recorded(), IMU_SCALE)


@needs_renode
def test_decisions_on_a_recording_are_those_of_python(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "har", "w8a8")
    app = ImuStream(SENSOR, 20, 3)
    firmware = generate_firmware(run, load_board("nrf52840dk"), app=app)
    built = build_firmware(firmware)
    sizes = firmware.metadata["estimate"]
    assert (sizes["flash"], sizes["ram"], sizes["exact"]) == (built.flash, built.ram, True)
    result = replay(firmware, built.elf, recorded(), IMU_SCALE)
    assert result.exact
    assert len(result.board) == 7
    with pytest.raises(TinykitError, match="a window takes 128 of 6"):
        replay(firmware, built.elf, recorded()[:100], IMU_SCALE)
