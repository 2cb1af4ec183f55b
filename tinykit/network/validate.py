# SPDX-License-Identifier: Apache-2.0
"""What every stage may rely on in a Network, checked once, with errors that name the layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinykit.errors import TinykitError
from tinykit.network import shapes
from tinykit.network.ops import (
    KINDS,
    AvgPool2D,
    Concat,
    Constant,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Elementwise,
    MaxPool2D,
    Op,
    Requantize,
    Rescale,
    Reshape,
    Tensor,
    Threshold,
    Weighted,
    Windowed,
    integer_range,
)

if TYPE_CHECKING:
    from tinykit.network.network import Network

KNOWN_BITS = (8, 4, 2, 1)
# Small enough for the sum of a pool over a whole tensor to stay below 2^31.
MAX_ELEMENTS = 1 << 23
MAX_SIDE = (1 << 16) - 1
MAX_PADDING = 255

# Room is left above the accumulator for the output's zero point, which is added after scaling.
ACCUMULATOR_LIMIT = (1 << 31) - (1 << 8)


def validate(network: Network) -> None:
    """Check names, order, shapes, ranges and that no accumulator can overflow int32.

    Raises:
        TinykitError: names the network, the layer or tensor, what is wrong and what to do.
    """
    _check_names(network)
    for tensor in network.tensors:
        _check_tensor(network, tensor)
    _check_order(network)
    for op in network.ops:
        _check_op(network, op)
    _check_ends(network)
    _check_exits(network)
    _check_json(network)


def accumulator_bound(op: Weighted, source: Tensor) -> int:
    """A proven bound on |acc|, and on every partial sum, of a layer.

    It holds both for acc = bias + sum((x - zero_point) * weight) and with the zero point folded
    into the bias, in any order of summation.
    """
    return int(accumulator_bounds(op, source).max(initial=0))


def accumulator_bounds(op: Weighted, source: Tensor) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The same bound for each output channel: int64 (channels,)."""
    widest = abs(source.zero_point) + (1 << (source.bits - 1))
    magnitude = np.abs(op.weight.astype(np.int64))
    if isinstance(op, DepthwiseConv2D):
        total = magnitude.reshape(-1, op.weight.shape[-1]).sum(axis=0)
    else:
        total = magnitude.reshape(op.weight.shape[0], -1).sum(axis=1)
    return np.asarray(np.abs(op.bias.astype(np.int64)) + widest * total)


def fail(network: Network, what: str, *, place: str = "", remedy: str) -> TinykitError:
    """An error that names the network, and the layer or tensor in it."""
    where = f"network {network.name}" + (f", {place}" if place else "")
    return TinykitError(what, where=where, remedy=remedy)


def _check_names(network: Network) -> None:
    for kind, names in (
        ("tensor", [tensor.name for tensor in network.tensors]),
        ("layer", [op.name for op in network.ops]),
        ("label", list(network.labels)),
    ):
        if not names:
            raise fail(network, f"has no {kind}s.", remedy="A network needs at least one.")
        seen: set[str] = set()
        for name in names:
            if not isinstance(name, str) or not name:
                raise fail(network, f"a {kind} has no name.", remedy="Name each one.")
            if name in seen:
                raise fail(
                    network, f"two {kind}s are called {name!r}.", remedy="Give each its own name."
                )
            seen.add(name)
    if not isinstance(network.name, str) or not network.name:
        raise fail(network, "the network has no name.", remedy="Name it.")
    if network.rounding != "double":
        raise fail(
            network, f"rounding {network.rounding!r} is unknown.", remedy='Only "double" is known.'
        )


