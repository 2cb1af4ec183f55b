# SPDX-License-Identifier: Apache-2.0
"""Networks with random weights: for tests and benchmarks, where only arithmetic matters.

Scales are calibrated on random inputs as training would calibrate them, so that outputs use their
range and clamp now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinykit.network.exits import Exit, Mode, full_mode
from tinykit.network.interpreter import accumulate, run_op
from tinykit.network.network import Network
from tinykit.network.ops import (
    Add,
    AvgPool2D,
    Concat,
    Constant,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Int8Array,
    Lookup,
    Lstm,
    MaxPool2D,
    Mean,
    Mul,
    Op,
    Pad,
    PRelu,
    Requantize,
    Rescale,
    Reshape,
    ResizeNearest,
    Slice,
    Softmax,
    Sub,
    Tensor,
    Threshold,
    Transpose,
    Weighted,
    integer_range,
)
from tinykit.network.requantize import (
    add_rescale,
    quantize_multipliers,
    requantize_from_scales,
)
from tinykit.network.shapes import output_shape, same_padding

POLICIES: dict[str, tuple[tuple[int, int], ...]] = {
    "w8a8": ((8, 8),),
    "w4a8": ((4, 8),),
    "w4a4": ((4, 4),),
    "w2a8": ((2, 8),),
    "w2a2": ((2, 2),),
    "mixed": ((8, 8), (4, 4), (2, 8), (4, 2), (8, 4), (2, 2)),
}
"""(weight bits, activation bits) of the layers with weights, repeated in turn."""

_CALIBRATION = 16


@dataclass(frozen=True, eq=False)
class Point:
    """A place in a network under construction that layers can go on from, or add.

    Attributes:
        tensor: what lies there.
        x: int8 (n, *shape), what the calibration inputs make of it.
    """

    tensor: Tensor
    x: Int8Array


class Builder:
    """Appends layers, each calibrated on what the layers before it make.

    Layers follow one another; `keep` and `back_to` make a branch, and `add` joins two.

    Args:
        rng: draws weights, biases and the calibration inputs.
        shape, bits: of the input tensor.
        name: of the network.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        shape: Sequence[int],
        *,
        bits: int = 8,
        name: str = "sample",
        symmetric: bool = False,
    ) -> None:
        low, high = integer_range(bits)
        zero_point = 0 if symmetric or bits == 1 else int(rng.integers(low, high + 1))
        first = Tensor(
            "input", tuple(shape), bits, float(np.float32(rng.uniform(0.01, 0.1))), zero_point
        )
        self.rng, self.name = rng, name
        self.tensors: list[Tensor] = [first]
        self.ops: list[Op] = []
        self.exits: list[Exit] = []
        self.last = first
        self.x: Int8Array = random_input(rng, first, _CALIBRATION)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor that the next layer reads."""
        return self.last.shape

    def keep(self) -> Point:
        """Where the network now stands, for `back_to` or `add`."""
        return Point(self.last, self.x)

    def back_to(self, point: Point) -> Builder:
        """Let the next layer read what lies at `point`."""
        self.last, self.x = point.tensor, point.x
        return self

    def exit(self, classes: int, **layer: Any) -> Builder:
        """An early exit here: a mean and a dense layer, beside what follows."""
        here = self.keep()
        self.mean().dense(classes, relu=False, **layer)
        self.exits.append(Exit(self.last.name))
        return self.back_to(here)

    def add(self, other: Point, *, relu: bool = True, kind: type[Add] | type[Sub] = Add) -> Builder:
        """The sum of the last tensor and the one at `other`, of the same bits.

        Args:
            other: a point that was kept; broadcast, if it has sides of 1.
            relu: clamp below at the zero point.
            kind: or the difference.
        """
        ends = {**self._ends(kind), "inputs": (self.last.name, other.tensor.name)}
        draft = kind(**ends, rescale=Rescale((0, 0), (0, 0), 0, 0, 0, 0, 0))
        ours, theirs = self._reals(other)
        real = ours + theirs if kind is Add else ours - theirs
        result, low, high = self._calibrated(draft, real, self.last.bits, relu)
        scales = (self.last.scale, other.tensor.scale)
        step = add_rescale(scales, result.scale, low=low, high=high)
        return self._append(kind(**ends, rescale=step), result, other)

    def multiply(self, other: Point) -> Builder:
        """The product of the last tensor and the one at `other`, broadcast if need be."""
        ends = {**self._ends(Mul), "inputs": (self.last.name, other.tensor.name)}
        draft = Mul(**ends, requantize=_nothing(1))
        ours, theirs = self._reals(other)
        result, low, high = self._calibrated(draft, ours * theirs, 8, False)
        real = self.last.scale * other.tensor.scale / result.scale
        step = _factors([real], low, high)
        return self._append(Mul(**ends, requantize=step), result, other)

    def prelu(self, slopes: Point) -> Builder:
        """What is below zero times the slopes, which may be broadcast."""
        ends = {**self._ends(PRelu), "inputs": (self.last.name, slopes.tensor.name)}
        draft = PRelu(**ends, requantize=_nothing(2))
        ours, slope = self._reals(slopes)
        real = np.where(ours >= 0, ours, ours * slope)
        result, low, high = self._calibrated(draft, real, 8, False)
        first = self.last.scale / result.scale
        step = _factors([first, first * slopes.tensor.scale], low, high)
        return self._append(PRelu(**ends, requantize=step), result, slopes)

    def constant(self, shape: Sequence[int], *, reach: int = 255) -> Point:
        """Drawn values of 8 bits that lie in flash; the last tensor stays what it is.

        Args:
            shape: of the tensor.
            reach: the most steps between a value and the zero point.
        """
        name = f"constant{len(self.ops)}"
        scale = float(np.float32(self.rng.uniform(0.005, 0.02)))
        zero_point = int(self.rng.integers(-128, 128))
        low, high = max(-128, zero_point - reach), min(127, zero_point + reach)
        value = _drawn(self.rng, low, high, tuple(shape), 8)
        tensor = Tensor(f"{name}_out", tuple(shape), 8, scale, zero_point)
        self.tensors.append(tensor)
        self.ops.append(Constant(name=name, inputs=(), output=tensor.name, value=value))
        return Point(tensor, np.broadcast_to(value, (_CALIBRATION, *shape)))

    def lookup(self) -> Builder:
        """A drawn function of one value, and a drawn scale."""
        ends = self._ends(Lookup)
        scale = float(np.float32(self.rng.uniform(0.01, 0.1)))
        like = Tensor("", (), 8, scale, int(self.rng.integers(-128, 128)))
        return self._append(Lookup(**ends, table=_drawn(self.rng, -128, 127, (256,), 8)), like)

    def reduce(self, axes: Sequence[int], *, jumps: bool = False) -> Builder:
        """A Mean over `axes`, whose outputs fill their range.

        Args:
            axes: of height (0), width (1) and channels (2).
            jumps: the outputs grow by steps of drawn lengths.
        """
        count = int(np.prod([self.shape[axis] for axis in axes]))
        total = self.x.sum(axis=tuple(axis + 1 for axis in axes), dtype=np.int64)
        low, high = int(total.min()), int(total.max()) + 1
        steps = np.unique(np.linspace(low, high, min(255, high - low), dtype=np.int32))
        if jumps:
            steps = np.sort(self.rng.integers(low, high + 1, 255).astype(np.int32))
        step = float(np.float32(self.last.scale * (high - low) / count / 255))
        op = Mean(**self._ends(Mean), axes=tuple(axes), first=-128, steps=steps)
        return self._append(op, Tensor("", (), 8, step, -128))

    def softmax(self) -> Builder:
        """A Softmax over the last axis."""
        distance = np.arange(256) * self.rng.uniform(0.02, 0.3)
        table = np.floor(np.exp(-distance) * ((1 << 31) - 1)).astype(np.int32)
        op = Softmax(**self._ends(Softmax), exponentials=table[distance < 16])
        return self._append(op, Tensor("", (), 8, 1 / 256, -128))

    def lstm(self, cells: int) -> Builder:
        """An Lstm over all pixels, row by row, as over the steps of a signal."""
        features = self.shape[-1]
        self.reshape((int(np.prod(self.shape[:-1])), 1, features))
        result = Tensor("", (), 8, float(np.float32(self.rng.uniform(0.004, 0.009))), 0)
        result = replace(result, zero_point=int(self.rng.integers(-30, 31)))
        # Sums over all inputs come to a few units, where a sigmoid is steep.
        reach = [2.0 / np.sqrt(count) for count in (features, cells)]
        real = [reach[0] / 127 / 74, reach[1] / 127 * result.scale]
        pairs = [
            quantize_multipliers(one * self.rng.uniform(0.5, 2.0, 4) * 2.0**12) for one in real
        ]
        op = Lstm(
            **self._ends(Lstm),
            weight=_drawn(self.rng, -127, 127, (4, cells, features), 8),
            recurrent=_drawn(self.rng, -127, 127, (4, cells, cells), 8),
            bias=self.rng.integers(-9000, 9001, (4, cells)).astype(np.int32),
            gate_multiplier=np.stack([multiplier for multiplier, _ in pairs]),
            gate_shift=np.stack([shift for _, shift in pairs]),
            cell_bits=int(self.rng.integers(0, 7)),
            clip=int(self.rng.choice([0, 20000, (1 << 15) - 1])),
            requantize=_factors([2.0**-30 / result.scale], -128, 127),
        )
        return self._append(op, result)

    def pad(self, padding: tuple[int, int, int, int, int, int]) -> Builder:
        """A Pad with the zero point."""
        op = Pad(**self._ends(Pad), padding=padding, value=self.last.zero_point)
        return self._append(op, self.last)

    def slice(
        self, begin: tuple[int, int, int], step: tuple[int, int, int], size: tuple[int, int, int]
    ) -> Builder:
        """A Slice of `size` values."""
        return self._append(
            Slice(**self._ends(Slice), begin=begin, step=step), self.last, shape=size
        )

    def concat(self, other: Point, axis: int) -> Builder:
        """The last tensor and a Lookup of the one at `other`, which gives both one scale."""
        mine = self.keep()
        self.back_to(other)
        table = _drawn(self.rng, -128, 127, (256,), 8)
        self._append(Lookup(**self._ends(Lookup), table=table), mine.tensor)
        theirs = self.keep()
        shape = list(mine.tensor.shape)
        shape[axis] += theirs.tensor.shape[axis]
        ends = self.back_to(mine)._ends(Concat)
        ends["inputs"] = (mine.tensor.name, theirs.tensor.name)
        return self._append(Concat(**ends, axis=axis), self.last, theirs, shape=tuple(shape))

    def transpose(self, permutation: tuple[int, int, int]) -> Builder:
        """A Transpose."""
        op = Transpose(**self._ends(Transpose), permutation=permutation)
        return self._append(op, self.last)

    def resize(self, height: int, width: int) -> Builder:
        """A ResizeNearest to so many pixels."""
        places = [
            (np.arange(wanted) * side // wanted).astype(np.int32)
            for wanted, side in zip((height, width), self.shape, strict=False)
        ]
        op = ResizeNearest(**self._ends(ResizeNearest), rows=places[0], columns=places[1])
        return self._append(op, self.last)

    def _reals(self, other: Point) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """What the last tensor and the one at `other` stand for, ready to be broadcast."""
        ours, theirs = (
            (point.x.astype(np.float64) - point.tensor.zero_point) * point.tensor.scale
            for point in (self.keep(), other)
        )
        if theirs.ndim < ours.ndim:
            theirs = theirs.reshape(len(theirs), *[1] * (ours.ndim - 1))
        return ours, theirs

    def conv(
        self,
        filters: int,
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] | str = "same",
        dilation: tuple[int, int] = (1, 1),
        **layer: Any,
    ) -> Builder:
        """A Conv2D; further arguments as `_weighted` takes them."""
        pads = self._padding(padding, kernel, stride, dilation)
        return self._weighted(
            Conv2D,
            (filters, *kernel, self.shape[-1]),
            filters,
            {"stride": stride, "padding": pads, "dilation": dilation},
            **layer,
        )

    def depthwise(
        self,
        kernel: tuple[int, int],
        *,
        multiplier: int = 1,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] | str = "same",
        dilation: tuple[int, int] = (1, 1),
        **layer: Any,
    ) -> Builder:
        """A DepthwiseConv2D; further arguments as `_weighted` takes them."""
        pads = self._padding(padding, kernel, stride, dilation)
        channels = self.shape[-1] * multiplier
        window = {"stride": stride, "padding": pads, "dilation": dilation}
        return self._weighted(
            DepthwiseConv2D,
            (*kernel, channels),
            channels,
            {**window, "depth_multiplier": multiplier},
            **layer,
        )

    def dense(self, units: int, **layer: Any) -> Builder:
        """A Dense layer, after a Reshape where the last tensor is not a row."""
        self.flatten()
        return self._weighted(Dense, (units, self.shape[0]), units, {}, **layer)

    def pool(
        self,
        kind: type[AvgPool2D] | type[MaxPool2D],
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int] | None = None,
        padding: tuple[int, int, int, int] | str = "valid",
    ) -> Builder:
        """A pool, by default of windows that do not overlap."""
        step = kernel if stride is None else stride
        pads = self._padding(padding, kernel, step, (1, 1))
        op = kind(**self._ends(kind), stride=step, padding=pads, kernel=kernel)
        return self._append(op, self.last)

    def mean(self) -> Builder:
        """The mean over all pixels, as a row."""
        return self.pool(AvgPool2D, (self.shape[0], self.shape[1])).flatten()

    def flatten(self) -> Builder:
        """A Reshape to one row; nothing where it is one."""
        return self.reshape((int(np.prod(self.shape)),))

    def reshape(self, shape: tuple[int, ...]) -> Builder:
        """A Reshape; nothing where that is the shape."""
        if self.shape == shape:
            return self
        return self._append(Reshape(**self._ends(Reshape)), self.last, shape=shape)

    def build(self, labels: Sequence[str] | None = None) -> Network:
        """The network; labels are class0, class1, … unless given."""
        self.flatten()
        names = [f"class{i}" for i in range(self.shape[0])] if labels is None else labels
        return Network(
            name=self.name,
            tensors=tuple(self.tensors),
            ops=tuple(self.ops),
            input=self.tensors[0].name,
            output=self.last.name,
            labels=tuple(names),
            metadata={"weights": "random"},
            exits=tuple(self.exits),
        )

    def _padding(
        self,
        padding: tuple[int, int, int, int] | str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
    ) -> tuple[int, int, int, int]:
        if not isinstance(padding, str):
            return padding
        if padding == "valid":
            return (0, 0, 0, 0)
        spans = [(kernel[i] - 1) * dilation[i] + 1 for i in (0, 1)]
        rows = same_padding(self.shape[0], spans[0], stride[0])
        columns = same_padding(self.shape[1], spans[1], stride[1])
        return (*rows, *columns)

    def _ends(self, kind: type[Op]) -> dict[str, Any]:
        name = f"{kind.__name__.lower().removesuffix('2d')}{len(self.ops)}"
        return {"name": name, "inputs": (self.last.name,), "output": f"{name}_out"}

    def _weighted(
        self,
        kind: type[Weighted],
        weight_shape: tuple[int, ...],
        channels: int,
        fields: dict[str, Any],
        *,
        weight_bits: int = 8,
        bits: int = 8,
        relu: bool = True,
        per_channel: bool = True,
    ) -> Builder:
        """Append a layer with weights.

        Args:
            weight_bits: of the weights.
            bits: of the output; 1 gives it a threshold near the median of each channel.
            relu: clamp below at the zero point; nothing where the output has one bit.
            per_channel: a weight scale for each channel, or one for all.
        """
        source, largest = self.last, integer_range(weight_bits)[1]
        weight = _drawn(self.rng, -largest, largest, weight_shape, weight_bits)
        scale = self.rng.uniform(0.5, 1.5, channels if per_channel else 1) * 0.5 / largest
        scale = scale.astype(np.float32).astype(np.float64)
        draft = kind(
            **self._ends(kind),
            weight=weight,
            weight_bits=weight_bits,
            weight_scale=scale,
            bias=np.zeros(channels, np.int32),
            requantize=_nothing(channels),
            **fields,
        )
        self._result_shape(draft)
        acc = accumulate(draft, self.x, source)
        if bits == 1:
            return self._binarized(draft, acc.reshape(-1, channels))
        spread = np.maximum(acc.reshape(-1, channels).std(axis=0), 1.0)
        drawn = self.rng.normal(0, 0.5, channels) * spread
        if not relu:
            # Logits whose means lie together let every class win now and then.
            drawn = 0.2 * drawn - acc.reshape(-1, channels).mean(axis=0)
        bias = np.rint(drawn).astype(np.int32)
        real = (acc + bias) * (source.scale * scale)
        result, low, high = self._calibrated(draft, real, bits, relu)
        step = requantize_from_scales(
            source.scale,
            scale,
            result.scale,
            channels=channels,
            low=low,
            high=high,
            float32_product=kind is Dense,
        )
        parts = {**draft.__dict__, "bias": bias, "requantize": step}
        return self._append(kind(**parts), result)

    def _binarized(self, draft: Weighted, acc: np.ndarray[Any, Any]) -> Builder:
        """Append `draft` with a bias, and thresholds that half its sums (n, channels) reach."""
        channels = acc.shape[1]
        bias = self.rng.integers(-9, 9, channels, endpoint=True).astype(np.int32)
        middle = np.median(acc, axis=0) + self.rng.normal(0, 0.3, channels) * acc.std(axis=0)
        threshold = (np.rint(middle) + bias).astype(np.int32)
        step = Threshold(threshold=threshold, flip=self.rng.random(channels) < 0.5)
        result = Tensor(draft.output, self._result_shape(draft), 1, 1.0, 0)
        parts = {**draft.__dict__, "bias": bias, "requantize": step}
        return self._append(type(draft)(**parts), result)

    def _calibrated(
        self, op: Op, real: np.ndarray[Any, Any], bits: int, relu: bool
    ) -> tuple[Tensor, int, int]:
        """The output tensor whose range the real outputs fill, and its clamp."""
        low, high = integer_range(bits)
        bottom, top = (float(one) for one in np.quantile(real, (0.002, 0.998)))
        bottom, top = (0.0 if relu else min(bottom, 0.0)), max(top, 0.0)
        scale = float(np.float32(max(top - bottom, 1e-3) / (high - low)))
        zero_point = int(np.clip(round(low - bottom / scale), low, high))
        return (
            Tensor(op.output, self._result_shape(op), bits, scale, zero_point),
            zero_point if relu else low,
            high,
        )

    def _append(
        self, op: Op, like: Tensor, *others: Point, shape: tuple[int, ...] | None = None
    ) -> Builder:
        """Let `op` read the last tensor and `others`, and give values like `like`."""
        sides = self._result_shape(op) if shape is None else shape
        result = Tensor(op.output, sides, like.bits, like.scale, like.zero_point)
        inputs = [(point.x, point.tensor) for point in (self.keep(), *others)]
        self.x = run_op(op, inputs, result)
        self.last = result
        self.tensors.append(result)
        self.ops.append(op)
        return self

    def _result_shape(self, op: Op) -> tuple[int, ...]:
        """Shape of the output; a Reshape makes one row.

        Raises:
            ValueError: the window is larger than what it slides over.
        """
        shape = output_shape(op, self.shape)
        if shape is None:
            return (int(np.prod(self.shape)),)
        if min(shape) < 1:
            raise ValueError(f"the window of {op.name} does not fit into {self.shape}")
        return shape


def random_input(rng: np.random.Generator, tensor: Tensor, count: int) -> Int8Array:
    """int8 (count, *shape), evenly drawn from all that the tensor's bits hold."""
    low, high = integer_range(tensor.bits)
    return _drawn(rng, low, high, (count, *tensor.shape), tensor.bits)


