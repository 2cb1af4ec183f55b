# SPDX-License-Identifier: Apache-2.0
"""What moves values and changes none: shapes, PAD, slices, CONCATENATION, TRANSPOSE, resizing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinykit.importer.frame import Frame, places_of, refuse
from tinykit.importer.lower_layers import clamp_of, shape_of_output
from tinykit.network.ops import Concat, Pad, ResizeNearest, Slice, Transpose


def reshape(frame: Frame) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: nothing but another shape."""
    frame.finish(frame.source(frame.node.inputs[0]))


def pad(frame: Frame) -> None:
    """PAD and PADV2; folded into the convolution behind it where that can be."""
    node = frame.node
    flat = frame.integers(node.inputs[1], "paddings").tolist()
    amounts = [list(pair) for pair in zip(flat[::2], flat[1::2], strict=False)]
    value = frame.like(node.inputs[0]).zero_point
    if node.kind == "PADV2":
        value = int(frame.bytes_of(node.inputs[2]).reshape(-1)[0])
    foreign = frame.foreign(node.inputs[0]).shape
    if len(amounts) != len(foreign) or any(one < 0 for pair in amounts for one in pair):
        raise refuse(node, f"pads {foreign} by {amounts}.", "Convert the model again.")
    x = frame.source(node.inputs[0])
    padding = [0] * 6
    for pair, place in zip(amounts, frame.image_places(foreign, x), strict=True):
        if place is None and any(pair):
            raise refuse(node, "pads the batch.", "Pad height, width or channels only.")
        if place is not None:
            padding[2 * place : 2 * place + 2] = pair
    if not any(padding):
        frame.finish(x)
        return
    x = frame.image(x)
    sides = tuple(x.shape[i] + padding[2 * i] + padding[2 * i + 1] for i in range(3))
    frame.finish(frame.emit(Pad, [x], replace(x, shape=sides), padding=tuple(padding), value=value))


def slices(frame: Frame) -> None:
    """SLICE and STRIDED_SLICE."""
    node = frame.node
    foreign = frame.foreign(node.inputs[0]).shape
    begin, step, size = slice_ranges(frame, foreign)
    x = frame.source(node.inputs[0])
    places = frame.image_places(foreign, x)
    x = frame.image(x)
    starts, steps, sides = [0, 0, 0], [1, 1, 1], list(x.shape)
    for axis, place in enumerate(places):
        if place is not None:
            starts[place], steps[place], sides[place] = begin[axis], step[axis], size[axis]
    if tuple(sides) == x.shape and starts == [0, 0, 0] and steps == [1, 1, 1]:
        frame.finish(x)
        return
    like = replace(x, shape=tuple(sides))
    frame.finish(frame.emit(Slice, [x], like, begin=tuple(starts), step=tuple(steps)))


