# SPDX-License-Identifier: Apache-2.0
"""Power spectrum of real int16 frames by a 16-bit block-floating FFT, integer for integer as in C.

A real frame of 2N samples is read as N complex points, transformed by decimation in time
(radix 4, and one radix-2 stage when log2 N is odd) and split into the bins of the real
transform. Between stages every point is an int16 pair; before each stage the frame's largest
magnitude chooses how far that stage's results shift right, so that nothing can overflow and as
little as possible is lost. Products are 16 x 16 bits and every sum fits 32 bits.

Arrays put frames last, (points, frames), so that each NumPy operation runs along memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinykit.frontends.fixed import Int16Array, Int32Array

#: Fraction bits kept below the data while a butterfly's terms are summed.
_GUARD = 3


def sine_table(n_fft: int) -> Int16Array:
    """(n_fft,) int16: sin(2 pi j / n_fft) in Q15, +1.0 held as 32767."""
    turn = np.sin(2.0 * np.pi * np.arange(n_fft) / n_fft)
    return np.clip(np.rint(turn * 32768.0), -32768, 32767).astype(np.int16)


def bit_reversal(points: int) -> NDArray[np.uint16]:
    """(points,) uint16: index with its log2(points) bits in reverse order."""
    order = np.zeros(1, np.int64)
    while len(order) < points:
        order = np.concatenate([order * 2, order * 2 + 1])
    return order.astype(np.uint16)


def magnitude_bits(ored: Int32Array) -> Int32Array:
    """Bits of the largest magnitude, from the OR of `v ^ (v >> 31)` over a frame."""
    return np.frexp(ored.astype(np.float64))[1].astype(np.int32)


def _ored(re: Int32Array, im: Int32Array) -> Int32Array:
    folded = (re ^ (re >> 31)) | (im ^ (im >> 31))
    result: Int32Array = np.bitwise_or.reduce(folded, axis=0)
    return result


def _round_shift(value: Int32Array, shift: Int32Array) -> Int32Array:
    """In place: (value + half) >> (shift + guard), shift per frame, half rounding up."""
    total = shift + np.int32(_GUARD)
    value += np.left_shift(np.int32(1), total - 1)
    value >>= total
    return value


def _radix2(re: Int32Array, im: Int32Array, shift: Int32Array) -> tuple[Int32Array, Int32Array]:
    """The first stage when log2(points) is odd: pairs, no twiddles."""
    out = []
    for part in (re, im):
        pair = part.reshape(len(part) // 2, 2, part.shape[1]) << _GUARD
        result = np.empty_like(pair)
        result[:, 0] = _round_shift(pair[:, 0] + pair[:, 1], shift)
        result[:, 1] = _round_shift(pair[:, 0] - pair[:, 1], shift)
        out.append(result.reshape(part.shape))
    return out[0], out[1]


def _twiddle(
    re: Int32Array, im: Int32Array, sine: Int32Array, turns: NDArray[np.int64]
) -> tuple[Int32Array, Int32Array]:
    """(re + i im) * exp(-2 pi i turns / n_fft), with the guard bits below, truncated."""
    quarter = len(sine) // 4
    cos = sine[turns + quarter][:, None]
    sin = sine[turns][:, None]
    cos = np.where(turns[:, None] == 0, np.int32(32768), cos)
    down = 15 - _GUARD
    return (re * cos + im * sin) >> down, (im * cos - re * sin) >> down


def _radix4(
    re: Int32Array, im: Int32Array, shift: Int32Array, length: int, sine: Int32Array
) -> tuple[Int32Array, Int32Array]:
    """Join four transforms of `length` points; bit reversal put them in the order 0, 2, 1, 3."""
    groups, frames = re.shape[0] // (4 * length), re.shape[1]
    step = len(sine) // (4 * length)
    k = np.arange(length) * step
    zr = re.reshape(groups, 4, length, frames)
    zi = im.reshape(groups, 4, length, frames)
    ar, ai = zr[:, 0] << _GUARD, zi[:, 0] << _GUARD
    cr, ci = _twiddle(zr[:, 1], zi[:, 1], sine, 2 * k)
    br, bi = _twiddle(zr[:, 2], zi[:, 2], sine, k)
    dr, di = _twiddle(zr[:, 3], zi[:, 3], sine, 3 * k)
    sum_r, sum_i, gap_r, gap_i = ar + cr, ai + ci, ar - cr, ai - ci
    odd_r, odd_i, turn_r, turn_i = br + dr, bi + di, br - dr, bi - di
    out_r, out_i = np.empty_like(zr), np.empty_like(zi)
    out_r[:, 0] = _round_shift(sum_r + odd_r, shift)
    out_i[:, 0] = _round_shift(sum_i + odd_i, shift)
    out_r[:, 1] = _round_shift(gap_r + turn_i, shift)
    out_i[:, 1] = _round_shift(gap_i - turn_r, shift)
    out_r[:, 2] = _round_shift(sum_r - odd_r, shift)
    out_i[:, 2] = _round_shift(sum_i - odd_i, shift)
    out_r[:, 3] = _round_shift(gap_r - turn_i, shift)
    out_i[:, 3] = _round_shift(gap_i + turn_r, shift)
    return out_r.reshape(re.shape), out_i.reshape(im.shape)


def _complex_fft(
    re: Int32Array, im: Int32Array, sine: Int32Array
) -> tuple[Int32Array, Int32Array, Int32Array, Int32Array]:
    """Transform bit-reversed points; returns re, im, right shifts so far, OR of magnitudes."""
    points = re.shape[0]
    ored = _ored(re, im)
    length = 1
    total = np.zeros(re.shape[1], np.int32)
    if points.bit_length() % 2 == 0:
        shift = np.maximum(magnitude_bits(ored) - 14, 0)
        re, im = _radix2(re, im, shift)
        total, ored, length = total + shift, _ored(re, im), 2
    while length < points:
        # Without twiddles four terms of b bits need b + 2; with them up to 5.25 * 2^b.
        room = 13 if length == 1 else 12
        # The last stage keeps one more bit free for the split into real bins.
        spare = 1 if 4 * length == points else 0
        shift = np.maximum(magnitude_bits(ored) - room, 0) + np.int32(spare)
        re, im = _radix4(re, im, shift, length, sine)
        total, ored, length = total + shift, _ored(re, im), 4 * length
    return re, im, total, ored


def power_spectrum(
    frames: Int32Array, sine: Int16Array, order: NDArray[np.uint16], bins: int
) -> tuple[NDArray[np.uint32], Int32Array]:
    """Squared magnitudes of the bins 0 .. bins - 1 (bin 0 is left 0: no filter reaches it).

    Args:
        frames: (n_fft, frames) int32 within int16, windowed and zero-padded.
        sine: from `sine_table(n_fft)`.
        order: from `bit_reversal(n_fft // 2)`.
        bins: at most n_fft // 2.

    Returns:
        power, (bins, frames) uint32 below 2^31, and shift, (frames,) int32: the true squared
        magnitude is about `power * 4^shift`.
    """
    table = sine.astype(np.int32)
    points = frames.shape[0] // 2
    re, im, total, ored = _complex_fft(frames[0::2][order], frames[1::2][order], table)
    k = np.arange(1, bins)
    ar, ai, br, bi = re[k], im[k], re[points - k], im[points - k]
    rotated_r, rotated_i = _twiddle(ai + bi, br - ar, table, k)
    shift = np.maximum(magnitude_bits(ored) - 13, 0) + np.int32(1)
    xr = _round_shift(((ar + br) << _GUARD) + rotated_r, shift)
    xi = _round_shift(((ai - bi) << _GUARD) + rotated_i, shift)
    power = np.zeros((bins, frames.shape[1]), np.uint32)
    power[1:] = (xr * xr).astype(np.uint32) + (xi * xi).astype(np.uint32)
    return power, total + shift - 1