def _drawn(
    rng: np.random.Generator, low: int, high: int, shape: tuple[int, ...], bits: int
) -> Int8Array:
    """Evenly drawn integers from low to high; of one bit, the two ends only."""
    if bits == 1:
        return rng.choice(np.array([low, high], np.int8), shape)
    return rng.integers(low, high, shape, dtype=np.int8, endpoint=True)


def ds_cnn(
    width: int = 64,
    policy: str = "w8a8",
    rng: np.random.Generator | None = None,
    *,
    classes: int = 10,
    blocks: int = 4,
) -> Network:
    """The keyword spotter of MLPerf Tiny (arXiv:2106.07597) with random weights.

    Args:
        width: channels of every convolution.
        policy: one of `POLICIES`, or "w<bits>a<bits>"; input and logits stay at 8 bits.
        rng: default_rng(0) unless given.
    """
    bits = _Policy(policy)
    builder = Builder(rng or np.random.default_rng(0), (49, 10, 1), name=f"ds_cnn_{width}_{policy}")
    builder.conv(width, (10, 4), stride=(2, 2), **bits.next())
    for _ in range(blocks):
        builder.depthwise((3, 3), **bits.next()).conv(width, (1, 1), **bits.next())
    return builder.mean().dense(classes, relu=False, **bits.last()).build()


