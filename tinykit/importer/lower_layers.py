# SPDX-License-Identifier: Apache-2.0
"""Layers with weights, and pools: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, *_POOL_2D, MEAN."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.importer.fixed_point import EVERY, round_half_away
from tinykit.importer.frame import Frame, refuse, shape_here
from tinykit.network import shapes
from tinykit.network.ops import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Lookup,
    MaxPool2D,
    Mean,
    Tensor,
    Weighted,
)
from tinykit.network.requantize import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize_from_scales,
)

_MOST_SUMS = 1 << 25
_INT32_END = 2.0**31
_ENDS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def _integer_of(frame: Frame, real: float, like: Tensor) -> int:
    """The integer nearest to `real` on a tensor's scale, not clamped; the quotient is float32.

    Raises:
        TinykitError: it is beyond 32 bits, where TFLite refuses too, or is not defined.
    """
    quotient = np.float32(real) / np.float32(like.scale)
    if abs(quotient) >= _INT32_END:
        raise refuse(
            frame.node,
            f"ends at {real:g}, which a scale of {like.scale:g} cannot express in 32 bits.",
            "Calibrate the model with data that reach this layer, and convert it again.",
        )
    return like.zero_point + int(round_half_away(np.asarray(quotient, np.float64)))


def clamp_of(frame: Frame, like: Tensor) -> tuple[int, int]:
    """Least and greatest output that the node's fused activation allows.

    Source: TFLite's CalculateActivationRangeQuantized; quotients are float32.
    """

    name = frame.node.attributes.get("fused_activation", "NONE")
    if name not in _ENDS:
        raise refuse(frame.node, f"fuses {name}.", "Use a RELU or RELU6, or a layer of its own.")
    return range_of(frame, name, like)


def range_of(frame: Frame, activation: str, like: Tensor) -> tuple[int, int]:
    """Least and greatest output of a RELU, RELU6, RELU_N1_TO_1 or NONE on a tensor's scale.

    Raises:
        TinykitError: the scale is too small for an end.
    """
    low, high = _ENDS[activation]
    return (
        -128 if low is None else max(-128, _integer_of(frame, low, like)),
        127 if high is None else min(127, _integer_of(frame, high, like)),
    )


def _window(frame: Frame, shape: tuple[int, ...], extent: tuple[int, int]) -> dict[str, Any]:
    """Stride and padding of the node for a window that spans `extent` pixels."""
    options = frame.node.attributes
    stride = (int(options["stride_h"]), int(options["stride_w"]))
    if min(stride) < 1 or len(shape) != 3:
        raise refuse(
            frame.node,
            f"slides over {shape} in steps of {stride}.",
            "It needs an image (1, height, width, channels) and steps of at least 1.",
        )
    padding = (0, 0, 0, 0)
    if options["padding"] == "SAME":
        rows, columns = (
            shapes.same_padding(shape[axis], extent[axis], stride[axis]) for axis in (0, 1)
        )
        padding = (*rows, *columns)
    return {"stride": stride, "padding": padding}


def weights_of(
    frame: Frame, place: int, axis: int, channels: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """int8 values and float64 scales, (channels,) or (1,), of the weights that the node reads."""
    name = frame.node.inputs[place]
    values, tensor = frame.values(name, "a weight tensor"), frame.foreign(name)
    quantization = tensor.quantization
    if values.dtype != np.int8 or quantization is None:
        raise refuse(
            frame.node,
            f"has {tensor.dtype} weights.",
            "Convert the model with full integer quantization (int8), or give representative "
            "data with `tinykit import --data`.",
        )
    if quantization.zero_point.any():
        raise refuse(
            frame.node,
            "has weights with a zero point.",
            "Convert the model again; TFLite's int8 weights are symmetric.",
        )
    if values.min() < -127:
        raise refuse(
            frame.node,
            "has a weight of -128, but weights are narrow (-127 to 127).",
            "Convert the model again; TFLite's converter makes narrow weights.",
        )
    scales = quantization.scale
    if len(scales) > 1 and (quantization.axis != axis or len(scales) != channels):
        raise refuse(
            frame.node,
            f"has a scale for each of axis {quantization.axis} of its weights.",
            "Use one for all, or one for each output channel.",
        )
    return values, scales.astype(np.float64)


def _bias(frame: Frame, channels: int) -> NDArray[np.int32]:
    inputs = frame.node.inputs
    if len(inputs) < 3 or not inputs[2]:
        return np.zeros(channels, np.int32)
    return bias_of(frame, 2, channels)


def bias_of(frame: Frame, place: int, channels: int) -> NDArray[np.int32]:
    """int32 (channels,), the constant at an input of the node."""
    values = frame.values(frame.node.inputs[place], "a bias")
    if values.dtype != np.int32 or values.size != channels:
        raise refuse(
            frame.node,
            f"has a bias of {values.size} {values.dtype} for {channels} channels.",
            "Convert the model with int32 biases (full integer quantization of 8 bits).",
        )
    return values.reshape(channels).astype(np.int32)


def _layer(
    frame: Frame,
    kind: type[Weighted],
    x: Tensor,
    weight: NDArray[Any],
    scales: NDArray[Any],
    shape: tuple[int, ...] | None = None,
    **fields: Any,
) -> None:
    """Append the layer; its output is the node's."""
    like = frame.like(frame.node.outputs[0])
    low, high = clamp_of(frame, like)
    dense = frame.node.kind == "FULLY_CONNECTED"
    channels = weight.shape[-1] if kind is DepthwiseConv2D else weight.shape[0]
    with frame.calibrated():
        step = requantize_from_scales(
            x.scale,
            scales,
            like.scale,
            channels=channels,
            low=low,
            high=high,
            float32_product=dense,
        )
    frame.finish(
        frame.emit(
            kind,
            [x],
            replace(like, shape=like.shape if shape is None else shape),
            weight=np.ascontiguousarray(weight),
            weight_bits=8,
            weight_scale=scales,
            bias=_bias(frame, channels),
            requantize=step,
            **fields,
        )
    )


