# SPDX-License-Identifier: Apache-2.0
"""The interpreter against loops over Python integers, written from the definitions."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tinykit.errors import TinykitError
from tinykit.network import (
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Network,
    Op,
    Reshape,
    interpret,
    interpret_all,
)
from tinykit.network import interpreter as module
from tinykit.network.ops import Tensor, Weighted, Windowed, integer_range
from tinykit.network.sample import Builder, ds_cnn, random_input, random_network
from tinykit.network.shapes import dilation, kernel_size


def naive(op: Op, x: np.ndarray, source: Tensor, result: Tensor) -> np.ndarray:
    """One example through one operator."""
    if isinstance(op, Reshape):
        return x.reshape(result.shape)
    out = np.zeros(result.shape, np.int8)
    for place in itertools.product(*(range(side) for side in result.shape)):
        out[place] = _one(op, x, source, result, place)
    return out


def _one(op: Op, x: np.ndarray, source: Tensor, result: Tensor, place: tuple[int, ...]) -> int:
    channel = place[-1]
    if isinstance(op, Dense):
        acc = sum(
            (int(v) - source.zero_point) * int(w)
            for v, w in zip(x, op.weight[channel], strict=True)
        )
        return _scaled(op, acc, channel, result)
    assert isinstance(op, Windowed)
    taps = list(_taps(op, x, place))
    if isinstance(op, Conv2D):
        acc = sum(
            (int(x[r, c, i]) - source.zero_point) * int(op.weight[channel, a, b, i])
            for a, b, r, c in taps
            for i in range(x.shape[2])
        )
        return _scaled(op, acc, channel, result)
    if isinstance(op, DepthwiseConv2D):
        i = channel // op.depth_multiplier
        acc = sum(
            (int(x[r, c, i]) - source.zero_point) * int(op.weight[a, b, channel])
            for a, b, r, c in taps
        )
        return _scaled(op, acc, channel, result)
    values = [int(x[r, c, channel]) for _, _, r, c in taps]
    if isinstance(op, AvgPool2D):
        # Half away from zero.
        total, count = sum(values), len(values)
        sign = -1 if total < 0 else 1
        return sign * ((2 * abs(total) + count) // (2 * count))
    return max(values)


def _total(op: Add, pair: tuple[int, int], sources: tuple[Tensor, Tensor], result: Tensor) -> int:
    """One value of a sum, as the definition of `Rescale` has it."""
    step, total = op.rescale, 0
    for i in (0, 1):
        fine = (pair[i] - sources[i].zero_point) << step.left_shift
        total += _times(fine, step.input_multiplier[i], step.input_shift[i])
    scaled = _times(total, step.output_multiplier, step.output_shift)
    return min(max(scaled + result.zero_point, step.low), step.high)


def _times(value: int, multiplier: int, shift: int) -> int:
    """multiplier * 2^(shift - 31) times the value, for shifts of at most 0."""
    high = (value * multiplier + (1 << 30)) >> 31
    half = (1 << -shift) >> 1
    return (high + half) >> -shift if high >= 0 else -((-high + half) >> -shift)


def _taps(op: Windowed, x: np.ndarray, place: tuple[int, ...]) -> Any:
    (high, wide), (down, across) = kernel_size(op), dilation(op)
    for a, b in itertools.product(range(high), range(wide)):
        r = place[0] * op.stride[0] - op.padding[0] + a * down
        c = place[1] * op.stride[1] - op.padding[2] + b * across
        if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
            yield a, b, r, c


def _scaled(op: Weighted, acc: int, channel: int, result: Tensor) -> int:
    step = op.requantize
    multiplier, shift = int(step.multiplier[channel]), int(step.shift[channel])
    acc = (acc + int(op.bias[channel])) << max(shift, 0)
    high = (acc * multiplier + (1 << 30)) >> 31
    power = max(-shift, 0)
    half = (1 << power) >> 1
    scaled = (high + half) >> power if high >= 0 else -((-high + half) >> power)
    return min(max(scaled + result.zero_point, step.low), step.high)


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_equal_the_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng, depth=3)
    x = random_input(rng, network.tensor(network.input), 2)
    values = interpret_all(network, x)
    assert set(values) == {tensor.name for tensor in network.tensors}
    for op in network.ops:
        source, result = network.tensor(op.inputs[0]), network.tensor(op.output)
        if isinstance(op, Add):
            other = network.tensor(op.inputs[1])
            pairs = zip(values[source.name].flat, values[other.name].flat, strict=True)
            want = [_total(op, (int(a), int(b)), (source, other), result) for a, b in pairs]
            assert want == values[result.name].ravel().tolist(), op.name
            continue
        for given, got in zip(values[source.name], values[result.name], strict=True):
            assert np.array_equal(naive(op, given, source, result), got), op.name
    assert np.array_equal(interpret(network, x), values[network.output])


def test_wide_sums_stay_exact() -> None:
    """Accumulators near 2^31, where float32 would lose bits."""
    rng = np.random.default_rng(0)
    builder = Builder(rng, (4096,))
    network = builder.dense(4, relu=False).build()
    op = network.op("dense0")
    assert isinstance(op, Dense)
    bias = np.array([1 << 29, -(1 << 29) + 1, (1 << 30) + 1, 3], np.int32)
    weight = np.full_like(op.weight, 127)
    wide = replace(op, weight=weight, bias=bias)
    x = np.full((1, 4096), 127, np.int8)
    x[0, ::3] = -128
    source = network.tensor("input")
    acc = module.accumulate(wide, x, source)
    exact = bias + ((x.astype(np.int64) - source.zero_point) * 127).sum()
    assert acc.dtype == np.float64
    assert np.array_equal(acc.astype(np.int64)[0], exact)


def test_narrow_sums_use_float32_and_chunks_join() -> None:
    network = ds_cnn(8)
    x = random_input(np.random.default_rng(1), network.tensor("input"), 300)
    op = network.op("conv0")
    assert isinstance(op, Conv2D)
    assert module.accumulate(op, x[:1], network.tensor("input")).dtype == np.float32
    together = interpret(network, x)
    one_by_one = np.concatenate([interpret(network, x[i : i + 1]) for i in range(0, 300, 37)])
    assert np.array_equal(together[::37], one_by_one)


def test_an_empty_batch_gives_an_empty_answer() -> None:
    network = ds_cnn(4)
    x = np.zeros((0, 49, 10, 1), np.int8)
    assert interpret(network, x).shape == (0, 10)
    assert interpret_all(network, x)["conv0_out"].shape == (0, 25, 5, 4)


@pytest.mark.parametrize("policy", ["w8a8", "w4a4", "w2a2", "mixed"])
def test_sample_networks_use_their_range(policy: str) -> None:
    """Benchmarks and agreement tests mean little on saturated or constant outputs."""
    network = ds_cnn(16, policy)
    x = random_input(np.random.default_rng(2), network.tensor("input"), 64)
    values = interpret_all(network, x)
    for op in network.ops:
        if isinstance(op, Weighted):
            value, (low, high) = values[op.output], integer_range(network.tensor(op.output).bits)
            assert value.max() > low + 0.7 * (high - low), op.name
            assert (value == high).mean() < 0.05, op.name
    assert len(set(interpret(network, x).argmax(axis=1))) > 2


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 49, 10), np.int8), r"features are int8 \(1, 49, 10\)"),
        (np.zeros((1, 49, 10, 1), np.int16), "features are int16"),
    ],
)
def test_features_of_another_kind_are_refused(x: np.ndarray, message: str) -> None:
    with pytest.raises(TinykitError, match=message):
        interpret(ds_cnn(4), x)


def test_features_beyond_the_input_bits_are_refused() -> None:
    network: Network = Builder(np.random.default_rng(0), (4,), bits=4).dense(2).build()
    with pytest.raises(TinykitError, match="4 bits"):
        interpret(network, np.full((1, 4), 8, np.int8))