def har_cnn(
    policy: str = "w8a8",
    rng: np.random.Generator | None = None,
    *,
    widths: Sequence[int] = (24, 32, 48),
    steps: int = 128,
    channels: int = 6,
    classes: int = 6,
) -> Network:
    """A 1-D CNN for activity recognition with random weights: convolutions over time and pools.

    Args:
        policy: as `ds_cnn`.
        rng: default_rng(0) unless given.
        widths: channels of each block.
        steps, channels: of the input window.
    """
    bits = _Policy(policy)
    builder = Builder(rng or np.random.default_rng(0), (steps, 1, channels), name=f"har_{policy}")
    for width in widths:
        builder.conv(width, (7, 1), **bits.next()).pool(MaxPool2D, (2, 1))
    return builder.mean().dense(classes, relu=False, **bits.last()).build()


def adaptive_cnn(
    policy: str = "w8a8",
    rng: np.random.Generator | None = None,
    *,
    widths: Sequence[int] = (8, 12, 16),
    steps: int = 64,
    channels: int = 6,
    classes: int = 6,
    modes: int = 6,
) -> Network:
    """The same family with an exit after each block but the last, and modes with random thresholds.

    The first mode is the whole network, the second leaves at the first exit; from the third on,
    every other one has a threshold for each class.

    Args:
        policy, rng, widths, steps, channels, classes: as `har_cnn`.
        modes: how many; 0 for none.
    """
    rng = rng or np.random.default_rng(0)
    bits = _Policy(policy)
    builder = Builder(rng, (steps, 1, channels), name=f"adaptive_{policy}")
    head = bits.last()
    for index, width in enumerate(widths):
        builder.conv(width, (7, 1), **bits.next()).pool(MaxPool2D, (2, 1))
        if index + 1 < len(widths):
            builder.exit(classes, **head)
    network = builder.mean().dense(classes, relu=False, **head).build()
    exits = len(network.exits)
    made = [full_mode(exits), Mode("fastest", ((0,),) * exits)]
    for index in range(2, modes):
        # Random logits have small margins.
        drawn = rng.integers(0, 40, (exits, classes if index % 2 else 1))
        made.append(Mode(f"m{index:02}", tuple(tuple(map(int, row)) for row in drawn)))
    return replace(network, modes=tuple(made[:modes]))


