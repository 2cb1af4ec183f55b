# SPDX-License-Identifier: Apache-2.0
"""The operators of a Network: typed, integer-only, with every constant the device needs.

All tensors are signed. A tensor of `bits` b holds integers in [-2^(b-1), 2^(b-1) - 1] and stands
for the reals `scale * (q - zero_point)` (Jacob et al., arXiv:1712.05877, eq. 1). Layout is
height, width, channels without a batch axis; a 1-D signal is (steps, 1, channels).

One bit is different: it holds -1 and +1 and no 0 (Courbariaux et al., arXiv:1602.02830), so its
zero point is 0. A layer whose input has one bit has weights of one bit, and the other way round.

Operators compare by identity, for arrays have no single truth value; compare Networks by digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Int8Array = NDArray[np.int8]
Int32Array = NDArray[np.int32]
FloatArray = NDArray[np.float64]

BoolArray = NDArray[np.bool_]

Bits = Literal[1, 2, 4, 8]


def integer_range(bits: int) -> tuple[int, int]:
    """Smallest and largest signed integer of `bits` bits; one bit holds -1 and 1, but no 0."""
    return (-1, 1) if bits == 1 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


@dataclass(frozen=True)
class Tensor:
    """An activation.

    Attributes:
        name: unique in its Network.
        shape: (height, width, channels), or (features,) after Reshape and Dense.
        bits: 8, 4, 2 or 1.
        scale: reals per integer step.
        zero_point: the integer that stands for 0.0, in the range of `bits`; 0 for one bit.
    """

    name: str
    shape: tuple[int, ...]
    bits: int
    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class Requantize:
    """int32 accumulator to output integer: `zero_point + round(acc * multiplier * 2^(shift - 31))`.

    Attributes:
        multiplier: (channels,) int32 in [2^30, 2^31), or 0.
        shift: (channels,) int32 in [-31, 30]; positive shifts left, as in TFLite.
        low, high: clamp of the output, inclusive, within the output's range; ReLU lives here.
    """

    multiplier: Int32Array
    shift: Int32Array
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Threshold:
    """int32 accumulator to one bit: +1 where `(acc >= threshold) != flip`, else -1.

    Batch normalisation before the sign is folded into it; see `tinykit.network.requantize`.

    Attributes:
        threshold: (channels,) int32.
        flip: (channels,) bool; a negative slope of the normalisation turns the comparison round.
    """

    threshold: Int32Array
    flip: BoolArray


@dataclass(frozen=True, eq=False)
class Op:
    """What all operators have: a unique name, input tensors and one output tensor, by name."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Windowed(Op):
    """What slides over height and width; windows that would reach past the padding are dropped.

    Attributes:
        stride: (height, width).
        padding: (top, bottom, left, right) in pixels, each less than the (dilated) kernel, so that
            every window touches the input. Convolutions read the zero point there, and -1 where the
            input has one bit: it has no 0, and -1 is what cleared memory holds. Pools skip it.
    """

    stride: tuple[int, int]
    padding: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Weighted(Op):
    """Linear weights: `weight_scale * weight`, zero point 0.

    Attributes:
        weight: int8 array, each value in [-(2^(b-1) - 1), 2^(b-1) - 1] for b = `weight_bits`; -1 or
            1 for one bit.
        weight_bits: 8, 4, 2 or 1; how many bits a weight takes in flash.
        weight_scale: (channels,) or (1,) float64; kept for the .tflite export and the reports.
        bias: (channels,) int32 at scale `input scale * weight_scale`. The input's zero point is
            not folded in: acc = bias + sum((x - zero_point) * weight).
        requantize: from the accumulator to the output; a Threshold where that has one bit.
    """

    weight: Int8Array
    weight_bits: int
    weight_scale: FloatArray
    bias: Int32Array
    requantize: Requantize | Threshold


