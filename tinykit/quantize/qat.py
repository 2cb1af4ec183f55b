# SPDX-License-Identifier: Apache-2.0
"""A Blueprint trained with the arithmetic of the device: fake-quantised weights, biases, outputs.

Batch normalisation is part of each convolution. With one scale a channel, the kernel is quantised
as it is and BN goes, channel by channel, into the requantisation: `a * (acc + bias)` with
a = gamma / sqrt(variance + epsilon); statistics follow the batches until they are frozen. With one
scale a tensor, BN is folded into the kernel before it is quantised (Jacob et al.,
arXiv:1712.05877, section 3.2) and statistics are frozen throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.models.blueprint import (
    Blueprint,
    Columns,
    Conv,
    Depthwise,
    Drop,
    Flatten,
    GlobalPool,
    Join,
    Layer,
    Linear,
    Pool,
    Residual,
    Sign,
    Weighted,
    same_padding,
)
from tinykit.models.keras_model import BN_EPSILON, BN_MOMENTUM
from tinykit.quantize.binary import BinaryActivation, BinaryWeights
from tinykit.quantize.grid import BITS, Grid
from tinykit.quantize.one_bit import fitted
from tinykit.quantize.policy import LayerBits, Policy
from tinykit.quantize.quantizer import Quantizer, Spec
from tinykit.quantize.residual import Addition, Thresholds
from tinykit.quantize.schemes import scheme

# The largest bias, in accumulator steps. A channel that BN nearly switches off would need more;
# it gets a coarser step instead, below half a step of the output.
_BIAS_LIMIT = 2.0**28
_LEAST_STEP = 2.0**-24


@dataclass(frozen=True)
class Schemes:
    """How to quantise: names of the schemes, and "channel" or "tensor" scales for weights."""

    weights: str = "lsq"
    activations: str = "lsq"
    granularity: str = "channel"


@dataclass(frozen=True)
class Folded:
    """A layer as the device sees it, all tensors float32.

    Attributes:
        kernel: what the weight quantizer is applied to, in Keras layout.
        gain: (channels,) real output per unit of convolution output; 1 where BN is in the kernel.
        bias: (channels,) real bias of the output.
        step: (channels,) real output per accumulator step, positive; the scale of the int32 bias.
    """

    kernel: Any
    gain: Any
    bias: Any
    step: Any


class QuantizedLinear(keras.layers.Layer):
    """A weighted layer of the Blueprint with its BN, ReLU and both quantizers."""

    def __init__(
        self,
        layer: Weighted,
        channels: tuple[int, int],
        bits: LayerBits,
        how: Schemes,
        beside: QuantizedLinear | None = None,
    ):
        """`beside`: the layer whose output quantizer it shares, so that both lie on one grid."""
        super().__init__(name=layer.name)
        self.blueprint = layer
        self.bits = bits
        # A sign has no scale: that of a channel is what its batch normalisation is for.
        each = how.granularity == "channel" or bits.weights == 1
        self.live = each and not isinstance(layer, Linear)
        # TFLite's dense layers take one weight scale.
        scales = channels[1] if self.live else 1
        weights = BinaryWeights if bits.weights == 1 else scheme(how.weights)
        self.weight_quantizer: Quantizer = weights(
            Spec("weight", bits.weights, scales), name="weight"
        )
        one_bit = bits.activations == 1
        spec = Spec("relu" if layer.relu and not one_bit else "signed", bits.activations)
        if beside is None:
            activations = BinaryActivation if one_bit else scheme(how.activations)
            self.output_quantizer: Quantizer = activations(spec, name="output")
        elif beside.output_quantizer.spec == spec:
            self.output_quantizer = beside.output_quantizer
        else:
            raise TinykitError(
                f"its output is to lie beside that of {beside.name}, but of other bits or sign.",
                where=f"layer {layer.name}",
                remedy="Give both layers the same activations in the policy.",
            )
        self.kernel = self.add_weight(name="kernel", shape=_kernel_shape(layer, channels))
        self.normalised = not isinstance(layer, Linear)
        out = (channels[1],)
        self.beta = self.add_weight(name="beta", shape=out, initializer="zeros")
        if self.normalised:
            self.gamma = self.add_weight(name="gamma", shape=out, initializer="ones")
            self.mean = self.add_weight(
                name="mean", shape=out, initializer="zeros", trainable=False
            )
            self.variance = self.add_weight(
                name="variance", shape=out, initializer="ones", trainable=False
            )

    def load(self, float_model: Any) -> None:
        """Take kernel, BN or bias from the float model's layer of the same name."""
        name = self.blueprint.name
        source = float_model.get_layer(name)
        kernel = np.asarray(source.kernel)
        self.kernel.assign(kernel.reshape(self.kernel.shape))
        if self.normalised:
            norm = float_model.get_layer(f"{name}_bn")
            self.gamma.assign(norm.gamma)
            self.beta.assign(norm.beta)
            self.mean.assign(norm.moving_mean)
            self.variance.assign(norm.moving_variance)
        else:
            self.beta.assign(source.bias)
        folded = self._fold_kernel()[0]
        self.weight_quantizer.initialise(np.asarray(folded, np.float64))

    def measure(self, x: Any, grid: Grid) -> None:
        """Take the statistics of batch normalisation from the inputs x."""
        y = self._apply(x, self.weight_quantizer(tf.convert_to_tensor(self.kernel)), grid)
        mean, variance = tf.nn.moments(y, [0, 1, 2])
        self.mean.assign(mean)
        self.variance.assign(variance)

    def folded(self, scale_in: Any) -> Folded:
        """The layer with frozen statistics, for inputs at `scale_in` reals a level."""
        kernel, gain, bias = self._fold_kernel()
        steps = tf.abs(gain) * scale_in * self.weight_quantizer.scale(kernel)
        least = _LEAST_STEP * self.output_quantizer.scale(bias)
        step = tf.maximum(tf.maximum(steps, tf.abs(bias) / _BIAS_LIMIT), least)
        return Folded(kernel, gain, bias, tf.broadcast_to(step, bias.shape))

    def before_output(self, x: Any, grid: Grid, *, live: bool) -> Any:
        """What the output quantizer rounds: BN and bias applied, ReLU not (levels start at 0)."""
        if live:
            kernel = self.weight_quantizer(tf.convert_to_tensor(self.kernel))
            return self._batch_normalised(self._apply(x, kernel, grid))
        folded = self.folded(grid.scale)
        y = self._apply(x, self.weight_quantizer(folded.kernel), grid)
        if self.bits.activations == 1:
            # A threshold takes the bias as it is.
            return y * folded.gain + folded.bias
        bias = _round(folded.bias / tf.stop_gradient(folded.step)) * tf.stop_gradient(folded.step)
        return y * folded.gain + bias

    def forward(self, x: Any, grid: Grid, *, training: bool, live: bool) -> tuple[Any, Grid]:
        """Fake-quantised output of `x`, which lies on `grid`, and the output's grid."""
        live = live and training and self.live
        y = self.before_output(x, grid, live=live)
        if not live and self.bits.activations > 1:
            y = _rounded_once(y, self.folded(grid.scale).step, self.output_quantizer.scale(y))
        return self.output_quantizer(y, training=training), self.grid()

    def grid(self) -> Grid:
        """The grid of the output."""
        spec = self.output_quantizer.spec
        return Grid(self.output_quantizer.scale(self.beta), spec.zero_point, spec.bits)

    def _fold_kernel(self) -> tuple[Any, Any, Any]:
        """Kernel, gain and bias."""
        kernel, beta = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.beta)
        if not self.normalised:
            return kernel, tf.ones_like(beta), beta
        gain = self.gamma / tf.sqrt(self.variance + BN_EPSILON)
        bias = beta - gain * self.mean
        return (kernel, gain, bias) if self.live else (kernel * gain, tf.ones_like(gain), bias)

    def _batch_normalised(self, y: Any) -> Any:
        out, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
            y, tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta), epsilon=BN_EPSILON
        )
        self.mean.assign(BN_MOMENTUM * self.mean + (1 - BN_MOMENTUM) * mean)
        self.variance.assign(BN_MOMENTUM * self.variance + (1 - BN_MOMENTUM) * variance)
        return out

    def _apply(self, x: Any, kernel: Any, grid: Grid) -> Any:
        layer = self.blueprint
        if isinstance(layer, Linear):
            return tf.matmul(x, kernel)
        if isinstance(layer, Conv) and grid.bits == 1 and layer.padding == "same":
            return tf.nn.conv2d(_bordered(layer, x), kernel, layer.stride, "VALID")
        if isinstance(layer, Conv):
            return tf.nn.conv2d(x, kernel, layer.stride, layer.padding.upper())
        strides = (1, *layer.stride, 1)
        return tf.nn.depthwise_conv2d(x, kernel[..., None], strides, layer.padding.upper())


