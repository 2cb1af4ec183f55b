# SPDX-License-Identifier: Apache-2.0
"""The integer LSTM of TFLite's reference kernel: 8 bits in and out, 16 bits inside.

Gates are `f(W x + R h + b)` (Hochreiter and Schmidhuber, 1997; Gers et al., 2000), with x a step of
the input and h the step of the output before it. Sums of both products come to units of 2^-12 one
after the other, each rounded and clamped to 16 bits. Sigmoid and tanh are fixed point (gemmlowp's):
an exponential by a Taylor series and factors of powers of two, and a quotient by Newton and
Raphson. They give 16 bits in units of 2^-15, and so does the tanh of the cell's state.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tinykit.network.ops import Int8Array, Lstm, Tensor
from tinykit.network.requantize import (
    multiply_by_quantized_multiplier,
    requantize,
    rounding_divide_by_pot,
)

Int64Array = NDArray[np.int64]

INPUT, FORGET, CELL, OUTPUT = range(4)
"""The order of the gates."""
GATE_BITS = 3
"""Of a gate's sum before the point; 12 are behind it."""
MOST_CELL_BITS = 6
"""Of a cell's state before the point."""

_ONE = (1 << 15) - 1
_LOW = -(1 << 15)
# exp(-2^k) in units of 2^-15, for k from -2 to 3; that of 4 is 0.
_POWERS = {power: round(math.exp(-(2.0**power)) * 2**15) for power in range(-2, 5)}
_EXP_OF_EIGHTH = round(math.exp(-0.125) * 2**15)
_THIRD = round(2**15 / 3)
# 48 / 17 and -32 / 17, and 1, in units of 2^-13.
_LINE = (round(48 / 17 * 2**13), round(-32 / 17 * 2**13))
_ONE_Q13 = 1 << 13


def run(op: Lstm, x: Int8Array, source: Tensor, result: Tensor) -> Int8Array:
    """All steps, from a state of zero.

    Args:
        op: the operator.
        x: int8 (n, steps, 1, features).
        source, result: its input and output tensor.

    Returns:
        int8 (n, steps, 1, cells).
    """
    count, steps, _, _ = x.shape
    cells = op.bias.shape[1]
    centred = x.reshape(count, steps, -1).astype(np.float64) - source.zero_point
    # All sums are integers below 2^31, which float64 holds.
    sums = centred @ op.weight.reshape(4 * cells, -1).astype(np.float64).T
    sums = sums.reshape(count, steps, 4, cells) + op.bias
    fed = _clamped(_scaled(op, 0, sums.astype(np.int64)))
    recurrent = op.recurrent.reshape(4 * cells, cells).astype(np.float64).T
    state = np.zeros((count, cells), np.int64)
    hidden = np.zeros((count, cells), np.float64)
    outputs = np.empty((count, steps, cells), np.int8)
    for step in range(steps):
        back = (hidden @ recurrent).reshape(count, 4, cells).astype(np.int64)
        gates = _clamped(fed[:, step] + _scaled(op, 1, back))
        state = _next_state(op, state, gates)
        opened = _looked_up(sigmoids(), gates[:, OUTPUT])
        product = opened * _looked_up(tanhs(op.cell_bits), state)
        last = op.requantize
        outputs[:, step] = requantize(
            product, last.multiplier, last.shift, result.zero_point, last.low, last.high
        )
        hidden = outputs[:, step].astype(np.float64) - result.zero_point
    return outputs[:, :, None, :]


def _scaled(op: Lstm, which: int, sums: Int64Array) -> Int64Array:
    """Sums (…, 4, cells) over the input (0) or the last output (1) in units of 2^-12."""
    multiplier, shift = op.gate_multiplier[which][:, None], op.gate_shift[which][:, None]
    return multiply_by_quantized_multiplier(sums, multiplier, shift)


def _next_state(op: Lstm, state: Int64Array, gates: Int64Array) -> Int64Array:
    """What is kept of the state, and what is added to it."""
    kept = rounding_divide_by_pot(_looked_up(sigmoids(), gates[:, FORGET]) * state, 15)
    fresh = _looked_up(sigmoids(), gates[:, INPUT]) * _looked_up(tanhs(GATE_BITS), gates[:, CELL])
    added = rounding_divide_by_pot(fresh, 15 + op.cell_bits)
    return np.clip(kept + added, -op.clip if op.clip else _LOW, op.clip or _ONE)


def _clamped(x: Int64Array) -> Int64Array:
    return np.clip(x, _LOW, _ONE)


def _looked_up(table: Int64Array, x: Int64Array) -> Int64Array:
    found: Int64Array = table[x - _LOW]
    return found


@cache
def sigmoids() -> Int64Array:
    """Of all 16-bit integers in units of 2^-12, the sigmoid in units of 2^-15: (65536,)."""
    x = np.arange(_LOW, _ONE + 1)
    positive = np.minimum(2 * _reciprocal(_exponential(-np.abs(x), GATE_BITS)), _ONE)
    return np.where(x == 0, 1 << 14, np.where(x > 0, positive, _ONE - positive))


@cache
def tanhs(bits: int) -> Int64Array:
    """Of all 16-bit integers with `bits` before the point, the tanh: (65536,), units of 2^-15."""
    x = np.arange(_LOW, _ONE + 1)
    # The same integer with one more bit before the point is twice the number.
    quotient = _reciprocal(_exponential(-np.abs(x), bits + 1)) - _ONE_Q13
    return np.sign(x) * np.clip(4 * quotient, _LOW, _ONE)


def _exponential(x: Int64Array, bits: int) -> Int64Array:
    """exp(x) in units of 2^-15, for 16-bit integers x <= 0 with `bits` before the point."""
    fraction = 15 - bits
    quarter = 1 << (fraction - 2)
    fine = (x & (quarter - 1)) - quarter
    result = _near_zero(fine << bits)
    rest = fine - x
    for power, factor in _POWERS.items():
        if bits > power:
            bit = (rest >> (fraction + power)) & 1
            result = np.where(bit == 1, _high(result, factor), result)
    if bits > 5:
        result = np.where(x < -(32 << fraction), 0, result)
    return np.where(x == 0, _ONE, result)


def _near_zero(x: Int64Array) -> Int64Array:
    """exp(x) for x in [-1/4, 0), both in units of 2^-15: a series about -1/8."""
    y = x + (1 << 12)
    square = _high(y, y)
    fourth = rounding_divide_by_pot(_high(square, square), 2)
    third_order = _high(fourth + _high(square, y), _THIRD)
    rest = rounding_divide_by_pot(third_order + square, 1)
    return np.minimum(_EXP_OF_EIGHTH + _high(y + rest, _EXP_OF_EIGHTH), _ONE)


def _reciprocal(x: Int64Array) -> Int64Array:
    """2 / (1 + x) in units of 2^-13, for x in [0, 1] in units of 2^-15."""
    half = (x + _ONE + 1) >> 1
    y = _LINE[0] + _high(half, _LINE[1])
    for _ in range(3):
        y = y + 4 * _high(y, _ONE_Q13 - _high(half, y))
    return y


def _high(a: Int64Array, b: Int64Array | int) -> Int64Array:
    """round(a * b / 2^15), halves towards plus infinity."""
    return (a * b + (1 << 14)) >> 15
