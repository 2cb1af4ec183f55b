# SPDX-License-Identifier: Apache-2.0
"""What works value by value: sums, products, activations and changes of scale, and SOFTMAX."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.importer.fixed_point import (
    EVERY,
    hard_swish,
    leaky_relu,
    logistic,
    rescaled,
    softmax_exponentials,
    tabulate,
)
from tinykit.importer.frame import Frame, places_of, refuse
from tinykit.importer.lower_layers import clamp_of, range_of
from tinykit.network import shapes
from tinykit.network.interpreter import run_op
from tinykit.network.ops import (
    Add,
    Elementwise,
    Lookup,
    Mul,
    PRelu,
    Requantize,
    Softmax,
    Sub,
    Tensor,
)
from tinykit.network.requantize import add_rescale, quantize_multipliers


def elementwise(frame: Frame) -> None:
    """ADD, SUB, MUL and PRELU; with a single constant, a Lookup."""
    node = frame.node
    kinds = {"ADD": Add, "SUB": Sub, "MUL": Mul, "PRELU": PRelu}
    kind: type[Elementwise] = kinds[node.kind]
    names = list(node.inputs)
    like = frame.like(node.outputs[0])
    constant = [frame.foreign(name).data for name in names]
    if kind in (Add, Mul) and _is_smaller(frame, names):
        names.reverse()
        constant.reverse()
    likes = [frame.like(name) for name in names]
    fields = _fields(frame, kind, likes, like)
    for i in (0, 1):
        value = constant[i]
        if value is not None and value.size == 1:
            number = int(frame.bytes_of(names[i]).reshape(-1)[0])
            table = _table(kind, i, number, likes, like, fields)
            x = frame.source(names[1 - i])
            frame.finish(frame.emit(Lookup, [x], replace(like, shape=x.shape), table=table))
            return
    first, second = _aligned(frame, names, like)
    frame.finish(frame.emit(kind, [first, second], replace(like, shape=first.shape), **fields))


def _is_smaller(frame: Frame, names: list[str]) -> bool:
    sizes = [np.prod(frame.foreign(name).shape) for name in names]
    return bool(sizes[0] < sizes[1])


def _fields(
    frame: Frame, kind: type[Elementwise], inputs: list[Tensor], like: Tensor
) -> dict[str, Any]:
    """The constants of the operator; products and quotients of scales are float32 in TFLite."""
    first, second, out = (np.float32(one.scale) for one in (*inputs, like))
    low, high = (-128, 127) if kind is PRelu else clamp_of(frame, like)
    with frame.calibrated():
        if kind in (Add, Sub):
            scales = (inputs[0].scale, inputs[1].scale)
            return {"rescale": add_rescale(scales, like.scale, low=low, high=high)}
        if kind is Mul:
            reals = [float(first * second / out)]
        else:
            reals = [float(first / out), float(first * second / out)]
        multiplier, shift = quantize_multipliers(reals)
    return {"requantize": Requantize(multiplier=multiplier, shift=shift, low=low, high=high)}


def _table(
    kind: type[Elementwise],
    place: int,
    value: int,
    likes: list[Tensor],
    like: Tensor,
    fields: dict[str, Any],
) -> NDArray[np.int8]:
    """Outputs for every integer of the other input, where that at `place` is `value`."""
    every = EVERY.astype(np.int8)[:, None]
    inputs = [(every, replace(one, shape=(1,))) for one in likes]
    inputs[place] = (np.full_like(every, value), inputs[place][1])
    op = kind(name="", inputs=("", ""), output="", **fields)
    return run_op(op, inputs, replace(like, shape=(1,)))[:, 0]


def _aligned(frame: Frame, names: list[str], like: Tensor) -> tuple[Tensor, Tensor]:
    """Both inputs in the output's axes; the first in its very shape."""
    node = frame.node
    whole = frame.foreign(node.outputs[0]).shape
    places = places_of(node, whole)
    found = []
    for name in names:
        foreign = frame.foreign(name).shape
        padded = (1,) * (len(whole) - len(foreign)) + foreign
        sides = [1] * len(like.shape)
        for side, place in zip(padded, places, strict=False):
            if place is not None:
                sides[place] = side
        found.append(frame.reshaped(frame.source(name), tuple(sides)))
    first, second = found
    if first.shape != like.shape:
        first = _expanded(frame, names[0], first, like.shape)
    if not shapes.broadcasts(first.shape, second.shape):
        raise refuse(
            node,
            f"broadcasts {second.shape} to {first.shape}.",
            "Give both inputs one shape, or sides of 1 to one of them.",
        )
    return first, second


def _expanded(frame: Frame, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A constant first input at its full size; others would need a copy."""
    data = frame.foreign(name).data
    if data is None or not shapes.broadcasts(shape, tensor.shape):
        raise refuse(
            frame.node,
            f"broadcasts its first input, {tensor.shape}, to {shape}.",
            "Exchange the inputs, or repeat the first one before the layer.",
        )
    value = np.broadcast_to(frame.bytes_of(name).reshape(tensor.shape), shape)
    return frame.constant(tensor, np.ascontiguousarray(value))


def activation(frame: Frame) -> None:
    """RELU, RELU6, RELU_N1_TO_1, LEAKY_RELU, LOGISTIC, TANH, HARD_SWISH, QUANTIZE: a Lookup."""
    x, like = frame.source(frame.node.inputs[0]), frame.like(frame.node.outputs[0])
    with frame.calibrated():
        table = _activation_table(frame, x, like)
    unchanged = (x.scale, x.zero_point) == (like.scale, like.zero_point)
    if unchanged and np.array_equal(table, EVERY):
        frame.finish(x)
        return
    frame.finish(frame.emit(Lookup, [x], replace(like, shape=x.shape), table=table))


def _activation_table(frame: Frame, x: Tensor, like: Tensor) -> NDArray[np.int8]:
    kind = frame.node.kind
    source, result = (x.scale, x.zero_point), (like.scale, like.zero_point)
    if kind == "LOGISTIC":
        return tabulate(logistic, source, result)
    if kind == "TANH":
        return tabulate(np.tanh, source, result)
    if kind == "HARD_SWISH":
        return hard_swish(source, result)
    if kind == "LEAKY_RELU":
        return leaky_relu(source, result, float(frame.node.attributes["alpha"]))
    centred = EVERY - x.zero_point
    if kind == "QUANTIZE":
        factor = float(np.float32(x.scale)) / float(np.float32(like.scale))
        return rescaled(centred, factor, like.zero_point)
    # A quotient beyond float32 is infinite, which `rescaled` refuses.
    factor = float(np.float32(x.scale) / np.float32(like.scale))
    return rescaled(centred, factor, like.zero_point, *range_of(frame, kind, like))


def softmax(frame: Frame) -> None:
    """SOFTMAX over the last axis."""
    node, x = frame.node, frame.source(frame.node.inputs[0])
    like = frame.like(node.outputs[0])
    if (like.scale, like.zero_point) != (1 / 256, -128):
        raise refuse(
            node,
            f"gives the scale {like.scale} and the zero point {like.zero_point}.",
            "TFLite's int8 SOFTMAX gives 1/256 and -128; convert the model again.",
        )
    with frame.calibrated():
        table = softmax_exponentials(x.scale, float(node.attributes["beta"]) or 1.0)
    frame.finish(frame.emit(Softmax, [x], replace(like, shape=x.shape), exponentials=table))
