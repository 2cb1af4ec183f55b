# SPDX-License-Identifier: Apache-2.0
"""Channels that say nothing are taken out, and no output changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinykit.network import Network, interpret
from tinykit.network.ops import (
    AvgPool2D,
    Conv2D,
    DepthwiseConv2D,
    MaxPool2D,
    Op,
    Requantize,
    Weighted,
    integer_range,
)
from tinykit.network.prune import prune
from tinykit.network.sample import Builder
from tinykit.network.shapes import output_channels

_INPUTS = 24


def chain(rng: np.random.Generator, bits: int, joined: bool) -> Network:
    """Convolutions, depthwise ones, pools and a look-up; perhaps a branch that joins again."""
    build = Builder(rng, (9, 10, 3), bits=bits)
    build.conv(12, (3, 3), bits=bits).depthwise((3, 3), bits=bits)
    build.conv(16, (1, 1), bits=bits)
    if joined:
        first = build.keep()
        build.conv(16, (3, 3), bits=bits).add(first)
    build.pool(MaxPool2D, (2, 2)).conv(8, (3, 3), bits=bits)
    if bits == 8:
        build.lookup()
    build.depthwise((3, 3), padding="valid", bits=bits).pool(AvgPool2D, (1, 2))
    return build.flatten().dense(12, bits=bits).dense(4).build()


def silenced(rng: np.random.Generator, network: Network, share: float) -> Network:
    """With `share` of all channels without weights, or never below or above the clamp."""

    def one(op: Op) -> Op:
        if not isinstance(op, Weighted):
            return op
        assert isinstance(op.requantize, Requantize)
        channels = output_channels(op)
        axis = op.weight.ndim - 1 if isinstance(op, DepthwiseConv2D) else 0
        shape = [-1 if side == axis else 1 for side in range(op.weight.ndim)]
        empty, stuck = (rng.random(channels) < share / 2 for _ in range(2))
        # As large as TensorFlow's converter makes that of a dead channel; a shift to the left, as
        # narrow layers have, must not take it beyond 32 bits.
        reach = 1 << rng.integers(20, 28, channels) >> np.maximum(op.requantize.shift, 0)
        reach = reach * rng.choice([-1, 1], channels)
        weight = np.where(empty.reshape(shape), np.int8(0), op.weight)
        bias = np.where(stuck, reach, op.bias).astype(np.int32)
        return replace(op, weight=weight, bias=bias)

    return replace(network, ops=tuple(one(op) for op in network.ops))


def inputs(rng: np.random.Generator, network: Network) -> np.ndarray:
    tensor = network.tensor(network.input)
    low, high = integer_range(tensor.bits)
    return rng.integers(low, high + 1, (_INPUTS, *tensor.shape)).astype(np.int8)


@settings(max_examples=60, deadline=None)
@example(seed=19209, bits=4, share=0.2, joined=True)
@example(seed=493, bits=8, share=1.0, joined=False)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([8, 8, 4, 2]),
    share=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    joined=st.booleans(),
)
def test_no_output_changes(seed: int, bits: int, share: float, joined: bool) -> None:
    rng = np.random.default_rng(seed)
    network = silenced(rng, chain(rng, bits, joined), share)
    pruned = prune(network)
    x = inputs(rng, network)
    np.testing.assert_array_equal(interpret(pruned.network, x), interpret(network, x))
    assert all(output_channels(pruned.network.op(name)) % 4 == 0 for name in pruned.removed)
    again = prune(pruned.network)
    assert not again.removed


def test_a_dead_channel_leaves_all_its_layers() -> None:
    rng = np.random.default_rng(5)
    network = Builder(rng, (6, 6, 4)).conv(8, (1, 1)).depthwise((3, 3), padding="valid")
    network = network.conv(8, (3, 3), padding="valid").mean().dense(3).build()
    first, second, third, *_ = network.ops
    assert isinstance(first, Conv2D)
    dead = np.isin(np.arange(8), [1, 2, 6, 7])
    weight = np.where(dead.reshape(-1, 1, 1, 1), np.int8(0), first.weight)
    bias = np.where(dead, 1 << 29, first.bias).astype(np.int32)
    network = replace(
        network, ops=(replace(first, weight=weight, bias=bias), second, *network.ops[2:])
    )
    pruned = prune(network)
    assert pruned.removed == {first.name: 4, second.name: 4}
    assert pruned.network.op(third.name).weight.shape == (8, 3, 3, 4)
    x = inputs(rng, network)
    assert len(np.unique(interpret(network, x), axis=0)) > 1
    np.testing.assert_array_equal(interpret(pruned.network, x), interpret(network, x))


@pytest.mark.parametrize("at_zero", [True, False])
def test_a_border_is_not_a_constant(at_zero: bool) -> None:
    """Padding reads the zero point: only a channel that is always that can go before it."""
    rng = np.random.default_rng(6)
    network = Builder(rng, (6, 6, 4)).conv(8, (1, 1)).conv(4, (3, 3)).mean().dense(3).build()
    first = network.ops[0]
    assert isinstance(first, Conv2D)
    weight, bias = first.weight.copy(), first.bias.copy()
    weight[:4] = 0
    bias[:4] = 0 if at_zero else 1 << 28
    network = replace(network, ops=(replace(first, weight=weight, bias=bias), *network.ops[1:]))
    pruned = prune(network)
    assert pruned.removed == ({first.name: 4} if at_zero else {})
    x = inputs(rng, network)
    np.testing.assert_array_equal(interpret(pruned.network, x), interpret(network, x))


def test_a_constant_channel_that_stays_is_small() -> None:
    """A bias of 2^30 would make all firmware use 64-bit accumulators."""
    rng = np.random.default_rng(7)
    network = Builder(rng, (4, 4, 4)).conv(4, (1, 1)).mean().dense(3).build()
    first = network.ops[0]
    assert isinstance(first, Conv2D)
    weight, bias = first.weight.copy(), first.bias.copy()
    weight[1] = 0
    bias[1] = -(1 << 30)
    network = replace(network, ops=(replace(first, weight=weight, bias=bias), *network.ops[1:]))
    pruned = prune(network)
    assert not pruned.removed
    kept = pruned.network.op(first.name)
    assert isinstance(kept, Conv2D)
    assert abs(int(kept.bias[1])) <= 255 * 32
    x = inputs(rng, network)
    np.testing.assert_array_equal(interpret(pruned.network, x), interpret(network, x))