def resnet8(policy: str = "w8a8", rng: np.random.Generator | None = None) -> Network:
    """The image classifier of MLPerf Tiny (arXiv:2106.07597) with random weights.

    Three residual stacks over 32x32x3 pixels; where a stack halves the picture, a 1x1 convolution
    of stride 2 halves its shortcut.

    Args:
        policy: as `ds_cnn`; the activations of a stack share the bits of what it adds.
        rng: default_rng(0) unless given.
    """
    bits = _Policy(policy)
    builder = Builder(rng or np.random.default_rng(0), (32, 32, 3), name=f"resnet8_{policy}")
    builder.conv(16, (3, 3), **bits.next())
    for width, step in ((16, 1), (32, 2), (64, 2)):
        start, stride = builder.keep(), (step, step)
        joined = {"bits": start.tensor.bits, "relu": False}
        builder.conv(width, (3, 3), stride=stride, **bits.next())
        builder.conv(width, (3, 3), **{**bits.next(), **joined})
        other = start
        if step > 1:
            other = builder.keep()
            builder.back_to(start)
            builder.conv(width, (1, 1), stride=stride, **{**bits.next(), **joined})
        builder.add(other)
    return builder.mean().dense(10, relu=False, **bits.last()).build()


def mobilenet(policy: str = "w8a8", rng: np.random.Generator | None = None) -> Network:
    """The person detector of MLPerf Tiny with random weights: MobileNetV1 of width 1/4.

    It sees 96x96x3 pixels and tells two classes apart (arXiv:2106.07597, arXiv:1704.04861).

    Args:
        policy: as `ds_cnn`.
        rng: default_rng(0) unless given.
    """
    bits = _Policy(policy)
    builder = Builder(rng or np.random.default_rng(0), (96, 96, 3), name=f"mobilenet_{policy}")
    builder.conv(8, (3, 3), stride=(2, 2), **bits.next())
    widths = (16, 32, 32, 64, 64, *[128] * 6, 256, 256)
    for width, before in zip(widths, (16, *widths), strict=False):
        # Channels double where the picture halves, but for the first block.
        step = 2 if width != before else 1
        builder.depthwise((3, 3), stride=(step, step), **bits.next())
        builder.conv(width, (1, 1), **bits.next())
    return builder.mean().dense(2, relu=False, **bits.last()).build()


