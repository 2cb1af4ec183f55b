# SPDX-License-Identifier: Apache-2.0
"""Channels that say nothing are taken out, and every output stays the same integer.

Training with weight decay leaves channels whose weights are all zero, or whose output is clamped to
one value whatever comes in. Of such a channel each reader knows beforehand what it will get, so the
product goes into the reader's bias and the channel out of both. It is the integers that are looked
at, between the bounds of what can come in, and so nothing here is an approximation.

Of the channels of a tensor, a multiple of four is left, for kernels take four at a time. A constant
channel that stays gets weights of zero and a small bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.network import shapes
from tinykit.network.network import Network
from tinykit.network.ops import (
    AvgPool2D,
    BoolArray,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Lookup,
    MaxPool2D,
    Op,
    Requantize,
    Reshape,
    ResizeNearest,
    Weighted,
    Windowed,
    integer_range,
)
from tinykit.network.requantize import requantize

Integers = NDArray[np.int64]

_GROUP = 4
# How many steps of the bias one step of a constant output takes: 2^30 * 2^(_SHIFT - 31) = 1 / 32.
_STEP, _MULTIPLIER, _SHIFT = 32, 1 << 30, -4


@dataclass(frozen=True)
class Pruned:
    """A network without channels that say nothing.

    Attributes:
        network: it gives the same integers.
        removed: how many output channels were taken out, by operator.
    """

    network: Network
    removed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Known:
    """What is known of a tensor's channels: the value of those that have one only.

    Attributes:
        constant: (channels,) whether a channel holds one value, whatever the network's input.
        value: (channels,) that value; elsewhere without meaning.
    """

    constant: BoolArray
    value: Integers


def prune(network: Network) -> Pruned:
    """Take out the channels whose values do not depend on the input, or that nobody reads."""
    known = _constants(network)
    ops = [_quieted(network, op, known) for op in network.ops]
    keep = {name: mask for name, mask in _kept(network, ops, known).items() if not mask.all()}
    if not keep:
        same = all(new is old for new, old in zip(ops, network.ops, strict=True))
        return Pruned(network if same else replace(network, ops=tuple(ops)))
    tensors = tuple(
        replace(one, shape=(*one.shape[:-1], int(keep[one.name].sum())))
        if one.name in keep
        else one
        for one in network.tensors
    )
    slim = tuple(_slim(network, op, known, keep) for op in ops)
    removed = {
        op.name: int((~keep[op.output]).sum())
        for op in ops
        if isinstance(op, Weighted) and op.output in keep
    }
    return Pruned(replace(network, tensors=tensors, ops=slim), removed)


def _channels(network: Network, name: str) -> int:
    return network.tensor(name).shape[-1]


def _gives_integers(op: Weighted) -> bool:
    return isinstance(op.requantize, Requantize)


def _constants(network: Network) -> dict[str, _Known]:
    """By tensor, for those of which anything is known."""
    known: dict[str, _Known] = {}
    for op in network.ops:
        # One bit has no weight of 0.
        if isinstance(op, Weighted) and op.weight_bits > 1 and _gives_integers(op):
            found = _of_weighted(network, op, known.get(op.inputs[0]))
        elif _is_channelwise(network, op) and op.inputs[0] in known:
            found = known[op.inputs[0]]
            if isinstance(op, Lookup):
                found = replace(found, value=op.table[found.value + 128].astype(np.int64))
        else:
            continue
        if found.constant.any():
            known[op.output] = found
    return known


def _of_weighted(network: Network, op: Weighted, source: _Known | None) -> _Known:
    """Channels whose least and greatest sums become the same output."""
    bottom, top = _sums(network, op, source)
    step, result = op.requantize, network.tensor(op.output)
    assert isinstance(step, Requantize)
    low, high = (
        requantize(sums, step.multiplier, step.shift, result.zero_point, step.low, step.high)
        for sums in (bottom, top)
    )
    return _Known(low == high, low)


def _sums(network: Network, op: Weighted, source: _Known | None) -> tuple[Integers, Integers]:
    """(channels,) least and greatest accumulator, for whatever the unknown inputs are."""
    x = network.tensor(op.inputs[0])
    low, high = (np.full(x.shape[-1], end - x.zero_point) for end in integer_range(x.bits))
    if source is not None:
        exact = source.value - x.zero_point
        low, high = (np.where(source.constant, exact, end) for end in (low, high))
    if _is_padded(op):
        # A window may see the zero point instead.
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    positive, negative = (_by_input(op, part) for part in (np.maximum, np.minimum))
    if isinstance(op, DepthwiseConv2D):
        low, high = (np.repeat(end, op.depth_multiplier) for end in (low, high))
        bottom, top = positive * low + negative * high, positive * high + negative * low
    else:
        bottom, top = positive @ low + negative @ high, positive @ high + negative @ low
    return bottom + op.bias, top + op.bias


def _by_input(op: Weighted, part: Any) -> Integers:
    """Sums of the positive (np.maximum) or negative weights over a window.

    (channels,) of a DepthwiseConv2D; (output channels, input channels) of the others.
    """
    weight: Integers = part(op.weight.astype(np.int64), 0)
    if isinstance(op, Dense):
        return weight
    over = (0, 1) if isinstance(op, DepthwiseConv2D) else (1, 2)
    result: Integers = weight.sum(axis=over)
    return result


def _is_padded(op: Op) -> bool:
    return isinstance(op, Windowed) and any(op.padding)


def _is_channelwise(network: Network, op: Op) -> bool:
    """Whether each output channel is a function of the same input channel alone."""
    if isinstance(op, Reshape):
        return _channels(network, op.inputs[0]) == _channels(network, op.output)
    if isinstance(op, DepthwiseConv2D):
        return op.depth_multiplier == 1
    return isinstance(op, AvgPool2D | MaxPool2D | Lookup | ResizeNearest)


def _quieted(network: Network, op: Op, known: Mapping[str, _Known]) -> Op:
    """A layer whose constant channels have no weights, and biases that fit any accumulator."""
    found = known.get(op.output)
    if not isinstance(op, Weighted) or found is None:
        return op
    constant, step = found.constant, op.requantize
    assert isinstance(step, Requantize)
    x, y = network.tensor(op.inputs[0]), network.tensor(op.output)
    shape = [-1 if side == _output_axis(op) else 1 for side in range(op.weight.ndim)]
    bias = np.where(constant, (found.value - y.zero_point) * _STEP, op.bias)
    scale = np.where(constant, y.scale / x.scale / _STEP, op.weight_scale)
    return replace(
        op,
        weight=np.where(constant.reshape(shape), np.int8(0), op.weight),
        weight_scale=scale,
        bias=bias.astype(np.int32),
        requantize=replace(
            step,
            multiplier=np.where(constant, np.int32(_MULTIPLIER), step.multiplier),
            shift=np.where(constant, np.int32(_SHIFT), step.shift),
        ),
    )


def _output_axis(op: Weighted) -> int:
    return op.weight.ndim - 1 if isinstance(op, DepthwiseConv2D) else 0


def _kept(network: Network, ops: list[Op], known: Mapping[str, _Known]) -> dict[str, BoolArray]:
    """(channels,) which channels of a tensor stay, for tensors that a layer with weights makes.

    Tensors that channelwise operators join lose the same channels.
    """
    ends = (network.output, *(one.tensor for one in network.exits))
    silent = {name: np.zeros(_channels(network, name), np.bool_) for name in ends}
    for op in reversed(ops):
        for name in op.inputs:
            mask = _silent_for(network, op, name, known, silent)
            silent[name] = silent.get(name, True) & mask
    keep: dict[str, BoolArray] = {}
    for op in ops:
        if isinstance(op, Conv2D | Dense):
            keep[op.output] = _filled_up(~silent[op.output])
        elif _is_channelwise(network, op) and op.inputs[0] in keep:
            keep[op.output] = keep[op.inputs[0]]
    return keep


def _silent_for(
    network: Network,
    op: Op,
    name: str,
    known: Mapping[str, _Known],
    silent: Mapping[str, BoolArray],
) -> BoolArray:
    """Channels of the input `name` that `op` can do without; `silent` holds those of its output."""
    if isinstance(op, Conv2D | Dense):
        # What only outputs read that are themselves silent is not read.
        reads = _by_input(op, np.maximum) - _by_input(op, np.minimum)
        unread = reads[~silent[op.output]].sum(axis=0) == 0
        found = known.get(name)
        if found is None:
            return unread
        if _is_padded(op):
            # The border holds the zero point, which must be the same.
            found = replace(
                found, constant=found.constant & (found.value == network.tensor(name).zero_point)
            )
        return unread | found.constant
    if _is_channelwise(network, op):
        return silent[op.output]
    return np.zeros(_channels(network, name), np.bool_)


def _filled_up(keep: BoolArray) -> BoolArray:
    """With as many more as make a multiple of four."""
    lacking = -int(keep.sum()) % _GROUP or (_GROUP if not keep.any() else 0)
    more = np.flatnonzero(~keep)[:lacking]
    return np.isin(np.arange(len(keep)), more) | keep


def _slim(
    network: Network, op: Op, known: Mapping[str, _Known], keep: Mapping[str, BoolArray]
) -> Op:
    """A layer without the weights of channels that are gone."""
    if not isinstance(op, Weighted):
        return op
    name = op.inputs[0]
    if isinstance(op, Conv2D | Dense) and name in keep:
        op = replace(op, bias=_with_constants(network, op, known.get(name), keep[name]))
        op = replace(op, weight=op.weight[..., keep[name]])
    return _without_outputs(op, keep[op.output]) if op.output in keep else op


def _with_constants(
    network: Network, op: Weighted, found: _Known | None, keep: BoolArray
) -> NDArray[np.int32]:
    """The bias with what constant channels that are gone would add."""
    if found is None:
        return op.bias
    gone = ~keep & found.constant
    x = network.tensor(op.inputs[0])
    weights = _by_input(op, np.maximum) + _by_input(op, np.minimum)
    added = weights[:, gone] @ (found.value[gone] - x.zero_point)
    return np.asarray(op.bias + added, np.int32)


def _without_outputs(op: Weighted, keep: BoolArray) -> Weighted:
    step = op.requantize
    assert isinstance(step, Requantize)
    channels = shapes.output_channels(op)
    return replace(
        op,
        weight=op.weight[..., keep] if isinstance(op, DepthwiseConv2D) else op.weight[keep],
        weight_scale=op.weight_scale[keep] if op.weight_scale.size == channels else op.weight_scale,
        bias=op.bias[keep],
        requantize=replace(step, multiplier=step.multiplier[keep], shift=step.shift[keep]),
    )
