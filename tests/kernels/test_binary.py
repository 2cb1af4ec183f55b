# SPDX-License-Identifier: Apache-2.0
"""Kernels of one-bit layers on random shapes, against the interpreter, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import kernel_library
import numpy as np
import pytest

from tinykit.codegen import binary
from tinykit.codegen.binary import KNOWN_WORDS, choose, count_limits
from tinykit.codegen.isa import Isa
from tinykit.codegen.kernels import choose_kernels
from tinykit.errors import TinykitError
from tinykit.network import MaxPool2D, Network, Threshold
from tinykit.network.interpreter import run_op
from tinykit.network.ops import Dense, DepthwiseConv2D, Weighted
from tinykit.network.sample import Builder, random_input

# Of chained and of plain rows.
ISAS: tuple[Isa, ...] = ("dsp", "riscv")
OUTPUTS = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def library(shared_folder):
    return kernel_library.build(shared_folder)


def _close(builder: Builder) -> Network:
    """End the chain where pixels fill bytes, so that it can be flattened."""
    bits = builder.last.bits
    if len(builder.shape) > 1 and builder.shape[-1] % (8 // bits):
        if bits == 1:
            builder.conv(8, (1, 1), weight_bits=1, bits=1)
        else:
            builder.mean()
    return builder.build()


def _check(library, isa: Isa, builder: Builder, x: np.ndarray) -> None:
    """The first layer of the chain, on int8 `x` (n, *input shape)."""
    network = _close(builder)
    layer = choose_kernels(network, isa)[0]
    source, result = network.tensor("input"), network.tensor(layer.op.output)
    want = run_op(layer.op, [(x, source)], result)
    for one, expected in zip(x, want, strict=True):
        got = kernel_library.call(library, layer, one, source, result)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bits", OUTPUTS)
@pytest.mark.parametrize("channels", [3, 64, 77])
@pytest.mark.parametrize("words", [*range(1, 37), 40, 48, 63, 64, 71])
def test_windows_of_any_length(library, isa, bits, words, channels):
    """From the least count to the greatest, where every adder of the tree is full."""
    rng = np.random.default_rng(words)
    features = 32 * words - int(rng.integers(0, 32))
    builder = Builder(rng, (features,), bits=1)
    builder.dense(channels, weight_bits=1, bits=bits)
    op = builder.ops[0]
    assert isinstance(op, Weighted)
    ends = np.concatenate([op.weight[:2], -op.weight[:2]])
    _check(library, isa, builder, np.concatenate([ends, random_input(rng, builder.tensors[0], 2)]))


@pytest.mark.parametrize("words", [1, 2, 31, 32, 33, 127, 128, 300])
def test_lanes_hold_every_count(library, words, monkeypatch):
    """Thresholds at both ends of the range, where limits have all their digits."""
    monkeypatch.setattr(binary, "_lane_cost", lambda words, channels: 0)
    rng = np.random.default_rng(words)
    builder = Builder(rng, (32 * words,), bits=1)
    builder.dense(6, weight_bits=1, bits=1)
    op = builder.ops[0]
    assert isinstance(op, Dense)
    ends = np.array(
        [-32 * words, 1 - 32 * words, 32 * words, 32 * words + 1, -1 << 31, (1 << 31) - 1]
    )
    step = Threshold(
        (ends + np.where(abs(ends) < 1 << 30, op.bias, 0)).astype(np.int32), np.arange(6) % 2 == 1
    )
    builder.ops[0] = replace(op, requantize=step)
    assert choose_kernels(builder.build(), "dsp")[0].binary.lanes
    x = np.concatenate([op.weight, -op.weight, random_input(rng, builder.tensors[0], 1)])
    _check(library, "dsp", builder, x)


def test_many_channels_lie_side_by_side_and_few_do_not():
    assert choose(8, 64, 1, "dsp").lanes
    assert choose(72, 64, 1, "thumb").lanes
    assert not choose(8, 3, 1, "dsp").lanes
    assert not choose(8, 64, 8, "dsp").lanes
    assert not choose(8, 64, 1, "riscv").lanes


def test_every_known_length_has_a_function_and_others_fill_up(library):
    for kind, isa in (("chained", "dsp"), ("plain", "riscv")):
        for words in range(1, 70):
            how = choose(4 * words - 1, 4, 1, isa)
            assert hasattr(library, how.function)
            assert kind in how.function
            assert how.known == (words in KNOWN_WORDS)
            assert how.words >= words
            assert how.known or how.words % 4 == 0


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bits", OUTPUTS)
@pytest.mark.parametrize("seed", range(12))
def test_convolution(library, isa, bits, seed):
    """Odd channels, one-pixel outputs, strides, dilation, lopsided padding."""
    rng = np.random.default_rng(100 * seed + bits)
    shape = (int(rng.integers(1, 8)), int(rng.integers(1, 8)), int(rng.integers(1, 70)))
    if seed % 3 == 0:
        shape = (*shape[:2], 32 * int(rng.integers(1, 4)))
    builder = Builder(rng, shape, bits=1)
    dilation = tuple(int(d) for d in rng.integers(1, 3, 2))
    kernel, pads = [], []
    for side, distance in zip(shape[:2], dilation, strict=True):
        size = int(rng.integers(1, 1 + min(4, 1 + (side - 1) // distance)))
        kernel.append(size)
        pads += [int(p) for p in rng.integers(0, (size - 1) * distance + 1, 2)]
    builder.conv(
        int(rng.integers(1, 80)),
        (kernel[0], kernel[1]),
        stride=(int(rng.integers(1, 4)), int(rng.integers(1, 4))),
        padding=(pads[0], pads[1], pads[2], pads[3]),
        dilation=(dilation[0], dilation[1]),
        weight_bits=1,
        bits=bits,
    )
    _check(library, isa, builder, random_input(rng, builder.tensors[0], 2))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [8, 20, 32, 64])
def test_convolution_over_time(library, isa, channels):
    rng = np.random.default_rng(channels)
    builder = Builder(rng, (33, 1, channels), bits=1)
    builder.conv(40, (7, 1), stride=(2, 1), weight_bits=1, bits=1)
    _check(library, isa, builder, random_input(rng, builder.tensors[0], 2))


@pytest.mark.parametrize("channels", [1, 7, 8, 33, 64])
def test_maximum_pool(library, channels):
    rng = np.random.default_rng(channels)
    for _ in range(5):
        builder = Builder(rng, (int(rng.integers(1, 8)), int(rng.integers(1, 8)), channels), bits=1)
        kernel = tuple(int(rng.integers(1, 1 + side)) for side in builder.shape[:2])
        pads = tuple(int(rng.integers(0, k)) for k in (kernel[0], kernel[0], kernel[1], kernel[1]))
        stride = tuple(int(s) for s in rng.integers(1, 4, 2))
        builder.pool(MaxPool2D, kernel, stride=stride, padding=pads)
        # Most values -1, so that a disjunction is not +1 almost everywhere.
        x = random_input(rng, builder.tensors[0], 8).reshape(2, 4, *builder.tensors[0].shape)
        _check(library, "dsp", builder, x.min(axis=1))


def test_limits_equal_thresholds():
    """Every count of every threshold near and beyond its range, both directions."""
    rng = np.random.default_rng(0)
    count, bias = 12, 3
    thresholds = np.arange(-20, 21)
    for flip in (False, True):
        weight = rng.choice(np.array([-1, 1], np.int8), (len(thresholds), 1, count))
        step = Threshold(thresholds.astype(np.int32), np.full(len(thresholds), flip))
        turned, limits = count_limits(weight, np.full(len(thresholds), bias), step)
        assert np.array_equal(turned, -weight if flip else weight)
        for ones in range(count + 1):
            # `ones` products of -1 over the turned weights.
            acc = bias + (count - 2 * ones) * (-1 if flip else 1)
            assert np.array_equal(ones < limits, (acc >= thresholds) ^ flip)


@pytest.mark.parametrize("channels", [1, 7, 8, 19, 64])
def test_binarization_of_every_value(library, channels):
    """All 256 inputs, weights of both signs and 0, thresholds within and beyond the range."""
    rng = np.random.default_rng(channels)
    builder = Builder(rng, (256, 1, channels)).depthwise((1, 1), bits=1)
    op = builder.ops[0]
    assert isinstance(op, DepthwiseConv2D)
    weight = rng.choice(np.array([-3, -1, 0, 1, 1, 2], np.int8), op.weight.shape)
    centre = rng.integers(-300, 300, channels)
    step = Threshold(centre.astype(np.int32), rng.random(channels) < 0.5)
    builder.ops[0] = op = replace(op, weight=weight, requantize=step)
    x = np.arange(-128, 128).astype(np.int8)[None, :, None, None].repeat(channels, axis=3)
    sums = op.bias + (x.astype(int) - builder.tensors[0].zero_point) * weight[0, 0]
    want = (sums >= step.threshold) != step.flip
    layer = choose_kernels(_close(builder), "dsp")[0]
    source, result = builder.tensors[0], builder.tensors[1]
    assert layer.kind == "binarize"
    for distance in (None, 0):
        got = (
            kernel_library.call(library, layer, x[0], source, result)
            if distance is None
            else kernel_library.call_over(library, layer, x[0], source, result, distance)
        )
        np.testing.assert_array_equal(got > 0, want[0])


def test_one_bit_from_wider_inputs_is_refused():
    rng = np.random.default_rng(0)
    network = Builder(rng, (16,)).dense(8, bits=1).dense(2, weight_bits=1).build()
    assert isinstance(network.op("dense0"), Dense)
    with pytest.raises(TinykitError, match="no kernel gives one bit from 8-bit inputs") as caught:
        choose_kernels(network, "dsp")
    assert caught.value.where == "layer dense0"
