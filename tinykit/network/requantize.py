# SPDX-License-Identifier: Apache-2.0
"""From int32 accumulators to output integers, rounded twice as TFLite's reference kernels do.

A real factor m is `multiplier * 2^(shift - 31)` with multiplier in [2^30, 2^31) (Jacob et al.,
arXiv:1712.05877, section 2.2). The product is rounded once to 31 fractional bits (halves towards
plus infinity) and once more by the right shift (halves away from zero).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinykit.network.ops import Int32Array, Requantize, Rescale, Threshold

Int64Array = NDArray[np.int64]

_INT32_MIN, _INT32_MAX = -(1 << 31), (1 << 31) - 1

ADD_LEFT_SHIFT = 20
"""Bits by which TFLite refines the inputs of an 8-bit ADD before it scales them."""


def quantize_multiplier(real: float) -> tuple[int, int]:
    """The (multiplier, shift) that TFLite derives from a real factor.

    Returns:
        multiplier in [2^30, 2^31) and shift in [-31, 30], or (0, 0) where `real` is 0 or below
        the smallest that can be expressed.

    Raises:
        ValueError: `real` is negative, not finite, or 2^30 and above.
    """
    if not math.isfinite(real) or real < 0:
        raise ValueError(f"a requantisation factor must be finite and not negative, not {real}")
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier >> 1, shift + 1
    if multiplier == 0 or shift < -31:
        return 0, 0
    if shift > 30:
        raise ValueError(f"a requantisation factor must be below 2^30, not {real}")
    return multiplier, shift


def quantize_multipliers(real: ArrayLike) -> tuple[Int32Array, Int32Array]:
    """`quantize_multiplier` for each of (channels,) factors: two int32 arrays (channels,)."""
    pairs = [quantize_multiplier(float(one)) for one in np.atleast_1d(np.asarray(real))]
    return (
        np.array([multiplier for multiplier, _ in pairs], dtype=np.int32),
        np.array([shift for _, shift in pairs], dtype=np.int32),
    )


def requantize_from_scales(
    input_scale: float,
    weight_scale: ArrayLike,
    output_scale: float,
    *,
    channels: int,
    low: int,
    high: int,
    float32_product: bool = False,
) -> Requantize:
    """The Requantize whose multipliers TFLite would derive from the same scales.

    A .tflite file keeps scales as float32, so each is rounded to float32 first; the quotient is
    then taken in float64, as TFLite does.

    Args:
        input_scale, output_scale: of the layer's input and output tensor.
        weight_scale: (channels,), or (1,) for one scale per layer.
        channels: outputs of the layer.
        low, high: clamp of the output, inclusive.
        float32_product: for Dense: multiply input and weight scale in float32 where there is one
            weight scale, as TFLite does for FULLY_CONNECTED. With a scale per channel a Dense is
            exported as a 1x1 CONV_2D, which multiplies in float64 like all convolutions.

    Raises:
        ValueError: a factor is negative, not finite or too large.
    """
    weights = np.atleast_1d(np.asarray(weight_scale)).astype(np.float32)
    kind = np.float32 if float32_product and weights.size == 1 else np.float64
    first, weights = np.float32(input_scale).astype(kind), weights.astype(kind)
    real = (first * weights).astype(np.float64) / np.float64(np.float32(output_scale))
    multiplier, shift = quantize_multipliers(np.broadcast_to(real, (channels,)))
    return Requantize(multiplier=multiplier, shift=shift, low=low, high=high)


def add_rescale(
    input_scales: tuple[float, float], output_scale: float, *, low: int, high: int
) -> Rescale:
    """The Rescale whose constants TFLite would derive from the same scales for an int8 ADD.

    Both inputs are brought to twice the larger scale, so that their sum cannot overflow; scales
    are float32 first and every quotient is taken in float64, as TFLite's `add.cc` does.

    Args:
        input_scales, output_scale: of the two input tensors and the output tensor.
        low, high: clamp of the output, inclusive.

    Raises:
        ValueError: the output's scale is 2^19 times finer than the larger input's or more, or a
            scale is not a positive number.
    """
    first, second, out = (float(np.float32(s)) for s in (*input_scales, output_scale))
    twice_largest = 2.0 * max(first, second)
    inputs = [quantize_multiplier(scale / twice_largest) for scale in (first, second)]
    multiplier, shift = quantize_multiplier(twice_largest / ((1 << ADD_LEFT_SHIFT) * out))
    if shift > 0:
        raise ValueError(f"an output scale of {out} is too fine for inputs of {twice_largest / 2}")
    return Rescale(
        input_multiplier=(inputs[0][0], inputs[1][0]),
        input_shift=(inputs[0][1], inputs[1][1]),
        output_multiplier=multiplier,
        output_shift=shift,
        left_shift=ADD_LEFT_SHIFT,
        low=low,
        high=high,
    )


def fold_batch_norm(
    gamma: ArrayLike,
    beta: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    *,
    eps: float,
    acc_scale: ArrayLike = 1.0,
) -> Threshold:
    """The Threshold that equals the sign of a batch normalisation of `acc_scale * acc`.

    +1 where `gamma * (acc_scale * acc - mean) / sqrt(variance + eps) + beta >= 0`, as float64
    computes it: every step of the formula is monotone in acc, rounding included, so the one place
    where the sign changes is found by bisection, and no rounding error can move it.

    Args:
        gamma, beta, mean, variance: (channels,), as in Ioffe and Szegedy, arXiv:1502.03167.
        eps: what the normalisation adds to the variance.
        acc_scale: reals per unit of the accumulator, positive: input scale * weight scale.

    Raises:
        ValueError: a value is not finite, `variance + eps` or `acc_scale` is not positive.
    """
    slope, shift, centre, spread, unit = np.broadcast_arrays(
        *(np.asarray(one, np.float64) for one in (gamma, beta, mean, variance, acc_scale))
    )
    deviation = np.sqrt(np.maximum(spread + eps, 0.0))
    finite = all(np.isfinite(one).all() for one in (slope, shift, centre, deviation, unit))
    if not finite or (deviation <= 0).any() or (unit <= 0).any():
        raise ValueError("a batch normalisation must be finite, its variance and scale positive")

    def above(acc: Int64Array) -> NDArray[np.bool_]:
        return np.asarray(slope * (unit * acc - centre) / deviation + shift >= 0)

    flip = slope < 0
    # The least accumulator that is on the far side of the change, above `low`, at most `high`.
    low = np.full(slope.shape, _INT32_MIN - 1, np.int64)
    high = np.full(slope.shape, _INT32_MAX, np.int64)
    while (high - low > 1).any():
        middle = (low + high) // 2
        far = above(middle) != flip
        low, high = np.where(far, low, middle), np.where(far, middle, high)
    never = above(high) == flip
    # Where even the largest accumulator is not beyond it, the other direction says so.
    return Threshold(
        threshold=np.where(never, _INT32_MIN, high).astype(np.int32), flip=flip ^ never
    )


def apply_threshold(acc: ArrayLike, step: Threshold) -> Int64Array:
    """-1 or 1 for each of (..., channels) int32 accumulators."""
    return np.where((np.asarray(acc) >= step.threshold) != step.flip, 1, -1).astype(np.int64)


def saturating_rounding_doubling_high_mul(a: ArrayLike, b: ArrayLike) -> Int64Array:
    """round(a * b / 2^31) of int32 values, halves towards plus infinity; -2^31 twice saturates."""
    # In place from here on: this is where the interpreter spends its time.
    product = np.asarray(np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64))
    product += 1 << 30
    product >>= 31
    return np.minimum(product, _INT32_MAX, out=product)


def rounding_divide_by_pot(x: ArrayLike, exponent: ArrayLike) -> Int64Array:
    """round(x / 2^exponent), halves away from zero; exponent in [0, 31]."""
    value = np.asarray(x, dtype=np.int64)
    power = np.asarray(exponent, dtype=np.int64)
    half = (np.int64(1) << power) >> 1
    # Where nothing is shifted out, nothing may be taken off a negative value either.
    rounded = np.asarray((value >> 63) & -(power > 0).astype(np.int64))
    rounded += half
    rounded += value
    rounded >>= power
    return rounded


def multiply_by_quantized_multiplier(
    acc: ArrayLike, multiplier: ArrayLike, shift: ArrayLike
) -> Int64Array:
    """`acc * multiplier * 2^(shift - 31)` rounded twice; the arguments broadcast.

    Args:
        acc: int32 values; a left shift must not take them out of int32 (a Network's validation
            proves that it does not).
        multiplier: in [2^30, 2^31), or 0.
        shift: in [-31, 30]; positive shifts left.
    """
    power = np.asarray(shift, dtype=np.int64)
    shifted = np.asarray(acc, dtype=np.int64)
    if power.max(initial=0) > 0:
        shifted = shifted << np.maximum(power, 0)
    return rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(shifted, multiplier), np.maximum(-power, 0)
    )


def requantize(
    acc: ArrayLike,
    multiplier: ArrayLike,
    shift: ArrayLike,
    zero_point: int = 0,
    low: int = _INT32_MIN,
    high: int = _INT32_MAX,
) -> Int64Array:
    """The whole step: scale as `multiply_by_quantized_multiplier`, add the zero point, clamp.

    Args:
        acc: (..., channels) int32 values.
        multiplier, shift: (channels,), or scalars.
        zero_point: of the output.
        low, high: the clamp, inclusive.

    Returns:
        int64, the shape of `acc`.
    """
    scaled = multiply_by_quantized_multiplier(acc, multiplier, shift)
    return np.clip(scaled + zero_point, low, high)


def rescaled_sum(
    step: Rescale,
    first: ArrayLike,
    second: ArrayLike,
    zero_points: tuple[int, int],
    zero_point: int,
    *,
    subtract: bool = False,
) -> Int64Array:
    """The output integers of an Add or a Sub; the arguments broadcast.

    Args:
        step: its constants.
        first, second: integers of the two inputs.
        zero_points: of the two inputs.
        zero_point: of the output.
        subtract: take the second off, as a Sub does.

    Returns:
        int64, within the clamp of `step`.
    """
    scaled = [
        multiply_by_quantized_multiplier(
            (np.asarray(values, np.int64) - zero_points[i]) << step.left_shift,
            step.input_multiplier[i],
            step.input_shift[i],
        )
        for i, values in enumerate((first, second))
    ]
    total = scaled[0] - scaled[1] if subtract else scaled[0] + scaled[1]
    return requantize(
        total, step.output_multiplier, step.output_shift, zero_point, step.low, step.high
    )