class QatModel(keras.Model):
    """The whole network; a call gives logits as reals on their 8-bit grid."""

    def __init__(self, blueprint: Blueprint, policy: Policy, how: Schemes, input_scale: float):
        super().__init__(name=blueprint.name)
        self.blueprint = blueprint
        self.input_scale = float(np.float32(input_scale))
        # Whether BN follows the batches in training; the last epochs train with it frozen.
        self.live = True
        bits = fitted(blueprint, policy)
        shapes, inputs = blueprint.shapes(), blueprint.input_shapes()
        parts: list[QuantizedLinear] = []
        for layer in blueprint.weighted():
            channels = (inputs[layer.name][-1], shapes[layer.name][-1])
            beside = self._beside(layer.name, parts)
            parts.append(QuantizedLinear(layer, channels, bits[layer.name], how, beside))
        self.parts = parts
        self.thresholds = [
            Thresholds(layer, inputs[layer.name][-1])
            for layer in blueprint.layers
            if isinstance(layer, Sign)
        ]
        self.additions = [
            Addition(layer.name, how.activations)
            for layer in blueprint.layers
            if isinstance(layer, Residual)
        ]

    def build(self, input_shape: Any) -> None:
        """All weights exist from the start."""

    def _beside(self, name: str, parts: Sequence[QuantizedLinear]) -> QuantizedLinear | None:
        """The first of the `parts` whose output some Join puts beside that of layer `name`."""
        sources = self.blueprint.sources()
        kinds = {layer.name: layer for layer in self.blueprint.layers}

        def makers(one: str) -> set[str]:
            """The weighted layers on whose grid an output lies."""
            if not one or isinstance(kinds[one], Conv | Depthwise | Linear):
                return {one}
            return set().union(*(makers(source) for source in sources[one]))

        joined = [makers(one.name) for one in self.blueprint.layers if isinstance(one, Join)]
        alike = set().union(*(group for group in joined if name in group))
        return next((part for part in parts if part.name in alike), None)

    def part(self, name: str) -> QuantizedLinear:
        """The weighted layer `name`."""
        return next(part for part in self.parts if part.name == name)

    def threshold(self, name: str) -> Thresholds:
        """The thresholds of the Sign `name`."""
        return next(one for one in self.thresholds if one.name == name)

    def addition(self, name: str) -> Addition:
        """The Residual `name`."""
        return next(one for one in self.additions if one.name == name)

    def keep_weights(self, passes: bool) -> None:
        """Leave weights of one bit as they are, or not: the two stages of binary training."""
        for part in self.parts:
            if isinstance(part.weight_quantizer, BinaryWeights):
                part.weight_quantizer.passes = passes

    def keep_silent(self, x: NDArray[np.float32]) -> None:
        """Let thresholds on the features themselves stay above those of silence.

        Args:
            x: float32 (1, *input_shape), what silence gives, in reals.
        """
        shapes, sources = {"": x.shape[1:], **self.blueprint.shapes()}, self.blueprint.sources()
        direct = {"", *(o.name for o in self.blueprint.layers if isinstance(o, Columns))}
        for one in self.thresholds:
            source = sources[one.name][0]
            if source in direct:
                one.floor.assign(x.reshape(-1, shapes[source][-1]).max(axis=0) + self.input_scale)

    def load(self, float_model: Any) -> None:
        """Start from the float model's weights."""
        for part in self.parts:
            part.load(float_model)

    def calibrate(self, x: NDArray[np.float32], *, untrained: bool = False) -> None:
        """Start the activation scales from training features x (n, *input_shape), in reals.

        Args:
            x: features.
            untrained: batch normalisation starts from x as well; its kernels must not be folded.
        """
        y = tf.convert_to_tensor(x)
        self._walk(y, training=False, calibrate=True, untrained=untrained)

    def call(self, x: Any, training: bool = False) -> Any:
        """Features (batch, *input_shape) in reals to logits (batch, classes).

        With exits a list: the logits of each exit and, last, of the end.
        """
        return self._walk(x, training=training)

    @property
    def binary(self) -> bool:
        """Whether some values or weights have one bit."""
        narrow = any(1 in (part.bits.weights, part.bits.activations) for part in self.parts)
        return narrow or bool(self.thresholds)

    def input_grid(self) -> Grid:
        """The grid of the features."""
        return Grid(tf.constant([self.input_scale], tf.float32), 0, 8)

    def forward_layer(
        self, layer: Layer, x: Any, grid: Grid, *, training: bool = False
    ) -> tuple[Any, Grid]:
        """Output of one layer of the Blueprint for `x`, which lies on `grid`, and its grid."""
        if isinstance(layer, Conv | Depthwise | Linear):
            part = self.part(layer.name)
            return part.forward(x, grid, training=training, live=self.live)
        if isinstance(layer, Sign):
            return self.threshold(layer.name)(x), BITS
        if isinstance(layer, Drop | Join | Residual):
            # Of what reads several layers, the caller has made one value.
            return x, grid
        return _shape_only(layer, x, grid), grid

    def _walk(
        self, x: Any, *, training: bool, calibrate: bool = False, untrained: bool = False
    ) -> Any:
        values, sources = {"": (x, self.input_grid())}, self.blueprint.sources()
        started: set[int] = set()
        for layer in self.blueprint.layers:
            inputs = [values[name] for name in sources[layer.name]]
            x, grid = inputs[0]
            if isinstance(layer, Join):
                x = tf.concat([one for one, _ in inputs], axis=-1)
            if calibrate and isinstance(layer, Sign):
                self.threshold(layer.name).initialise(np.asarray(x, np.float64))
            if isinstance(layer, Residual):
                addition = self.addition(layer.name)
                if calibrate:
                    addition.initialise(x + inputs[1][0])
                values[layer.name] = addition.forward(x, inputs[1][0], training), addition.grid()
                continue
            if calibrate and isinstance(layer, Conv | Depthwise | Linear):
                part = self.part(layer.name)
                if part.live and (untrained or self.binary):
                    part.measure(x, grid)
                y = part.before_output(x, grid, live=False)
                # A shared one is calibrated on the first layer that has it.
                if id(part.output_quantizer) not in started:
                    part.output_quantizer.initialise(np.asarray(y, np.float64))
                    started.add(id(part.output_quantizer))
            values[layer.name] = self.forward_layer(layer, x, grid, training=training)
        ends = (*self.blueprint.exits, self.blueprint.layers[-1].name)
        logits = [values[name][0] for name in ends]
        return logits if self.blueprint.exits else logits[0]


