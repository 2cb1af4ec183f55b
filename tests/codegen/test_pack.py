# SPDX-License-Identifier: Apache-2.0
"""Packed weights, read back as the kernels' comments say they lie."""

from __future__ import annotations

import numpy as np
import pytest

from tinykit.codegen.pack import pack_depthwise, pack_rows, row_length
from tinykit.network.ops import integer_range


def _weights(rng, shape, bits):
    top = integer_range(bits)[1]
    return rng.integers(-top, top + 1, shape).astype(np.int8)


def _field(word: int, at: int, bits: int) -> int:
    value = (int(word) >> at) & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def _place(index: int, bits: int, planes: bool) -> int:
    """Bit of weight `index` in its word: little end first, or planes of four in SXTB16's order."""
    if not planes:
        return index * bits
    return 8 * (0, 2, 1, 3)[index % 4] + (index // 4) * bits


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_rows(bits, planes, channels):
    rows = _weights(np.random.default_rng(bits), (channels, 21), bits)
    words = pack_rows(rows, bits, planes=planes)
    length, per_word = row_length(21, bits), 32 // bits
    in_row = length // per_word
    assert len(words) == channels * in_row
    for channel in range(channels):
        for i in range(length):
            if channel == channels - 1 and channels % 2:
                at = channel * in_row + i // per_word
            else:
                at = 2 * (channel // 2 * in_row + i // per_word) + channel % 2
            want = rows[channel, i] if i < 21 else 0
            assert _field(words[at], _place(i % per_word, bits, planes), bits) == want


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_depthwise_plain(bits):
    weight = _weights(np.random.default_rng(bits), (3, 3, 6), bits)
    words = pack_depthwise(weight, bits, planes=False).reshape(2, -1)
    for group in range(2):
        for tap in range(9):
            for i in range(4):
                at = (tap * 4 + i) * bits
                channel = 4 * group + i
                want = weight.reshape(9, 6)[tap, channel] if channel < 6 else 0
                assert _field(words[group, at // 32], at % 32, bits) == want


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_depthwise_in_pairs_of_taps(bits):
    weight = _weights(np.random.default_rng(bits), (3, 3, 4), bits).reshape(9, 4)
    words = pack_depthwise(weight.reshape(3, 3, 4), bits, planes=True)
    per_word = 8 // bits
    for tap in range(10):
        for channel in range(4):
            quad = 2 * (tap // 2) + channel // 2
            byte = 2 * (tap % 2) + channel % 2
            at = 8 * byte + (quad % per_word) * bits
            want = weight[tap, channel] if tap < 9 else 0
            assert _field(words[quad // per_word], at, bits) == want
