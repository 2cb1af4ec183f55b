# SPDX-License-Identifier: Apache-2.0
"""The geometry of operators: what shape comes out, how much work it is, what it weighs."""

from __future__ import annotations

import math

from tinykit.network.ops import (
    AvgPool2D,
    Constant,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Elementwise,
    Lookup,
    Lstm,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    ResizeNearest,
    Softmax,
    Threshold,
    Transpose,
    Weighted,
    Windowed,
)
from tinykit.network.packing import packed_bytes

Shape = tuple[int, ...]


def kernel_size(op: Windowed) -> tuple[int, int]:
    """(height, width) of the window in taps, without dilation."""
    if isinstance(op, AvgPool2D | MaxPool2D):
        return op.kernel
    if isinstance(op, Conv2D):
        return op.weight.shape[1], op.weight.shape[2]
    if isinstance(op, DepthwiseConv2D):
        return op.weight.shape[0], op.weight.shape[1]
    raise TypeError(f"{type(op).__name__} has no kernel")


def dilation(op: Windowed) -> tuple[int, int]:
    """(height, width) distance between taps; 1 for pools."""
    return op.dilation if isinstance(op, Conv2D | DepthwiseConv2D) else (1, 1)


def extent(op: Windowed) -> tuple[int, int]:
    """(height, width) in pixels that one window spans, dilation included."""
    (high, wide), (down, across) = kernel_size(op), dilation(op)
    return (high - 1) * down + 1, (wide - 1) * across + 1


def window_counts(op: Windowed, input_shape: Shape) -> tuple[int, int]:
    """(height, width) of the output; below 1 where the window does not fit."""
    top, bottom, left, right = op.padding
    high, wide = extent(op)
    return (
        (input_shape[0] + top + bottom - high) // op.stride[0] + 1,
        (input_shape[1] + left + right - wide) // op.stride[1] + 1,
    )


def output_channels(op: Weighted) -> int:
    """Channels, or features, that a layer with weights gives."""
    return int(op.weight.shape[-1] if isinstance(op, DepthwiseConv2D) else op.weight.shape[0])


def output_shape(op: Op, input_shape: Shape) -> Shape | None:
    """Shape of the output; None where the op leaves it free, or other inputs have a say.

    That is so of Reshape, Slice, Concat and Constant.
    """
    if isinstance(op, Dense):
        return (output_channels(op),)
    if isinstance(op, Conv2D | DepthwiseConv2D):
        return (*window_counts(op, input_shape), output_channels(op))
    if isinstance(op, AvgPool2D | MaxPool2D):
        return (*window_counts(op, input_shape), input_shape[-1])
    if isinstance(op, Elementwise | Lookup | Softmax):
        return input_shape
    if isinstance(op, Mean):
        return tuple(1 if axis in op.axes else side for axis, side in enumerate(input_shape))
    if isinstance(op, Lstm):
        return (*input_shape[:-1], op.bias.shape[1])
    if isinstance(op, Pad):
        pairs = zip(op.padding[::2], op.padding[1::2], strict=True)
        return tuple(a + side + b for (a, b), side in zip(pairs, input_shape, strict=True))
    if isinstance(op, Transpose):
        return tuple(input_shape[axis] for axis in op.permutation)
    if isinstance(op, ResizeNearest):
        return (op.rows.size, op.columns.size, input_shape[-1])
    return None


def broadcasts(shape: Shape, other: Shape) -> bool:
    """Whether a tensor of the shape `other` may be the second of an Elementwise on `shape`."""
    if other == (1,):
        return True
    return len(shape) == len(other) and all(
        side in (1, wide) for side, wide in zip(other, shape, strict=True)
    )


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """(before, after) pixels that give ceil(size / stride) windows, the odd one after."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def macs(op: Op, result_shape: Shape) -> int:
    """Multiply-accumulates of one inference, those on padding included; 0 without weights.

    A depthwise convolution over single pixels that ends in a threshold only compares.
    """
    if isinstance(op, DepthwiseConv2D) and isinstance(op.requantize, Threshold):
        return 0 if op.weight.shape[:2] == (1, 1) else math.prod(result_shape[:2]) * op.weight.size
    if isinstance(op, Dense):
        return int(op.weight.size)
    if isinstance(op, Conv2D | DepthwiseConv2D):
        return math.prod(result_shape[:2]) * int(op.weight.size)
    if isinstance(op, Lstm):
        return math.prod(result_shape[:2]) * int(op.weight.size + op.recurrent.size)
    return 0


def weight_bytes(op: Op) -> int:
    """Bytes of the weights packed at their width without gaps."""
    if isinstance(op, Lstm):
        return int(op.weight.size + op.recurrent.size)
    return packed_bytes(int(op.weight.size), op.weight_bits) if isinstance(op, Weighted) else 0


def parameter_bytes(op: Op) -> int:
    """Bytes of packed weights and int32 biases, of constants and of tables."""
    if isinstance(op, Weighted | Lstm):
        return weight_bytes(op) + 4 * int(op.bias.size)
    tables = {Constant: "value", Lookup: "table", Mean: "steps", Softmax: "exponentials"}
    name = tables.get(type(op))
    return 0 if name is None else int(getattr(op, name).nbytes)
