# SPDX-License-Identifier: Apache-2.0
"""Requantisation against the definition, in Python's unbounded integers and fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykit.network.requantize import (
    add_rescale,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    quantize_multipliers,
    requantize,
    requantize_from_scales,
    rescaled_sum,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def half_away(value: Fraction) -> int:
    return half_up(value) if value >= 0 else -half_up(-value)


@settings(deadline=None, derandomize=True)
@given(INT32, INT32)
def test_high_multiply_rounds_halves_up_and_saturates(a: int, b: int) -> None:
    expected = min(half_up(Fraction(a * b, 1 << 31)), (1 << 31) - 1)
    assert int(saturating_rounding_doubling_high_mul(a, b)) == expected


def test_high_multiply_saturates_at_the_one_corner() -> None:
    least = -(1 << 31)
    assert int(saturating_rounding_doubling_high_mul(least, least)) == (1 << 31) - 1


@settings(deadline=None, derandomize=True)
@given(INT32, st.integers(0, 31))
def test_right_shift_rounds_halves_away_from_zero(x: int, exponent: int) -> None:
    assert int(rounding_divide_by_pot(x, exponent)) == half_away(Fraction(x, 1 << exponent))


@settings(deadline=None, derandomize=True)
@given(st.integers(-(1 << 24), 1 << 24), st.floats(1e-9, 100.0))
def test_the_factor_is_kept_to_31_bits(acc: int, real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 1 << 30 <= multiplier < 1 << 31
    exact = acc * Fraction(real)
    got = int(multiply_by_quantized_multiplier(acc, multiplier, shift))
    # Two roundings of at most half a step each, and the factor's own 2^-31.
    assert abs(got - exact) <= 1 + abs(exact) * Fraction(1, 1 << 30)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(INT32, st.floats(1e-6, 0.99)), min_size=1, max_size=20))
def test_vectors_equal_scalars(rows: list[tuple[int, float]]) -> None:
    acc = np.array([row[0] for row in rows])
    multiplier, shift = quantize_multipliers([row[1] for row in rows])
    together = requantize(acc, multiplier, shift, -5, -128, 127)
    for i, (value, real) in enumerate(rows):
        scaled = int(multiply_by_quantized_multiplier(value, *quantize_multiplier(real)))
        assert together[i] == min(max(scaled - 5, -128), 127)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (1 << 30, 1)),
        (0.5, (1 << 30, 0)),
        (0.75, (3 << 29, 0)),
        # Rounds up to 2^31 and is renormalised.
        (1 - 2**-40, (1 << 30, 1)),
        # Below what a right shift by 31 reaches.
        (2.0**-33, (0, 0)),
        (2.0**-32, (1 << 30, -31)),
        (2.0**29, (1 << 30, 30)),
    ],
)
def test_known_factors(real: float, expected: tuple[int, int]) -> None:
    assert quantize_multiplier(real) == expected


@pytest.mark.parametrize("real", [-1.0, float("nan"), float("inf"), 2.0**30])
def test_impossible_factors_are_refused(real: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        quantize_multiplier(real)


def test_scales_are_rounded_to_float32_first() -> None:
    step = requantize_from_scales(0.1, [0.2, 0.3], 0.7, channels=2, low=-128, high=127)
    first, out = float(np.float32(0.1)), float(np.float32(0.7))
    for channel, scale in enumerate((0.2, 0.3)):
        expected = quantize_multiplier(first * float(np.float32(scale)) / out)
        assert (step.multiplier[channel], step.shift[channel]) == expected


def test_a_dense_layer_with_one_scale_multiplies_in_float32() -> None:
    step = requantize_from_scales(
        0.1, [0.3], 0.7, channels=3, low=-128, high=127, float32_product=True
    )
    product = float(np.float32(0.1) * np.float32(0.3))
    expected = quantize_multiplier(product / float(np.float32(0.7)))
    assert [tuple(pair) for pair in zip(step.multiplier, step.shift, strict=True)] == [expected] * 3
    other = requantize_from_scales(0.1, [0.3], 0.7, channels=3, low=-128, high=127)
    assert not np.array_equal(other.multiplier, step.multiplier)


SCALE = st.floats(1e-3, 1.0)
INT8 = st.integers(-128, 127)


@settings(deadline=None, derandomize=True)
@given(st.tuples(SCALE, SCALE), SCALE, st.tuples(INT8, INT8), INT8)
def test_a_sum_is_within_half_a_step(
    scales: tuple[float, float], output: float, zero_points: tuple[int, int], zero_point: int
) -> None:
    wide = 1 << 30
    step = add_rescale(scales, output, low=-wide, high=wide)
    first, second = np.arange(-128, 128)[:, None], np.arange(-128, 128)
    got = rescaled_sum(step, first, second, zero_points, zero_point)
    near = [float(np.float32(scale)) for scale in (*scales, output)]
    real = (first - zero_points[0]) * near[0] + (second - zero_points[1]) * near[1]
    # The three roundings of the way are worth a part of 2^-18 of a step of the larger input.
    slack = 2.0**-17 * (1 + max(scales) / output)
    assert np.abs(got - zero_point - real / near[2]).max() <= 0.5 + slack


def test_the_larger_input_of_a_sum_has_the_factor_of_a_half() -> None:
    step = add_rescale((0.25, 0.0625), 0.5, low=-128, high=127)
    assert step.input_multiplier == (1 << 30, 1 << 30)
    assert step.input_shift == (0, -2)
    assert (step.output_multiplier, step.output_shift) == (1 << 30, -19)


def test_a_sum_whose_output_is_too_fine_is_refused() -> None:
    with pytest.raises(ValueError, match="too fine"):
        add_rescale((1.0, 1.0), 2.0**-20, low=-128, high=127)
