# SPDX-License-Identifier: Apache-2.0
"""Weights of fewer than 8 bits from a model as it is: scales, rounding, and the bias after them.

A channel's scale is the one of the least squared error of its weights (clipping a few may round
the rest better). What the rounded weights change in the mean of an output is taken back in its
bias (after Nagel et al., Data-Free Quantization, arXiv:1906.04721, section 4.2, with the mean
measured on representative data).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.importer.frame import refuse
from tinykit.importer.graph import Graph, GraphTensor, Node
from tinykit.importer.ptq import LEAST_SCALE, MOST_BIAS, bias_steps, channel_scales
from tinykit.importer.real_graph import CHANNEL_AXIS
from tinykit.importer.walk import Walk, weights_of
from tinykit.network.ops import integer_range

Rows = NDArray[np.float64]

_FRACTIONS = np.linspace(1.0, 0.04, 97)
_ROUNDS = 4
_INT32_MAX = (1 << 31) - 1


def rounded(rows: Rows, scale: NDArray[np.float32], bits: int) -> NDArray[np.int8]:
    """The integers nearest to weights, (channels, weights of each), on scales (channels,)."""
    most = integer_range(bits)[1]
    steps = scale.astype(np.float64)[:, None]
    return np.clip(np.rint(rows / steps), -most, most).astype(np.int8)


def reals(levels: NDArray[np.int8], scale: NDArray[np.float32]) -> Rows:
    """What integers (channels, weights of each) stand for."""
    return levels * scale.astype(np.float64)[:, None]


def error_of(rows: Rows, scale: NDArray[np.float32], bits: int) -> NDArray[np.float64]:
    """The squared error of each channel's rounded weights, summed: (channels,)."""
    wrong = reals(rounded(rows, scale, bits), scale) - rows
    return np.asarray(np.square(wrong).sum(axis=1))


def largest_scales(rows: Rows, bits: int) -> NDArray[np.float32]:
    """Scales (channels,) that clip nothing; 1 for a channel of zeros only.

    One beyond float32 is infinite, which `bias_steps` refuses.
    """
    largest = np.abs(rows).max(axis=1, initial=0.0)
    scale = (largest / integer_range(bits)[1]).astype(np.float32)
    return np.where(scale >= LEAST_SCALE, scale, np.float32(1))


def least_error_scales(rows: Rows, bits: int) -> NDArray[np.float32]:
    """The scales (channels,) of the least squared error.

    A grid of clip points, then turns of rounding to the scale and fitting the scale to the rounded
    weights by least squares, kept where they gain.

    Args:
        rows: (channels, weights of each).
        bits: of a weight; 8, 4 or 2.
    """
    best = start = largest_scales(rows, bits)
    if not np.isfinite(start).all():
        return start
    least = error_of(rows, best, bits)

    def keep(scale: NDArray[np.float32]) -> None:
        nonlocal best, least
        scale = np.where(scale > 0, scale, best)
        error = error_of(rows, scale, bits)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)

    for fraction in _FRACTIONS[1:]:
        keep((start * np.float32(fraction)).astype(np.float32))
    for _ in range(_ROUNDS):
        levels = rounded(rows, best, bits).astype(np.float64)
        power = np.square(levels).sum(axis=1)
        fitted = (levels * rows).sum(axis=1) / np.where(power > 0, power, 1.0)
        narrow = fitted.astype(np.float32)
        keep(np.where(np.isfinite(narrow), narrow, np.float32(0)))
    return best


@dataclass(frozen=True)
class Moments:
    """What is known of a layer from representative data.

    Its sums are `weights @ inputs + bias`, over all positions of all samples.

    Attributes:
        mean: (groups, inputs of a sum) of the inputs, as the narrow model has them.
        target: (channels,) mean of the sums, bias included, in the model before.
        covariance: (groups, inputs, inputs) of the inputs; None if not asked for.
        cross: (channels, inputs), covariance of the sums before with the inputs; None likewise.
        spread: (channels,) variance of the sums before; None likewise.
    """

    mean: Rows
    target: NDArray[np.float64]
    covariance: NDArray[np.float64] | None = None
    cross: Rows | None = None
    spread: NDArray[np.float64] | None = None

    def bias(self, rows: Rows) -> NDArray[np.float64]:
        """The bias (channels,) that gives the mean of the sums before, with other weights."""
        return np.asarray(self.target - (rows * self.mean).sum(axis=1))

    def error(self, rows: Rows) -> NDArray[np.float64]:
        """Mean squared error (channels,) of the sums, each with the bias of `bias`."""
        assert self.covariance is not None
        assert self.cross is not None
        assert self.spread is not None
        moved = times(rows, self.covariance)
        inner = (moved * rows).sum(axis=1)
        return np.asarray(inner - 2 * (rows * self.cross).sum(axis=1) + self.spread)


