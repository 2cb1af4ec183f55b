# SPDX-License-Identifier: Apache-2.0
"""TFLite's fixed-point and float functions of one value of 8 bits, as tables.

Each function returns what TFLite's reference kernels compute for every input, so that a Network
needs one look-up. Those of floats round every step to float32, as the kernels do; where they call
the C library, the true value rounded once is taken, and the two can differ by one unit in the last
place of a float32 only, which an output of 8 bits does not show but by a chance of about 2^-24.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinykit.network.ops import Int8Array, Int32Array
from tinykit.network.requantize import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

Int64Array = NDArray[np.int64]
Floats = NDArray[np.float64]

EVERY: Int64Array = np.arange(-128, 128)
"""The inputs of a table, in its order."""

_INT32_MAX = (1 << 31) - 1
_INT16_MAX = (1 << 15) - 1

# exp(-2^k) in units of 2^-31, for k from -2 to 4.
_EXP_OF_POWERS = tuple(round(math.exp(-(2.0**k)) * 2**31) for k in range(-2, 5))
_EXP_OF_EIGHTH = round(math.exp(-0.125) * 2**31)
_THIRD = round(2**31 / 3)
# Of the input of the exponential: five bits before the point, the sign not counted.
_INTEGER_BITS = 5
_FRACTION_BITS = 31 - _INTEGER_BITS


def exponential(x: Int64Array) -> Int64Array:
    """exp(x * 2^-26) in units of 2^-31, for x <= 0 above -2^31.

    As gemmlowp has it: the part below a quarter goes through the Taylor series about -1/8 to the
    fourth order, and for each bit of the rest one factor exp(-2^k) is multiplied in.
    """
    quarter = 1 << (_FRACTION_BITS - 2)
    fine = (x & (quarter - 1)) - quarter
    result = _near_zero(fine << _INTEGER_BITS)
    rest = fine - x
    for power, factor in zip(range(-2, 5), _EXP_OF_POWERS, strict=True):
        bit = (rest >> (_FRACTION_BITS + power)) & 1
        multiplied = saturating_rounding_doubling_high_mul(result, np.int64(factor))
        result = np.where(bit == 1, multiplied, result)
    return np.where(x == 0, _INT32_MAX, result)


def _near_zero(x: Int64Array) -> Int64Array:
    """exp(x), x in [-1/4, 0); both in units of 2^-31."""
    high = saturating_rounding_doubling_high_mul
    y = x + (1 << 28)
    square = high(y, y)
    cube = high(square, y)
    fourth = rounding_divide_by_pot(high(square, square), 2)
    sum_of_high_orders = rounding_divide_by_pot(high(fourth + cube, np.int64(_THIRD)) + square, 1)
    return _EXP_OF_EIGHTH + high(np.int64(_EXP_OF_EIGHTH), y + sum_of_high_orders)


def softmax_exponentials(input_scale: float, beta: float) -> Int32Array:
    """exp(-beta * input_scale * d) for d = 0, 1, … as TFLite's int8 SOFTMAX computes them.

    Args:
        input_scale: of the input, float32.
        beta: float32.

    Returns:
        (n,) int32 in units of 2^-31, n at most 256; further differences count as nothing.

    Raises:
        ValueError: their product is not a positive number.
    """
    real = float(np.float32(beta)) * float(np.float32(input_scale)) * (1 << _FRACTION_BITS)
    if not (math.isfinite(real) and real > 1):
        raise ValueError(f"a softmax of beta * scale = {real / (1 << _FRACTION_BITS)}")
    multiplier, shift = quantize_multiplier_wide(min(real, float(_INT32_MAX)))
    largest = (1 << _INTEGER_BITS) - 1
    reach = math.floor(largest * 2.0 ** (31 - _INTEGER_BITS) / 2.0**shift)
    distance = np.arange(min(reach, 255) + 1)
    scaled = saturating_rounding_doubling_high_mul(-(distance << shift), np.int64(multiplier))
    return exponential(scaled).astype(np.int32)


def quantize_multiplier_wide(real: float) -> tuple[int, int]:
    """`quantize_multiplier` for factors up to 2^31."""
    if real < 1 << 29:
        return quantize_multiplier(real)
    multiplier, shift = quantize_multiplier(real / 4)
    return multiplier, shift + 2


def tabulate(
    function: Callable[[Floats], Floats],
    source: tuple[float, int],
    result: tuple[float, int],
) -> Int8Array:
    """The table of a float function, as TFLite's LOGISTIC and TANH fill theirs.

    Args:
        function: of reals.
        source, result: scale and zero point.

    Returns:
        (256,) int8.

    Raises:
        ValueError: the output's scale is finer than the kernel can express.
    """
    with np.errstate(over="ignore"):
        scale, inverse = np.float32(source[0]), np.float32(1) / np.float32(result[0])
    if not np.isfinite(inverse):
        raise ValueError(f"an output scale of {result[0]:g}")
    reals = scale * (EVERY - source[1]).astype(np.float32)
    with np.errstate(over="ignore"):
        values = function(reals.astype(np.float64)).astype(np.float32)
    rounded = round_half_away((values * inverse).astype(np.float64))
    return np.clip(rounded + result[1], -128, 127).astype(np.int8)


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + np.exp(-x))


def round_half_away(x: Floats) -> Floats:
    """To whole numbers, halves away from zero, as C's `round`."""
    return np.asarray(np.trunc(x + np.copysign(0.5, x)))


