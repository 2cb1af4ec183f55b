# SPDX-License-Identifier: Apache-2.0
"""What a network is made of, before anyone decides on float or integers.

A `Blueprint` is a chain of layers, with branches where it has early exits or residuals. It is plain
data: the Keras builder turns it into a float model, the quantizers into a quantisation-aware one,
and both know the same names and shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Shape = tuple[int, ...]
Padding = Literal["same", "valid"]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Conv:
    """2-D convolution without bias, batch normalisation, and ReLU where `relu`."""

    name: str
    filters: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = "same"
    relu: bool = True


@dataclass(frozen=True)
class Depthwise:
    """Depthwise convolution (one filter a channel), batch normalisation, and ReLU where `relu`."""

    name: str
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = "same"
    relu: bool = True


@dataclass(frozen=True)
class Pool:
    """Maximum or mean over windows that do not overlap; what does not fill a window is dropped."""

    name: str
    kind: Literal["max", "avg"]
    size: Pair


@dataclass(frozen=True)
class GlobalPool:
    """Mean over all pixels; leaves (channels,)."""

    name: str


@dataclass(frozen=True)
class Flatten:
    """(height, width, channels) as one row."""

    name: str


@dataclass(frozen=True)
class Drop:
    """Dropout in training, nothing afterwards."""

    name: str
    rate: float


@dataclass(frozen=True)
class Linear:
    """Fully connected layer with bias; with ReLU where `relu`."""

    name: str
    units: int
    relu: bool = False


@dataclass(frozen=True)
class Join:
    """Channels of several layers side by side, which share one output quantizer."""

    name: str


@dataclass(frozen=True)
class Columns:
    """Each column a channel, or each channel a column.

    (height, width, channels) as (height, 1, width * channels), or as (height, width * channels, 1).
    """

    name: str
    become: Literal["channels", "columns"] = "channels"

    def shape(self, height: int, width: int, channels: int) -> tuple[int, int, int]:
        """What an image becomes."""
        count = width * channels
        return (height, 1, count) if self.become == "channels" else (height, count, 1)


@dataclass(frozen=True)
class Sign:
    """One bit a value, by a learned threshold a channel; in the float model the values themselves.

    Attributes:
        start: thresholds start at 0, or at each channel's mean.
        window: where the gradient of a threshold is 1, in units of the values; 0 for that of
            `tinykit.quantize.binary.approx_sign`, which goes on to the layer before as well.
    """

    name: str
    start: Literal["zero", "mean"] = "zero"
    window: float = 0.0


@dataclass(frozen=True)
class Residual:
    """Two layers of one shape added, then slopes of 1 above 0 and of 1/4 below.

    The slopes are those of DPReLU in PokeBNN (Zhang et al., arXiv:2112.00133), whose shifts go into
    the batch normalisation before and the thresholds behind it.
    """

    name: str


Layer = (
    Conv
    | Depthwise
    | Pool
    | GlobalPool
    | Flatten
    | Drop
    | Linear
    | Join
    | Columns
    | Sign
    | Residual
)
Weighted = Conv | Depthwise | Linear


@dataclass(frozen=True)
class Blueprint:
    """Layers in the order in which they run; each reads the one before it, unless `reads` has it.

    Attributes:
        name: of the architecture.
        input_shape: (height, width, channels); a signal is (steps, 1, channels).
        layers: in order; the last is a `Linear` that gives the logits.
        reads: what a layer reads where that is not the layer before it, by names; several for a
            `Join` or a `Residual`; "" is the input.
        exits: names of the `Linear` layers that give logits on the way.
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        if len(set(names)) != len(names):
            raise ValueError(f"two layers of {self.name} share a name: {names}")
        if not self.layers or not _gives_logits(self.layers[-1]):
            raise ValueError(f"the last layer of {self.name} must give logits")
        self.shapes()
        by_name = {layer.name: layer for layer in self.layers[:-1]}
        for name in self.exits:
            if name not in by_name or not _gives_logits(by_name[name]):
                raise ValueError(f"exit {name} of {self.name} must give logits on the way")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """What each layer reads, by name; "" is the input."""
        before = ["", *(layer.name for layer in self.layers)]
        chain = {layer.name: (one,) for layer, one in zip(self.layers, before, strict=False)}
        return chain | dict(self.reads)

    def shapes(self) -> dict[str, Shape]:
        """Output shape of each layer, by name.

        Raises:
            ValueError: a layer leaves nothing, or cannot take what comes before it.
        """
        shapes, sources = {"": self.input_shape}, self.sources()
        for layer in self.layers:
            unknown = [one for one in sources[layer.name] if one not in shapes]
            if unknown:
                raise ValueError(f"layer {layer.name} of {self.name} reads {unknown[0]} too early")
            shape = _output_shape(layer, *(shapes[one] for one in sources[layer.name]))
            if min(shape) < 1:
                raise ValueError(f"layer {layer.name} of {self.name} leaves nothing: {shape}")
            shapes[layer.name] = shape
        del shapes[""]
        return shapes

    def input_shapes(self) -> dict[str, Shape]:
        """Shape of what each layer reads first, by name."""
        shapes = {"": self.input_shape} | self.shapes()
        return {name: shapes[one[0]] for name, one in self.sources().items()}

    def weighted(self) -> tuple[Weighted, ...]:
        """The layers that have weights, in order."""
        return tuple(one for one in self.layers if isinstance(one, Conv | Depthwise | Linear))

    def weights(self) -> dict[str, int]:
        """Number of weights of each layer that has any, biases not counted."""
        counts, shapes, inputs = {}, self.shapes(), self.input_shapes()
        for layer in self.layers:
            shape, out = inputs[layer.name], shapes[layer.name]
            if isinstance(layer, Conv):
                counts[layer.name] = layer.kernel[0] * layer.kernel[1] * shape[-1] * out[-1]
            elif isinstance(layer, Depthwise):
                counts[layer.name] = layer.kernel[0] * layer.kernel[1] * shape[-1]
            elif isinstance(layer, Linear):
                counts[layer.name] = shape[0] * out[0]
        return counts

    def parameters(self) -> int:
        """Weights and biases of the deployed network (batch normalisation folded)."""
        counts, shapes = self.weights(), self.shapes()
        return sum(count + shapes[name][-1] for name, count in counts.items())