def conv_2d(frame: Frame) -> None:
    """CONV_2D."""
    node = frame.node
    filters = frame.foreign(node.inputs[1]).shape
    if len(filters) != 4:
        raise refuse(node, f"has weights of the shape {filters}.", "Convert the model again.")
    weight, scales = weights_of(frame, 1, 0, filters[0])
    x = frame.source(node.inputs[0])
    if weight.shape[3] != x.shape[-1]:
        raise refuse(
            node,
            f"has filters of {weight.shape[3]} channels over {x.shape[-1]} (groups).",
            "Use a plain or a depthwise convolution.",
        )
    _convolution(frame, Conv2D, x, weight, scales, (weight.shape[1], weight.shape[2]))


def depthwise_conv_2d(frame: Frame) -> None:
    """DEPTHWISE_CONV_2D."""
    node = frame.node
    filters = frame.foreign(node.inputs[1]).shape
    x = frame.source(node.inputs[0])
    if len(filters) != 4 or filters[0] != 1 or filters[3] % x.shape[-1]:
        raise refuse(
            node,
            f"has weights of the shape {filters} for {x.shape[-1]} channels.",
            "Convert the model again.",
        )
    weight, scales = weights_of(frame, 1, 3, filters[3])
    kernel = (weight.shape[1], weight.shape[2])
    multiplier = filters[3] // x.shape[-1]
    _convolution(frame, DepthwiseConv2D, x, weight[0], scales, kernel, depth_multiplier=multiplier)


def _convolution(
    frame: Frame,
    kind: type[Conv2D] | type[DepthwiseConv2D],
    x: Tensor,
    weight: NDArray[Any],
    scales: NDArray[Any],
    kernel: tuple[int, int],
    **fields: Any,
) -> None:
    options = frame.node.attributes
    dilation = (max(1, int(options["dilation_h"])), max(1, int(options["dilation_w"])))
    extent = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    window = _window(frame, x.shape, extent)
    pad = frame.folded.get(frame.node.inputs[0])
    if pad is not None:
        window["padding"] = pad
    _layer(frame, kind, x, weight, scales, dilation=dilation, **window, **fields)


def fully_connected(frame: Frame) -> None:
    """FULLY_CONNECTED; over several rows, a 1x1 convolution."""
    node = frame.node
    if node.attributes.get("weights_format"):
        raise refuse(node, "has shuffled weights.", "Convert the model without shuffling.")
    filters = frame.foreign(node.inputs[1]).shape
    if len(filters) != 2:
        raise refuse(node, f"has weights of the shape {filters}.", "Convert the model again.")
    weight, scales = weights_of(frame, 1, 0, filters[0])
    x = frame.source(node.inputs[0])
    size = math.prod(x.shape)
    if size % weight.shape[1]:
        raise refuse(
            node, f"takes {weight.shape[1]} features of {size}.", "Convert the model again."
        )
    rows = size // weight.shape[1]
    if rows == 1:
        x = frame.reshaped(x, (size,))
        _layer(frame, Dense, x, weight, scales, (weight.shape[0],))
        return
    x = frame.reshaped(x, (rows, 1, weight.shape[1]))
    window = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}
    shape = (rows, 1, weight.shape[0])
    _layer(frame, Conv2D, x, weight[:, None, None, :], scales, shape, **window)