def _check_tensor(network: Network, tensor: Tensor) -> None:
    place = f"tensor {tensor.name}"
    if tensor.bits not in KNOWN_BITS:
        raise fail(
            network,
            f"{tensor.bits} bits are not supported.",
            place=place,
            remedy="Use 8, 4, 2 bits or 1.",
        )
    whole = all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in tensor.shape)
    if len(tensor.shape) not in (1, 3) or not whole or math.prod(tensor.shape) > MAX_ELEMENTS:
        raise fail(
            network,
            f"shape {tensor.shape} is not (height, width, channels) or (features,), "
            f"each 1 to {MAX_SIDE}.",
            place=place,
            remedy="Give a signal as (steps, 1, channels), without a batch axis.",
        )
    if not (math.isfinite(tensor.scale) and tensor.scale > 0):
        raise fail(
            network, f"scale {tensor.scale} is not positive.", place=place, remedy="Calibrate it."
        )
    low, high = (0, 0) if tensor.bits == 1 else integer_range(tensor.bits)
    if not isinstance(tensor.zero_point, int) or not low <= tensor.zero_point <= high:
        raise fail(
            network,
            f"zero point {tensor.zero_point} is outside {low}..{high}.",
            place=place,
            remedy=f"Clip it to what {tensor.bits} bits hold.",
        )


def _check_order(network: Network) -> None:
    known = {tensor.name for tensor in network.tensors}
    for end in (network.input, network.output):
        if end not in known:
            raise fail(network, f"has no tensor {end!r}.", remedy="Name an existing tensor.")
    ready, read = {network.input}, set[str]()
    for op in network.ops:
        place = f"layer {op.name}"
        _check_input_count(network, op)
        for name in (*op.inputs, op.output):
            if name not in known:
                raise fail(
                    network, f"refers to no tensor {name!r}.", place=place, remedy="Declare it."
                )
        for name in op.inputs:
            if name not in ready:
                raise fail(
                    network,
                    f"reads {name!r} before it is computed.",
                    place=place,
                    remedy="Put the layers in the order in which they run.",
                )
        if op.output in ready:
            raise fail(
                network,
                f"writes {op.output!r}, which something else wrote.",
                place=place,
                remedy="Give each layer its own output tensor.",
            )
        ready.add(op.output)
        read.update(op.inputs)
    _check_all_used(network, known, ready, read)


def _check_input_count(network: Network, op: Op) -> None:
    count = len(op.inputs)
    wanted = "one"
    if isinstance(op, Concat):
        good, wanted = count > 0, "at least one"
    elif isinstance(op, Constant):
        good, wanted = count == 0, "none"
    elif isinstance(op, Elementwise):
        good, wanted = count == 2, "two"
    else:
        good = count == 1
    if not good:
        raise fail(
            network,
            f"has {count} inputs.",
            place=f"layer {op.name}",
            remedy=f"Give it {wanted}.",
        )


def _check_all_used(network: Network, known: set[str], ready: set[str], read: set[str]) -> None:
    for name in sorted(known - ready):
        raise fail(network, "is computed by no layer.", place=f"tensor {name}", remedy="Remove it.")
    ends = {network.output, *(one.tensor for one in network.exits)}
    for name in sorted(ready - read - ends):
        raise fail(
            network,
            "is read by no layer and is neither the output nor an exit.",
            place=f"tensor {name}",
            remedy="Remove the layer that makes it.",
        )


def _check_op(network: Network, op: Op) -> None:
    place = f"layer {op.name}"
    if type(op) not in KINDS:
        raise fail(
            network,
            f"operator {type(op).__name__} is unknown.",
            place=place,
            remedy=f"Known are {', '.join(kind.__name__ for kind in KINDS)}.",
        )
    if not isinstance(op, Weighted | Windowed | Reshape):
        from tinykit.network.validate_ops import check_op

        check_op(network, op)
        return
    source, result = network.tensor(op.inputs[0]), network.tensor(op.output)
    if isinstance(op, Weighted):
        _check_weights(network, op, source)
    if isinstance(op, Windowed):
        _check_window(network, op, source)
    if isinstance(op, Dense) and source.shape != (op.weight.shape[1],):
        raise fail(
            network,
            f"takes {op.weight.shape[1]} features, but {source.name} is {source.shape}.",
            place=place,
            remedy="Put a Reshape before it, or fix the weights.",
        )
    if isinstance(op, Reshape) and math.prod(source.shape) != math.prod(result.shape):
        raise fail(
            network,
            f"cannot turn {source.shape} into {result.shape}.",
            place=place,
            remedy="Keep the number of elements.",
        )
    check_shape(network, op)
    if isinstance(op, Weighted):
        _check_requantize(network, op, source, result)
    else:
        _check_unchanged(network, op, source, result)