def rescaled(
    centred: Int64Array, factor: float, zero_point: int, low: int = -128, high: int = 127
) -> Int8Array:
    """`centred * factor + zero_point`, clamped; a negative factor's multiplier is negative.

    Raises:
        ValueError: the factor cannot be expressed.
    """
    multiplier, shift = quantize_multiplier(abs(factor))
    scaled = multiply_by_quantized_multiplier(
        centred, -multiplier if factor < 0 else multiplier, shift
    )
    return np.clip(scaled + zero_point, low, high).astype(np.int8)


def leaky_relu(source: tuple[float, int], result: tuple[float, int], alpha: float) -> Int8Array:
    """The table of LEAKY_RELU; its two factors are float32 quotients.

    Raises:
        ValueError: a factor cannot be expressed.
    """
    scale, out, slope = (np.float32(one) for one in (source[0], result[0], alpha))
    centred = EVERY - source[1]
    # A factor beyond float32 is not finite, which `rescaled` refuses.
    with np.errstate(over="ignore", invalid="ignore"):
        positive, negative = float(scale / out), float(scale * slope / out)
    return np.where(
        centred >= 0,
        rescaled(centred, positive, result[1]),
        rescaled(centred, negative, result[1]),
    ).astype(np.int8)


def hard_swish(source: tuple[float, int], result: tuple[float, int]) -> Int8Array:
    """The table of HARD_SWISH, x * min(max(x + 3, 0), 6) / 6, in 16-bit fixed point.

    The input, 128 times finer, is once brought to the output's scale and once to the scale on
    which 3.0 is 2^15; the latter is saturated, moved to [0, 1], and multiplies the former.

    Raises:
        ValueError: the output's scale is finer than the kernel can express.
    """
    fine = np.float32(1 / 128) * np.float32(source[0])
    # A factor beyond float32 is not finite, which `quantize_multiplier` refuses.
    with np.errstate(over="ignore"):
        output, output_shift = _short_multiplier(fine / np.float32(result[0]))
    if output_shift > 0:
        raise ValueError("a HARD_SWISH of an output scale that fine")
    relu, relu_shift = _short_multiplier(fine / np.float32(3 / 32768))
    x = (EVERY - source[1]) << 7
    # One that needs 16 bits and a sign wraps, as in the kernel.
    x = ((x + (1 << 15)) & 0xFFFF) - (1 << 15)
    scaled = _high_mul_16(x, output)
    relued = _saturate(x << max(relu_shift - 1, 0))
    relued = _high_mul_16(relued, relu)
    if relu_shift > 0:
        relued = _saturate(relued << 1)
    relued = rounding_divide_by_pot(relued, max(-relu_shift, 0))
    relued = (relued + (1 << 15)) >> 1
    product = relued * scaled
    # Towards zero, not to the nearest.
    product = np.sign(product) * (np.abs(product) >> 15)
    shifted = rounding_divide_by_pot(product, min(-output_shift, 31))
    return np.clip(shifted + result[1], -128, 127).astype(np.int8)


def _short_multiplier(real: np.float32) -> tuple[int, int]:
    """A factor as a multiplier of 15 bits, and a shift."""
    multiplier, shift = quantize_multiplier(float(real))
    return min((multiplier + (1 << 15)) >> 16, _INT16_MAX), shift


def _high_mul_16(x: Int64Array, multiplier: int) -> Int64Array:
    """round(x * multiplier / 2^15), halves towards plus infinity."""
    return (x * multiplier + (1 << 14)) >> 15


def _saturate(x: Int64Array) -> Int64Array:
    return np.clip(x, -_INT16_MAX - 1, _INT16_MAX)
