# SPDX-License-Identifier: Apache-2.0
"""The integer softmax of TFLite's int8 reference kernel, from a table of exponentials.

All is fixed point: exponentials in units of 2^-31, their sum in units of 2^-19. The reciprocal
1 / d is found by Newton and Raphson for d in [1/2, 1), from the best line, (48 - 32 d) / 17.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinykit.network.ops import Int8Array, Int32Array
from tinykit.network.requantize import (
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

Int64Array = NDArray[np.int64]

MOST_CHANNELS = 4095
"""Along the axis, so that the sum stays below 2^31."""

_SUM_SHIFT = 12
_ONE_Q31 = (1 << 31) - 1
_ONE_Q29 = 1 << 29
_LINE = (round(48 / 17 * _ONE_Q29), round(-32 / 17 * _ONE_Q29))
_NEWTON_STEPS = 3


def softmax(exponentials: Int32Array, x: Int8Array) -> Int8Array:
    """The softmax over the last axis.

    Args:
        exponentials: as in `tinykit.network.ops.Softmax`.
        x: int8 (..., channels).

    Returns:
        int8, the shape of `x`: probabilities in units of 1/256, less 128.
    """
    wide = x.astype(np.int64)
    distance = wide.max(axis=-1, keepdims=True) - wide
    padded = np.zeros(256, np.int64)
    padded[: exponentials.size] = exponentials
    powers = padded[distance]
    total = rounding_divide_by_pot(powers, _SUM_SHIFT).sum(axis=-1, keepdims=True)
    # The sum as 2^bits_over_unit * (1 + fraction).
    leading = 31 - np.floor(np.log2(total)).astype(np.int64)
    fraction = (total << leading) - (1 << 31)
    scaled = saturating_rounding_doubling_high_mul(_reciprocal(fraction), powers)
    exponent = _SUM_SHIFT - leading + 31 - 8
    result = rounding_divide_by_pot(scaled, exponent) - 128
    clamped = np.clip(result, -128, 127)
    return np.where(distance < exponentials.size, clamped, -128).astype(np.int8)


def _reciprocal(fraction: Int64Array) -> Int64Array:
    """1 / (1 + fraction), both in units of 2^-31; fraction is in [0, 1)."""
    half = (fraction + _ONE_Q31 + 1) >> 1
    x = _LINE[0] + saturating_rounding_doubling_high_mul(half, np.int64(_LINE[1]))
    for _ in range(_NEWTON_STEPS):
        error = _ONE_Q29 - saturating_rounding_doubling_high_mul(half, x)
        x = x + (saturating_rounding_doubling_high_mul(x, error) << 2)
    # x is in units of 2^-29 and stands for twice the reciprocal.
    return np.minimum(x << 1, _ONE_Q31)