@dataclass(frozen=True, eq=False)
class Conv2D(Weighted, Windowed):
    """2-D convolution; weight (out_channels, kernel_h, kernel_w, in_channels)."""

    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(Weighted, Windowed):
    """Depthwise convolution; weight (kernel_h, kernel_w, channels * depth_multiplier).

    Output channel c reads input channel c // depth_multiplier.
    """

    depth_multiplier: int = 1
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class Dense(Weighted):
    """Fully connected layer; weight (out_features, in_features); input (features,)."""


@dataclass(frozen=True, eq=False)
class AvgPool2D(Windowed):
    """Mean over the valid pixels, rounded half away from zero; scale and zero point unchanged.

    Attributes:
        kernel: (height, width).
    """

    kernel: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class MaxPool2D(Windowed):
    """Maximum over the valid pixels, of one bit their disjunction; scale and zero point unchanged.

    Attributes:
        kernel: (height, width).
    """

    kernel: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Rescale:
    """Two integers to the integer of their sum, as TFLite's int8 ADD; `add_rescale` makes it.

    Each input becomes `(q - zero_point) * 2^left_shift` times its factor, on one fine scale; the
    sum of both times the output's factor, plus the output's zero point, is clamped. A factor is
    `multiplier * 2^(shift - 31)` and rounds as in `Requantize`.

    Attributes:
        input_multiplier: of the two inputs, each in [2^30, 2^31) or 0.
        input_shift: of the two inputs, each in [-31, 0]. The input of the larger scale has the
            factor 1/2: multiplier 2^30, shift 0.
        output_multiplier: in [2^30, 2^31), or 0.
        output_shift: in [-31, 0].
        left_shift: 20.
        low, high: clamp of the output, inclusive, within the output's range; ReLU lives here.
    """

    input_multiplier: tuple[int, int]
    input_shift: tuple[int, int]
    output_multiplier: int
    output_shift: int
    left_shift: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Elementwise(Op):
    """Two tensors to one, value by value; the second may be broadcast to the first.

    Each side of the second input equals that of the first or is 1, and a row of one value goes with
    any shape. The output has the shape of the first.
    """


@dataclass(frozen=True, eq=False)
class Sum(Elementwise):
    """What adds or subtracts two tensors of one width, each with a scale of its own.

    Attributes:
        rescale: from the two inputs to the output.
    """

    rescale: Rescale


@dataclass(frozen=True, eq=False)
class Add(Sum):
    """The sum of two tensors, as TFLite's int8 ADD."""


@dataclass(frozen=True, eq=False)
class Sub(Sum):
    """The first tensor less the second, as TFLite's int8 SUB.

    Both inputs are rescaled as those of an Add, and then the second is taken off.
    """


@dataclass(frozen=True, eq=False)
class Mul(Elementwise):
    """The product of two tensors of 8 bits, as TFLite's int8 MUL.

    It is `(a - its zero point) * (b - its zero point)`, requantized.

    Attributes:
        requantize: one multiplier and one shift, for all values.
    """

    requantize: Requantize


@dataclass(frozen=True, eq=False)
class PRelu(Elementwise):
    """What is below zero is multiplied by a slope: TFLite's int8 PRELU, of 8 bits.

    With x, the first input less its zero point, and a, the slope less its own: x times the first
    factor where x >= 0, `x * a` times the second factor elsewhere. The second input holds slopes.

    Attributes:
        requantize: two multipliers and two shifts, of x and of `x * a`.
    """

    requantize: Requantize


@dataclass(frozen=True, eq=False)
class Lookup(Op):
    """Any function of one value of 8 bits: activations, and changes of scale.

    Attributes:
        table: (256,) int8, the output for the input q at index q + 128.
    """

    table: Int8Array