def pool(frame: Frame) -> None:
    """AVERAGE_POOL_2D and MAX_POOL_2D; a fused activation becomes a Lookup behind it."""
    node, x = frame.node, frame.source(frame.node.inputs[0])
    kernel = (int(node.attributes["filter_h"]), int(node.attributes["filter_w"]))
    if min(kernel) < 1:
        raise refuse(node, f"has a window of {kernel}.", "Use at least one pixel.")
    window = _window(frame, x.shape, kernel)
    kind = AvgPool2D if node.kind == "AVERAGE_POOL_2D" else MaxPool2D
    like = frame.like(node.outputs[0])
    result = frame.emit(kind, [x], replace(x, shape=like.shape), kernel=kernel, **window)
    low, high = clamp_of(frame, like)
    if (low, high) != (-128, 127):
        table = np.clip(EVERY, low, high).astype(np.int8)
        result = frame.emit(Lookup, [result], result, table=table)
    frame.finish(result)


def mean(frame: Frame) -> None:
    """MEAN: an AvgPool2D where that gives the same for every sum, else a Mean."""
    node = frame.node
    foreign = frame.foreign(node.inputs[0])
    rank = len(foreign.shape)
    given = frame.integers(node.inputs[1], "axes").tolist()
    if any(not -rank <= axis < rank for axis in given):
        raise refuse(node, f"is over the axes {given} of {rank}.", "Convert the model again.")
    axes = sorted({axis % rank for axis in given})
    x = frame.source(node.inputs[0])
    places = frame.image_places(foreign.shape, x)
    here = [places[axis] for axis in axes if foreign.shape[axis] > 1]
    x = frame.image(x)
    over = tuple(sorted(axis for axis in here if axis is not None))
    count = math.prod(x.shape[axis] for axis in over)
    if count * 256 > _MOST_SUMS:
        raise refuse(node, f"is over {count} values.", f"Use at most {_MOST_SUMS >> 8}.")
    like = frame.like(node.outputs[0])
    sums = np.arange(-128 * count, 127 * count + 1)
    with frame.calibrated():
        outputs = _means(sums, count, x, like)
    sides = tuple(1 if axis in over else side for axis, side in enumerate(x.shape))
    result = replace(like, shape=sides)
    unchanged = (x.scale, x.zero_point) == (like.scale, like.zero_point)
    rounded = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
    if unchanged and over == (0, 1) and np.array_equal(outputs, rounded):
        window = {"stride": (1, 1), "padding": (0, 0, 0, 0), "kernel": x.shape[:2]}
        frame.finish(frame.emit(AvgPool2D, [x], result, **window))
        return
    rises = np.diff(outputs)
    steps = np.repeat(sums[1:], rises).astype(np.int32)
    fields = {"axes": over or (2,), "first": int(outputs[0]), "steps": steps}
    if not over:
        # Over sides of 1: the mean of one value, of any axis that has one.
        ones = [axis for axis in range(3) if x.shape[axis] == 1]
        if not ones:
            raise refuse(node, "is over no axis.", "Leave the layer out.")
        fields["axes"] = (ones[0],)
    frame.finish(frame.emit(Mean, [x], result, **fields))


def _means(sums: NDArray[np.int64], count: int, x: Tensor, like: Tensor) -> NDArray[np.int64]:
    """What TFLite's MEAN gives for each sum of `count` integers.

    The quotient of the scales becomes a multiplier, and a division of that by the count takes in
    as many bits as the count has, but none that would leave the multiplication's range.
    """
    multiplier, shift = quantize_multiplier(
        float(np.float32(x.scale)) / float(np.float32(like.scale))
    )
    finer = min(count.bit_length() - 1, 32, 31 + shift)
    divided = (multiplier << finer) // count
    centred = sums - count * x.zero_point
    mean = multiply_by_quantized_multiplier(centred, divided, shift - finer) + like.zero_point
    return np.clip(mean, -128, 127)


def shape_of_output(frame: Frame) -> tuple[int, ...]:
    """The shape here of the node's output."""
    return shape_here(frame.node, frame.foreign(frame.node.outputs[0]).shape)
