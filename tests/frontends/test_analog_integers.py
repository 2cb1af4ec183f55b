# SPDX-License-Identifier: Apache-2.0
"""The digital fallback of the analog front end: C equals Python, and both follow the floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from frontend_host import build, build_cortex_m4, emulate, push
from sound_clips import corner_clips, voices

from tinykit.frontends import Analog
from tinykit.frontends.analog.fixed_point import UNIT

BANKS = {
    "fixed": Analog(),
    "adaptive": Analog(threshold="adaptive", hysteresis=0.004, decay_shift=3),
    "four wide": Analog(filters=4, hop=163, envelope_shift=1, floor=0.0, hysteresis=0.01),
    "sixty-four": Analog(
        filters=64, rate=48000, input_length=4800, hop=480, upper_hz=20000.0, threshold="adaptive"
    ),
}


@pytest.mark.parametrize("name", BANKS)
def test_c_of_the_filter_bank_equals_python(name: str, tmp_path: Path) -> None:
    bank = BANKS[name]
    length = bank.input_length
    clips = np.concatenate([*corner_clips(length).values(), voices(3, length)])
    fitted = bank.calibrate(clips[:6])
    want = fitted.integer(clips)
    assert 0.02 < np.mean(want > 0) < 0.98
    program = build(fitted, tmp_path)
    for sizes in ([fitted.hop], [1, 700, 3, 162]):
        assert np.array_equal(push(program, fitted, clips, sizes), want), sizes


def test_c_of_the_filter_bank_equals_python_on_a_cortex_m4(tmp_path: Path) -> None:
    bank = Analog(input_length=3200, threshold="adaptive").calibrate(voices(4)[:, 6400:9600])
    clips = np.concatenate([*corner_clips(3200).values(), voices(2)[:, 6400:9600]])
    got = emulate(build_cortex_m4(bank, tmp_path), bank, clips, [160])
    assert np.array_equal(got, bank.integer(clips))


@pytest.mark.parametrize("name", ["fixed", "four wide", "sixty-four"])
def test_integer_envelopes_follow_the_analog_part(name: str) -> None:
    bank = BANKS[name]
    clips = voices(4, bank.input_length)
    want = bank.peaks(clips)
    error = np.abs(bank.fixed.peaks(clips) / UNIT - want)
    # An RC takes 1 - exp(-2^-shift) of a difference, the integers 2^-shift.
    smoothing = 2.0**-bank.envelope_shift / 2
    assert np.all(error < 1e-6 + (0.01 + smoothing) * want)


def test_bits_of_the_integers_are_those_of_the_floats() -> None:
    clips = voices(12)
    for threshold in ("fixed", "adaptive"):
        bank = Analog(threshold=threshold, hysteresis=0.001).calibrate(clips)
        agree = np.mean(bank.integer(clips) == bank.reference(clips))
        assert agree > 0.995, threshold


def test_a_constant_input_leaves_nothing() -> None:
    constant = np.full((1, 16000), 32767, np.int16)
    assert Analog().fixed.peaks(constant)[0, 50:].max() < UNIT * 1e-6