def autoencoder(policy: str = "w8a8", rng: np.random.Generator | None = None) -> Network:
    """The anomaly detector of MLPerf Tiny (arXiv:2106.07597) with random weights.

    Dense layers from five frames of 128 mel bands down to 8 features and back to all 640 values.

    Args:
        policy: as `ds_cnn`.
        rng: default_rng(0) unless given.
    """
    bits = _Policy(policy)
    builder = Builder(rng or np.random.default_rng(0), (640,), name=f"autoencoder_{policy}")
    for width in (*[128] * 4, 8, *[128] * 4):
        builder.dense(width, **bits.next())
    return builder.dense(640, relu=False, **bits.last()).build()


def random_network(
    rng: np.random.Generator,
    *,
    weight_bits: Sequence[int] = (8, 4, 2),
    activation_bits: Sequence[int] = (8, 4, 2),
    depth: int = 4,
    classes: int = 5,
) -> Network:
    """A small network of random operators, shapes, strides, paddings, dilations and bits.

    Now and then a layer is bridged by a residual addition.

    Args:
        weight_bits, activation_bits: what each layer draws from.
        depth: layers before the head.
        classes: logits.
    """
    shape = tuple(int(one) for one in rng.integers((5, 3, 1), (14, 10, 7)))
    builder = Builder(rng, shape, bits=int(rng.choice(activation_bits)), name="random")
    for _ in range(depth):
        if rng.random() < 0.2:
            _random_residual(builder, rng, weight_bits)
        else:
            _random_layer(builder, rng, weight_bits, activation_bits)
    if rng.random() < 0.5 or not _flattens(builder):
        builder.mean()
    head: dict[str, Any] = {
        "weight_bits": int(rng.choice(weight_bits)),
        "bits": int(rng.choice(activation_bits)),
    }
    return builder.dense(classes, relu=False, per_channel=bool(rng.random() < 0.5), **head).build()


