# SPDX-License-Identifier: Apache-2.0
"""Fixed-point pieces that the front ends share: the last affine step and the logarithm.

Each function here is mirrored, integer for integer, by C in `firmware/src/frontends/`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
FloatArray = NDArray[np.float64]

#: Fraction bits of a logarithm; 36 octaves of power then fit an int16.
LOG2_BITS = 9
#: The logarithm's table has 2^5 straight pieces: at most 1.8e-4 octaves from the curve.
LOG2_PIECES_BITS = 5

_MULTIPLIER_LIMIT = 1 << 12
_INT32_LIMIT = (1 << 31) - 1


@dataclass(frozen=True)
class Affine:
    """Per column c: int8 `clamp((value * multiplier[c] + offset[c]) >> shift[c])`.

    Attributes:
        multiplier: (columns,) int16 in [0, 4095].
        offset: (columns,) int32; holds the rounding half too.
        shift: (columns,) uint8 in [0, 30].
    """

    multiplier: Int16Array
    offset: Int32Array
    shift: NDArray[np.uint8]

    def apply(self, values: Int32Array) -> Int8Array:
        """(..., columns) int32 within the limit given to `fit_affine` -> the same shape, int8."""
        scaled = (values * self.multiplier.astype(np.int32) + self.offset) >> self.shift
        return np.clip(scaled, -128, 127).astype(np.int8)


def _fit_column(gain: float, origin: float, limit: int) -> tuple[int, int, int]:
    """The finest (multiplier, offset, shift) whose result stays within int32."""
    for shift in range(30, -1, -1):
        multiplier = round(gain * 2.0**shift)
        offset = round((0.5 - gain * origin) * 2.0**shift)
        fits = limit * multiplier + abs(offset) <= _INT32_LIMIT
        if multiplier < _MULTIPLIER_LIMIT and fits:
            return multiplier, offset, shift
    raise OverflowError


def fit_affine(
    centre: tuple[float, ...], spread: tuple[float, ...], *, units: float, scale: float, limit: int
) -> Affine:
    """The integers that turn a value v into `(v / units - centre) / spread / scale`, rounded.

    Args:
        centre, spread: per column, in the feature's natural unit.
        units: integer steps in one natural unit.
        scale: of the int8 result.
        limit: bound on |v|; the product and sum then stay within int32.

    Raises:
        TinykitError: a spread so small that no 32-bit product can hold it.
    """
    columns = []
    for index, (middle, width) in enumerate(zip(centre, spread, strict=True)):
        try:
            columns.append(_fit_column(1.0 / (units * width * scale), middle * units, limit))
        except OverflowError:
            raise TinykitError(
                f"the field 'spread[{index}]' is {width!r}: too small for 32-bit arithmetic.",
                where="front end",
                remedy="Calibrate on recordings in which this feature varies.",
            ) from None
    multiplier, offset, shift = (list(column) for column in zip(*columns, strict=True))
    return Affine(
        np.array(multiplier, np.int16), np.array(offset, np.int32), np.array(shift, np.uint8)
    )


def log2_table() -> NDArray[np.uint16]:
    """(33,) uint16: log2(1 + i / 32) in Q15."""
    pieces = 1 << LOG2_PIECES_BITS
    return np.rint(np.log2(1.0 + np.arange(pieces + 1) / pieces) * 32768.0).astype(np.uint16)


def log2_fixed(value: Int64Array, table: NDArray[np.uint16]) -> Int32Array:
    """log2 of integers in [1, 2^48), any shape, in Q9 (int32).

    Only the upper 32 bits of a value of 2^32 or more count, so that the device can work on one
    word. Between table points the curve is a straight line.
    """
    word = np.where(value >> 32 != 0, (value >> 16) << 16, value)
    mantissa, exponent = np.frexp(word.astype(np.float64))
    bits = (mantissa * 2.0**32).astype(np.int64)
    piece = (bits >> 26) & 31
    fraction = (bits >> 10) & 0xFFFF
    wide = table.astype(np.int64)
    rise = wide[piece + 1] - wide[piece]
    curve = wide[piece] + ((rise * fraction + 0x8000) >> 16)
    whole = (exponent.astype(np.int64) - 1) << 15
    half = 1 << (14 - LOG2_BITS)
    return ((whole + curve + half) >> (15 - LOG2_BITS)).astype(np.int32)
