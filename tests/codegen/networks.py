# SPDX-License-Identifier: Apache-2.0
"""Networks with random weights and the shapes of the real models."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tinykit.network.network import Network
from tinykit.network.ops import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    MaxPool2D,
    Op,
    Requantize,
    Reshape,
    Tensor,
    integer_range,
)
from tinykit.network.requantize import quantize_multipliers


@dataclass
class Builder:
    """Appends layers; each output spreads over its range."""

    input_shape: tuple[int, ...]
    weight_bits: int
    bits: int
    seed: int = 0
    ops: list[Op] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.tensors = [Tensor("input", self.input_shape, 8, 0.05, 3)]

    @property
    def last(self) -> Tensor:
        return self.tensors[-1]

    def _output(self, shape: tuple[int, ...], bits: int) -> Tensor:
        low, high = integer_range(bits)
        zero = int(self.rng.integers(low, high + 1))
        return Tensor(f"t{len(self.tensors)}", shape, bits, 0.1, zero)

    def _weighted(self, shape: tuple[int, ...], taps: int, channels: int, y: Tensor) -> dict:
        top = integer_range(self.weight_bits)[1]
        weight = self.rng.integers(-top, top + 1, shape).astype(np.int8)
        spread = np.sqrt(taps) * (top / 1.7) * (1 << self.last.bits) / 3.5
        real = (1 << y.bits) / 4 / spread * self.rng.uniform(0.7, 1.4, channels)
        multiplier, shift = quantize_multipliers(real)
        low, high = integer_range(y.bits)
        return {
            "weight": weight,
            "weight_bits": self.weight_bits,
            "weight_scale": np.full(channels, 0.01),
            "bias": self.rng.integers(-int(spread) - 1, int(spread) + 2, channels).astype(
                np.int32
            ),
            "requantize": Requantize(multiplier, shift, low if y.bits == 2 else low + 1, high),
        }

    def _append(self, kind: type, y: Tensor, **fields: object) -> None:
        name = f"{kind.__name__.lower()}{len(self.ops)}"
        self.ops.append(kind(name=name, inputs=(self.last.name,), output=y.name, **fields))
        self.tensors.append(y)

    def conv(
        self,
        channels: int,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> Builder:
        height, width, depth = self.last.shape
        shape = (
            (height + padding[0] + padding[1] - kernel[0]) // stride[0] + 1,
            (width + padding[2] + padding[3] - kernel[1]) // stride[1] + 1,
            channels,
        )
        y = self._output(shape, self.bits)
        taps = kernel[0] * kernel[1] * depth
        fields = self._weighted((channels, *kernel, depth), taps, channels, y)
        self._append(Conv2D, y, stride=stride, padding=padding, **fields)
        return self

    def depthwise(self) -> Builder:
        """3x3, stride 1, same size."""
        y = self._output(self.last.shape, self.bits)
        channels = self.last.shape[2]
        fields = self._weighted((3, 3, channels), 9, channels, y)
        self._append(DepthwiseConv2D, y, stride=(1, 1), padding=(1, 1, 1, 1), **fields)
        return self

    def pool(self, kind: type, kernel: tuple[int, int]) -> Builder:
        height, width, depth = self.last.shape
        shape = (height // kernel[0], width // kernel[1], depth)
        y = Tensor(
            f"t{len(self.tensors)}",
            shape,
            self.last.bits,
            self.last.scale,
            self.last.zero_point,
        )
        self._append(kind, y, stride=kernel, padding=(0, 0, 0, 0), kernel=kernel)
        return self

    def dense(self, classes: int) -> Builder:
        last = self.last
        count = int(np.prod(last.shape))
        flat = Tensor(f"t{len(self.tensors)}", (count,), last.bits, last.scale, last.zero_point)
        self._append(Reshape, flat)
        y = self._output((classes,), 8)
        self._append(Dense, y, **self._weighted((classes, count), count, classes, y))
        return self

    def build(self, name: str, **rest: object) -> Network:
        labels = tuple(f"label {i}" for i in range(self.last.shape[0]))
        return Network(
            name=name,
            tensors=tuple(self.tensors),
            ops=tuple(self.ops),
            input="input",
            output=self.last.name,
            labels=labels,
            **rest,
        )


def ds_cnn(weight_bits: int = 8, bits: int = 8, seed: int = 0, **rest: object) -> Network:
    """The shape of MLPerf Tiny's keyword spotter."""
    b = Builder((49, 10, 1), weight_bits, bits, seed)
    b.conv(64, (10, 4), (2, 2), (4, 5, 1, 1))
    for _ in range(4):
        b.depthwise().conv(64)
    return b.pool(AvgPool2D, (25, 5)).dense(12).build(f"ds-cnn w{weight_bits}a{bits}", **rest)


def har_cnn(weight_bits: int = 8, bits: int = 8, seed: int = 0, **rest: object) -> Network:
    """Three 1-D convolutions of seven taps over six inertial channels."""
    b = Builder((128, 1, 6), weight_bits, bits, seed)
    for channels in (16, 24, 32):
        b.conv(channels, (7, 1), padding=(3, 3, 0, 0)).pool(MaxPool2D, (2, 1))
    return b.pool(AvgPool2D, (16, 1)).dense(6).build(f"har w{weight_bits}a{bits}", **rest)


def random_features(network: Network, count: int, seed: int = 1) -> np.ndarray:
    """int8 (count, *input shape) over the whole range."""
    tensor = network.tensor(network.input)
    low, high = integer_range(tensor.bits)
    rng = np.random.default_rng(seed)
    return rng.integers(low, high + 1, (count, *tensor.shape)).astype(np.int8)