@dataclass(frozen=True, eq=False)
class Mean(Op):
    """The mean over some axes, rounded and requantized as the steps say; 8 bits.

    Whatever formula a mean and its rounding follow, the output is a staircase over the sum of the
    input's integers (zero points included in them). It is kept as such, and thus exact:
    `first + number of steps that the sum reaches (sum >= step)`.

    Attributes:
        axes: of height (0), width (1) and channels (2); sorted. Their sides become 1.
        first: the output below all steps.
        steps: (k,) int32, ascending, at most 255; equal ones jump by more than one.
    """

    axes: tuple[int, ...]
    first: int
    steps: Int32Array


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """Softmax over the last axis, as TFLite's int8 reference kernel; 8 bits.

    Each input's distance from the largest along the axis picks an exponential. Their sum, in steps
    of 2^-19, gives a reciprocal by three steps of Newton and Raphson, and exponential times
    reciprocal is the output, of the scale 1/256 and the zero point -128.

    Attributes:
        exponentials: (n,) int32, 1 <= n <= 256: exp(-distance * scale) in units of 2^-31, that of
            distance 0 being 2^31 - 1; descending. What lies further below gives 0.
    """

    exponentials: Int32Array


@dataclass(frozen=True, eq=False)
class Lstm(Op):
    """A long short-term memory over the steps of a signal, as TFLite's integer kernel; 8 bits.

    The input is (steps, 1, features), the output (steps, 1, cells); the state is zero before the
    first step. Gates are those of input, forgetting, cell and output, in this order; see
    `tinykit.network.lstm`.

    Attributes:
        weight: int8 (4, cells, features), of the input, in [-127, 127]; zero point 0.
        recurrent: int8 (4, cells, cells), of the output of the step before, likewise.
        bias: int32 (4, cells), added to the sums over the input.
        gate_multiplier, gate_shift: int32 (2, 4), as in `Requantize`: of the sums over the input
            and of those over the output, for each gate, to units of 2^-12.
        cell_bits: of the 16-bit state before the point, 0 to 6.
        clip: the state stays within -clip and clip; 0 for no such bounds.
        requantize: one factor, from the product of the output gate and the tanh of the state, in
            units of 2^-30, to the output.
    """

    weight: Int8Array
    recurrent: Int8Array
    bias: Int32Array
    gate_multiplier: Int32Array
    gate_shift: Int32Array
    cell_bits: int
    clip: int
    requantize: Requantize


@dataclass(frozen=True, eq=False)
class Pad(Op):
    """The input with a border of one value.

    Attributes:
        padding: (top, bottom, left, right, front, back); the last two are of channels.
        value: the integer in the border.
    """

    padding: tuple[int, int, int, int, int, int]
    value: int


@dataclass(frozen=True, eq=False)
class Slice(Op):
    """A part of the input: from `begin` on, each `step`-th value, as many as the output holds.

    Attributes:
        begin: (height, width, channel) of the first value.
        step: (height, width, channels); negative ones go backwards, none is 0.
    """

    begin: tuple[int, int, int]
    step: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """One or more tensors side by side; scale, zero point and width are those of all.

    Attributes:
        axis: height (0), width (1) or channels (2); 0 for rows.
    """

    axis: int


@dataclass(frozen=True, eq=False)
class Transpose(Op):
    """Axes exchanged: axis i of the output is axis `permutation[i]` of the input.

    Attributes:
        permutation: of (0, 1, 2).
    """

    permutation: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class ResizeNearest(Op):
    """Height and width changed by taking the nearest pixel.

    Attributes:
        rows, columns: int32, the input's row of each output row, and column of each column.
    """

    rows: Int32Array
    columns: Int32Array


@dataclass(frozen=True, eq=False)
class Constant(Op):
    """A tensor that is known beforehand; has no inputs, and lies in flash.

    Attributes:
        value: int8, of the output's shape.
    """

    value: Int8Array


@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """The same integers under another shape; costs nothing on the device."""


KINDS: tuple[type[Op], ...] = (
    Conv2D,
    DepthwiseConv2D,
    Dense,
    AvgPool2D,
    MaxPool2D,
    Add,
    Sub,
    Mul,
    PRelu,
    Lookup,
    Mean,
    Softmax,
    Pad,
    Slice,
    Concat,
    Transpose,
    ResizeNearest,
    Constant,
    Reshape,
    Lstm,
)
"""All operators that a Network may have."""