def random_imported_network(
    rng: np.random.Generator, *, depth: int = 5, classes: int = 5
) -> Network:
    """A small network of 8 bits with the operators that foreign models bring.

    Args:
        depth: operators before the head.
        classes: scores, of a softmax.
    """
    shape = tuple(int(one) for one in rng.integers((3, 2, 1), (10, 8, 9)))
    builder = Builder(rng, shape, name="random_imported")
    for _ in range(depth):
        _random_foreign(builder, rng)
    return builder.mean().dense(classes, relu=False).softmax().build()


def _random_foreign(builder: Builder, rng: np.random.Generator) -> None:
    """One operator, or a constant and the operator that reads it."""
    height, width = builder.shape[:2]
    some = [side if rng.random() < 0.5 else 1 for side in builder.shape]
    other = (1,) if rng.random() < 0.2 else some
    kind = int(rng.integers(0, 13))
    if kind == 0:
        builder.add(builder.constant(other), relu=bool(rng.random() < 0.5), kind=Sub)
    elif kind == 1:
        builder.add(builder.constant(other), relu=bool(rng.random() < 0.5))
    elif kind == 2:
        builder.multiply(builder.constant(other))
    elif kind == 3:
        builder.prelu(builder.constant(other))
    elif kind == 4:
        builder.lookup()
    elif kind == 5:
        axes = [axis for axis in range(3) if rng.random() < 0.4]
        builder.reduce(axes or [2])
    elif kind == 6:
        builder.pad(tuple(int(one) for one in rng.integers(0, 3, 6)))  # type: ignore[arg-type]
    elif kind == 7:
        begin = [int(rng.integers(0, side)) for side in builder.shape]
        steps = [int(rng.choice([1, 1, 2, -1])) for _ in begin]
        room = [
            begin[i] // -step + 1 if step < 0 else (side - 1 - begin[i]) // step + 1
            for i, (step, side) in enumerate(zip(steps, builder.shape, strict=True))
        ]
        size = [int(rng.integers(1, most + 1)) for most in room]
        builder.slice(tuple(begin), tuple(steps), tuple(size))  # type: ignore[arg-type]
    elif kind == 8:
        builder.concat(builder.keep(), int(rng.integers(0, 3)))
    elif kind == 9:
        builder.transpose(tuple(int(one) for one in rng.permutation(3)))  # type: ignore[arg-type]
    elif kind == 10:
        builder.resize(height + int(rng.integers(0, 4)), width * int(rng.integers(1, 3)))
    elif kind == 11:
        builder.lstm(int(rng.integers(1, 9)))
    else:
        builder.conv(int(rng.integers(1, 13)), (min(height, 3), min(width, 2)))
        # A mask that the layer makes of itself, as in squeeze and excitation.
        full = builder.keep()
        mask = builder.reduce([0, 1]).lookup().keep()
        builder.back_to(full).multiply(mask)


