# SPDX-License-Identifier: Apache-2.0
"""How weights lie for cores without SIMD, and how long sums may share a register there."""

from __future__ import annotations

import numpy as np
import pytest

from tinykit.codegen import pack
from tinykit.codegen.isa import ISAS
from tinykit.codegen.variants import ROWS, chunk_length, variants

WIDTHS = (8, 4, 2)


def _stream(rows: np.ndarray, channels: int, bits: int) -> np.ndarray:
    count = len(rows)
    return pack.stream_of_blocks(
        pack.as_words(np.arange(count) - 1),
        pack.plain_rows(rows, bits),
        pack.as_words(np.arange(count) + 1000),
        pack.as_words(np.arange(count) + 2000),
        channels=channels,
        bits=bits,
    )


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("channels", [2, 4])
def test_a_block_holds_biases_interleaved_weights_and_scales(bits, channels):
    largest = (1 << (bits - 1)) - 1
    length = 32 // bits // channels * 4
    rows = np.random.default_rng(bits).integers(-largest, largest + 1, (2 * channels - 1, length))
    stream = _stream(rows.astype(np.int8), channels, bits)
    words = channels * length * bits // 32
    blocks = stream.reshape(2, channels + words + 2 * channels)
    np.testing.assert_array_equal(blocks[0, :channels].view(np.int32), np.arange(channels) - 1)
    tail = blocks[0, channels + words :].reshape(channels, 2)
    np.testing.assert_array_equal(tail[:, 0], 1000 + np.arange(channels))
    np.testing.assert_array_equal(tail[:, 1], 2000 + np.arange(channels))
    fields = [
        int(word) >> at & ((1 << bits) - 1)
        for word in blocks[0, channels : channels + words]
        for at in range(0, 32, bits)
    ]
    signed = np.array([f - (1 << bits) if f > largest else f for f in fields])
    np.testing.assert_array_equal(signed.reshape(length, channels).T, rows[:channels])
    # The channel that is missing in the second block.
    assert blocks[1, channels - 1] == 0
    assert not blocks[1, -2:].any()


def test_short_shifts_are_powers_and_others_keep_their_sign():
    shift = np.array([-30, 0, 1, 9, 21, 22, 31])
    words = pack.short_shift_words(shift).view(np.int32)
    np.testing.assert_array_equal(words, [-94, -64, 2, 10, 22, -42, -33])


def _shared(isa, weight_bits, bits):
    return [v for v in variants(isa, weight_bits, bits, single=False) if v.lane_limit is not None]


@pytest.mark.parametrize("isa", sorted(ROWS))
def test_a_shared_sum_never_leaves_its_lane(isa):
    """The worst activations, over each chunk of real weights, against the lane's bounds."""
    rng = np.random.default_rng(5)
    for weight_bits in WIDTHS:
        for bits in WIDTHS:
            largest = (1 << (weight_bits - 1)) - 1
            low, high = (-128, 127) if bits == 8 else (0, (1 << bits) - 1)
            rows = rng.integers(-largest, largest + 1, (5, 384)).astype(np.int8)
            for variant in _shared(isa, weight_bits, bits):
                chunk = chunk_length(variant, rows, bits)
                assert chunk >= 16
                assert chunk % variant.block == 0
                parts = np.pad(rows.astype(np.int64), ((0, 0), (0, -384 % chunk)))
                parts = parts.reshape(5, -1, chunk)
                most = np.maximum(parts * low, parts * high).sum(2).max()
                least = np.minimum(parts * low, parts * high).sum(2).min()
                assert most <= variant.lane_limit
                assert least >= -variant.lane_limit - 1


def test_every_width_has_a_variant_that_always_fits():
    for isa in sorted(set(ISAS) & set(ROWS)):
        for weight_bits in WIDTHS:
            for bits in WIDTHS:
                for single in (False, True):
                    found = variants(isa, weight_bits, bits, single=single)
                    assert found[-1].lane_limit is None