def check_shape(network: Network, op: Op) -> None:
    """The output has the shape that follows from the first input's."""
    result = network.tensor(op.output)
    expected = shapes.output_shape(op, network.tensor(op.inputs[0]).shape)
    if expected is not None and expected != result.shape:
        raise fail(
            network,
            f"gives {expected}, but {result.name} is {result.shape}.",
            place=f"layer {op.name}",
            remedy="Fix the tensor's shape, the stride or the padding.",
        )


def check_unchanged(network: Network, op: Op, source: Tensor, result: Tensor) -> None:
    """Bits, scale and zero point of the output are those of the input."""
    before = (source.bits, source.scale, source.zero_point)
    after = (result.bits, result.scale, result.zero_point)
    if before != after:
        raise fail(
            network,
            f"changes (bits, scale, zero point) from {before} to {after}.",
            place=f"layer {op.name}",
            remedy="It only moves or pools values: give both tensors the same.",
        )


def _check_unchanged(network: Network, op: Op, source: Tensor, result: Tensor) -> None:
    check_unchanged(network, op, source, result)
    if isinstance(op, AvgPool2D) and source.bits == 1:
        raise fail(
            network,
            "takes a mean of one-bit values, which one bit cannot hold.",
            place=f"layer {op.name}",
            remedy="Use a MaxPool2D, or let the layer before it give 8, 4 or 2 bits.",
        )
    if isinstance(op, Reshape) and source.shape[-1] != result.shape[-1]:
        per_byte = 8 // source.bits
        if source.shape[-1] % per_byte or result.shape[-1] % per_byte:
            raise fail(
                network,
                f"reshapes {source.shape} to {result.shape}, "
                f"whose pixels of {source.bits}-bit values do not fill whole bytes.",
                place=f"layer {op.name}",
                remedy=f"Make the channels a multiple of {per_byte}, or use 8 bits.",
            )


def _check_window(network: Network, op: Windowed, source: Tensor) -> None:
    place = f"layer {op.name}"
    numbers = (*op.stride, *shapes.dilation(op), *shapes.kernel_size(op))
    if len(op.stride) != 2 or len(op.padding) != 4 or len(numbers) != 6 or min(numbers) < 1:
        raise fail(
            network,
            "stride, dilation and kernel are pairs of at least 1, padding is four numbers.",
            place=place,
            remedy="Give them as (height, width) and (top, bottom, left, right).",
        )
    if len(source.shape) != 3:
        raise fail(
            network,
            f"needs height, width and channels, but {source.name} is {source.shape}.",
            place=place,
            remedy="Put a Reshape before it.",
        )
    high, wide = shapes.extent(op)
    limits = (high, high, wide, wide)
    if any(not 0 <= pad < limit for pad, limit in zip(op.padding, limits, strict=True)):
        raise fail(
            network,
            f"padding {op.padding} must be less than the window {(high, wide)} and not negative.",
            place=place,
            remedy="Pad no more than lets each window touch the input.",
        )
    largest = MAX_SIDE if isinstance(op, AvgPool2D | MaxPool2D) else 255
    if max(numbers) > largest or max(op.padding) > MAX_PADDING:
        raise fail(
            network,
            f"stride, dilation or kernel is above {largest}, or padding above {MAX_PADDING}.",
            place=place,
            remedy="Use a smaller window or stride.",
        )
    if min(shapes.window_counts(op, source.shape)) < 1:
        raise fail(
            network,
            f"its window {(high, wide)} is larger than the padded {source.shape}.",
            place=place,
            remedy="Use a smaller kernel or more padding.",
        )


