# SPDX-License-Identifier: Apache-2.0
"""What a network is made of, before anyone decides on float or integers.

A `Blueprint` is a chain of layers. It is plain data: the Keras builder turns it into a float model,
the quantizers into a quantisation-aware one, and both know the same names and shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
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


Layer = Conv | Depthwise | Pool | GlobalPool | Flatten | Drop | Linear
Weighted = Conv | Depthwise | Linear


@dataclass(frozen=True)
class Blueprint:
    """A chain of layers.

    Attributes:
        name: of the architecture.
        input_shape: (height, width, channels); a signal is (steps, 1, channels).
        layers: in order; the last is a `Linear` that gives the logits.
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        if len(set(names)) != len(names):
            raise ValueError(f"two layers of {self.name} share a name: {names}")
        if not self.layers or not isinstance(self.layers[-1], Linear) or self.layers[-1].relu:
            raise ValueError(f"the last layer of {self.name} must give logits")
        self.shapes()

    def shapes(self) -> dict[str, Shape]:
        """Output shape of each layer, by name.

        Raises:
            ValueError: a layer leaves nothing, or cannot take what comes before it.
        """
        shape, shapes = self.input_shape, {}
        for layer in self.layers:
            shape = _output_shape(layer, shape)
            if min(shape) < 1:
                raise ValueError(f"layer {layer.name} of {self.name} leaves nothing: {shape}")
            shapes[layer.name] = shape
        return shapes

    def weighted(self) -> tuple[Weighted, ...]:
        """The layers that have weights, in order."""
        return tuple(one for one in self.layers if isinstance(one, Conv | Depthwise | Linear))

    def weights(self) -> dict[str, int]:
        """Number of weights of each layer that has any, biases not counted."""
        counts, shape, shapes = {}, self.input_shape, self.shapes()
        for layer in self.layers:
            out = shapes[layer.name]
            if isinstance(layer, Conv):
                counts[layer.name] = layer.kernel[0] * layer.kernel[1] * shape[-1] * out[-1]
            elif isinstance(layer, Depthwise):
                counts[layer.name] = layer.kernel[0] * layer.kernel[1] * shape[-1]
            elif isinstance(layer, Linear):
                counts[layer.name] = shape[0] * out[0]
            shape = out
        return counts

    def parameters(self) -> int:
        """Weights and biases of the deployed network (batch normalisation folded)."""
        counts, shapes = self.weights(), self.shapes()
        return sum(count + shapes[name][-1] for name, count in counts.items())


def same_padding(size: int, kernel: int, stride: int) -> Pair:
    """Pixels added before and after so that the output has ceil(size / stride), as TensorFlow."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _output_shape(layer: Layer, shape: Shape) -> Shape:
    if isinstance(layer, Drop):
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
