# SPDX-License-Identifier: Apache-2.0
"""From the trained QatModel to the integer-only Network that it imitated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinykit.models.blueprint import (
    Columns,
    Conv,
    Depthwise,
    Drop,
    GlobalPool,
    Join,
    Linear,
    Pool,
    Residual,
    Sign,
    same_padding,
)
from tinykit.network import Exit, Network
from tinykit.network.ops import (
    Add,
    AvgPool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Lookup,
    MaxPool2D,
    Op,
    Requantize,
    Reshape,
    Tensor,
    Threshold,
    integer_range,
)
from tinykit.network.requantize import add_rescale, fold_batch_norm, requantize_from_scales
from tinykit.network.validate import accumulator_bounds
from tinykit.quantize.binary import BinaryWeights
from tinykit.quantize.qat import QatModel, QuantizedLinear
from tinykit.quantize.residual import quartered

FloatArray = NDArray[np.float64]


def export_network(
    model: QatModel,
    *,
    name: str,
    labels: tuple[str, ...],
    frontend: Mapping[str, Any] | None,
    metadata: Mapping[str, Any],
) -> Network:
    """The Network of a QatModel.

    Args:
        model: trained; statistics as they are now are folded in.
        name: of the Network.
        labels: one per logit.
        frontend: configuration of the front end that makes its input.
        metadata: JSON-able.
    """
    chain = _Chain(model)
    sources = model.blueprint.sources()
    for layer in model.blueprint.layers:
        chain.add(layer, sources[layer.name])
    return Network(
        name=name,
        tensors=tuple(chain.tensors),
        ops=tuple(chain.ops),
        input=chain.tensors[0].name,
        output=chain.made[model.blueprint.layers[-1].name].name,
        labels=labels,
        frontend=None if frontend is None else dict(frontend),
        metadata=dict(metadata),
        exits=tuple(Exit(chain.made[one].name) for one in model.blueprint.exits),
    )


class _Chain:
    """Tensors and operators so far, and what each layer of the Blueprint made."""

    def __init__(self, model: QatModel) -> None:
        self.model = model
        self.tensors = [Tensor("input", model.blueprint.input_shape, 8, model.input_scale, 0)]
        self.made = {"": self.tensors[0]}
        self.ops: list[Op] = []

    def add(self, layer: Any, sources: tuple[str, ...]) -> None:
        """The operators of one layer of the Blueprint, which reads others."""
        now = self.made[sources[0]]
        if not isinstance(layer, Drop):
            self._add(layer, now, [self.made[one] for one in sources])
            now = self.tensors[-1]
        self.made[layer.name] = now

    def _add(self, layer: Any, now: Tensor, inputs: list[Tensor]) -> None:
        if isinstance(layer, Join):
            shape = (*now.shape[:-1], sum(one.shape[-1] for one in inputs))
            names = tuple(one.name for one in inputs)
            join = Concat(layer.name, names, layer.name, len(shape) - 1)
            self._append(join, self._tensor_like(now, layer.name, shape))
        elif isinstance(layer, Conv | Depthwise | Linear):
            self._add_weighted(self.model.part(layer.name), now)
        elif isinstance(layer, GlobalPool):
            height, width, channels = now.shape
            mean = self._tensor_like(now, layer.name, (1, 1, channels))
            window = (height, width)
            self._append(
                AvgPool2D(layer.name, (now.name,), layer.name, (1, 1), (0, 0, 0, 0), window), mean
            )
            self._reshape(f"{layer.name}_row", mean, (channels,))
        elif isinstance(layer, Pool):
            kind = MaxPool2D if layer.kind == "max" else AvgPool2D
            size = layer.size
            shape = (now.shape[0] // size[0], now.shape[1] // size[1], now.shape[2])
            self._append(
                kind(layer.name, (now.name,), layer.name, size, (0, 0, 0, 0), size),
                self._tensor_like(now, layer.name, shape),
            )
        elif isinstance(layer, Sign):
            least = self.model.threshold(layer.name).least(now.scale, now.zero_point)
            flip = np.zeros(least.shape, np.bool_)
            self._binarize(layer.name, now, Threshold(least - np.int32(now.zero_point), flip))
        elif isinstance(layer, Residual):
            self._add_residual(layer.name, inputs)
        elif isinstance(layer, Columns):
            self._reshape(layer.name, now, layer.shape(*now.shape))
        else:
            self._reshape(layer.name, now, (int(np.prod(now.shape)),))

    def _add_residual(self, name: str, inputs: list[Tensor]) -> None:
        """The sum, and the quarters of what is negative, on one grid."""
        scale = float(self.model.addition(name).output_quantizer.scale_value()[0])
        low, high = integer_range(8)
        total = Tensor(f"{name}_sum", inputs[0].shape, 8, scale, 0)
        names = (inputs[0].name, inputs[1].name)
        step = add_rescale((inputs[0].scale, inputs[1].scale), scale, low=low, high=high)
        self._append(Add(total.name, names, total.name, step), total)
        self._append(
            Lookup(name, (total.name,), name, quartered()),
            self._tensor_like(total, name, total.shape),
        )

    def _binarize(self, name: str, now: Tensor, step: Threshold) -> None:
        """One bit for each value of `now`, whose levels are the accumulator."""
        channels = now.shape[-1]
        op = DepthwiseConv2D(
            name=name,
            inputs=(now.name,),
            output=name,
            stride=(1, 1),
            padding=(0, 0, 0, 0),
            weight=np.ones((1, 1, channels), np.int8),
            weight_bits=2,
            weight_scale=np.ones(1),
            bias=np.zeros(channels, np.int32),
            requantize=step,
        )
        self._append(op, Tensor(name, now.shape, 1, 1.0, 0))

    def _reshape(self, name: str, now: Tensor, shape: tuple[int, ...]) -> None:
        self._append(Reshape(name, (now.name,), name), self._tensor_like(now, name, shape))

    def _append(self, op: Op, tensor: Tensor) -> None:
        self.ops.append(op)
        self.tensors.append(tensor)

    @staticmethod
    def _tensor_like(tensor: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
        return Tensor(name, shape, tensor.bits, tensor.scale, tensor.zero_point)

    def _add_weighted(self, part: QuantizedLinear, now: Tensor) -> None:
        layer, spec = part.blueprint, part.output_quantizer.spec
        scale = float(part.output_quantizer.scale_value()[0])
        shape = self.model.blueprint.shapes()[layer.name]
        out = Tensor(layer.name, shape, spec.bits, scale, spec.zero_point)
        weight, weight_scale, bias = integers(part, now.scale)
        if out.bits == 1:
            self._add_one_bit(part, now, out, weight, weight_scale)
            return
        low, high = integer_range(out.bits)
        step = requantize_from_scales(
            now.scale,
            weight_scale,
            out.scale,
            channels=shape[-1],
            low=low,
            high=high,
            float32_product=isinstance(layer, Linear),
        )
        self._append(_weighted(part, now, weight, weight_scale, bias, step), out)

    def _add_one_bit(
        self,
        part: QuantizedLinear,
        now: Tensor,
        out: Tensor,
        weight: NDArray[np.int8],
        weight_scale: FloatArray,
    ) -> None:
        """A layer whose batch normalisation and sign are one integer threshold a channel.

        Where its input is wider than one bit, the threshold goes into the bias and the accumulator,
        clamped to 8 bits, keeps its sign for a comparison of its own.
        """
        zeros = np.zeros(out.shape[-1], np.int32)
        step = threshold(part, now.scale)
        op = _weighted(part, now, weight, weight_scale, zeros, step)
        if now.bits == 1:
            self._append(op, out)
            return
        # What no sum reaches or every sum reaches, just so.
        bound = accumulator_bounds(op, now) + 1
        least = np.clip(step.threshold.astype(np.int64), -bound, bound).astype(np.int32)
        # A factor of one: 2^30 * 2^(1 - 31).
        unit = np.ones(out.shape[-1], np.int32)
        same = Requantize(unit << 30, unit, *integer_range(8))
        wide = Tensor(f"{out.name}_sum", out.shape, 8, float(np.mean(now.scale * weight_scale)), 0)
        self._append(_weighted(part, now, weight, weight_scale, -least, same, wide.name), wide)
        self._binarize(out.name, wide, Threshold(zeros, step.flip))


def _weighted(
    part: QuantizedLinear,
    now: Tensor,
    weight: NDArray[np.int8],
    weight_scale: FloatArray,
    bias: NDArray[np.int32],
    step: Requantize | Threshold,
    name: str = "",
) -> Conv2D | DepthwiseConv2D | Dense:
    """The operator of a layer; `name` where it is not the layer's."""
    layer, bits = part.blueprint, part.bits.weights
    common: dict[str, Any] = {
        "name": name or layer.name,
        "inputs": (now.name,),
        "output": name or layer.name,
        # Two bits hold -1 and 1 where the input is wider than one.
        "weight_bits": 2 if bits == 1 and now.bits > 1 else bits,
        "weight_scale": weight_scale,
        "bias": bias,
        "requantize": step,
    }
    if isinstance(layer, Linear):
        return Dense(weight=weight.T.copy(), **common)
    common["stride"] = layer.stride
    common["padding"] = _padding(layer, now.shape)
    if isinstance(layer, Conv):
        return Conv2D(weight=np.ascontiguousarray(weight.transpose(3, 0, 1, 2)), **common)
    return DepthwiseConv2D(weight=weight, **common)


