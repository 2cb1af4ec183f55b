# SPDX-License-Identifier: Apache-2.0
"""The constants of the addition kernels, found by trying all pairs of inputs.

An output of an Add or a Sub depends on two integers of at most 8 bits. TFLite computes it with
three rounding multiplications; its roundings are so fine, though, that a plain
`clamp((factor_a * a + factor_b * b + offset) >> shift)` nearly always gives the same output for
all 65536 pairs: a digital plane. The factors are searched, the offset follows from them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tinykit.network.ops import Rescale, integer_range
from tinykit.network.requantize import rescaled_sum

Int64Array = NDArray[np.int64]

_INT32_LIMIT = 1 << 31
_ROUNDS = 48
_HALVES_SHIFT = 16
_STRETCHES = (0.0, *(2.0**-power for power in range(11, 21)))
_FAR = np.int64(1) << 40


@dataclass(frozen=True)
class Sum:
    """What an output depends on.

    Attributes:
        rescale: the op's constants.
        zero_points: of the two inputs.
        zero_point: of the output.
        bits: of all three tensors.
        subtract: the second input is taken off.
    """

    rescale: Rescale
    zero_points: tuple[int, int]
    zero_point: int
    bits: int
    subtract: bool = False

    def table(self) -> Int64Array:
        """Outputs (2^bits, 2^bits) of all pairs, each axis from the least integer up."""
        values = self.values()
        return rescaled_sum(
            self.rescale,
            values[:, None],
            values,
            self.zero_points,
            self.zero_point,
            subtract=self.subtract,
        )

    def values(self) -> Int64Array:
        """All integers of an input, from the least up."""
        low, high = integer_range(self.bits)
        return np.arange(low, high + 1)


@dataclass(frozen=True)
class LinearSum:
    """`(factors[0] * a + factors[1] * b + offset) >> shift`, above the least output.

    It is still to be clamped to the outputs that there are. With halves a product is
    `(factor * a) >> 8`, as a multiplication of a word by a half gives that holds 256 times the
    input.
    """

    factors: tuple[int, int]
    offset: int
    shift: int


@lru_cache(maxsize=256)
def linear_sum(wanted: Sum, *, halves: bool) -> LinearSum | None:
    """A linear form that equals `wanted`, of 8 bits, for all inputs; None if none was found.

    Two factors do if some offset fits all outputs: the least slack above them plus the least slack
    below them is its room. That is concave in the factors (but for the rounding of halves), so they
    move to the best of their neighbours, in ever smaller steps, until there is room. They start a
    little above the ideal ones where that is better: it rounds halves away from zero.

    Args:
        wanted: the sum.
        halves: for `tk_add_halves`; else for `tk_add`.
    """
    ideal, constant = _ideal(wanted)
    reach = abs(constant) + 128.0 * (abs(ideal[0]) + abs(ideal[1])) + 1.0
    shift = min(30, math.floor(math.log2(_INT32_LIMIT / reach)))
    if shift < (_HALVES_SHIFT if halves else 0):
        return None
    search = _Search(wanted, _HALVES_SHIFT if halves else shift, halves)
    fine = search.shift + (8 if halves else 0)
    starts = [
        (round(ideal[0] * (1.0 + more) * 2.0**fine), round(ideal[1] * (1.0 + more) * 2.0**fine))
        for more in _STRETCHES
    ]
    factors = max(starts, key=search.room)
    step = 1 << max(0, fine - 20)
    for _ in range(_ROUNDS):
        if search.room(factors) >= 0:
            return search.form(factors, round(constant * 2.0**search.shift))
        moves = [(step * i, step * j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        best = max(((factors[0] + i, factors[1] + j) for i, j in moves), key=search.room)
        if search.room(best) > search.room(factors):
            factors = best
        elif step == 1:
            break
        else:
            step >>= 1
    return None


def nibble_table(wanted: Sum) -> NDArray[np.uint8]:
    """The table of `tk_add_table`: (256,) output nibbles for input nibbles a + 16 * b."""
    bits, table = wanted.bits, wanted.table()
    index = np.arange(256)
    first, second = index & 15, index >> 4
    result = np.zeros(256, np.int64)
    half, mask = 1 << (bits - 1), (1 << bits) - 1
    for at in range(0, 4, bits):
        # The place of a field's signed value in the table: its sign bit flipped.
        a, b = ((nibble >> at & mask) ^ half for nibble in (first, second))
        result |= (table[a, b] & mask) << at
    return result.astype(np.uint8)


def _ideal(wanted: Sum) -> tuple[tuple[float, float], float]:
    """The factors and the constant of the sum before any rounding, in steps of the output."""
    step = wanted.rescale
    out = step.output_multiplier * 2.0 ** (step.output_shift - 31 + step.left_shift)
    first, second = (
        out * multiplier * 2.0 ** (shift - 31)
        for multiplier, shift in zip(step.input_multiplier, step.input_shift, strict=True)
    )
    second = -second if wanted.subtract else second
    constant = wanted.zero_point - first * wanted.zero_points[0] - second * wanted.zero_points[1]
    return (first, second), constant + 0.5 - step.low


class _Search:
    """How well pairs of factors do."""

    def __init__(self, wanted: Sum, shift: int, halves: bool) -> None:
        self.values, self.shift, self.halves = wanted.values(), shift, halves
        above = wanted.table() - wanted.rescale.low
        # A clamped output may lie anywhere beyond the clamp.
        self.floor = np.where(above == 0, -_FAR, above << shift)
        most = wanted.rescale.high - wanted.rescale.low
        self.ceiling = np.where(above == most, _FAR, ((above + 1) << shift) - 1)
        self.known: dict[tuple[int, int], tuple[int, int]] = {}

    def _products(self, factor: int) -> Int64Array:
        return factor * self.values >> (8 if self.halves else 0)

    def _offsets(self, factors: tuple[int, int]) -> tuple[int, int]:
        """The least and the greatest offset that fit; none does where they are swapped."""
        if factors not in self.known:
            plane = self._products(factors[0])[:, None] + self._products(factors[1])
            least, most = (self.floor - plane).max(), (self.ceiling - plane).min()
            self.known[factors] = int(least), int(most)
        return self.known[factors]

    def room(self, factors: tuple[int, int]) -> int:
        """How many offsets fit, less one; negative where none does."""
        least, most = self._offsets(factors)
        return most - least

    def form(self, factors: tuple[int, int], offset: int) -> LinearSum | None:
        """The form with the offset nearest to the given one; None where it leaves 32 bits."""
        least, most = self._offsets(factors)
        offset = min(max(offset, least), most)
        first, second = (self._products(factor) for factor in factors)
        partial = first + offset
        parts = (first, second, partial, partial[:, None] + second, np.array([offset, *factors]))
        fits = max(int(np.abs(part).max()) for part in parts) < _INT32_LIMIT
        return LinearSum(factors, offset, self.shift) if fits else None
