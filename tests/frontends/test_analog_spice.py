# SPDX-License-Identifier: Apache-2.0
"""The netlist, run by ngspice where its library is installed (Debian: libngspice0)."""

from __future__ import annotations

import ctypes
import os
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest

from tinykit.frontends import Analog
from tinykit.frontends.analog import render_netlist

# A path to the library, where it is not installed.
LIBRARY = os.environ.get("TINYKIT_NGSPICE") or find_library("ngspice")


class _Vector(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("flags", ctypes.c_short),
        ("real", ctypes.POINTER(ctypes.c_double)),
        ("complex", ctypes.POINTER(ctypes.c_double * 2)),
        ("length", ctypes.c_int),
    )


@pytest.mark.skipif(LIBRARY is None, reason="needs ngspice's library")
def test_spice_agrees_with_the_simulated_stages(tmp_path: Path) -> None:
    assert LIBRARY is not None
    front = Analog()
    netlist = tmp_path / "bank.cir"
    netlist.write_text(render_netlist(front, gain_bandwidth=1e6, full_scale=1.0, supply=1.8))
    spice = ctypes.CDLL(LIBRARY)
    spice.ngGet_Vec_Info.restype = ctypes.POINTER(_Vector)
    printed = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)(
        lambda *_: 0
    )
    left = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_int, ctypes.c_bool, ctypes.c_bool, ctypes.c_int, ctypes.c_void_p
    )(lambda *_: 0)
    spice.ngSpice_Init(printed, printed, left, None, None, None, None)

    def vector(name: str) -> np.ndarray:
        found = spice.ngGet_Vec_Info(name.encode()).contents
        if found.complex:
            return np.array([complex(*found.complex[i]) for i in range(found.length)])
        return np.array(found.real[: found.length])

    for command in (f"source {netlist}", "run"):
        assert spice.ngSpice_Command(command.encode()) == 0
    hertz = vector("frequency").real
    stages = front.stages.response(1e6)
    want = np.abs(stages.analog(hertz))
    for index in range(front.filters):
        heard = want[index] > 0.1
        error = 20 * np.log10(np.abs(vector(f"bp{index}")) / want[index])
        assert np.abs(error[heard]).max() < 0.02
    # The netlist's source is a sine of 1 kHz and a tenth of full scale.
    assert spice.ngSpice_Command(b"tran 10u 60m") == 0
    gain = np.abs(stages.analog(np.array([1000.0]))[:, 0])
    for index in range(front.filters):
        level = 0.1 * gain[index] * 2 / np.pi
        assert vector(f"env{index}")[-200:].mean() == pytest.approx(level, rel=0.03)
        if abs(level - 0.008) > 0.001:
            assert vector(f"bit{index}")[-1] == pytest.approx(1.8 * (level > 0.008), abs=0.01)