def random_binary_network(rng: np.random.Generator, *, depth: int = 3, classes: int = 5) -> Network:
    """A small chain of convolutions and maximum pools of one bit, and a head of another width.

    Args:
        depth: layers before the head.
        classes: logits.
    """
    shape = tuple(int(one) for one in rng.integers((4, 3, 1), (11, 8, 70)))
    builder = Builder(rng, shape, bits=1, name="random_binary")
    for i in range(depth):
        height, width, _ = builder.shape
        kernel = (int(rng.integers(1, min(height, 4) + 1)), int(rng.integers(1, min(width, 4) + 1)))
        stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        padding = ("same", "valid")[int(rng.integers(0, 2))]
        if rng.random() < 0.3:
            builder.pool(MaxPool2D, kernel, stride=stride, padding=padding)
        else:
            # The last must fill its bytes to be flattened.
            filters = 8 * int(rng.integers(1, 5)) if i == depth - 1 else int(rng.integers(1, 70))
            builder.conv(filters, kernel, stride=stride, padding=padding, weight_bits=1, bits=1)
    if not _flattens(builder):
        builder.conv(16, (1, 1), weight_bits=1, bits=1)
    bits = int(rng.choice((8, 4, 2)))
    return builder.dense(classes, relu=False, weight_bits=1, bits=bits).build()