def times(rows: Rows, matrices: NDArray[Any]) -> NDArray[Any]:
    """Each row times the symmetric matrix of its group, or of the only one: (channels, inputs)."""
    if len(matrices) == 1:
        return np.asarray(rows @ matrices[0])
    return np.asarray(np.einsum("ci,cij->cj", rows, matrices))


def measure(before: Walk, after: Walk, old: Node, new: Node, *, second: bool) -> Moments:
    """The moments of a layer; neither walk has run it yet.

    Args:
        before: the model as it was given.
        after: the model as it is so far, its layers before this one narrow.
        old, new: the layer in the graph of either.
        second: whether to measure the covariances too.
    """
    count = 0
    total: NDArray[np.float64] | float = 0.0
    target: NDArray[np.float64] | float = 0.0
    square: NDArray[np.float64] | float = 0.0
    product: NDArray[np.float64] | float = 0.0
    power: NDArray[np.float64] | float = 0.0
    for past, present in zip(before.calls(old), after.calls(new), strict=True):
        columns = present.columns().astype(np.float64).transpose(1, 0, 2)
        sums = past.run().astype(np.float64)
        sums = sums.reshape(-1, sums.shape[-1])
        count += len(sums)
        total = total + columns.sum(axis=1)
        target = target + sums.sum(axis=0)
        if second:
            square = square + columns.transpose(0, 2, 1) @ columns
            product = product + _products(columns, sums)
            power = power + np.square(sums).sum(axis=0)
    mean, centre = np.asarray(total) / count, np.asarray(target) / count
    if not (np.isfinite(mean).all() and np.isfinite(centre).all()):
        raise refuse(
            new,
            "is not finite on the representative data.",
            "Give data in the units that the model was trained with.",
        )
    if not second:
        return Moments(mean, centre)
    covariance = np.asarray(square) / count - mean[:, :, None] * mean[:, None, :]
    return Moments(
        mean,
        centre,
        covariance,
        np.asarray(product) / count - centre[:, None] * mean,
        np.maximum(np.asarray(power) / count - np.square(centre), 0.0),
    )


def _products(columns: NDArray[np.float64], sums: Rows) -> Rows:
    """(channels, inputs): each channel's sums times the inputs of its group."""
    if len(columns) == 1:
        return np.asarray(sums.T @ columns[0])
    return np.asarray(np.einsum("pc,cpi->ci", sums, columns, optimize=True))


@dataclass(frozen=True)
class NarrowLayer:
    """A layer's new constants.

    Attributes:
        levels: int8 (channels, weights of each).
        scale: float32 (channels,).
        bias: (channels,) reals.
        bits: of a weight.
        rounding: "nearest" or "adaround".
    """

    levels: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float64]
    bits: int
    rounding: str


def with_layer(graph: Graph, node: Node, layer: NarrowLayer) -> Graph:
    """A quantized graph with other weights and another bias in one node.

    The weights stay int8, of fewer values, so that the graph remains one that TFLite runs.
    """
    source = graph.tensors[node.inputs[0]].quantization
    assert source is not None
    old = graph.tensors[node.inputs[1]]
    weight = GraphTensor(
        f"{node.inputs[1]}/of/{node.name}/{layer.bits} bits",
        old.shape,
        "int8",
        weights_of(layer.levels, old.shape, node.kind),
        channel_scales(layer.scale, CHANNEL_AXIS[node.kind]),
    )
    steps = bias_steps(node, float(source.scale[0]), layer.scale)
    whole = np.rint(layer.bias / steps.astype(np.float64))
    integers = np.clip(whole, -_INT32_MAX, _INT32_MAX).astype(np.int32)
    bias = GraphTensor(
        f"{weight.name}/bias", integers.shape, "int32", integers, channel_scales(steps, 0)
    )
    changed = replace(node, inputs=(node.inputs[0], weight.name, bias.name))
    return replace(
        graph,
        tensors={**graph.tensors, weight.name: weight, bias.name: bias},
        nodes=tuple(changed if one.name == node.name else one for one in graph.nodes),
    )


def bounded_scales(
    scale: NDArray[np.float32], input_scale: float, bias: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Scales made coarser where the bias, on the scale input x weight, would leave int32."""
    least = (np.abs(bias) / (input_scale * MOST_BIAS)).astype(np.float32)
    return np.maximum(scale, least)
