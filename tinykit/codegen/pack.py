# SPDX-License-Identifier: Apache-2.0
"""Weights as the 32-bit words the kernels read.

Two orders of the weights in a word exist. `plain`: little end first, for cores without SIMD.
`planes`: for Cortex-M with DSP instructions, where one SXTB16 widens bytes 0 and 2 and another
bytes 1 and 3; weights of less than 8 bits lie in planes of four, plane p at bit `p * bits` of each
byte, so that one shift and one mask bring a plane to the top of the bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WordArray = NDArray[np.uint32]
Int8Array = NDArray[np.int8]

# Weight i of a plane goes to this byte, so that SXTB16 gives neighbours (0, 1) and (2, 3).
_BYTE_OF_WEIGHT = (0, 2, 1, 3)


def weights_per_word(bits: int) -> int:
    """How many weights of `bits` bits one word holds."""
    return 32 // bits


def row_length(values: int, bits: int) -> int:
    """`values` rounded up to whole words of weights."""
    per_word = weights_per_word(bits)
    return -(-values // per_word) * per_word


def _join(fields: Int8Array, bits: int, positions: NDArray[np.int64]) -> WordArray:
    """Words whose field i, low `bits` bits of (..., i), stands at bit positions[i]."""
    raw = fields.astype(np.int64) & ((1 << bits) - 1)
    words: WordArray = (raw << positions).sum(axis=-1).astype(np.uint32)
    return words


def _positions(bits: int, planes: bool) -> NDArray[np.int64]:
    index = np.arange(weights_per_word(bits))
    if not planes:
        return index * bits
    return 8 * np.array(_BYTE_OF_WEIGHT)[index % 4] + (index // 4) * bits


def pack_rows(rows: Int8Array, bits: int, *, planes: bool) -> WordArray:
    """Matrix rows for `tk_matmul_w<bits>`.

    Args:
        rows: (channels, values) int8, one row an output channel.
        bits: 8, 4 or 2.
        planes: the order for DSP instructions.

    Returns:
        (words,) uint32: rows filled up with zeros to whole words; the words of channels 0 and 1
        alternate, then those of 2 and 3, ...; an odd last row stands alone.
    """
    channels, values = rows.shape
    length = row_length(values, bits)
    padded = np.zeros((channels, length), np.int8)
    padded[:, :values] = rows
    words = _join(
        padded.reshape(channels, -1, weights_per_word(bits)), bits, _positions(bits, planes)
    )
    pairs = channels // 2
    paired = words[: 2 * pairs].reshape(pairs, 2, words.shape[1]).transpose(0, 2, 1).reshape(-1)
    return np.concatenate([paired, words[2 * pairs :].reshape(-1)])


def pack_depthwise(weight: Int8Array, bits: int, *, planes: bool) -> WordArray:
    """Taps for `tk_depthwise_w<bits>`.

    Args:
        weight: (kernel_h, kernel_w, channels) int8.
        bits: 8, 4 or 2.
        planes: the order for DSP instructions: taps in pairs, see `weights_of_pair` in C.

    Returns:
        (words,) uint32: for each four channels the taps in turn, in whole words.
    """
    channels = weight.shape[-1]
    taps = weight.shape[0] * weight.shape[1]
    even = taps + taps % 2 if planes else taps
    padded = np.zeros((even, -(-channels // 4) * 4), np.int8)
    padded[:taps, :channels] = weight.reshape(taps, channels)
    groups = padded.reshape(even, -1, 4).transpose(1, 0, 2)
    if not planes:
        return _whole_words(groups.reshape(len(groups), -1), bits)
    # Bytes of a quad: tap 0 of channels a, a + 1, then tap 1 of the same; a is 0, then 2.
    quads = groups.reshape(len(groups), even // 2, 2, 2, 2).transpose(0, 1, 3, 2, 4)
    quads = quads.reshape(len(groups), -1, 4)
    per_word = 8 // bits
    short = -quads.shape[1] % per_word
    quads = np.pad(quads, ((0, 0), (0, short), (0, 0)))
    fields = quads.reshape(len(groups), -1, per_word * 4)
    index = np.arange(per_word * 4)
    return _join(fields, bits, 8 * (index % 4) + (index // 4) * bits).reshape(-1)


def _whole_words(rows: Int8Array, bits: int) -> WordArray:
    per_word = weights_per_word(bits)
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % per_word)))
    return _join(
        padded.reshape(len(rows), -1, per_word), bits, _positions(bits, planes=False)
    ).reshape(-1)
