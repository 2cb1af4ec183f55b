# SPDX-License-Identifier: Apache-2.0
"""Weights in flash, read back as the kernels read them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinykit.codegen import pack
from tinykit.codegen.variants import LANE_BITS, chunk_length, variants
from tinykit.network.ops import integer_range


def _weights(rng, shape, bits):
    top = integer_range(bits)[1]
    return rng.integers(-top, top + 1, shape).astype(np.int8)


def _field(word: int, at: int, bits: int) -> int:
    value = (int(word) >> at) & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def _sxtb16(word: int) -> tuple[int, int]:
    return _field(word, 0, 8), _field(word, 16, 8)


def _pairs_of_row(words, bits: int) -> list[tuple[int, int]]:
    """The pairs of weights that a DSP inner loop multiplies, in its order."""
    pairs = []
    for word in map(int, words):
        if bits == 16:
            pairs.append((_field(word, 0, 16), _field(word, 16, 16)))
            continue
        top = {8: 0xFFFFFFFF, 4: 0xF0F0F0F0, 2: 0xC0C0C0C0}[bits]
        for _ in range(8 // bits):
            plane = word & top
            for low, high in (_sxtb16(plane), _sxtb16(plane >> 8)):
                pairs.append((low >> (8 - bits), high >> (8 - bits)))
            word = word << bits & 0xFFFFFFFF
    return pairs


def _pairs_of_column(values, bits: int) -> list[tuple[int, int]]:
    """The pairs of activations that an expander makes of packed ones, in its order."""
    fields = values.astype(np.int64) & ((1 << bits) - 1)
    words = pack.words_of(fields, bits)
    pairs = []
    for word in map(int, words):
        for q in range(8 // bits):
            plane = word >> (q * bits)
            for shift in (0, 8):
                pairs.append((_field(plane >> shift, 0, bits), _field(plane >> shift, 16, bits)))
    return pairs


@pytest.mark.parametrize("activation_bits", [8, 4, 2])
@pytest.mark.parametrize("storage", [16, 8, 4, 2])
def test_a_weight_meets_its_activation(storage, activation_bits):
    rng = np.random.default_rng(storage * 10 + activation_bits)
    rows = _weights(rng, (3, 64), min(storage, 8))
    low, high = integer_range(activation_bits)
    x = rng.integers(low, high + 1, 64)
    ordered = rows[:, pack.plane_order(64, activation_bits)]
    words = pack.dsp_row_words(ordered, storage)
    column = _pairs_of_column(x, activation_bits)
    for row, packed in zip(rows, words, strict=True):
        pairs = _pairs_of_row(packed, storage)
        assert len(pairs) == len(column) == 32
        total = sum(a * c + b * d for (a, b), (c, d) in zip(pairs, column, strict=True))
        assert total == int(row.astype(int) @ x)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_streams(channels):
    rng = np.random.default_rng(channels)
    rows = rng.integers(0, 1 << 32, (channels, 3), dtype=np.uint32)
    parts = [rng.integers(0, 1 << 32, channels, dtype=np.uint32) for _ in range(3)]
    bias, multiplier, shift = parts
    alone = pack.stream_of_rows(bias, rows, multiplier, shift).reshape(channels, 6)
    for c in range(channels):
        assert alone[c].tolist() == [bias[c], *rows[c], multiplier[c], shift[c]]
    rest = pack.stream_of_pairs(bias, rows, multiplier, shift).tolist()
    for c in range(0, channels, 2):
        both = range(c, min(c + 2, channels))
        want = [bias[i] for i in both]
        want += [rows[i][word] for word in range(3) for i in both]
        want += [value for i in both for value in (multiplier[i], shift[i])]
        assert rest[: len(want)] == want
        rest = rest[len(want) :]
    assert rest == []


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_depthwise(bits):
    rng = np.random.default_rng(bits)
    taps = _weights(rng, (6, 9), bits)
    parts = [rng.integers(0, 1 << 32, 6, dtype=np.uint32) for _ in range(3)]
    stream = pack.depthwise_stream(parts[0], taps, bits, *parts[1:])
    assert stream[:18].reshape(6, 3).T.tolist() == [p.tolist() for p in parts]
    raw = stream[18:].view(np.uint8)
    each = -(-9 * bits // 8)
    for c in range(6):
        row = int.from_bytes(raw[c * each : (c + 1) * each].tobytes(), "little")
        assert [_field(row, i * bits, bits) for i in range(9)] == taps[c].tolist()


def test_shifts_as_powers():
    words = pack.power_words(np.array([31, 9, 2, 1, 0, -30])).astype(np.int32)
    assert words.tolist() == [2, 1 << 23, 1 << 30, 1 - 64, -64, -30 - 64]


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 2]), st.sampled_from([4, 2]))
def test_pixels_that_share_a_lane_can_be_told_apart(seed, weight_bits, bits):
    """The proof that the generator makes, tried with the worst inputs of each row."""
    rng = np.random.default_rng(seed)
    rows = _weights(rng, (4, 96), weight_bits)
    shared = variants("dsp", weight_bits, bits, single=False)[0]
    assert shared.lane_limit is not None
    chunk = chunk_length(shared, rows, bits)
    if chunk == 0:
        return
    half = 1 << (LANE_BITS - 1)
    most = (1 << bits) - 1
    for start in range(0, 96, chunk):
        part = rows[:, start : start + chunk].astype(int)
        for sign in (1, -1):
            even = np.where(sign * part > 0, most, 0)
            odd = rng.integers(-8 if bits == 4 else 0, 8 if bits == 4 else 4, part.shape)
            packed = half + (part * (even + (odd << LANE_BITS))).sum(axis=1)
            assert (abs(packed) < 1 << 27).all()
            first = (packed & ((1 << LANE_BITS) - 1)) - half
            assert (first == (part * even).sum(axis=1)).all()
            assert (packed >> LANE_BITS == (part * odd).sum(axis=1)).all()