def with_exits(blueprint: Blueprint, after: Sequence[str]) -> Blueprint:
    """The blueprint with an early exit after each of the named layers: a mean and a dense layer.

    An exit after `pool1` is the layers `pool1_exit_mean` and `pool1_exit`.

    Raises:
        ValueError: there is no such layer, it leaves no pixels, or comes out of order.
    """
    layers, reads, exits = list[Layer](), dict(blueprint.reads), list(blueprint.exits)
    sources, last = blueprint.sources(), blueprint.layers[-1]
    assert isinstance(last, Linear)
    shapes = blueprint.shapes()
    for name in after:
        if len(shapes.get(name, ())) != 3:
            known = ", ".join(one for one, shape in shapes.items() if len(shape) == 3)
            raise ValueError(f"there can be no exit after {name!r}, but after {known}")
    branched = ""
    for layer in blueprint.layers:
        layers.append(layer)
        if branched:
            reads[layer.name] = sources[layer.name]
        branched = ""
        if layer.name in after:
            branched = f"{layer.name}_exit"
            layers += [GlobalPool(f"{branched}_mean"), Linear(branched, last.units)]
            exits.append(branched)
    order = [layer.name for layer in layers]
    return replace(
        blueprint, layers=tuple(layers), reads=reads, exits=tuple(sorted(exits, key=order.index))
    )


def _gives_logits(layer: Layer) -> bool:
    return isinstance(layer, Linear) and not layer.relu


def same_padding(size: int, kernel: int, stride: int) -> Pair:
    """Pixels added before and after so that the output has ceil(size / stride), as TensorFlow."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _output_shape(layer: Layer, shape: Shape, *others: Shape) -> Shape:
    if isinstance(layer, Join):
        if any(one[:-1] != shape[:-1] for one in others):
            raise ValueError(f"layer {layer.name} joins {shape} and {others}")
        return (*shape[:-1], sum(one[-1] for one in (shape, *others)))
    if isinstance(layer, Residual):
        if others != (shape,):
            raise ValueError(f"layer {layer.name} adds {shape} and {others}")
        return shape
    if others:
        raise ValueError(f"layer {layer.name} reads {1 + len(others)} layers")
    if isinstance(layer, Drop | Sign):
        return shape
    if isinstance(layer, Linear):
        if len(shape) != 1:
            raise ValueError(f"layer {layer.name} takes one row, not {shape}")
        return (layer.units,)
    if len(shape) != 3:
        raise ValueError(f"layer {layer.name} takes height, width and channels, not {shape}")
    height, width, channels = shape
    if isinstance(layer, GlobalPool):
        return (channels,)
    if isinstance(layer, Columns):
        return layer.shape(height, width, channels)
    if isinstance(layer, Flatten):
        return (height * width * channels,)
    if isinstance(layer, Pool):
        return (height // layer.size[0], width // layer.size[1], channels)
    out = layer.filters if isinstance(layer, Conv) else channels
    return (*_slid(layer, (height, width)), out)


def _slid(layer: Conv | Depthwise, size: Pair) -> Pair:
    if layer.padding == "same":
        return -(-size[0] // layer.stride[0]), -(-size[1] // layer.stride[1])
    return (
        (size[0] - layer.kernel[0]) // layer.stride[0] + 1,
        (size[1] - layer.kernel[1]) // layer.stride[1] + 1,
    )
