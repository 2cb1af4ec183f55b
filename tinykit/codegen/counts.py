# SPDX-License-Identifier: Apache-2.0
"""How often the loops of a layer's kernel run: what its instructions depend on.

A kernel is one or several pieces of C (a walk over pixels, an expander, a multiplier, what
finishes sums), each with loops whose turns follow from shapes, widths and weights. `counts_of`
gives these turns by piece. A piece is named as its C function, so that layers which share one share
its costs; `tinykit.codegen.cost` multiplies turns with instructions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.binary import Binary
from tinykit.codegen.isa import Isa
from tinykit.codegen.layer import Layer, Matmul, Scaling
from tinykit.codegen.turns import TURNS
from tinykit.codegen.variants import ROWS

Counts = dict[str, dict[str, int]]
"""Turns by piece and loop."""

# As plain/scale.h and dsp/finish.h: shifts within take the short way.
_PLAIN_SHORT = (1, 21)
_DSP_FINE = 2
_MVE_LANES = 16
# As avgpool2d.c: window sizes up to which there is no division, and up to which words are summed.
_MOST_FOR_INVERSE, _MOST_FOR_WORDS = 361, 257
# Channels side by side in tk_binary_lanes().
_BITS = 32


@dataclass(frozen=True)
class Core:
    """What the paths through the kernels depend on besides the instruction set.

    Attributes:
        isa: the instruction set.
        thumb1: of Arm's, the smallest, with eight registers and no saturation (M0).
    """

    isa: Isa
    thumb1: bool = False

    @property
    def unaligned(self) -> bool:
        """Whether it loads and stores words anywhere (__ARM_FEATURE_UNALIGNED)."""
        return self.isa != "riscv" and not self.thumb1

    @property
    def columns(self) -> int:
        """TK_PASS of plain/plain.h."""
        return 2 if self.thumb1 else 4

    def is_fast(self, scaling: Scaling) -> bool:
        """tk_plain_is_fast() of plain/scale.h."""
        if self.isa == "thumb" and not self.thumb1:
            return (scaling.low, scaling.high, scaling.zero_point) == (-128, 127, -128)
        return scaling.low == scaling.zero_point


class _Tally:
    def __init__(self) -> None:
        self.counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, piece: str, times: int = 1, **loops: int) -> None:
        for loop, turns in loops.items():
            self.counts[piece][loop] += times * int(turns)

    def result(self) -> Counts:
        return {piece: dict(loops) for piece, loops in self.counts.items()}


def counts_of(layer: Layer, core: Core) -> Counts:
    """Turns of all loops that run for `layer` on `core`."""
    tally = _Tally()
    if layer.kind == "conv2d_pool":
        conv, pool = layer.parts
        strips = layer.fields["strips"]
        tally.add("tk_conv2d_pool", calls=1, strips=strips)
        _conv2d(tally, conv, core, strips)
        _pool(tally, pool, strips)
    elif layer.kind in TURNS:
        for piece, loops in TURNS[layer.kind](layer, core).items():
            tally.add(piece, **loops)
    else:
        _KINDS[layer.kind](tally, layer, core)
    return tally.result()


# --- Layers that mix channels ---------------------------------------------------------------------


def _conv2d(tally: _Tally, layer: Layer, core: Core, strips: int = 1) -> None:
    f, matmul = layer.fields, _matmul(layer)
    height, width, pad = f["in_height"], f["in_width"], (f["pad_top"], f["pad_left"])
    if f["padded_height"]:
        rows = height
        blanks = 4 * -(-f["padded_height"] * f["padded_width"] * f["pixel_bytes"] // 4)
        copied = rows * width * f["pixel_bytes"]
        tally.add("pad", calls=1, rows=rows, blank_bytes=blanks, **_moved(f, copied))
        height, width, pad = f["padded_height"], f["padded_width"], (0, 0)
    pixels = f["out_height"] * f["out_width"] // strips
    group = f["group"]
    per_strip = -(-pixels // group)
    groups = strips * per_strip
    starts = (np.arange(strips) * pixels)[:, None, None]
    inside = np.arange(per_strip * group).reshape(1, per_strip, group)
    slots = (starts + np.minimum(inside, pixels - 1)).reshape(-1)
    outside, crossing, copied = _borders(f, slots, (height, width), pad)
    runs = f["kernel_height"] * f["runs"]
    border_bytes = 4 * -(-f["run_pixels"] * f["pixel_bytes"] // 4)
    tally.add(
        "tk_conv2d",
        calls=strips,
        groups=groups,
        slots=groups * group,
        rows=groups * f["kernel_height"],
        runs=groups * runs,
        run_slots=groups * group * runs,
    )
    tally.add(
        "border",
        runs=outside,
        crossing=crossing,
        blank_bytes=outside * border_bytes,
        **_moved(f, copied),
    )
    _expand(tally, matmul, groups * runs, f["run_values"])
    left = pixels - (per_strip - 1) * group
    parts = [(groups, group)] if left == group else [(groups - strips, group), (strips, left)]
    for times, count in parts:
        if times:
            _multiply(tally, layer, core, times, count)


def _moved(f: dict[str, int], size: int) -> dict[str, int]:
    """Bytes of pixels that are copied; whole words go quicker."""
    return {"copied_words": size // 4} if f["pixel_bytes"] % 4 == 0 else {"copied_bytes": size}


def _borders(
    f: dict[str, int], slots: NDArray[np.int64], size: tuple[int, int], pad: tuple[int, int]
) -> tuple[int, int, int]:
    """Runs that reach outside the input, those of them that see some of it, and bytes of it."""
    row, col = np.divmod(slots, f["out_width"])
    y = row[:, None] * f["stride_height"] - pad[0]
    y = y + np.arange(f["kernel_height"])[None, :] * f["dilation_height"]
    x = col[:, None] * f["stride_width"] - pad[1]
    x = x + np.arange(f["runs"])[None, :] * f["dilation_width"]
    in_rows = ((y >= 0) & (y < size[0])).sum(axis=1)
    whole = (x >= 0) & (x + f["run_pixels"] <= size[1])
    seen = np.minimum(x + f["run_pixels"], size[1]) - np.maximum(x, 0)
    part = np.where(whole, 0, np.maximum(seen, 0))
    inside = int((in_rows * whole.sum(axis=1)).sum())
    crossing = int((in_rows * (part > 0).sum(axis=1)).sum())
    copied = int((in_rows * part.sum(axis=1)).sum()) * f["pixel_bytes"]
    return len(slots) * f["kernel_height"] * f["runs"] - inside, crossing, copied


def _dense(tally: _Tally, layer: Layer, core: Core) -> None:
    tally.add("tk_dense", calls=1)
    _expand(tally, _matmul(layer), 1, layer.fields["in_features"])
    _multiply(tally, layer, core, 1, 1)


def _matmul(layer: Layer) -> Matmul:
    assert layer.matmul is not None
    return layer.matmul


def _scaling(layer: Layer) -> Scaling:
    assert layer.scaling is not None
    return layer.scaling


def _expand(tally: _Tally, matmul: Matmul, calls: int, values: int) -> None:
    """`calls` times `values` values of each pixel of a group."""
    name = matmul.variant.expand
    bits = int(name[-1])
    if name.startswith("tk_mve"):
        turns = matmul.variant.group * -(-values // _MVE_LANES)
    elif name.startswith("tk_dsp"):
        turns = -(-values // (32 // bits))
    else:
        turns = -(-values // (8 // bits))
    tally.add(name, calls=calls, turns=calls * turns)


def _multiply(tally: _Tally, layer: Layer, core: Core, groups: int, pixels: int) -> None:
    """`groups` groups of which `pixels` pixels are wanted."""
    name = _matmul(layer).variant.multiply
    if name.startswith("tk_mve"):
        kernel = _mve_multiply1 if "multiply1" in name else _mve_multiply4
    elif name.startswith("tk_dsp"):
        kernel = _dsp_multiply1 if "multiply1" in name else _dsp_multiply
    else:
        kernel = _plain_multiply
    tally.add(name, calls=groups)
    kernel(tally, layer, core, groups, pixels)


def _chunks(length: int, chunk: int) -> list[int]:
    return [min(chunk, length - start) for start in range(0, length, chunk)]


# --- Cortex-M with DSP instructions ---------------------------------------------------------------


def _dsp_multiply(tally: _Tally, layer: Layer, core: Core, groups: int, pixels: int) -> None:
    matmul, scaling = _matmul(layer), _scaling(layer)
    variant, name = matmul.variant, matmul.variant.multiply
    channels = len(scaling.bias)
    block = 8 if variant.storage >= 8 else 32 // variant.storage
    parts = [part // block for part in _chunks(matmul.length, matmul.chunk)]
    tally.add(
        name,
        groups * channels,
        channels=1,
        blocks=sum(parts),
        turns=sum(-(-part // 2) for part in parts),
        chunks=len(parts) - 1,
        several=len(parts) > 1,
    )
    if matmul.lines is not None:
        _dsp_store_lines(tally, layer, groups, pixels)
    elif scaling.plain and variant.group == 4 and pixels == 4:
        tally.add(name, groups, plain=channels)
    elif pixels == variant.group and _clamps_at_width(scaling):
        first = len(range(0, channels, 8 // scaling.bits))
        loops = {f"first{scaling.bits}": first, f"more{scaling.bits}": channels - first}
        tally.add(name, groups, coarse=_coarse(scaling), **loops)
    else:
        tally.add(name, groups, slow=channels)
        _dsp_finish(tally, groups, (channels, _coarse(scaling)), pixels)


def _dsp_store_lines(tally: _Tally, layer: Layer, groups: int, pixels: int) -> None:
    """tk_line_store() for whole groups, tk_line_store_few() for others."""
    matmul, scaling = _matmul(layer), _scaling(layer)
    name, channels = matmul.variant.multiply, len(scaling.bias)
    if pixels == matmul.variant.group:
        first = len(range(0, channels, 8 // scaling.bits))
        tally.add(name, groups, first=first, more=channels - first)
    else:
        tally.add(name, groups, few=channels, few_pixels=channels * pixels)


def _coarse(scaling: Scaling) -> int:
    """Channels whose shift is below two."""
    return int((scaling.shift < _DSP_FINE).sum())


def _dsp_finish(tally: _Tally, times: int, channels: tuple[int, int], pixels: int) -> None:
    """Calls of tk_dsp_finish() for channels, and those of them whose shifts are coarse."""
    every, coarse = channels
    fine = every - coarse
    loops = {"pixels": fine * pixels, "coarse_pixels": coarse * pixels}
    tally.add("tk_dsp_finish", times, calls=every, **loops)


def _clamps_at_width(scaling: Scaling) -> bool:
    return scaling.high - scaling.low == (1 << scaling.bits) - 1


def _dsp_multiply1(tally: _Tally, layer: Layer, core: Core, groups: int, pixels: int) -> None:
    matmul, scaling = _matmul(layer), _scaling(layer)
    name, storage = matmul.variant.multiply, matmul.variant.storage
    channels = len(scaling.bias)
    words, pairs = matmul.length // (32 // storage), channels // 2
    tally.add(name, pairs=pairs, words=pairs * words, turns=pairs * -(-words // 2))
    tally.add(name, last=channels % 2, last_words=channels % 2 * words)
    fine = scaling.shift[: 2 * pairs] >= _DSP_FINE
    plain = scaling.bits == 8 and _clamps_at_width(scaling)
    fast = int(fine.sum()) if plain else 0
    if storage < 8 and scaling.bits < 8 and _clamps_at_width(scaling):
        easy = int(fine.sum())
        tally.add(name, narrow_pairs=pairs, narrow=easy, narrow_coarse=2 * pairs - easy)
        _dsp_finish(tally, 1, (channels % 2, int((scaling.shift[2 * pairs :] < 2).sum())), 1)
        return
    slow = channels - fast
    tally.add(name, fast=fast, slow=slow)
    _dsp_finish(tally, 1, (slow, _coarse(scaling)), 1)


def _dsp_depthwise(tally: _Tally, layer: Layer, core: Core) -> None:
    f, scaling, name = layer.fields, _scaling(layer), layer.function
    if name.startswith("tk_dsp_depthwise_folded"):
        _dsp_folded(tally, layer)
        return
    channels, width = f["channels"], f["out_width"]
    rows, outputs = f["out_height"], f["out_height"] * f["out_width"]
    together = channels == f["in_channels"] and channels % 2 == 0
    plane_words = (2 if together else 1) * (f["plane_height"] * f["plane_width"] + 2) // 2
    tally.add(name, calls=1, channels=channels)
    tally.add("dsp_planes", blank_words=plane_words)
    _dsp_copies(tally, f, together)
    weights = f["weight_bits"]
    if name == "tk_dsp_depthwise":
        taps = f["kernel_height"] * f["kernel_width"]
        tally.add(name, channels, kernel_rows=f["kernel_height"], rows=rows)
        tally.add(name, channels, **{f"taps{weights}": taps})
        across = f["kernel_width"]
        if f["dilation_width"] == 1:
            tally.add(name, channels * outputs * f["kernel_height"], pairs=-(-across // 2))
        else:
            tally.add(name, channels * outputs * f["kernel_height"], singles=across)
        tally.add(name, channels * outputs, outputs=1, output_rows=f["kernel_height"])
        _dsp_finish(tally, outputs, (channels, _coarse(scaling)), 1)
        return
    tally.add(name, **{f"read{weights}": channels})
    pairs = width // 2 if f["stride_width"] == 1 else 0
    singles = width - 2 * pairs
    half, whole = int((scaling.shift == 1).sum()), int((scaling.shift < 1).sum())
    if name.endswith("_bytes"):
        kinds = (("", channels - half - whole), ("half_", half), ("whole_", whole))
        tally.add(name, shifted=whole)
    else:
        kinds = (("", channels - half - whole), ("coarse_", half + whole), ("whole_", 0))
    for kind, some in kinds:
        loops = {"rows": rows, "pairs": rows * pairs, "singles": rows * singles}
        tally.add(name, some, **{kind + loop: turns for loop, turns in loops.items()})


def _dsp_folded(tally: _Tally, layer: Layer) -> None:
    """Of dsp/depthwise_folded_body.h, the image folded in two parts."""
    f, bits, name = layer.fields, _scaling(layer).bits, layer.function
    rows, width, channels = (f["out_height"] + 1) // 2, f["out_width"], f["channels"]
    plane_rows = (rows - 1) * f["stride_height"] + 3
    blanks = 2 * (plane_rows * f["plane_width"] + 2)
    tally.add(name, calls=1, channels=channels, blank_words=blanks)
    loops = {"copies": 1, "copy_rows": plane_rows, "copy_odd": plane_rows * (f["in_width"] % 2)}
    tally.add(name, channels // 4, copy_pairs=plane_rows * (f["in_width"] // 2), **loops)
    pairs = width // 2 if f["stride_width"] == 1 else 0
    singles = width - 2 * pairs
    first = channels // (8 // bits)
    for kind, some in (("first", first), ("more", channels - first)):
        loops = {"rows": rows, "pairs": rows * pairs, "singles": rows * singles}
        tally.add(name, some, **{f"{kind}_{loop}": turns for loop, turns in loops.items()})


def _dsp_copies(tally: _Tally, f: dict[str, int], together: bool) -> None:
    rows, width = f["in_height"], f["in_width"]
    if together and f["in_bits"] == 8:
        loops = {
            "copy_rows": rows,
            "copy_pairs": rows * (width // 2),
            "copy_odd": rows * (width % 2),
        }
        tally.add("dsp_planes", f["channels"] // 2, copies=1, **loops)
    elif together:
        loops = {"narrow_copies": 1, "narrow_rows": rows, "narrow_pixels": rows * width}
        tally.add("dsp_planes", f["channels"] // 2, **loops)
    else:
        loops = {"single_copies": 1, "single_rows": rows}
        loops[f"single_pixels{f['in_bits']}"] = rows * width
        tally.add("dsp_planes", f["in_channels"], **loops)


# --- Cores without SIMD ---------------------------------------------------------------------------


def _plain_multiply(tally: _Tally, layer: Layer, core: Core, groups: int, pixels: int) -> None:
    matmul = _matmul(layer)
    variant, name = matmul.variant, matmul.variant.multiply
    channels = len(_scaling(layer).bias)
    at_once = 4 if variant.group == 1 else ROWS[core.isa]
    lanes = {"8": 2, "8q": 4}.get(name.rpartition("_")[0].rpartition("multiply")[2], 1)
    columns = variant.group // lanes
    width = min(columns, core.columns)
    passes = columns // width
    blocks = -(-channels // at_once)
    parts = _chunks(matmul.length, matmul.chunk) if lanes > 1 else [matmul.length]
    turns = matmul.length // variant.block
    tally.add(name, groups * blocks, blocks=1, passes=passes)
    tally.add(name, groups * blocks * passes, turns=turns, chunks=len(parts) - 1)
    _plain_finish(tally, layer, core, groups, at_once, pixels)


def _short(scaling: Scaling) -> NDArray[np.bool_]:
    low, high = _PLAIN_SHORT
    short: NDArray[np.bool_] = (scaling.shift >= low) & (scaling.shift <= high)
    return short


def _plain_finish(
    tally: _Tally, layer: Layer, core: Core, times: int, at_once: int, pixels: int
) -> None:
    """tk_plain_finish() for all channels, `times` times."""
    scaling, name, count = _scaling(layer), "tk_plain_finish", _matmul(layer).variant.group
    channels, short = len(scaling.bias), _short(scaling)
    blocks, whole = -(-channels // at_once), channels // at_once * at_once
    in_fours = whole if pixels == count and count > 1 else 0
    easy = int(short[:in_fours].sum())
    rest = int(short[in_fours:].sum())
    kind = "fast" if core.is_fast(scaling) else "slow"
    loops = {f"{kind}_rows": in_fours, f"{kind}_fours": easy * (count // 4)}
    tally.add(name, times, calls=blocks, any_rows=channels - easy, **loops)
    tally.add(name, times, any_short=rest * pixels, any_long=(channels - easy - rest) * pixels)
    bits = scaling.bits
    if bits == 8:
        return
    packed = whole if at_once * bits >= 8 else 0
    tally.add(name, times, packs=blocks, **{f"packed{bits}": packed // at_once * pixels})
    parts = {"put_pixels": (blocks - packed // at_once) * pixels}
    tally.add(name, times, **parts, **{f"put{bits}": (channels - packed) * pixels})


def _plain_depthwise(tally: _Tally, layer: Layer, core: Core) -> None:
    f, scaling, name = layer.fields, _scaling(layer), layer.function
    channels, outputs = f["channels"], f["out_height"] * f["out_width"]
    taps = f["kernel_height"] * f["kernel_width"]
    tally.add(name, calls=1, blank_bytes=f["plane_height"] * f["plane_width"], channels=channels)
    high, wide, inputs = f["in_height"], f["in_width"], f["in_channels"]
    if f["in_bits"] == 8:
        loops = {"copy_columns": wide, "copy_fours": wide * (high // 4)}
        tally.add(name, inputs, copies=1, copy_rest=wide * (high % 4), **loops)
    else:
        tally.add(name, inputs, unpacks=1, unpack_rows=high, unpack_pixels=high * wide)
    if f["weight_bits"] != 8:
        tally.add(name, channels, **{f"taps{f['weight_bits']}": taps})
    short = int(_short(scaling).sum())
    is_3x3 = (f["kernel_height"], f["kernel_width"]) == (3, 3) and f["stride_height"] <= 2
    if is_3x3 and f["dilation_height"] == f["dilation_width"] == 1:
        way = "two" if f["stride_height"] == 2 else "one"
        fast = short if scaling.bits == 8 and core.is_fast(scaling) else 0
        parts = (("fast", fast), ("slow", short - fast), ("long", channels - short))
        for kind, some in parts:
            tally.add(name, some, **{f"{way}_{kind}_columns": f["out_width"]})
            tally.add(name, some, **{f"{way}_{kind}": outputs})
        return
    along, across = sorted((f["out_height"], f["out_width"]), reverse=True)
    fours = across * -(-along // 4)
    loops = {"lines": across, "fours": fours, "kernel_rows": fours * f["kernel_height"]}
    tally.add(name, channels, taps=fours * taps, **loops)
    tally.add(name, outputs, any_short=short, any_long=channels - short)


# --- Cortex-M with vectors ------------------------------------------------------------------------


def _rounding(scaling: Scaling) -> str:
    """As tk_rounding_of() of mve/finish.h says."""
    if bool(((scaling.shift <= 0) & (scaling.multiplier != 0)).any()):
        return "any"
    return "up" if scaling.low == scaling.zero_point else "away"


def _mve_multiply4(tally: _Tally, layer: Layer, core: Core, groups: int, pixels: int) -> None:
    matmul, scaling = _matmul(layer), _scaling(layer)
    name, bits = matmul.variant.multiply, scaling.bits
    channels = len(scaling.bias)
    fours, rest = channels // 4, channels % 4
    blocks = matmul.length // (128 // matmul.variant.storage)
    tally.add(name, groups * fours, blocks=2 * blocks)
    tally.add(name, groups * fours, **{_rounding(scaling): 1})
    stride = -(-channels * bits // 8)
    if stride % (bits // 2):
        tally.add(name, groups * fours, **{f"crooked{bits}": 1, f"crooked_pixels{bits}": pixels})
    else:
        tally.add(name, groups * fours, **{f"store{bits}": 1})
    tally.add(name, groups * rest, rest_rows=1, rest_blocks=pixels * blocks)
    tally.add(name, groups * rest, **{f"rest{bits}": pixels})


def _mve_multiply1(tally: _Tally, layer: Layer, core: Core, groups: int, pixels: int) -> None:
    matmul, scaling = _matmul(layer), _scaling(layer)
    name, channels = matmul.variant.multiply, len(scaling.bias)
    fours, rest = channels // 4, channels % 4
    blocks = matmul.length // (128 // matmul.variant.storage)
    bits = scaling.bits
    tally.add(name, blocks=fours * blocks, rest_blocks=rest * blocks)
    tally.add(name, **{_rounding(scaling): fours, f"put{bits}": 4 * fours, f"rest{bits}": rest})


def _mve_depthwise(tally: _Tally, layer: Layer, core: Core) -> None:
    f, scaling, name = layer.fields, _scaling(layer), layer.function
    channels = f["channels"]
    blocks = -(-channels // _MVE_LANES)
    extent = (f["kernel_height"] - 1) * f["dilation_height"] + 1
    first = np.arange(f["out_height"]) * f["stride_height"] - f["pad_top"]
    rows = np.unique(first[:, None] + np.arange(extent)[None, :])
    inside = int(((rows >= 0) & (rows < f["in_height"])).sum())
    row_bytes = 16 * f["plane_width"]
    blanks = len(rows) * row_bytes - inside * 16 * f["in_width"]
    taps = f["kernel_height"] * f["kernel_width"]
    plain = f["in_bits"] == 8 and channels == f["in_channels"]
    pixels = f["out_height"] * f["out_width"]
    tally.add(name, calls=1, blocks=blocks, lanes=channels)
    tally.add(name, blocks, rows=len(rows), rows_inside=inside, blank_bytes=blanks)
    tally.add(name, blocks, **{"copied" if plain else "gathered": inside * f["in_width"]})
    tally.add(name, blocks, out_rows=f["out_height"], taps=f["out_height"] * taps)
    tally.add(name, blocks, pairs=pixels * -(-taps // 2))
    tally.add(name, blocks, **{_rounding(scaling): pixels, f"store{scaling.bits}": pixels})


def _mve_depthwise_3x3(tally: _Tally, layer: Layer, core: Core) -> None:
    f, scaling, name = layer.fields, _scaling(layer), layer.function
    high = f["out_height"] > f["out_width"]
    along, across = ("height", "width") if high else ("width", "height")
    fours = f["channels"] // 4
    pixels, out = f[f"in_{along}"], f[f"out_{along}"]
    strips = -(-f[f"out_{across}"] // 2)
    before = f["pad_left" if high else "pad_top"]
    y = 2 * np.arange(strips)[:, None] - before + np.arange(4)[None, :]
    inside = int(((y >= 0) & (y < f[f"in_{across}"])).sum())
    times = fours * strips
    tally.add(name, calls=1, fours=fours, strips=times)
    tally.add(name, times, chunks=pixels // 4, some=pixels // 4 > 0, odd=pixels % 4 > 0)
    tally.add(name, times, blanks=f[f"plane_{along}"] - pixels)
    tally.add(name, fours, rows=inside)
    if f["in_bits"] != 8:
        # Two rows of each strip but the first are there already.
        in_rows = (y >= 0) & (y < f[f"in_{across}"])
        fresh = int(in_rows[0].sum() + in_rows[1:, 2:].sum())
        turns = fresh * -(-pixels // 4)
        tally.add(name, fours, **{f"unpack{f['in_bits']}": turns, "unpack_rows": fresh})
    tiles, kind = -(-out // 2), _rounding(scaling)
    tally.add(name, times, **{f"channels_{kind}": 4, f"tiles_{kind}": 4 * tiles, "half": out % 2})
    tally.add(name, times, **{f"store{scaling.bits}": tiles})


# --- All cores ------------------------------------------------------------------------------------


def _depthwise(tally: _Tally, layer: Layer, core: Core) -> None:
    kernel = _plain_depthwise
    if layer.function.startswith("tk_dsp"):
        kernel = _dsp_depthwise
    elif layer.function == "tk_mve_depthwise_3x3":
        kernel = _mve_depthwise_3x3
    elif layer.function.startswith("tk_mve"):
        kernel = _mve_depthwise
    kernel(tally, layer, core)


def _pool(tally: _Tally, layer: Layer, times: int) -> None:
    f = layer.fields
    high, wide = _spans(f, "height", "pad_top"), _spans(f, "width", "pad_left")
    areas = np.outer(high, wide).reshape(-1)
    pixels, taps = len(areas), int(areas.sum())
    lines = int(high.sum()) * len(wide)
    piece = f"{layer.function}_a{f['bits']}"
    tally.add(piece, times, calls=1, pixels=pixels)
    kernel = _average if layer.kind == "avgpool2d" else _maximum
    for loop, turns in kernel(f, areas, lines, taps).items():
        tally.add(piece, times, **{loop: turns})


def _average(f: dict[str, int], areas: NDArray[np.int64], lines: int, taps: int) -> dict[str, int]:
    channels, bits = f["channels"], f["bits"]
    changes = 1 + int((areas[1:] != areas[:-1]).sum())
    divided = int((areas > _MOST_FOR_INVERSE).sum()) * channels
    loops = {"divisors": changes, "divided": divided}
    if channels * bits % 32 or areas.max() > _MOST_FOR_WORDS:
        loops |= {"values": len(areas) * channels, "lines": lines * channels}
        return loops | {"taps": taps * channels}
    words = channels * bits // 32
    loops |= {"words": len(areas) * words, "word_values": len(areas) * channels}
    return loops | {"word_lines": lines * words, "word_taps": taps * words}


def _maximum(f: dict[str, int], areas: NDArray[np.int64], lines: int, taps: int) -> dict[str, int]:
    channels, bits, pixels = f["channels"], f["bits"], len(areas)
    if bits == 8:
        folds = taps - pixels
        copied = pixels * channels
        moved = {"copied_bytes": copied} if channels % 4 else {"copied_words": copied // 4}
        # Of n values in any order, the n-th is greater than all before it once in n.
        raised = sum(1.0 / n for area in areas.tolist() for n in range(2, area + 1))
        loops = {"lines": lines, "folds": folds, "folded": folds * channels}
        return loops | moved | {"raised": round(raised * channels)}
    # One value is taken from a byte, or eight of one bit at once.
    items = -(-channels // 8) if bits == 1 else channels
    return {"values": pixels * items, "lines": lines * items, "taps": taps * items}


def _spans(f: dict[str, int], side: str, pad: str) -> NDArray[np.int64]:
    """Of each window along one side, pixels inside the input."""
    start = np.arange(f[f"out_{side}"]) * f[f"stride_{side}"] - f[pad]
    end = np.minimum(start + f[f"kernel_{side}"], f[f"in_{side}"])
    spans: NDArray[np.int64] = end - np.maximum(start, 0)
    return spans


def _add(tally: _Tally, layer: Layer, core: Core) -> None:
    f, name = layer.fields, layer.function
    if layer.kind == "add_table":
        pixels = f["pixels"]
        tally.add(name, calls=1, pixels=pixels, bytes=pixels * f["pixel_bytes"])
    else:
        tally.add(name, calls=1, fours=f["values"] // 4, rest=f["values"] % 4)


def _repack(tally: _Tally, layer: Layer, core: Core) -> None:
    f = layer.fields
    values, piece = f["values"], f"{layer.function}_a{f['bits']}"
    ends = values // f["in_channels"] + values // f["out_channels"]
    tally.add(piece, calls=1, values=values, pixels=ends)


def _binary(tally: _Tally, layer: Layer, core: Core) -> None:
    f, how, name = layer.fields, layer.binary, layer.function
    assert how is not None
    slots = np.arange(f["out_height"] * f["out_width"])
    size, pad = (f["in_height"], f["in_width"]), (f["pad_top"], f["pad_left"])
    pixels, channels = len(slots), f["channels"]
    outside, crossing, copied = _borders(f, slots, size, pad)
    runs = pixels * f["kernel_height"] * f["runs"]
    run_bytes = f["run_pixels"] * f["pixel_bytes"]
    kind = "words" if f["pixel_bytes"] % 4 == 0 else "bytes"
    unit = 4 if kind == "words" else 1
    moved = (runs - outside) * run_bytes + copied
    tally.add(name, calls=1, pixels=pixels, rows=pixels * f["kernel_height"], outside=outside)
    tally.add(name, **{f"runs_{kind}": runs - outside + crossing, f"copied_{kind}": moved // unit})
    tally.add(name, **{f"blank_{kind}": (runs * run_bytes - moved) // unit})
    short = 4 * how.words - f["kernel_height"] * f["runs"] * run_bytes
    tally.add(name, pixels, filled=short > 0, filled_bytes=short)
    if how.lanes:
        _binary_lanes(tally, how, pixels, channels)
    else:
        _binary_rows(tally, layer, how, pixels, channels)


def _binary_lanes(tally: _Tally, how: Binary, pixels: int, channels: int) -> None:
    groups, digits = -(-channels // _BITS), how.digits
    carries = how.words - how.words.bit_count()
    tally.add(how.function, pixels, calls=1, window=how.words, groups=groups)
    loops = {"words": how.words, "carries": carries, "digits": digits}
    tally.add(how.function, pixels * groups, **loops, settled=digits * (digits + 1) // 2)
    whole = channels % _BITS == 0
    stores = {"thirty_twos": groups} if whole else {"bytes": -(-channels // 8), "stores": groups}
    tally.add(how.function, pixels, **stores)


def _binary_rows(tally: _Tally, layer: Layer, how: Binary, pixels: int, channels: int) -> None:
    rows = pixels * channels
    tally.add(how.function, calls=pixels, rows=rows)
    if not how.known:
        sixteens, fours = how.words // 16, how.words % 16 // 4
        tally.add(how.function, rows, sixteens=sixteens, fours=fours)
        tally.add(how.function, pixels, prepared=how.words)
    if layer.scaling is None:
        tally.add("binary_bits", pixels, stores=-(-channels // _BITS))
    else:
        bits, shift = layer.scaling.bits, layer.scaling.shift
        tally.add(f"binary_values_a{bits}", pixels, rows=channels, left=int((shift <= 0).sum()))


def _pool_alone(tally: _Tally, layer: Layer, core: Core) -> None:
    _pool(tally, layer, 1)


_KINDS: dict[str, Callable[[_Tally, Layer, Core], None]] = {
    "conv2d": _conv2d,
    "dense": _dense,
    "depthwise": _depthwise,
    "avgpool2d": _pool_alone,
    "maxpool2d": _pool_alone,
    "repack": _repack,
    "add": _add,
    "add_halves": _add,
    "add_table": _add,
    "binary_conv2d": _binary,
    "binary_dense": _binary,
}