def threshold(part: QuantizedLinear, scale_in: float) -> Threshold:
    """The threshold on the sum of a layer's weights, as `integers` gives them, without bias.

    +1 where `gain * (scale_in * weight scale * sum) + bias >= 0`; a negative gain is in the signs
    of the weights.
    """
    folded = part.folded(tf.constant([scale_in], tf.float32))
    zero = np.zeros(folded.bias.shape)
    return fold_batch_norm(
        np.abs(np.asarray(folded.gain, np.float64)),
        np.asarray(folded.bias, np.float64),
        zero,
        zero + 1.0,
        eps=0.0,
        acc_scale=scale_in * part.weight_quantizer.scale_value(folded.kernel),
    )


def integers(
    part: QuantizedLinear, scale_in: float
) -> tuple[NDArray[np.int8], FloatArray, NDArray[np.int32]]:
    """Weights (Keras layout), weight scale (channels,) or (1,), and bias (channels,) of a layer.

    A channel whose BN gain is negative has its weights' signs turned, which the symmetric range
    allows, so that every multiplier is positive. A channel that BN switches off (see
    `QuantizedLinear.folded`) has its weights set to zero, as its products count for nothing.
    """
    folded = part.folded(tf.constant([scale_in], tf.float32))
    gain = np.asarray(folded.gain, np.float64)
    step = np.asarray(folded.step, np.float32)
    bias = np.rint(np.asarray(folded.bias / folded.step, np.float32)).astype(np.int32)
    weight = part.weight_quantizer.levels(folded.kernel)
    own = part.weight_quantizer.scale_value(folded.kernel)
    natural = np.abs(gain) * scale_in * own
    # One bit has no 0; what such a channel adds is below all rounding anyway.
    binary = isinstance(part.weight_quantizer, BinaryWeights)
    alive = binary | (natural >= step * (1 - 1e-5))
    signed = (weight * np.where(gain < 0, -1, 1) * alive).astype(np.int8)
    weight_scale = _float32(own if len(own) == 1 and np.all(gain == 1) else step / scale_in)
    return signed, weight_scale, bias


def _float32(values: NDArray[Any]) -> FloatArray:
    """The nearest float32 numbers, as float64: what a .tflite file can hold."""
    return np.asarray(values, np.float32).astype(np.float64)


def _padding(layer: Conv | Depthwise, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    if layer.padding == "valid":
        return 0, 0, 0, 0
    rows = same_padding(shape[0], layer.kernel[0], layer.stride[0])
    columns = same_padding(shape[1], layer.kernel[1], layer.stride[1])
    return (*rows, *columns)
