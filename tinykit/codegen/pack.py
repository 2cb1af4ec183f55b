# SPDX-License-Identifier: Apache-2.0
"""Weights in the order in which the kernels eat them.

Each layer with weights has one stream of 32-bit words. For every output channel it holds the bias
(the input's zero point folded in), the weights, the multiplier and the shift, so that a kernel
walks through flash with one pointer.

Activations of 4 and 2 bits are taken apart in planes (firmware: dsp/expand_body.h): of a word
with 4 n values, plane q holds values n * b + q for byte b. Rows are permuted to match
(`plane_order`), so that the device shuffles nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.network.packing import pack_bits

WordArray = NDArray[np.uint32]
Int8Array = NDArray[np.int8]
IntArray = NDArray[np.int64]

# A shift that cannot be written as a power of two (below 2) is stored less this; see dsp/finish.h.
_SHIFT_CODE = 64
# As in plain/scale.h.
_LONGEST_SHORT_SHIFT = 21
# What a sum starts with in dsp/depthwise_folded_body.h, and bits of its line below the output's.
FOLDED_LIFT = 1024
FOLDED_FRACTION = 12


def padded(count: int, block: int) -> int:
    """`count` rounded up to whole blocks."""
    return -(-count // block) * block


def words_of(fields: NDArray[np.integer[Any]], bits: int) -> WordArray:
    """Integers of `bits` bits, (..., n), as words (..., ceil(n * bits / 32)), little end first."""
    per_word = 32 // bits
    short = -fields.shape[-1] % per_word
    full = np.pad(fields, [(0, 0)] * (fields.ndim - 1) + [(0, short)])
    raw = full.reshape(*full.shape[:-1], -1, per_word).astype(np.int64) & ((1 << bits) - 1)
    words: WordArray = (raw << (np.arange(per_word) * bits)).sum(axis=-1).astype(np.uint32)
    return words


def as_words(values: NDArray[np.integer[Any]]) -> WordArray:
    """Signed integers as words in two's complement."""
    words: WordArray = (values.astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)
    return words


def plane_order(count: int, bits: int) -> IntArray:
    """Which value stands where after the planes of `bits`-bit activations: (count,) indices.

    `count` is a multiple of 32 // bits, but for 8 bits, where all stay in place.
    """
    if bits == 8:
        return np.arange(count)
    planes = 8 // bits
    block = np.array([planes * b + q for q in range(planes) for b in range(4)])
    starts = np.arange(0, count, 4 * planes)
    order: IntArray = (starts[:, None] + block[None, :]).reshape(-1)
    return order


def pad_runs(rows: Int8Array, runs: int, block: int) -> Int8Array:
    """Fill each of `runs` equal runs of a row up to whole blocks: (c, k) to (c, k')."""
    channels = rows.shape[0]
    parts = rows.reshape(channels, runs, -1)
    short = -parts.shape[2] % block
    return np.pad(parts, ((0, 0), (0, 0), (0, short))).reshape(channels, -1)


