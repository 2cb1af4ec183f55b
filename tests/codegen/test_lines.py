# SPDX-License-Identifier: Apache-2.0
"""Lines give the very outputs of the rounding that they stand for, for every sum there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinykit.codegen.lines import Staircases, digital_lines
from tinykit.network.ops import integer_range
from tinykit.network.requantize import quantize_multipliers

FRACTION, GRAIN = 12, 64


def _staircases(rng: np.random.Generator, bits: int, scales: np.ndarray) -> Staircases:
    """Channels behind a ReLU."""
    multiplier, shift = quantize_multipliers(scales)
    return Staircases(
        bias=rng.integers(-300, 300, len(scales)),
        reach=rng.integers(0, 505, len(scales)),
        multiplier=multiplier,
        shift=-shift,
        zero_point=integer_range(bits)[0],
        bits=bits,
    )


@pytest.mark.parametrize("bits", [4, 2])
def test_all_sums_of_random_channels(bits):
    rng = np.random.default_rng(bits)
    low, high = integer_range(bits)
    stairs = _staircases(rng, bits, 10.0 ** rng.uniform(-3, 0, 120))
    lines = digital_lines(stairs, fraction=FRACTION, grain=GRAIN)
    assert lines is not None
    assert not (lines.factor % GRAIN).any()
    for channel, reach in enumerate(stairs.reach):
        sums = np.arange(-reach, reach + 1)
        wanted = stairs.outputs(sums[:, None].repeat(len(stairs.reach), 1))[:, channel]
        line = lines.offset[0, channel] + (lines.factor[channel] * sums >> 16)
        assert np.abs(line).max() < 1 << 31
        got = np.clip(line >> FRACTION, low, high)
        np.testing.assert_array_equal(got, np.clip(wanted, low, high))


def test_halves_round_away_from_zero():
    """With outputs of both signs, the staircase of a coarse scale has a kink, and no line."""
    multiplier, shift = quantize_multipliers([0.25])
    reach = np.array([40])
    for zero_point, found in ((0, False), (-8, True)):
        stairs = Staircases(np.array([0]), reach, multiplier, -shift, zero_point, 4)
        lines = digital_lines(stairs, fraction=FRACTION, grain=GRAIN)
        assert (lines is not None) == found
    assert list(stairs.steps()[:3, 0]) == [1, 5, 9]


def test_a_slope_beyond_the_factor_has_no_line():
    stairs = _staircases(np.random.default_rng(0), 4, np.array([0.1, 9.0]))
    assert digital_lines(stairs, fraction=FRACTION, grain=GRAIN) is None


def test_sums_in_parts_and_two_biases():
    """Pixels that share a lane differ in bias; a row of several chunks is cut at each."""
    rng = np.random.default_rng(5)
    low, high = integer_range(4)
    even = _staircases(rng, 4, 10.0 ** rng.uniform(-2, -1, 50))
    odd = replace(even, bias=even.bias - 77, reach=even.reach + 100)
    lines = digital_lines(even, odd, fraction=14, grain=16, parts=3)
    assert lines is not None
    for index, stairs in enumerate((even, odd)):
        for _ in range(200):
            parts = rng.integers(-(stairs.reach // 3), stairs.reach // 3 + 1, (3, 50))
            line = lines.offset[index] + (lines.factor * parts >> 16).sum(axis=0)
            wanted = np.clip(stairs.outputs(parts.sum(axis=0)), low, high)
            np.testing.assert_array_equal(np.clip(line >> 14, low, high), wanted)
