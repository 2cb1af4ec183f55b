# SPDX-License-Identifier: Apache-2.0
"""Every operator alone, of random shapes and scales, against TFLite's reference kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.importer.single import File
from tinykit.importer.lower import lower
from tinykit.importer.tflite_reader import parse_tflite
from tinykit.network import interpret
from tinykit.network.sample import random_input
from tinykit.network.tflite_oracle import run_foreign
from tinykit.network.tflite_writer import FileNode

Rng = np.random.Generator
Make = Callable[[Rng], bytes]


def scale(rng: Rng, low: float = -3.0, high: float = 0.0) -> float:
    return float(np.float32(10.0 ** rng.uniform(low, high)))


def zero(rng: Rng) -> int:
    return int(rng.integers(-128, 128))


def image(rng: Rng, least: int = 1) -> tuple[int, ...]:
    return (1, *(int(one) for one in rng.integers((least, least, 1), (8, 7, 6))))


def fused(rng: Rng) -> str:
    return str(rng.choice(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]))


def weights(file: File, rng: Rng, shape: tuple[int, ...], axis: int) -> tuple[int, Any]:
    """The index of drawn weights, and their scales: one, or one a channel."""
    channels = shape[axis]
    many = channels > 1 and rng.random() < 0.7
    scales = [scale(rng, -2.5, -1.5) for _ in range(channels if many else 1)]
    data = rng.integers(-127, 128, shape).astype(np.int8)
    return file.tensor(shape, scales, data=data, axis=axis), np.array(scales, np.float32)


def bias(file: File, rng: Rng, channels: int, scales: Any) -> int:
    return file.tensor((channels,), scales, data=rng.integers(-900, 900, channels).astype(np.int32))


def conv_2d(rng: Rng) -> bytes:
    file, shape = File(), image(rng, 4)
    kernel, stride = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    dilation = rng.integers(1, 3, 2) if (stride == 1).all() and rng.random() < 0.5 else (1, 1)
    extent = [int((kernel[i] - 1) * dilation[i] + 1) for i in (0, 1)]
    same = bool(rng.random() < 0.5) or any(extent[i] > shape[1 + i] for i in (0, 1))
    depthwise = bool(rng.random() < 0.5)
    channels = int(rng.integers(1, 7)) * (shape[3] if depthwise else 1)
    x_scale = scale(rng, -2, -1)
    x = file.tensor(shape, x_scale, zero(rng))
    lead = 1 if depthwise else channels
    depth = channels if depthwise else shape[3]
    w, scales = weights(
        file, rng, (lead, int(kernel[0]), int(kernel[1]), depth), 3 if depthwise else 0
    )
    b = bias(file, rng, channels, scales * np.float32(x_scale))
    sides = [
        -(-shape[1 + i] // stride[i]) if same else (shape[1 + i] - extent[i]) // stride[i] + 1
        for i in (0, 1)
    ]
    y = file.tensor((1, int(sides[0]), int(sides[1]), channels), scale(rng, -1.5, 0), zero(rng))
    values: dict[str, Any] = {
        "Padding": "SAME" if same else "VALID",
        "StrideH": int(stride[0]),
        "StrideW": int(stride[1]),
        "DilationHFactor": int(dilation[0]),
        "DilationWFactor": int(dilation[1]),
        "FusedActivationFunction": fused(rng),
    }
    if depthwise:
        values["DepthMultiplier"] = channels // shape[3]
        file.node("DEPTHWISE_CONV_2D", [x, w, b], y, "DepthwiseConv2DOptions", **values)
    else:
        file.node("CONV_2D", [x, w, b], y, "Conv2DOptions", **values)
    return file.content(x, y)


def fully_connected(rng: Rng) -> bytes:
    file, features, units = File(), int(rng.integers(1, 40)), int(rng.integers(1, 12))
    rows = int(rng.choice([1, 1, 5]))
    shape = (1, features) if rows == 1 else (1, rows, features)
    x_scale, w_scale = scale(rng, -2, -1), scale(rng, -3, -1)
    x = file.tensor(shape, x_scale, zero(rng))
    w = file.tensor(
        (units, features), w_scale, data=rng.integers(-127, 128, (units, features)).astype(np.int8)
    )
    b = bias(file, rng, units, np.float32(x_scale) * np.float32(w_scale))
    inputs = [x, w, b] if rng.random() < 0.8 else [x, w, -1]
    y = file.tensor((*shape[:-1], units), scale(rng, -1.5, 0), zero(rng))
    file.node(
        "FULLY_CONNECTED",
        inputs,
        y,
        "FullyConnectedOptions",
        FusedActivationFunction=fused(rng),
        KeepNumDims=rows > 1,
    )
    return file.content(x, y)


def pool(rng: Rng) -> bytes:
    file, shape = File(), image(rng, 3)
    kernel, stride = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    same = bool(rng.random() < 0.5)
    sides = [
        -(-shape[1 + i] // stride[i]) if same else (shape[1 + i] - kernel[i]) // stride[i] + 1
        for i in (0, 1)
    ]
    ends = scale(rng, -2, 0), zero(rng)
    x = file.tensor(shape, *ends)
    y = file.tensor((1, int(sides[0]), int(sides[1]), shape[3]), *ends)
    file.node(
        str(rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"])),
        [x],
        y,
        "Pool2DOptions",
        Padding="SAME" if same else "VALID",
        StrideH=int(stride[0]),
        StrideW=int(stride[1]),
        FilterHeight=int(kernel[0]),
        FilterWidth=int(kernel[1]),
        FusedActivationFunction=fused(rng),
    )
    return file.content(x, y)


def mean(rng: Rng) -> bytes:
    file, shape = File(), image(rng)
    axes = [[1, 2], [2, 1], [1], [3], [2, 3], [-1], [1, 2, 3]][int(rng.integers(0, 7))]
    keep = bool(rng.random() < 0.5)
    first = scale(rng, -2, 0), zero(rng)
    second = first if rng.random() < 0.4 else (scale(rng, -2, 0), zero(rng))
    over = {axis % 4 for axis in axes}
    sides = [1 if i in over else side for i, side in enumerate(shape) if keep or i not in over]
    x, y = file.tensor(shape, *first), file.tensor(sides, *second)
    file.node("MEAN", [x, file.constant(axes)], y, "ReducerOptions", KeepDims=keep)
    return file.content(x, y)


def elementwise(code: str, options: str) -> Make:
    def make(rng: Rng) -> bytes:
        file, shape = File(), image(rng)
        some = tuple(side if rng.random() < 0.5 else 1 for side in shape)
        other = [shape, some, (shape[3],), (), (1,)][int(rng.integers(0, 5))]
        x = file.tensor(shape, scale(rng, -2, -1), zero(rng))
        data = rng.integers(-128, 128, other).astype(np.int8)
        if code == "PRELU":
            other, data = some[1:], data if data.shape == some[1:] else np.zeros(0, np.int8)
            data = rng.integers(-128, 128, other).astype(np.int8)
        constant = file.tensor(other, scale(rng, -2, -1), zero(rng), data=data)
        y = file.tensor(shape, scale(rng, -2, 0), zero(rng))
        inputs = [x, constant]
        if code in ("ADD", "MUL") and rng.random() < 0.3:
            inputs.reverse()
        if code != "PRELU" and rng.random() < 0.3:
            # Both depend on the input.
            inputs = [x, x]
        values = {"FusedActivationFunction": fused(rng)} if options else {}
        file.node(code, inputs, y, options, **values)
        return file.content(x, y)

    return make


def activation(code: str, ends: tuple[float, int] | None = None, options: str = "") -> Make:
    def make(rng: Rng) -> bytes:
        file, shape = File(), image(rng)
        x = file.tensor(shape, scale(rng, -2.5, -0.5), zero(rng))
        y = file.tensor(shape, *(ends or (scale(rng, -2.5, -0.5), zero(rng))))
        values: dict[str, Any] = {}
        if code == "LEAKY_RELU":
            values["Alpha"] = float(np.float32(rng.uniform(0.01, 0.9)))
        if code == "SOFTMAX":
            values["Beta"] = float(rng.choice([1.0, 0.5, 2.0]))
        file.node(code, [x], y, options, **values)
        return file.content(x, y)

    return make


def pad(rng: Rng) -> bytes:
    file, shape = File(), image(rng)
    amounts = [[0, 0], *rng.integers(0, 3, (3, 2)).tolist()]
    ends = scale(rng), zero(rng)
    x = file.tensor(shape, *ends)
    sides = [side + sum(pair) for side, pair in zip(shape, amounts, strict=True)]
    y = file.tensor(sides, *ends)
    inputs = [x, file.constant(amounts)]
    if rng.random() < 0.5:
        file.node("PAD", inputs, y, "PadOptions")
    else:
        inputs.append(file.tensor((1,), *ends, data=np.array([zero(rng)], np.int8)))
        file.node("PADV2", inputs, y, "PadV2Options")
    return file.content(x, y)


def padded_conv(rng: Rng) -> bytes:
    file, shape = File(), image(rng, 3)
    amounts = [[0, 0], *rng.integers(0, 3, (2, 2)).tolist(), [0, 0]]
    x_scale, z = scale(rng, -2, -1), zero(rng)
    x = file.tensor(shape, x_scale, z)
    sides = [side + sum(pair) for side, pair in zip(shape, amounts, strict=True)]
    padded = file.tensor(sides, x_scale, z)
    file.node("PAD", [x, file.constant(amounts)], padded, "PadOptions")
    w, scales = weights(file, rng, (3, 3, 3, shape[3]), 0)
    b = bias(file, rng, 3, scales * np.float32(x_scale))
    y = file.tensor((1, sides[1] - 2, sides[2] - 2, 3), scale(rng, -1.5, 0), zero(rng))
    file.node(
        "CONV_2D",
        [padded, w, b],
        y,
        "Conv2DOptions",
        Padding="VALID",
        StrideH=1,
        StrideW=1,
        DilationHFactor=1,
        DilationWFactor=1,
    )
    return file.content(x, y)


def strided_slice(rng: Rng) -> bytes:
    file, shape = File(), image(rng)
    ends = scale(rng), zero(rng)
    x = file.tensor(shape, *ends)
    begin, stop, step, sides = [0], [1], [1], [1]
    masks = [int(rng.integers(0, 16)) & 14 for _ in range(2)]
    shrink = int(rng.choice([0, 0, 2, 4]))
    for axis, side in enumerate(shape[1:], 1):
        one = int(rng.choice([1, 1, 2, -1]))
        first = int(rng.integers(0, side))
        end = int(rng.integers(first + 1, side + 1)) if one > 0 else -side - 1
        if shrink >> axis & 1:
            one = 1
            first = int(rng.integers(0, side))
            end = first + 1
        begin.append(first)
        stop.append(end)
        step.append(one)
        start = (0 if one > 0 else side - 1) if masks[0] >> axis & 1 else first
        last = (side if one > 0 else -1) if masks[1] >> axis & 1 or one < 0 else end
        if shrink >> axis & 1:
            # A mask here would change what is taken.
            masks = [mask & ~(1 << axis) for mask in masks]
            continue
        sides.append(len(range(start, last, one)))
    y = file.tensor(sides, *ends)
    file.node(
        "STRIDED_SLICE",
        [x, *(file.constant(one) for one in (begin, stop, step))],
        y,
        "StridedSliceOptions",
        BeginMask=masks[0],
        EndMask=masks[1],
        ShrinkAxisMask=shrink,
    )
    return file.content(x, y)


def plain_slice(rng: Rng) -> bytes:
    file, shape = File(), image(rng)
    ends = scale(rng), zero(rng)
    begin = [0, *(int(rng.integers(0, side)) for side in shape[1:])]
    size = [
        int(rng.integers(1, side - first + 1)) for first, side in zip(begin, shape, strict=True)
    ]
    x, y = file.tensor(shape, *ends), file.tensor(size, *ends)
    given = [
        -1 if first + count == side else count
        for first, count, side in zip(begin, size, shape, strict=True)
    ]
    file.node("SLICE", [x, file.constant(begin), file.constant(given)], y, "SliceOptions")
    return file.content(x, y)


def concatenation(rng: Rng) -> bytes:
    file, shape = File(), image(rng)
    axis, ends = int(rng.integers(1, 4)), (scale(rng), zero(rng))
    other = list(shape)
    other[axis] = int(rng.integers(1, 4))
    x = file.tensor(shape, *ends)
    data = rng.integers(-128, 128, other).astype(np.int8)
    constant = file.tensor(other, *ends, data=data)
    sides = list(shape)
    sides[axis] = 2 * shape[axis] + other[axis]
    y = file.tensor(sides, *ends)
    given = axis - 4 if rng.random() < 0.5 else axis
    file.node("CONCATENATION", [x, constant, x], y, "ConcatenationOptions", Axis=given)
    return file.content(x, y)


def transpose(rng: Rng) -> bytes:
    file, shape = File(), image(rng)
    order = [0, *(1 + rng.permutation(3)).tolist()]
    ends = scale(rng), zero(rng)
    x, y = file.tensor(shape, *ends), file.tensor([shape[axis] for axis in order], *ends)
    file.node("TRANSPOSE", [x, file.constant(order)], y, "TransposeOptions")
    return file.content(x, y)


def resize(rng: Rng) -> bytes:
    file, shape = File(), image(rng)
    size, ends = rng.integers(1, 15, 2).tolist(), (scale(rng), zero(rng))
    x, y = file.tensor(shape, *ends), file.tensor((1, *size, shape[3]), *ends)
    aligned = bool(rng.random() < 0.5)
    file.node(
        "RESIZE_NEAREST_NEIGHBOR",
        [x, file.constant(size)],
        y,
        "ResizeNearestNeighborOptions",
        AlignCorners=aligned,
        HalfPixelCenters=not aligned and bool(rng.random() < 0.5),
    )
    return file.content(x, y)


def shapes(rng: Rng) -> bytes:
    file, shape = File(), image(rng)
    ends = scale(rng), zero(rng)
    x = file.tensor(shape, *ends)
    wide = file.tensor((1, 1, *shape[1:]), *ends)
    file.node("EXPAND_DIMS", [x, file.constant([1])], wide, "ExpandDimsOptions")
    back = file.tensor(shape, *ends)
    file.node("SQUEEZE", [wide], back, "SqueezeOptions", SqueezeDims=[1])
    row = file.tensor((1, int(np.prod(shape))), *ends)
    file.node("RESHAPE", [back, file.constant([1, -1])], row, "ReshapeOptions", NewShape=[1, -1])
    y = file.tensor((1, int(np.prod(shape))), scale(rng), zero(rng))
    file.node("QUANTIZE", [row], y, "QuantizeOptions")
    return file.content(x, y)


def lstm_file(rng: Rng) -> tuple[File, int, int]:
    """A file with one LSTM, and its input and output."""
    file, major = File(), bool(rng.random() < 0.3)
    steps, features, cells = (int(one) for one in rng.integers(1, (9, 13, 11)))

    def shape(channels: int) -> tuple[int, ...]:
        return (steps, 1, channels) if major else (1, steps, channels)

    x = file.tensor(shape(features), scale(rng, -2, -1), zero(rng))
    weight = [
        file.tensor(
            (cells, inputs),
            scale(rng, -3, -1),
            data=rng.integers(-127, 128, (cells, inputs)).astype(np.int8),
        )
        for inputs in (features, cells)
        for _ in range(4)
    ]
    biases = [
        file.tensor((cells,), 1e-4, data=rng.integers(-9000, 9000, cells).astype(np.int32))
        for _ in range(4)
    ]
    ends = scale(rng, -2.5, -1.9), zero(rng)
    bits = int(rng.integers(0, 7))
    kept = file.tensor((1, cells), *ends, variable=True)
    cell = file.tensor((1, cells), 2.0 ** (bits - 15), dtype="int16", variable=True)
    aside = [file.tensor((0,), None, dtype="float32") for _ in range(4)]
    hidden = file.tensor((0,), *ends)
    y = file.tensor(shape(cells), *ends)
    inputs = [x, *weight, -1, -1, -1, *biases, -1, -1, kept, cell, *[-1] * int(rng.choice([0, 4]))]
    values = {
        "FusedActivationFunction": "TANH",
        "CellClip": float(rng.choice([0.0, 10.0, 0.4 * 2**bits])),
        "TimeMajor": major,
    }
    options = "UnidirectionalSequenceLSTMOptions"
    code = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    file.graph.nodes.append(FileNode(code, inputs, [y], options, values, [*aside, hidden]))
    return file, x, y


def lstm(rng: Rng) -> bytes:
    file, x, y = lstm_file(rng)
    return file.content(x, y)


OPERATORS: dict[str, Make] = {
    "CONV_2D": conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "POOL_2D": pool,
    "MEAN": mean,
    "ADD": elementwise("ADD", "AddOptions"),
    "SUB": elementwise("SUB", "SubOptions"),
    "MUL": elementwise("MUL", "MulOptions"),
    "PRELU": elementwise("PRELU", ""),
    "RELU": activation("RELU"),
    "RELU6": activation("RELU6"),
    "RELU_N1_TO_1": activation("RELU_N1_TO_1"),
    "LEAKY_RELU": activation("LEAKY_RELU", None, "LeakyReluOptions"),
    "LOGISTIC": activation("LOGISTIC", (1 / 256, -128)),
    "TANH": activation("TANH", (1 / 128, 0)),
    "HARD_SWISH": activation("HARD_SWISH"),
    "QUANTIZE": activation("QUANTIZE", None, "QuantizeOptions"),
    "SOFTMAX": activation("SOFTMAX", (1 / 256, -128), "SoftmaxOptions"),
    "PAD": pad,
    "PAD and CONV_2D": padded_conv,
    "STRIDED_SLICE": strided_slice,
    "SLICE": plain_slice,
    "CONCATENATION": concatenation,
    "TRANSPOSE": transpose,
    "RESIZE_NEAREST_NEIGHBOR": resize,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
    "shapes": shapes,
}


def check(content: bytes, seed: int, count: int = 4) -> None:
    network = lower(parse_tflite(content)).network
    source = network.tensor(network.input)
    x = random_input(np.random.default_rng(seed), source, count)
    want = run_foreign(content, x)
    assert np.array_equal(interpret(network, x), want)


@pytest.mark.parametrize("operator", OPERATORS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 32))
def test_one_operator(operator: str, seed: int) -> None:
    check(OPERATORS[operator](np.random.default_rng(seed)), seed)