def pad_rows(rows: Int8Array, block: int) -> Int8Array:
    """Fill rows up to whole blocks with zero: (c, k) to (c, k')."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % block)))


def power_words(shift: NDArray[np.integer[Any]]) -> WordArray:
    """Right shifts as `tk_scale_sums` wants them: 2^(32 - shift) from 2 on, else shift - 64."""
    wide = shift.astype(np.int64)
    return as_words(np.where(wide >= 2, 1 << (32 - np.maximum(wide, 2)), wide - _SHIFT_CODE))


def dsp_row_words(rows: Int8Array, bits: int) -> WordArray:
    """Rows for the DSP multipliers: (c, k) int8, k in whole words, to (c, words).

    Args:
        bits: 16, 8, 4 or 2. At 16 a word is a pair, values 0 and 2, then 1 and 3, of each four.
            At 4 and 2 bits the first four values stand at the top of the bytes.
    """
    channels = rows.shape[0]
    if bits == 16:
        pairs = rows.reshape(channels, -1, 2, 2).transpose(0, 1, 3, 2)
        return words_of(pairs.reshape(channels, -1), 16)
    if bits == 8:
        return words_of(rows, 8)
    planes = 8 // bits
    quads = rows.reshape(channels, -1, planes, 4)[:, :, ::-1]
    fields = quads.transpose(0, 1, 3, 2).reshape(channels, -1)
    return words_of(fields, bits)


def stream_of_rows(
    bias: WordArray, rows: WordArray, multiplier: WordArray, shift: WordArray
) -> WordArray:
    """For each channel: bias (c,) or several (c, n), row (c, words), multiplier, shift."""
    first = bias.reshape(len(rows), -1)
    return np.concatenate([first, rows, multiplier[:, None], shift[:, None]], axis=1).reshape(-1)


def stream_of_lines(factor: IntArray, offset: IntArray, rows: WordArray) -> WordArray:
    """For each channel: factor (c,), offsets (n, c), row (c, words)."""
    first = as_words(np.concatenate([factor[:, None], offset.T], axis=1))
    return np.concatenate([first, rows], axis=1).reshape(-1)


def stream_of_pairs(
    bias: WordArray, rows: WordArray, multiplier: WordArray, shift: WordArray
) -> WordArray:
    """For each two channels: both biases, the words of both rows in turn, then multiplier and shift
    of the first and of the second. An odd last channel stands alone."""
    parts = []
    for c in range(0, len(rows), 2):
        pair = slice(c, min(c + 2, len(rows)))
        tail = np.stack([multiplier[pair], shift[pair]], axis=1)
        parts += [bias[pair], rows[pair].T.reshape(-1), tail.reshape(-1)]
    return np.concatenate(parts)


def short_shift_words(shift: NDArray[np.integer[Any]]) -> WordArray:
    """Right shifts as plain/scale.h wants them: shift + 1 from 1 to 21, else shift - 64."""
    wide = shift.astype(np.int64)
    short = (wide >= 1) & (wide <= _LONGEST_SHORT_SHIFT)
    return as_words(np.where(short, wide + 1, wide - _SHIFT_CODE))


def plain_rows(rows: Int8Array, bits: int) -> WordArray:
    """Rows (c, k) as they are, a word a value; `stream_of_blocks` packs them."""
    del bits
    return as_words(rows)


def stream_of_blocks(
    bias: WordArray,
    rows: WordArray,
    multiplier: WordArray,
    shift: WordArray,
    *,
    channels: int,
    bits: int,
) -> WordArray:
    """For each block of channels: their biases; for each value the weights of all of them; then
    multiplier and shift of each. The last block is filled up with zero.

    Args:
        bias, rows, multiplier, shift: of c channels; rows are (c, k), a word a value.
        channels: in a block.
        bits: of a weight in the stream.
    """
    short = -len(rows) % channels
    values = np.pad(rows, ((0, short), (0, 0))).reshape(-1, channels, rows.shape[1])
    packed = words_of(values.transpose(0, 2, 1).reshape(len(values), -1), bits)
    tail = np.pad(np.stack([multiplier, shift], axis=1), ((0, short), (0, 0)))
    biases = np.pad(bias, (0, short)).reshape(-1, channels)
    return np.concatenate([biases, packed, tail.reshape(len(values), -1)], axis=1).reshape(-1)


def depthwise_stream(
    bias: WordArray, taps: Int8Array, bits: int, multiplier: WordArray, shift: WordArray
) -> WordArray:
    """Bias, multiplier, shift of each channel, then the taps (c, taps) of each in whole bytes."""
    scale = np.stack([bias, multiplier, shift], axis=1).reshape(-1)
    packed = pack_bits(taps, bits).reshape(-1)
    return np.concatenate([scale, np.pad(packed, (0, -packed.size % 4)).view("<u4")])


def dsp_folded_stream(factor: IntArray, offset: IntArray, taps: Int8Array, bits: int) -> WordArray:
    """As dsp/depthwise_folded_body.h reads it.

    Args:
        factor, offset: (channels,), of the lines that the sums become.
        taps: (channels, 9), row by row, of 4 bits or fewer.
        bits: of an input.
    """
    wide = taps.astype(np.int64)
    rows = ((wide.reshape(-1, 3, 3) & 15) << np.array([0, 4, 8])).sum(axis=2)
    # Less what the values' own offset adds.
    start = (FOLDED_LIFT - (wide.sum(axis=1) << (bits - 1))) << bits
    words = [factor, offset, rows[:, 0] | rows[:, 1] << 16, rows[:, 2] | start << 16]
    return as_words(np.stack(words, axis=1).reshape(-1))


def plain_depthwise_stream(
    bias: WordArray, taps: Int8Array, bits: int, multiplier: WordArray, shift: WordArray
) -> WordArray:
    """For each channel: bias, multiplier, shift, its taps (c, taps) packed in whole words."""
    return np.concatenate(
        [bias[:, None], multiplier[:, None], shift[:, None], words_of(taps, bits)], axis=1
    ).reshape(-1)


_MVE_BLOCK_WORDS = 4
_MVE_LANES = 16


def negated_words(shift: NDArray[np.integer[Any]]) -> WordArray:
    """Right shifts as VRSHL takes them: negative ones."""
    return as_words(-shift.astype(np.int64))


def mve_row_words(rows: Int8Array, bits: int) -> WordArray:
    """Rows for the MVE multipliers: (c, k) int8, k in whole blocks, to (c, words).

    A block is 16 bytes, which hold 8 / bits planes of 16 values, the first in the lowest bits.
    """
    planes = 8 // bits
    blocks = rows.reshape(len(rows), -1, planes, _MVE_LANES)
    return words_of(blocks.transpose(0, 1, 3, 2).reshape(len(rows), -1), bits)


def _mve_stream_of(*parts: WordArray, multiplier: WordArray, shift: WordArray) -> WordArray:
    """Parts behind the first word, whether some shift is not to the right by one at least."""
    # Where nothing gets through, the shift does not matter.
    any_shift = ((shift.astype(np.int32) >= 0) & (multiplier != 0)).any()
    return np.concatenate([np.array([any_shift], np.uint32), *(part.reshape(-1) for part in parts)])


def _mve_stream(
    bias: WordArray, rows: WordArray, multiplier: WordArray, shift: WordArray, together: int
) -> WordArray:
    """Channels in fours, `together` rows at a time; then those left over."""
    channels, words = rows.shape
    first = channels // 4 * 4
    sets = first // together
    scale = np.stack([bias, multiplier, shift], axis=1)
    blocks = rows[:first].reshape(sets, together, words // _MVE_BLOCK_WORDS, _MVE_BLOCK_WORDS)
    fours = [
        blocks.transpose(0, 2, 1, 3).reshape(sets, together * words),
        scale[:first].reshape(sets, together, 3).transpose(0, 2, 1).reshape(sets, 3 * together),
    ]
    rest = [rows[first:], scale[first:]]
    return _mve_stream_of(
        np.concatenate(fours, axis=1),
        np.concatenate(rest, axis=1),
        multiplier=multiplier,
        shift=shift,
    )


def mve_stream_of_pairs(
    bias: WordArray, rows: WordArray, multiplier: WordArray, shift: WordArray
) -> WordArray:
    """As mve/multiply4_body.h reads it."""
    return _mve_stream(bias, rows, multiplier, shift, 2)


def mve_stream_of_fours(
    bias: WordArray, rows: WordArray, multiplier: WordArray, shift: WordArray
) -> WordArray:
    """As mve/multiply1_body.h reads it."""
    return _mve_stream(bias, rows, multiplier, shift, 4)


def mve_depthwise_stream(
    bias: WordArray, taps: Int8Array, multiplier: WordArray, shift: WordArray
) -> WordArray:
    """As mve/depthwise.c reads it: taps (c, taps) as bytes, in blocks of 16 channels."""
    channels, count = taps.shape
    short = -channels % _MVE_LANES
    full = np.pad(taps, ((0, short), (0, count % 2))).reshape(-1, _MVE_LANES, count + count % 2)
    weights = words_of(full.transpose(0, 2, 1).reshape(len(full), -1), 8)
    scale = np.pad(np.stack([bias, multiplier, shift]), ((0, 0), (0, short)))
    # Channel 4 i + j of a block to place (j, what, i).
    lanes = scale.reshape(3, -1, 4, 4).transpose(1, 3, 0, 2).reshape(len(full), -1)
    return _mve_stream_of(
        np.concatenate([weights, lanes], axis=1), multiplier=multiplier, shift=shift
    )


def mve_depthwise_3x3_stream(
    bias: WordArray, taps: Int8Array, multiplier: WordArray, shift: WordArray, *, along_rows: bool
) -> WordArray:
    """As mve/depthwise_3x3.c reads it.

    Args:
        taps: (c, 9), row by row.
        along_rows: the strips run down the rows, not along the columns.
    """
    # (c, along, across)
    places = taps.reshape(-1, 3, 3) if along_rows else taps.reshape(-1, 3, 3).transpose(0, 2, 1)
    weights = words_of(np.pad(places, ((0, 0), (0, 0), (0, 1))).reshape(len(taps), -1), 8)
    scale = np.stack([bias, multiplier, shift], axis=1)
    return _mve_stream_of(
        np.concatenate([weights, scale], axis=1), multiplier=multiplier, shift=shift
    )