def slice_ranges(frame: Frame, shape: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    """First index, step and count along each axis."""
    node, rank = frame.node, len(shape)
    begin = frame.integers(node.inputs[1], "a begin").tolist()
    second = frame.integers(node.inputs[2], "an end").tolist()
    step = [1] * rank
    if node.kind == "SLICE":
        ends = [
            side if count == -1 else start + count
            for start, count, side in zip(begin, second, shape, strict=False)
        ]
    else:
        step = frame.integers(node.inputs[3], "steps").tolist()
        begin, ends = _masked(frame, shape, begin, second, step)
    ranges = [range(*one) for one in zip(begin, ends, step, strict=False) if one[2]]
    inside = all(
        one and 0 <= one[0] < side and 0 <= one[-1] < side
        for one, side in zip(ranges, shape, strict=False)
    )
    if len(ranges) != rank or not inside:
        raise refuse(
            node,
            f"takes {list(zip(begin, second, step, strict=False))} of {shape}.",
            "Slice within the tensor, every axis, at least one value.",
        )
    return begin, step, [len(one) for one in ranges]


def _masked(
    frame: Frame, shape: tuple[int, ...], begin: list[int], end: list[int], step: list[int]
) -> tuple[list[int], list[int]]:
    """Begins and ends of a STRIDED_SLICE, negative ones and masks resolved."""
    node, masks = frame.node, frame.node.attributes
    if masks.get("ellipsis_mask") or masks.get("new_axis_mask") or masks.get("offset"):
        raise refuse(
            node, "uses an ellipsis or a new axis.", "Write the slice with one range an axis."
        )
    if not len(begin) == len(end) == len(step) == len(shape):
        raise refuse(node, f"slices {len(begin)} of {len(shape)} axes.", "Slice all of them.")
    starts, ends = [], []
    for axis, side in enumerate(shape):
        forward = step[axis] > 0
        low, high = (0, side) if forward else (-1, side - 1)
        start = begin[axis] + (side if begin[axis] < 0 else 0)
        stop = end[axis] + (side if end[axis] < 0 else 0)
        if masks["begin_mask"] >> axis & 1:
            start = low if forward else high
        if masks["end_mask"] >> axis & 1:
            stop = high if forward else low
        start, stop = min(max(start, low), high), min(max(stop, low), high)
        if masks["shrink_axis_mask"] >> axis & 1:
            stop = start + (1 if forward else -1)
        starts.append(start)
        ends.append(stop)
    return starts, ends


def concatenation(frame: Frame) -> None:
    """CONCATENATION."""
    node = frame.node
    whole = frame.foreign(node.outputs[0]).shape
    axis = int(node.attributes["axis"])
    if not -len(whole) <= axis < len(whole):
        raise refuse(node, f"joins along axis {axis} of {whole}.", "Convert the model again.")
    like = frame.like(node.outputs[0])
    if clamp_of(frame, like) != (-128, 127):
        raise refuse(node, "fuses an activation.", "Use a layer of its own for it.")
    place = places_of(node, whole)[axis]
    if place is None:
        raise refuse(node, "joins along the batch.", "Join along another axis.")
    inputs = []
    for name in node.inputs:
        foreign = frame.foreign(name).shape
        if len(foreign) != len(whole):
            raise refuse(node, f"joins {foreign} to {whole}.", "Convert the model again.")
        sides = list(like.shape)
        sides[place] = foreign[axis]
        inputs.append(frame.reshaped(frame.source(name), tuple(sides)))
    frame.finish(frame.emit(Concat, inputs, replace(inputs[0], shape=like.shape), axis=place))


def transpose(frame: Frame) -> None:
    """TRANSPOSE; one that only moves sides of 1 is another shape."""
    node = frame.node
    foreign = frame.foreign(node.inputs[0]).shape
    order = frame.integers(node.inputs[1], "a permutation").tolist()
    if sorted(order) != list(range(len(foreign))):
        raise refuse(node, f"permutes {foreign} by {order}.", "Convert the model again.")
    moved = [axis for axis in order if foreign[axis] > 1]
    x = frame.source(node.inputs[0])
    if moved == sorted(moved):
        frame.finish(x)
        return
    if len(moved) > 3:
        raise refuse(node, f"permutes {foreign}.", "Use at most three sides above 1.")
    # Only the sides above 1 matter; they stand here as an image.
    kept = sorted(moved)
    sides = tuple(foreign[axis] for axis in kept)
    sides = (1,) * (3 - len(sides)) + sides
    first = 3 - len(kept)
    permutation = (*range(first), *(first + kept.index(axis) for axis in moved))
    x = frame.reshaped(x, sides)
    result = replace(x, shape=tuple(sides[axis] for axis in permutation))
    frame.finish(frame.emit(Transpose, [x], result, permutation=permutation))


def resize_nearest(frame: Frame) -> None:
    """RESIZE_NEAREST_NEIGHBOR."""
    node, x = frame.node, frame.source(frame.node.inputs[0])
    shape = shape_of_output(frame)
    if len(x.shape) != 3 or len(shape) != 3:
        raise refuse(node, f"resizes {x.shape}.", "Resize an image (1, height, width, channels).")
    rows, columns = (nearest_places(frame, x.shape[axis], shape[axis]) for axis in (0, 1))
    like = replace(x, shape=shape)
    frame.finish(frame.emit(ResizeNearest, [x], like, rows=rows, columns=columns))


def nearest_places(frame: Frame, side: int, wanted: int) -> NDArray[np.int32]:
    """Where each of `wanted` pixels comes from, in float32 as TFLite's GetNearestNeighbor."""
    aligned = bool(frame.node.attributes["align_corners"])
    centres = bool(frame.node.attributes["half_pixel_centers"])
    scale = (
        np.float32(side - 1) / np.float32(wanted - 1)
        if aligned and wanted > 1
        else np.float32(side) / np.float32(wanted)
    )
    places = (np.arange(wanted, dtype=np.float32) + np.float32(0.5 if centres else 0)) * scale
    near = np.trunc(places + np.float32(0.5)) if aligned else np.floor(places)
    return np.clip(near, 0, side - 1).astype(np.int32)


def is_foldable(amounts: list[list[int]], extent: tuple[int, int]) -> bool:
    """Whether a convolution with windows of `extent` can have such a border of its own."""
    edges = (*amounts[1], *amounts[2])
    limits = (extent[0], extent[0], extent[1], extent[1])
    small = all(edge < limit for edge, limit in zip(edges, limits, strict=True))
    return small and not any(amounts[0]) and not any(amounts[3]) and math.prod(extent) > 1
