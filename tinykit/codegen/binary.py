# SPDX-License-Identifier: Apache-2.0
"""Layers of one-bit weights and inputs: weights as words, thresholds as limits of a count.

A kernel counts the ones of `input ^ row` (firmware: tinykit/binary.h). With n weights and that
count an accumulator is `bias + n - 2 * count`, so a threshold on it is a limit of the count. Each
tap of a row starts on a byte like a pixel of the input; the bits between and behind are 0 in both.

Without an instruction that counts ones, full adders do. They either go along the words of one row,
with a sum across the bits at the end of each; or they hold 32 channels side by side, which needs no
such sum but leaves lanes idle where channels are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.isa import Isa
from tinykit.codegen.pack import Int8Array, WordArray, as_words, padded
from tinykit.network.ops import Threshold
from tinykit.network.packing import pack_bits

# As TK_BINARY_WORDS in binary.h.
KNOWN_WORDS = (*range(1, 11), 12, 14, 16, 18, 20, 24, 32)
# What the rows of any other length are filled up to.
_BLOCK = 4
# Channels whose bits one word takes.
_LANES = 32
# Digits of a count that tk_binary_lanes keeps in registers.
_LOW_DIGITS = 5


@dataclass(frozen=True)
class Binary:
    """How a one-bit layer is counted.

    Attributes:
        function: the C function.
        source: the C file below firmware/src that has it.
        words: in a row and in a window.
        known: the function is made for this number of words.
        lanes: 32 channels lie side by side.
        chained: rows and windows are exclusive-ored with all before: words along a row, bits where
            channels lie side by side.
        table_bytes: of limits, or of bias, multiplier and shift, in the stream.
    """

    function: str
    source: str
    words: int
    known: bool
    lanes: bool
    chained: bool
    table_bytes: int

    @property
    def digits(self) -> int:
        """Digits of a count above the sixteens."""
        return self.words.bit_length()


def _row_cost(words: int, channels: int) -> float:
    """Instructions of a Cortex-M4 for a pixel, row by row; fitted to measurements."""
    row = 6 * words + 9 * words.bit_length() if words in KNOWN_WORDS else 7.1 * words + 80
    return channels * row


def _lane_cost(words: int, channels: int) -> float:
    """The same with 32 channels side by side."""
    return -(-channels // _LANES) * (241 * words + 165)


def choose(row_bytes: int, channels: int, bits: int, isa: Isa) -> Binary:
    """The function for rows of `row_bytes` whose outputs have `bits` bits.

    RISC-V cores count word by word, for some have an instruction for it; Arm's count with full
    adders.
    """
    words = -(-row_bytes // 4)
    if isa != "riscv" and bits == 1 and _lane_cost(words, channels) < _row_cost(words, channels):
        table = 4 * -(-channels // _LANES) * (_LOW_DIGITS + words.bit_length())
        return Binary("tk_binary_lanes", "kernels/binary_lanes.c", words, False, True, True, table)
    kind = "plain" if isa == "riscv" else "chained"
    output = "bits" if bits == 1 else "values"
    known = words in KNOWN_WORDS
    return Binary(
        function=f"tk_binary_{kind}_{output}" + (f"_{words}" if known else ""),
        source=f"kernels/binary_{kind}.c",
        words=words if known else padded(words, _BLOCK),
        known=known,
        lanes=False,
        chained=kind == "chained",
        table_bytes=4 * channels * (1 if bits == 1 else 3),
    )


def _filled(weight: Int8Array, words: int) -> NDArray[np.uint8]:
    """Rows (channels, taps, depth) of -1 and 1, packed, in (channels, 4 * words) bytes."""
    packed = pack_bits(weight, 1).reshape(len(weight), -1)
    return np.pad(packed, ((0, 0), (0, 4 * words - packed.shape[1])))


def row_words(weight: Int8Array, how: Binary) -> WordArray:
    """Rows (channels, taps, depth) of -1 and 1 as words (channels, how.words)."""
    words: WordArray = _filled(weight, how.words).view("<u4").astype(np.uint32)
    return np.bitwise_xor.accumulate(words, axis=1) if how.chained else words


def _lane_words(bits: NDArray[np.integer[Any]]) -> WordArray:
    """(channels, n) bits as (groups, n) words with a channel in each bit."""
    groups = -(-len(bits) // _LANES)
    full = np.pad(bits, ((0, groups * _LANES - len(bits)), (0, 0)))
    lanes = full.reshape(groups, _LANES, -1).astype(np.int64) << np.arange(_LANES)[:, None]
    return lanes.sum(axis=1).astype(np.uint32)


def lane_stream(weight: Int8Array, limits: NDArray[np.int64], how: Binary) -> WordArray:
    """For each 32 channels a word for each bit of the window, then one for each limit digit."""
    bits = np.unpackbits(_filled(weight, how.words), axis=1, bitorder="little")
    digits = limits[:, None] >> np.arange(_LOW_DIGITS + how.digits) & 1
    chained = np.bitwise_xor.accumulate(_lane_words(bits), axis=1)
    return np.concatenate([chained, _lane_words(digits)], axis=1).reshape(-1)


def count_limits(
    weight: Int8Array, bias: NDArray[np.integer[Any]], step: Threshold
) -> tuple[Int8Array, NDArray[np.int64]]:
    """Weights and limits such that an output is +1 where its count is below its limit.

    A channel that flips has its weights negated: with acc' = n - 2 * count over those,
    acc < threshold is acc' > bias - threshold.

    Args:
        weight: (channels, taps, depth) of -1 and 1.
        bias: (channels,).
        step: the threshold on the accumulator.

    Returns:
        weights of the same shape, and (channels,) limits in 0..n + 1.
    """
    count = int(np.prod(weight.shape[1:]))
    turned = np.where(step.flip[:, None, None], -weight, weight).astype(np.int8)
    # The least sum over the (turned) weights that gives +1.
    distance = step.threshold.astype(np.int64) - bias.astype(np.int64)
    least = np.where(step.flip, 1 - distance, distance)
    # n - 2 * count >= least
    limits = np.clip((count - least) // 2 + 1, 0, count + 1)
    return turned, limits


def bit_stream(rows: WordArray, limits: NDArray[np.int64]) -> WordArray:
    """For each channel its row and its limit; of each 32 channels the last comes first."""
    table = np.concatenate([rows, as_words(limits)[:, None]], axis=1)
    groups = [table[start : start + _LANES][::-1] for start in range(0, len(table), _LANES)]
    return np.concatenate(groups).reshape(-1)


def value_stream(
    rows: WordArray, bias: WordArray, multiplier: WordArray, shift: WordArray
) -> WordArray:
    """For each channel its row, then n + bias, multiplier and shift to the right."""
    tail = np.stack([bias, multiplier, shift], axis=1)
    return np.concatenate([rows, tail], axis=1).reshape(-1)