def _bordered(layer: Conv, x: Any) -> Any:
    """`x` of one bit with the border that SAME padding asks for, of -1 as on the device."""
    sides = [same_padding(x.shape[1 + i], layer.kernel[i], layer.stride[i]) for i in (0, 1)]
    return tf.pad(x, [(0, 0), *sides, (0, 0)], constant_values=-1.0)


def _shape_only(layer: Pool | GlobalPool | Flatten | Columns, x: Any, grid: Grid) -> Any:
    if isinstance(layer, Columns):
        return tf.reshape(x, [-1, *layer.shape(*x.shape[1:])])
    if isinstance(layer, Flatten):
        return tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])
    if isinstance(layer, GlobalPool):
        count = x.shape[1] * x.shape[2]
        return _mean_on_grid(tf.reduce_sum(x, [1, 2]), count, grid)
    if layer.kind == "max":
        return tf.nn.max_pool2d(x, layer.size, layer.size, "VALID")
    count = layer.size[0] * layer.size[1]
    total = tf.nn.avg_pool2d(x, layer.size, layer.size, "VALID") * float(count)
    return _mean_on_grid(total, count, grid)


def _mean_on_grid(total: Any, count: int, grid: Grid) -> Any:
    """Mean of stored integers, rounded half away from zero as the device does, back as reals."""
    mean = _round(total / grid.scale) / float(count) + float(grid.zero_point)
    away = tf.sign(mean) * tf.floor(tf.abs(mean) + 0.5)
    stored = mean + tf.stop_gradient(away - mean)
    return (stored - float(grid.zero_point)) * grid.scale


def _rounded_once(y: Any, step: Any, scale: Any) -> Any:
    """The first of TFLite's two roundings, so that the output quantizer makes the second.

    The accumulator times the multiplier is rounded to `-shift` fractional bits first. Narrow
    weights have few of them (m = step / scale near 1), and rounding twice then lifts a good share
    of the values: training must see that. The quarter breaks ties away from zero.
    """
    shift = tf.math.floor(tf.math.log(step / scale) / np.log(2.0)) + 1.0
    fine = tf.stop_gradient(tf.pow(2.0, tf.maximum(-shift, 0.0)) / scale)
    steps = tf.stop_gradient(y) * fine
    once = (tf.round(steps) + 0.25 * tf.sign(steps)) / fine
    return y + tf.stop_gradient(once - y)


def _round(x: Any) -> Any:
    """Round with the gradient of the identity."""
    return x + tf.stop_gradient(tf.round(x) - x)


def _kernel_shape(layer: Weighted, channels: tuple[int, int]) -> tuple[int, ...]:
    if isinstance(layer, Linear):
        return channels
    return (
        (*layer.kernel, channels[0]) if isinstance(layer, Depthwise) else (*layer.kernel, *channels)
    )
