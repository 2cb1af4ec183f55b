# SPDX-License-Identifier: Apache-2.0
"""Turns of the loops of operators without weights and windows; see `tinykit.codegen.counts`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.layer import Layer

if TYPE_CHECKING:
    from tinykit.codegen.counts import Core

Pieces = dict[str, dict[str, int]]
"""Turns by piece and loop."""

# As MOST_AT_ONCE of mean_words.c.
_MEAN_CHUNK = 257


def _broadcast(layer: Layer, core: Core) -> Pieces:
    f = layer.fields
    rows = f["shape.rows"] * f["shape.blocks"]
    values, rest = rows * f["shape.values"], rows * (f["shape.values"] % 4)
    kind = "both" if f["shape.value_step"] else "same"
    loops = {"calls": 1, "blocks": f["shape.blocks"], f"{kind}_rows": rows, kind: values}
    loops[f"{kind}_rest"] = rest
    if layer.kind == "prelu":
        # As many as if all inputs came equally often.
        loops["negative"] = values * (f["zero_point_a"] + 128) // 256
    if layer.kind == "add_rescaled":
        shifted = sum(f[one] > 0 for one in ("shift_a", "shift_b", "shift"))
        loops["shifted"] = values * shifted
    return {layer.function: loops}


def _binarize(layer: Layer, core: Core) -> Pieces:
    pixels, channels = layer.fields["pixels"], layer.fields["channels"]
    rest = channels % 8
    loops = {"calls": 1, "pixels": pixels, "eights": pixels * (channels // 8)}
    return {layer.function: loops | {"ends": pixels * (rest > 0), "rest": pixels * rest}}


def _lookup(layer: Layer, core: Core) -> Pieces:
    values = layer.fields["values"]
    vectors = values // 16 if core.isa == "mve" else 0
    left = values - 16 * vectors
    loops = {"calls": 1, "vectors": vectors, "fours": left // 4, "rest": left % 4}
    return {layer.function: loops}


def _mean(layer: Layer, core: Core) -> Pieces:
    f, name = layer.fields, layer.function
    groups, outputs = f["groups"], f["groups"] * f["outputs"]
    loops = {"calls": 1, "groups": groups}
    if layer.arrays:
        loops |= {"searched": outputs, "halved": outputs * f["range"].bit_length()}
    else:
        loops["lined"] = outputs
    if name == "tk_mean_words":
        words = outputs // 4
        chunks = words * -(-f["taps"] // _MEAN_CHUNK)
        return {name: loops | {"words": words, "chunks": chunks, "taps": words * f["taps"]}}
    lines = outputs * f["lines"]
    return {
        name: loops | {"lines": lines, "taps": lines * f["taps"], "rest": lines * (f["taps"] % 4)}
    }


def _softmax(layer: Layer, core: Core) -> Pieces:
    pixels = layer.fields["pixels"]
    values = pixels * layer.fields["channels"]
    # As if all inputs came equally often, and one of the greatest in each pixel.
    near = pixels + (values - pixels) * layer.fields["distances"] // 256
    return {layer.function: {"calls": 1, "pixels": pixels, "values": values, "near": near}}


def _lstm(layer: Layer, core: Core) -> Pieces:
    f = layer.fields
    steps, cells = f["steps"], f["steps"] * f["cells"]
    # The first step has no output before it.
    again = cells - f["cells"]
    blocks = cells * -(-f["features"] // 4) + again * -(-f["cells"] // 4)
    return {
        layer.function: {
            "calls": 1,
            "steps": steps,
            "cells": cells,
            "again": again,
            "blocks": blocks,
        }
    }


def _starts(f: Mapping[str, int], side: str) -> NDArray[np.int64]:
    """Where each run starts; `side` is "from" or "to"."""
    start = np.full((1, 1, 1), f[side], np.int64)
    for axis, name in enumerate(("block", "line", "run")):
        shape = [1, 1, 1]
        shape[axis] = f[f"{name}s"]
        start = start + (np.arange(f[f"{name}s"]) * f[f"{name}_{side}"]).reshape(shape)
    return start.reshape(-1)


def _copied(
    core: Core, size: int, source: NDArray[np.int64], target: NDArray[np.int64]
) -> dict[str, int]:
    """Turns of tk_copy() of `size` bytes from each of `source` to each of `target`."""
    count, in_words = len(source), 0
    if size >= 4:
        fits = core.unaligned | ((source | target) % 4 == 0)
        in_words = int(np.broadcast_to(fits, source.shape).sum())
    words = size // 4
    return {
        "copies": count,
        "word_copies": in_words,
        "sixteens": in_words * (words // 4),
        "words": in_words * (words % 4),
        "bytes": in_words * (size % 4) + (count - in_words) * size,
    }


def _moved(f: Mapping[str, int], core: Core) -> dict[str, int]:
    lines = f["lines"] * f["blocks"]
    loops = {"calls": 1, "blocks": f["blocks"], "lines": lines}
    if f["run"] == 1:
        return loops | {"singles": lines * f["runs"]}
    return loops | _copied(core, f["run"], _starts(f, "from"), _starts(f, "to"))


def _move(layer: Layer, core: Core) -> Pieces:
    return {layer.function: _moved(layer.fields, core)}


def _concat(layer: Layer, core: Core) -> Pieces:
    total: dict[str, int] = {}
    for call in layer.calls:
        for loop, turns in _moved(call.fields, core).items():
            total[loop] = total.get(loop, 0) + turns
    return {layer.function: total}


def _pad(layer: Layer, core: Core) -> Pieces:
    f = layer.fields
    inner = {name.removeprefix("move."): value for name, value in f.items()}
    words = f["bytes"] // 4
    fill = {"calls": 1, "sixteens": words // 4, "words": words % 4, "bytes": f["bytes"] % 4}
    return {"tk_move": _moved(inner, core), "tk_pad": fill}


def _resize(layer: Layer, core: Core) -> Pieces:
    f = layer.fields
    rows, columns = (layer.arrays[name].astype(np.int64) for name in ("rows", "columns"))
    again = np.concatenate([[False], rows[1:] == rows[:-1]])
    in_bytes, out_bytes = (f[name] * f["pixel_bytes"] for name in ("in_width", "out_width"))
    starts = np.arange(len(rows)) * out_bytes
    source = rows[~again, None] * in_bytes + columns * f["pixel_bytes"]
    target = starts[~again, None] + np.arange(len(columns)) * f["pixel_bytes"]
    copies = _copied(core, f["pixel_bytes"], source.reshape(-1), target.reshape(-1))
    whole = _copied(core, out_bytes, starts[again] - out_bytes, starts[again])
    loops = {"calls": 1, "rows": int((~again).sum()), "again": int(again.sum())}
    return {layer.function: loops | {name: copies[name] + whole[name] for name in copies}}


TURNS: dict[str, Callable[[Layer, Core], Pieces]] = {
    "add_broadcast": _broadcast,
    "add_rescaled": _broadcast,
    "mul": _broadcast,
    "mul_steep": _broadcast,
    "prelu": _broadcast,
    "binarize": _binarize,
    "lookup": _lookup,
    "mean": _mean,
    "softmax": _softmax,
    "lstm": _lstm,
    "slice": _move,
    "transpose": _move,
    "concat": _concat,
    "pad": _pad,
    "resize_nearest": _resize,
}
"""By kind of layer."""