def _flattens(builder: Builder) -> bool:
    """Whether pixels fill whole bytes, so that a Reshape moves nothing."""
    return builder.shape[-1] % (8 // builder.last.bits) == 0


def _random_residual(
    builder: Builder, rng: np.random.Generator, weight_bits: Sequence[int]
) -> None:
    """A convolution whose input, or a convolution of it, is added to its output."""
    start, channels = builder.keep(), builder.shape[-1]

    def layer() -> dict[str, Any]:
        chosen, relu = int(rng.choice(weight_bits)), bool(rng.random() < 0.3)
        return {"weight_bits": chosen, "bits": start.tensor.bits, "relu": relu}

    if rng.random() < 0.5:
        builder.conv(channels, (3, 2), **layer()).add(start, relu=bool(rng.random() < 0.5))
        return
    widened, stride = int(rng.integers(1, 13)), (int(rng.integers(1, 3)), 1)
    end = builder.conv(widened, (2, 3), stride=stride, **layer()).keep()
    builder.back_to(start).conv(widened, (1, 1), stride=stride, **layer())
    builder.add(end, relu=bool(rng.random() < 0.5))


def _random_layer(
    builder: Builder,
    rng: np.random.Generator,
    weight_bits: Sequence[int],
    activation_bits: Sequence[int],
) -> None:
    height, width, _ = builder.shape
    kernel = (int(rng.integers(1, min(height, 5) + 1)), int(rng.integers(1, min(width, 4) + 1)))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    kind = int(rng.integers(0, 10))
    padding: Any = ("same", "valid")[int(rng.integers(0, 2))]
    if kind >= 8:
        pool = (AvgPool2D, MaxPool2D)[kind - 8]
        builder.pool(pool, kernel, stride=stride, padding=padding)
        return
    dilation = (1, 1)
    if stride == (1, 1) and padding == "same":
        dilation = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    if dilation == (1, 1) and rng.random() < 0.3:
        padding = tuple(int(rng.integers(0, kernel[side // 2])) for side in range(4))
    layer: dict[str, Any] = {
        "weight_bits": int(rng.choice(weight_bits)),
        "bits": int(rng.choice(activation_bits)),
        "relu": bool(rng.random() < 0.6),
        "per_channel": bool(rng.random() < 0.7),
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
    }
    if kind < 5:
        builder.conv(int(rng.integers(1, 13)), kernel, **layer)
    else:
        builder.depthwise(kernel, multiplier=int(rng.integers(1, 4)), **layer)


class _Policy:
    """Hands out the bits of layer after layer."""

    def __init__(self, policy: str) -> None:
        if policy in POLICIES:
            self.pairs = POLICIES[policy]
        else:
            weight, activation = policy.removeprefix("w").split("a")
            self.pairs = ((int(weight), int(activation)),)
        self.turn = 0

    def next(self) -> dict[str, Any]:
        weight, activation = self.pairs[self.turn % len(self.pairs)]
        self.turn += 1
        return {"weight_bits": weight, "bits": activation}

    def last(self) -> dict[str, Any]:
        return {**self.next(), "bits": 8}


def _factors(real: Sequence[float], low: int, high: int) -> Requantize:
    multiplier, shift = quantize_multipliers(real)
    return Requantize(multiplier=multiplier, shift=shift, low=low, high=high)


def _nothing(channels: int) -> Requantize:
    zeros = np.zeros(channels, np.int32)
    return Requantize(multiplier=zeros, shift=zeros, low=0, high=0)


__all__ = [
    "POLICIES",
    "Builder",
    "Point",
    "autoencoder",
    "ds_cnn",
    "har_cnn",
    "mobilenet",
    "random_binary_network",
    "random_imported_network",
    "random_input",
    "random_network",
    "resnet8",
]