def _check_weights(network: Network, op: Weighted, source: Tensor) -> None:
    place = f"layer {op.name}"
    dimensions = {Conv2D: 4, DepthwiseConv2D: 3, Dense: 2}[type(op)]
    for name, array, dtype, ndim in (
        ("weight", op.weight, np.int8, dimensions),
        ("weight_scale", op.weight_scale, np.float64, 1),
        ("bias", op.bias, np.int32, 1),
    ):
        check_array(network, place, name, array, dtype, ndim)
    if op.weight_bits not in KNOWN_BITS:
        raise fail(
            network,
            f"{op.weight_bits}-bit weights are not supported.",
            place=place,
            remedy="Use 8, 4, 2 bits or 1.",
        )
    _check_one_bit(network, op, source)
    largest = integer_range(op.weight_bits)[1]
    if np.abs(op.weight.astype(np.int16)).max() > largest:
        raise fail(
            network,
            f"has weights {op.weight.min()} to {op.weight.max()}, "
            f"but {op.weight_bits} bits hold {-largest} to {largest}.",
            place=place,
            remedy="Clip the weights, or raise weight_bits.",
        )
    channels = shapes.output_channels(op)
    if op.bias.shape != (channels,) or op.weight_scale.shape not in ((channels,), (1,)):
        raise fail(
            network,
            f"has {channels} channels, {op.bias.size} biases and {op.weight_scale.size} scales.",
            place=place,
            remedy="Give a bias a channel, and a weight scale a channel or one in all.",
        )
    if not (np.isfinite(op.weight_scale).all() and (op.weight_scale > 0).all()):
        raise fail(
            network,
            "a weight scale is not positive.",
            place=place,
            remedy="Use 1.0 for a channel whose weights are all 0.",
        )
    _check_channels(network, op, source)


def _check_one_bit(network: Network, op: Weighted, source: Tensor) -> None:
    """One bit meets one bit, and has no 0."""
    place = f"layer {op.name}"
    if op.weight_bits != 1 and source.bits != 1:
        return
    if op.weight_bits != source.bits:
        raise fail(
            network,
            f"multiplies {op.weight_bits}-bit weights with the {source.bits}-bit {source.name}.",
            place=place,
            remedy="Give both one bit, or neither.",
        )
    if isinstance(op, DepthwiseConv2D):
        raise fail(
            network,
            "is a depthwise convolution of one-bit values.",
            place=place,
            remedy="Use a Conv2D, or 8, 4 or 2 bits.",
        )
    if not op.weight.all():
        raise fail(
            network,
            "has a weight of 0, but one bit holds -1 and 1.",
            place=place,
            remedy="Give 0 a sign, or raise weight_bits.",
        )


def _check_channels(network: Network, op: Weighted, source: Tensor) -> None:
    place = f"layer {op.name}"
    if isinstance(op, Conv2D) and op.weight.shape[3] != source.shape[-1]:
        raise fail(
            network,
            f"reads {op.weight.shape[3]} channels, but {source.name} has {source.shape[-1]}.",
            place=place,
            remedy="Fix the weights' last axis.",
        )
    if isinstance(op, DepthwiseConv2D):
        given = source.shape[-1] * op.depth_multiplier
        if op.depth_multiplier < 1 or op.weight.shape[-1] != given:
            raise fail(
                network,
                f"has {op.weight.shape[-1]} filters, but {source.name} has {source.shape[-1]} "
                f"channels and the depth multiplier is {op.depth_multiplier}.",
                place=place,
                remedy="Their product must be the number of filters.",
            )


def check_array(
    network: Network, place: str, name: str, array: object, dtype: type[np.generic], ndim: int
) -> None:
    """`array` is a filled NumPy array of that type and so many dimensions."""
    if (
        not isinstance(array, np.ndarray)
        or array.dtype != dtype
        or array.ndim != ndim
        or array.size == 0
    ):
        found = (
            f"{array.dtype} {array.shape}"
            if isinstance(array, np.ndarray)
            else type(array).__name__
        )
        raise fail(
            network,
            f"{name} is {found}.",
            place=place,
            remedy=f"It must be a filled {np.dtype(dtype).name} array of {ndim} dimension(s).",
        )


def _check_requantize(network: Network, op: Weighted, source: Tensor, result: Tensor) -> None:
    place, step = f"layer {op.name}", op.requantize
    if isinstance(step, Threshold) != (result.bits == 1):
        raise fail(
            network,
            f"gives the {result.bits}-bit {result.name} by a {type(step).__name__}.",
            place=place,
            remedy="One bit takes a Threshold, more take a Requantize.",
        )
    if isinstance(step, Threshold):
        _check_per_channel(network, op, "threshold", step.threshold, np.int32)
        _check_per_channel(network, op, "flip", step.flip, np.bool_)
        _check_overflow(network, op, source)
        return
    _check_per_channel(network, op, "multiplier", step.multiplier, np.int32)
    _check_per_channel(network, op, "shift", step.shift, np.int32)
    if not multipliers_in_range(step):
        raise fail(
            network,
            "a multiplier is not 0 or in [2^30, 2^31), or a shift is outside -31..30.",
            place=place,
            remedy="Make them with tinykit.network.requantize.quantize_multiplier.",
        )
    check_clamp(network, op, step, result)
    _check_overflow(network, op, source)


