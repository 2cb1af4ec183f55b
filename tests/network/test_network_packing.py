# SPDX-License-Identifier: Apache-2.0
"""Bit fields: the layout that the device reads, and back again."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykit.network.ops import integer_range
from tinykit.network.packing import (
    activation_bytes,
    fingerprint,
    pack_activations,
    pack_bits,
    packed_bytes,
    unpack_activations,
    unpack_bits,
)


def test_the_layout_is_little_end_first() -> None:
    assert pack_bits(np.array([1, -1, -8, 7]), 4).tobytes() == bytes([0xF1, 0x78])
    assert pack_bits(np.array([1, -1, -2, 0, 1]), 2).tobytes() == bytes([0b00101101, 0b01])
    assert pack_bits(np.array([-1, 5]), 8).tobytes() == bytes([255, 5])


def test_each_pixel_starts_a_byte() -> None:
    values = np.array([[[1, 2, 3]], [[4, 5, 6]]])
    assert pack_activations(values, 4).tobytes() == bytes([0x21, 0x03, 0x54, 0x06])
    assert activation_bytes(values.shape, 4) == 4
    assert activation_bytes((6,), 4) == 3
    assert fingerprint(values, 4) == zlib.crc32(bytes([0x21, 0x03, 0x54, 0x06]))


@settings(deadline=None, derandomize=True)
@given(
    st.integers(0, 1 << 32),
    st.sampled_from([2, 4, 8]),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
)
def test_there_and_back(seed: int, bits: int, shape: list[int]) -> None:
    low, high = integer_range(bits)
    values = np.random.default_rng(seed).integers(low, high, shape, np.int8, endpoint=True)
    packed = pack_activations(values, bits)
    assert packed.shape == (*shape[:-1], packed_bytes(shape[-1], bits))
    assert packed.nbytes == activation_bytes(shape, bits)
    assert np.array_equal(unpack_activations(packed.tobytes(), shape, bits), values)
    assert np.array_equal(unpack_bits(packed, bits, shape[-1]), values)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit in 4 bits"):
        pack_bits(np.array([8]), 4)
    with pytest.raises(ValueError, match="3 bits"):
        pack_bits(np.array([0]), 3)
    with pytest.raises(ValueError, match="5 bits"):
        unpack_bits(np.zeros(1, np.uint8), 5, 1)
    with pytest.raises(ValueError, match="not 2 bytes"):
        unpack_bits(np.zeros(2, np.uint8), 4, 5)
    with pytest.raises(ValueError, match="not 3 bytes"):
        unpack_activations(bytes(3), (2, 1, 3), 4)