def check_clamp(network: Network, op: Op, step: Requantize | Rescale, result: Tensor) -> None:
    """The clamp lies within the output's width."""
    low, high = integer_range(result.bits)
    if not low <= step.low <= step.high <= high:
        raise fail(
            network,
            f"clamps to {step.low}..{step.high}, outside the {low}..{high} of {result.name}.",
            place=f"layer {op.name}",
            remedy=f"Clamp within what {result.bits} bits hold.",
        )


def _check_per_channel(
    network: Network, op: Weighted, name: str, array: object, dtype: type[np.generic]
) -> None:
    place, channels = f"layer {op.name}", shapes.output_channels(op)
    check_array(network, place, name, array, dtype, 1)
    assert isinstance(array, np.ndarray)
    if array.shape != (channels,):
        raise fail(
            network,
            f"has {channels} channels, but {array.size} values of {name}.",
            place=place,
            remedy="Give one a channel.",
        )


def multipliers_in_range(step: Requantize) -> bool:
    """Whether all factors are normal, or 0."""
    multiplier, shift = step.multiplier.astype(np.int64), step.shift
    normal = (multiplier == 0) | (multiplier >= 1 << 30)
    return bool(normal.all() and (shift >= -31).all() and (shift <= 30).all())


def _check_overflow(network: Network, op: Weighted, source: Tensor) -> None:
    bounds, step = accumulator_bounds(op, source), op.requantize
    left = np.zeros_like(bounds)
    if isinstance(step, Requantize):
        left = np.where(step.multiplier == 0, 0, np.maximum(step.shift, 0))
    # Floats only compare here, and they are exact for what could pass.
    worst = np.ldexp(bounds.astype(np.float64), left)
    if bounds.max() > ACCUMULATOR_LIMIT or worst.max() > ACCUMULATOR_LIMIT:
        channel = int(worst.argmax())
        raise fail(
            network,
            f"the accumulator of channel {channel} can reach {worst[channel]:.4g}, "
            "beyond the 32 bits that the device has.",
            place=f"layer {op.name}",
            remedy="Use fewer inputs or smaller weights, raise the weight scale of that channel "
            "(a tiny one blows up the bias), or widen the output's range.",
        )


def _check_ends(network: Network) -> None:
    result = network.tensor(network.output)
    if result.shape != (len(network.labels),):
        raise fail(
            network,
            f"has {len(network.labels)} labels, but the output is {result.shape}.",
            remedy="Give as many labels as the last layer has outputs.",
        )
    if network.frontend is None:
        return
    from tinykit.frontends import from_config

    frontend, source = from_config(network.frontend), network.tensor(network.input)
    # What is -1 or 1 may come as one bit.
    bits = 1 if frontend.kind == "analog" and source.bits == 1 else 8
    made = (tuple(frontend.output_shape), bits, float(frontend.scale), frontend.zero_point)
    taken = (source.shape, source.bits, source.scale, source.zero_point)
    if made != taken:
        raise fail(
            network,
            f"the {frontend.kind} front end gives (shape, bits, scale, zero point) {made}, "
            f"but the input takes {taken}.",
            remedy="Train with the front end that the network is to listen through.",
        )


def _check_exits(network: Network) -> None:
    if network.exits or network.modes:
        from tinykit.network.validate_exits import check_exits

        check_exits(network)


def _check_json(network: Network) -> None:
    """The front end, the metadata, and every number must be what a file can hold."""
    from tinykit.network.store import describe

    try:
        describe(network)
    except (TypeError, ValueError) as error:
        raise fail(
            network,
            f"does not fit in a file: {error}.",
            remedy="Keep only text, finite Python (not NumPy) numbers, lists and dictionaries "
            "in the front end, the metadata and the layers' settings.",
        ) from error
