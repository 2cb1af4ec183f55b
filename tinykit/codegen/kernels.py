# SPDX-License-Identifier: Apache-2.0
"""Kernel choice: from each operator of a Network to a C call with all its constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen import binary, overlap, pack
from tinykit.codegen.binarize import binarize_layer, is_binarization
from tinykit.codegen.elementwise import elementwise_layer, lookup_layer
from tinykit.codegen.isa import Isa
from tinykit.codegen.layer import Layer, Matmul, Scaling
from tinykit.codegen.lines import Lines, Staircases, digital_lines
from tinykit.codegen.moves import move_layer, needs_no_code, reshape_layer
from tinykit.codegen.recurrent import lstm_layer
from tinykit.codegen.reductions import mean_layer, softmax_layer
from tinykit.codegen.variants import (
    LANE_BITS,
    LINE_FRACTION,
    LINE_SUM_BITS,
    Variant,
    along_lines,
    chunk_length,
    variants,
)
from tinykit.errors import TinykitError
from tinykit.network import Network
from tinykit.network.ops import (
    AvgPool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Elementwise,
    Int8Array,
    Lookup,
    Lstm,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Requantize,
    Reshape,
    ResizeNearest,
    Slice,
    Softmax,
    Tensor,
    Threshold,
    Transpose,
    Weighted,
    Windowed,
    integer_range,
)
from tinykit.network.packing import activation_bytes
from tinykit.network.shapes import kernel_size

# The high multiplications of the kernels are exact below this; see plain/scale.h, which asks for
# most, and requantize.h.
_NARROW_LIMIT = 1 << 29
_INT32_LIMIT = 1 << 31
_HALF_LIMIT = (1 << 15) - 1
# An input is copied with its padding where more of the output than this sees padding.
_BORDER_SHARE = 0.2
# Expanders read whole words.
_OVER_READ = 4


def _unpack_offset(bits: int) -> int:
    """What the kernels add to an unpacked activation, as `tk_unpack_offset` in C."""
    return 0 if bits in (8, 1) else 1 << (bits - 1)


def _bounds(rows: NDArray[np.int64], bias: NDArray[np.int64], x: Tensor) -> NDArray[np.int64]:
    """Largest magnitude each channel's accumulator can reach, from the real weights."""
    low, high = integer_range(x.bits)
    small, large = rows * (low - x.zero_point), rows * (high - x.zero_point)
    top = bias + np.maximum(small, large).sum(axis=1)
    bottom = bias + np.minimum(small, large).sum(axis=1)
    result: NDArray[np.int64] = np.maximum(np.abs(top), np.abs(bottom))
    return result


def _scaling(
    name: str,
    rows: NDArray[np.int64],
    bias: NDArray[np.int32],
    requantize: Requantize | Threshold,
    x: Tensor,
    y: Tensor,
) -> Scaling:
    """Fold the zero point into the bias and prove that nothing overflows.

    Raises:
        TinykitError: an accumulator can leave 32 bits, or one bit is to come out of it.
    """
    if isinstance(requantize, Threshold):
        raise TinykitError(
            f"no kernel gives one bit from {x.bits}-bit inputs.",
            where=f"layer {name}",
            remedy="Give its output 8, 4 or 2 bits, or its input and weights one.",
        )
    wide_bias = bias.astype(np.int64)
    bound = _bounds(rows, wide_bias, x)
    folded = wide_bias - (x.zero_point + _unpack_offset(x.bits)) * rows.sum(axis=1)
    multiplier = requantize.multiplier
    # Where nothing gets through, the shift does not matter and must not overflow.
    shift = np.where(multiplier == 0, 0, requantize.shift).astype(np.int64)
    shifted = bound << np.maximum(shift, 0)
    if max(shifted.max(), _inner_bound(rows, folded, x, 0)) >= _INT32_LIMIT:
        raise TinykitError(
            "an accumulator can leave 32 bits.",
            where=f"layer {name}",
            remedy="Use a smaller kernel, fewer channels or a smaller scale for this layer.",
        )
    return Scaling(
        bias=folded,
        multiplier=multiplier,
        shift=(-shift).astype(np.int8),
        zero_point=y.zero_point,
        low=requantize.low,
        high=requantize.high,
        bits=y.bits,
        wide=bool(shifted.max() >= _NARROW_LIMIT),
    )


def _inner_bound(
    rows: NDArray[np.int64], folded: NDArray[np.int64], x: Tensor, sum_shift: int
) -> int:
    """What a sum reaches inside a kernel: over shifted activations, times 2^sum_shift."""
    largest = 128 if x.bits == 8 else (1 << x.bits) - 1
    return int((np.abs(rows).sum(axis=1) * largest + np.abs(folded)).max()) << sum_shift


@dataclass(frozen=True)
class _Window:
    """The geometry of a convolution; each pair is (height, width).

    A 1-D signal has width 1 in a Network. Its pixels lie in memory like those of a row, and a row
    is what the kernels are fast at, so the axes are exchanged here.
    """

    input: tuple[int, int]
    output: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def extent(self) -> tuple[int, int]:
        """Pixels that the kernel spans."""
        high, wide = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return high, wide

    def fields(self) -> dict[str, int]:
        """The members of a kernel's params that say where its window lies."""
        return {
            "stride_height": self.stride[0],
            "stride_width": self.stride[1],
            "dilation_height": self.dilation[0],
            "dilation_width": self.dilation[1],
            "pad_top": self.before[0],
            "pad_left": self.before[1],
        }


def _window(op: Conv2D | DepthwiseConv2D, x: Tensor, y: Tensor) -> _Window:
    top, bottom, left, right = op.padding
    window = _Window(
        (x.shape[0], x.shape[1]),
        (y.shape[0], y.shape[1]),
        kernel_size(op),
        op.stride,
        op.dilation,
        (top, left),
        (bottom, right),
    )
    is_1d = x.shape[1] == 1 and window.kernel[1] == 1 and not (left or right)
    if not is_1d:
        return window
    return _Window(*((pair[1], pair[0]) for pair in vars(window).values()))


Choose = Callable[[Sequence["Layer"]], "Layer"]
"""Picks one of several Layers that do the same with other kernels or storage. They come without a
stream; one of those that need least flash comes first."""


def first_of(layers: Sequence[Layer]) -> Layer:
    """The way that needs least flash, and of those the one that is usually fastest."""
    return layers[0]


def _ways(
    name: str, rows: Int8Array, runs: int, scaling: Scaling, bits: int, x: Tensor, isa: Isa
) -> list[Matmul]:
    """All multipliers that are exact for a layer.

    Raises:
        TinykitError: there is none.
    """
    found = []
    for variant in variants(isa, bits, x.bits, single=runs == 0):
        full = _full_rows(rows, runs, variant)
        chunk = chunk_length(variant, full, x.bits)
        inner = _inner_bound(rows.astype(np.int64), scaling.bias, x, variant.sum_shift)
        if chunk == 0 or inner >= _INT32_LIMIT:
            continue
        plain = Matmul(variant, full.shape[1], chunk)
        lined = _along_lines(plain, rows, scaling, x)
        found += [plain] if lined is None else [lined, plain]
    if not found:
        raise TinykitError(
            "no kernel can hold its sums in 32 bits.",
            where=f"layer {name}",
            remedy="Use a smaller kernel or fewer channels for this layer.",
        )
    return found


def _full_rows(rows: Int8Array, runs: int, variant: Variant) -> Int8Array:
    """Rows in the order of the columns, in whole blocks."""
    full = pack.pad_runs(rows, max(runs, 1), variant.run_block)
    if variant.planes < 8:
        full = full[:, pack.plane_order(full.shape[1], variant.planes)]
    return pack.pad_rows(full, variant.block)


def _packed(layer: Layer, rows: Int8Array, runs: int, x: Tensor) -> Layer:
    """`layer` with its stream."""
    assert layer.matmul is not None
    assert layer.scaling is not None
    variant, scaling, lines = layer.matmul.variant, layer.scaling, layer.matmul.lines
    packed = variant.rows(_full_rows(rows, runs, variant), variant.storage)
    if lines is not None:
        factor = lines.factor << _finer(variant)
        return replace(layer, stream=pack.stream_of_lines(factor, lines.offset, packed))
    bias = scaling.bias << variant.sum_shift
    if variant.odd_bias:
        offset = _unpack_offset(x.bits) if x.bits == 4 else 0
        odd = bias + offset * rows.astype(np.int64).sum(axis=1)
        bias = np.stack([bias, odd], axis=1)
    stream = variant.stream(
        pack.as_words(bias),
        packed,
        pack.as_words(scaling.multiplier),
        variant.shift(scaling.shift),
    )
    return replace(layer, stream=stream)


def _along_lines(matmul: Matmul, rows: Int8Array, scaling: Scaling, x: Tensor) -> Matmul | None:
    """The same multiplier with outputs along lines, if that is possible.

    Args:
        matmul: without lines.
        rows: weights (c, k) of the network.
        scaling, x: of the layer.
    """
    if scaling.bits == 8 or not scaling.whole or len(rows) * scaling.bits % 8:
        return None
    lined = along_lines(matmul.variant, scaling.bits)
    if lined is None:
        return None
    shared = lined.lane_limit is not None
    stairs = _line_stairs(rows.astype(np.int64), scaling, x, shared)
    lines = digital_lines(
        *stairs,
        fraction=LINE_FRACTION,
        grain=1 << (16 - LANE_BITS) if shared else 1,
        parts=-(-matmul.length // matmul.chunk),
    )
    if lines is None or int(lines.factor.max()) << _finer(lined) >= _INT32_LIMIT:
        return None
    if not shared and int(stairs[0].reach.max()) << LINE_SUM_BITS >= _INT32_LIMIT:
        return None
    return replace(matmul, variant=lined, lines=lines)


def _finer(variant: Variant) -> int:
    """Factors count in 2^-(fraction + 16); those of sums alone are stored finer, for 2^32."""
    return 0 if variant.lane_limit is not None else 16 - LINE_SUM_BITS


def _line_stairs(
    rows: NDArray[np.int64], scaling: Scaling, x: Tensor, shared: bool
) -> list[Staircases]:
    """The outputs over the sums of rows (c, k); `shared`: those of even and of odd pixels."""
    up, down = np.maximum(rows, 0).sum(axis=1), np.maximum(-rows, 0).sum(axis=1)
    if x.bits == 8:
        return [_staircases(scaling, 0 * up, 128 * (up + down))]
    even = _staircases(scaling, 0 * up, ((1 << x.bits) - 1) * np.maximum(up, down))
    if not shared:
        return [even]
    if x.bits != 4:
        return [even, even]
    offset = _unpack_offset(x.bits)
    return [even, _staircases(scaling, offset * (up - down), offset * (up + down))]


def _staircases(
    scaling: Scaling, offset: NDArray[np.int64], reach: NDArray[np.int64]
) -> Staircases:
    """The outputs over sums up to `reach`, to which the bias and `offset` are added first."""
    return Staircases(
        bias=scaling.bias + offset,
        reach=reach,
        multiplier=scaling.multiplier,
        shift=scaling.shift,
        zero_point=scaling.zero_point,
        bits=scaling.bits,
    )


def _conv2d(
    index: int,
    op: Conv2D,
    x: Tensor,
    y: Tensor,
    isa: Isa,
    choose: Choose,
    *,
    strips: bool = False,
) -> Layer:
    """The Layer of a convolution; `strips`: its output is computed a part at a time."""
    window = _window(op, x, y)
    rows = op.weight.reshape(len(op.weight), -1)
    joined = window.dilation[1] == 1 and x.shape[2] * x.bits % 8 == 0
    runs = window.kernel[0] * (1 if joined else window.kernel[1])
    scaling = _scaling(op.name, rows.astype(np.int64), op.bias, op.requantize, x, y)
    ways = _ways(op.name, rows, runs, scaling, op.weight_bits, x, isa)
    draft = _ConvDraft(index, op, x, y, window, joined, scaling, strips)
    return _packed(choose([_conv2d_way(draft, way) for way in ways]), rows, runs, x)


@dataclass(frozen=True)
class _ConvDraft:
    """What all ways to compute a convolution have in common."""

    index: int
    op: Conv2D
    x: Tensor
    y: Tensor
    window: _Window
    # A row of the kernel is one run of bytes.
    joined: bool
    scaling: Scaling
    strips: bool


def _conv2d_way(draft: _ConvDraft, matmul: Matmul) -> Layer:
    """The Layer but for its stream."""
    op, x, y, window = draft.op, draft.x, draft.y, draft.window
    pixel_bits = x.shape[2] * x.bits
    runs = 1 if draft.joined else window.kernel[1]
    run_pixels = window.kernel[1] if draft.joined else 1
    variant = matmul.variant
    run_values = run_pixels * x.shape[2]
    run_step = pack.padded(run_values, variant.run_block)
    if not variant.apart:
        run_step *= variant.column_bytes
    padded = (0, 0) if draft.strips else _padded_input(window, x, y)
    before = pack.padded(padded[0] * padded[1] * activation_bytes(x.shape[2:], x.bits), 4)
    columns = matmul.length * variant.column_bytes
    border = 0
    if any(op.padding) and not before:
        border = pack.padded(run_pixels * activation_bytes(x.shape[2:], x.bits), 4)
    return Layer(
        index=draft.index,
        op=op,
        kind="conv2d",
        function="tk_conv2d",
        params_type="tk_conv2d_params",
        sources=("kernels/conv2d.c", *variant.sources),
        fields={
            "in_height": window.input[0],
            "in_width": window.input[1],
            "pixel_bytes": -(-pixel_bits // 8),
            "out_height": window.output[0],
            "out_width": window.output[1],
            "kernel_height": window.kernel[0],
            "runs": runs,
            "run_pixels": run_pixels,
            **window.fields(),
            "padded_height": padded[0],
            "padded_width": padded[1],
            "group": variant.group,
            "blank": _blank(x),
            "backward": 0,
            "run_values": run_values,
            "run_step": run_step,
            "column_bytes": columns,
        },
        matmul=matmul,
        scaling=draft.scaling,
        scratch_bytes=before + columns + variant.group * border,
        macs=y.shape[0] * y.shape[1] * op.weight.size,
        weight_bits=op.weight_bits,
        overlap=overlap.ANYWHERE
        if before
        else overlap.windowed(
            _reach(window, x), activation_bytes(y.shape[2:], y.bits), variant.group, backward=True
        ),
        over_read=_OVER_READ,
    )


def _padded_input(window: _Window, x: Tensor, y: Tensor) -> tuple[int, int]:
    """(height, width) of the input with its padding if copying it first pays, else zeros.

    It pays where many output pixels stand at a border and the copy is small.
    """
    inside = 1.0
    for axis in (0, 1):
        start = np.arange(window.output[axis]) * window.stride[axis] - window.before[axis]
        whole = (start >= 0) & (start + window.extent[axis] <= window.input[axis])
        inside *= float(whole.mean())
    high, wide = (
        max(
            window.input[axis] + window.before[axis],
            (window.output[axis] - 1) * window.stride[axis] + window.extent[axis],
        )
        for axis in (0, 1)
    )
    size = high * wide * activation_bytes(x.shape[2:], x.bits)
    if 1.0 - inside > _BORDER_SHARE and size * 4 <= activation_bytes(y.shape, y.bits):
        return high, wide
    return 0, 0


def _reach(window: _Window, x: Tensor) -> overlap.Reach:
    return overlap.reach(
        window.input,
        window.output,
        window.extent,
        window.stride,
        window.before,
        activation_bytes(x.shape[2:], x.bits),
    )


def _blank(x: Tensor) -> int:
    """A byte of zero points."""
    field_ = x.zero_point & ((1 << x.bits) - 1)
    return sum(field_ << at for at in range(0, 8, x.bits))


def _dense(index: int, op: Dense, x: Tensor, y: Tensor, isa: Isa, choose: Choose) -> Layer:
    scaling = _scaling(op.name, op.weight.astype(np.int64), op.bias, op.requantize, x, y)
    ways = _ways(op.name, op.weight, 0, scaling, op.weight_bits, x, isa)
    layers = [
        Layer(
            index=index,
            op=op,
            kind="dense",
            function="tk_dense",
            params_type="tk_dense_params",
            sources=("kernels/dense.c", *matmul.variant.sources),
            fields={"in_features": op.weight.shape[1]},
            matmul=matmul,
            scaling=scaling,
            scratch_bytes=matmul.length * matmul.variant.column_bytes,
            macs=op.weight.size,
            weight_bits=op.weight_bits,
            overlap=overlap.ANYWHERE,
            over_read=_OVER_READ,
        )
        for matmul in ways
    ]
    return _packed(choose(layers), op.weight, 0, x)


def _plane(window: _Window) -> tuple[int, int]:
    """(height, width) of a depthwise layer's plane; see depthwise.h and dsp/depthwise.c."""
    high, wide = (
        max(
            window.input[axis] + window.before[axis] + window.after[axis],
            (window.output[axis] - 1) * window.stride[axis] + window.extent[axis],
        )
        for axis in (0, 1)
    )
    return high, wide + wide % 2


@dataclass(frozen=True)
class _DepthwiseKernel:
    """A depthwise kernel.

    Attributes:
        function, sources: as in Layer.
        stream: as the kernel reads it.
        scratch: bytes of it.
    """

    function: str
    sources: tuple[str, ...]
    stream: NDArray[np.uint32]
    scratch: int


def _shifts_taps(op: DepthwiseConv2D, x: Tensor, scaling: Scaling) -> bool:
    """Whether doubled taps and sums can take the shifts to the left; dsp/depthwise_3x3_bytes.c."""
    taps = _taps(op).astype(np.int64)
    left = np.maximum(-scaling.shift.astype(np.int64), 0)
    largest = np.abs(taps).max(axis=1) << (left + 1)
    inner = _inner_bound(taps << left[:, None], scaling.bias << left, x, 1)
    return int(largest.max()) <= _HALF_LIMIT and inner < _INT32_LIMIT


def _folded_lines(op: DepthwiseConv2D, x: Tensor, scaling: Scaling) -> Lines | None:
    """What makes the sums of a folded image outputs; None where they need another kernel."""
    if max(x.bits, op.weight_bits, scaling.bits) > 4 or not scaling.whole:
        return None
    if op.depth_multiplier != 1 or x.shape[2] % 4:
        return None
    taps = _taps(op).astype(np.int64)
    largest = 1 << (x.bits - 1)
    # Sums are those of values without offset.
    stairs = _staircases(scaling, largest * taps.sum(axis=1), largest * np.abs(taps).sum(axis=1))
    # The lift must cost a whole number, and so must the smaller factor of the lower half.
    grain = (1 << 16) // pack.FOLDED_LIFT
    return digital_lines(stairs, fraction=pack.FOLDED_FRACTION, grain=grain)


def _dsp_folded(
    op: DepthwiseConv2D, x: Tensor, window: _Window, lines: Lines, out_bits: int
) -> _DepthwiseKernel:
    """Four planes of half the rows; see dsp/depthwise_folded_body.h."""
    rows = (-(-window.output[0] // 2) - 1) * window.stride[0] + 3
    name = f"depthwise_folded_a{x.bits}_o{out_bits}"
    return _DepthwiseKernel(
        f"tk_dsp_{name}",
        (f"kernels/dsp/{name}.c", "kernels/dsp/depthwise_folded_body.h"),
        pack.dsp_folded_stream(lines.factor, lines.offset[0], _taps(op), x.bits),
        8 * (rows * _plane(window)[1] + 2),
    )


def _dsp_depthwise(
    op: DepthwiseConv2D, x: Tensor, window: _Window, scaling: Scaling
) -> _DepthwiseKernel:
    """Planes of halves, then the taps; see dsp/depthwise_frame.h."""
    kernel, plane = window.kernel, _plane(window)
    together = op.depth_multiplier == 1 and x.shape[2] % 2 == 0
    planes = (2 if together else 1) * (plane[0] * plane[1] + 2)
    name = "depthwise"
    if kernel == (3, 3) and window.dilation == (1, 1) and window.stride[1] <= 2:
        lines = _folded_lines(op, x, scaling)
        if lines is not None:
            return _dsp_folded(op, x, window, lines, scaling.bits)
        name = "depthwise_3x3_narrow"
        if x.bits == 8 and together and scaling.plain:
            name = "depthwise_3x3"
        elif scaling.bits == 8 and scaling.whole and _shifts_taps(op, x, scaling):
            name = "depthwise_3x3_bytes"
    return _DepthwiseKernel(
        f"tk_dsp_{name}",
        (f"kernels/dsp/{name}.c", "kernels/dsp/finish.c"),
        pack.depthwise_stream(
            pack.as_words(scaling.bias),
            _taps(op),
            op.weight_bits,
            pack.as_words(scaling.multiplier),
            pack.power_words(scaling.shift),
        ),
        2 * (planes + kernel[0] * (kernel[1] + kernel[1] % 2)),
    )


def _plain_depthwise(
    op: DepthwiseConv2D, x: Tensor, window: _Window, scaling: Scaling
) -> _DepthwiseKernel:
    """The plane, and behind it the taps; see plain/depthwise.c."""
    plane = _plane(window)
    return _DepthwiseKernel(
        "tk_plain_depthwise",
        ("kernels/plain/depthwise.c",),
        pack.plain_depthwise_stream(
            pack.as_words(scaling.bias),
            _taps(op),
            op.weight_bits,
            pack.as_words(scaling.multiplier),
            pack.short_shift_words(scaling.shift),
        ),
        pack.padded(plane[0] * plane[1], 4) + window.kernel[0] * window.kernel[1],
    )


def _mve_depthwise(
    op: DepthwiseConv2D, x: Tensor, window: _Window, scaling: Scaling
) -> _DepthwiseKernel:
    """Tiles of columns for the 3x3 kernel, else channels in lanes; see mve/depthwise*.c."""
    taps = _taps(op)
    bias, multiplier = pack.as_words(scaling.bias), pack.as_words(scaling.multiplier)
    shift = pack.negated_words(scaling.shift)
    plane = _plane(window)
    tiled = (
        window.kernel == (3, 3)
        and window.stride == window.dilation == (1, 1)
        and max(window.output) > 1
        and op.depth_multiplier == 1
        and len(taps) % 4 == 0
    )
    if tiled:
        along = 0 if window.output[0] > window.output[1] else 1
        # Two strips, the sums of one, four rows unpacked; see mve/depthwise_3x3.c.
        strips = 2 * 16 * (plane[along] + 4)
        sums = 16 * 4 * -(-window.output[along] // 2)
        rows = 4 * 4 * window.input[along] if x.bits < 8 else 0
        return _DepthwiseKernel(
            function="tk_mve_depthwise_3x3",
            sources=("kernels/mve/depthwise_3x3.c",),
            stream=pack.mve_depthwise_3x3_stream(
                bias, taps, multiplier, shift, along_rows=along == 0
            ),
            scratch=strips + sums + rows,
        )
    # Where the taps lie, and a ring of rows; see mve/depthwise.c.
    places = len(taps[0]) + len(taps[0]) % 2
    return _DepthwiseKernel(
        function="tk_mve_depthwise",
        sources=("kernels/mve/depthwise.c",),
        stream=pack.mve_depthwise_stream(bias, taps, multiplier, shift),
        scratch=4 * places + 16 * window.extent[0] * plane[1],
    )


_DEPTHWISE = {
    "dsp": _dsp_depthwise,
    "mve": _mve_depthwise,
    "riscv": _plain_depthwise,
    "thumb": _plain_depthwise,
}


def _taps(op: DepthwiseConv2D) -> Int8Array:
    """(channels, taps)."""
    return np.ascontiguousarray(op.weight.reshape(-1, op.weight.shape[2]).T)


def _depthwise(index: int, op: DepthwiseConv2D, x: Tensor, y: Tensor, isa: Isa) -> Layer:
    window = _window(op, x, y)
    channels = op.weight.shape[2]
    scaling = _scaling(op.name, _taps(op).astype(np.int64), op.bias, op.requantize, x, y)
    plane = _plane(window)
    kernel = window.kernel
    chosen = _DEPTHWISE[isa](op, x, window, scaling)
    in_place = x.shape == y.shape and x.bits == y.bits
    return Layer(
        index=index,
        op=op,
        kind="depthwise",
        function=chosen.function,
        params_type="tk_depthwise_params",
        sources=chosen.sources,
        fields={
            "in_height": window.input[0],
            "in_width": window.input[1],
            "in_channels": x.shape[2],
            "out_height": window.output[0],
            "out_width": window.output[1],
            "channels": channels,
            "kernel_height": kernel[0],
            "kernel_width": kernel[1],
            **window.fields(),
            "plane_height": plane[0],
            "plane_width": plane[1],
            "in_bits": x.bits,
            "weight_bits": op.weight_bits,
            "in_zero_point": x.zero_point,
        },
        stream=chosen.stream,
        scaling=scaling,
        scratch_bytes=chosen.scratch,
        macs=y.shape[0] * y.shape[1] * op.weight.size,
        weight_bits=op.weight_bits,
        overlap=overlap.IN_PLACE if in_place else overlap.NONE,
    )


def _binary(index: int, op: Conv2D | Dense, x: Tensor, y: Tensor, isa: Isa) -> Layer:
    """A layer of one-bit weights and inputs; a dense one is a convolution over a single pixel."""
    if isinstance(op, Conv2D):
        window = _window(op, x, y)
    else:
        one = (1, 1)
        window = _Window(one, one, one, one, one, (0, 0), (0, 0))
    channels, depth = len(op.weight), op.weight.shape[-1]
    pixel_bytes = activation_bytes((depth,), 1)
    taps = op.weight.reshape(channels, -1, depth)
    how = binary.choose(taps.shape[1] * pixel_bytes, channels, y.bits, isa)
    scaling = None
    if isinstance(op.requantize, Threshold):
        turned, limits = binary.count_limits(taps, op.bias, op.requantize)
        if how.lanes:
            stream = binary.lane_stream(turned, limits, how)
        else:
            stream = binary.bit_stream(binary.row_words(turned, how), limits)
    else:
        flat = taps.reshape(channels, -1).astype(np.int64)
        plain = _scaling(op.name, flat, op.bias, op.requantize, x, y)
        scaling = replace(plain, bias=plain.bias + flat.shape[1])
        stream = binary.value_stream(
            binary.row_words(taps, how),
            *(pack.as_words(one) for one in (scaling.bias, scaling.multiplier, scaling.shift)),
        )
    joined = window.dilation[1] == 1
    return Layer(
        index=index,
        op=op,
        kind="binary_conv2d" if isinstance(op, Conv2D) else "binary_dense",
        function="tk_binary",
        params_type="tk_binary_params",
        sources=("kernels/binary.c", how.source),
        fields={
            "in_height": window.input[0],
            "in_width": window.input[1],
            "pixel_bytes": pixel_bytes,
            "out_height": window.output[0],
            "out_width": window.output[1],
            "kernel_height": window.kernel[0],
            "runs": 1 if joined else window.kernel[1],
            "run_pixels": window.kernel[1] if joined else 1,
            **window.fields(),
            "digits": how.digits,
            "channels": channels,
            "words": how.words,
        },
        stream=stream,
        binary=how,
        scaling=scaling,
        scratch_bytes=4 * how.words,
        macs=window.output[0] * window.output[1] * op.weight.size,
        weight_bits=1,
        # A pixel's window is in scratch before the pixel is written.
        overlap=overlap.windowed(
            _reach(window, replace(x, shape=(*window.input, depth))),
            activation_bytes((channels,), y.bits),
            1,
            backward=False,
        ),
    )


def _pool_suffix(op: AvgPool2D | MaxPool2D, bits: int) -> str:
    if isinstance(op, AvgPool2D):
        return "" if bits == 8 else "_narrow"
    return "_bits" if bits == 1 else ""


def _pool(index: int, op: AvgPool2D | MaxPool2D, x: Tensor, y: Tensor) -> Layer:
    kind = "avgpool2d" if isinstance(op, AvgPool2D) else "maxpool2d"
    return Layer(
        index=index,
        op=op,
        kind=kind,
        function=f"tk_{kind}{_pool_suffix(op, x.bits)}",
        params_type="tk_pool_params",
        sources=(f"kernels/{kind}.c", "kernels/pool_body.h"),
        fields={
            "in_height": x.shape[0],
            "in_width": x.shape[1],
            "out_height": y.shape[0],
            "out_width": y.shape[1],
            "channels": x.shape[2],
            "kernel_height": op.kernel[0],
            "kernel_width": op.kernel[1],
            "stride_height": op.stride[0],
            "stride_width": op.stride[1],
            "pad_top": op.padding[0],
            "pad_left": op.padding[2],
            "bits": x.bits,
        },
        overlap=overlap.windowed(
            overlap.reach(
                (x.shape[0], x.shape[1]),
                (y.shape[0], y.shape[1]),
                op.kernel,
                op.stride,
                (op.padding[0], op.padding[2]),
                activation_bytes(x.shape[2:], x.bits),
            ),
            activation_bytes(y.shape[2:], y.bits),
            0,
            backward=False,
        ),
    )


def _strip(op: AvgPool2D | MaxPool2D, x: Tensor, y: Tensor, group: int) -> tuple[int, int] | None:
    """(convolved, pooled) pixels in a strip; None where the pool's windows overlap or have gaps.

    Of an image, a strip is the rows of one row of windows; of a 1-D signal, as many windows as make
    whole groups of the convolution.
    """
    if op.kernel != op.stride or any(op.padding):
        return None
    if x.shape[1] > 1:
        return (op.kernel[0] * x.shape[1], y.shape[1]) if x.shape[1] % op.kernel[1] == 0 else None
    windows = math.lcm(group, op.kernel[0]) // op.kernel[0]
    windows = windows if y.shape[0] % windows == 0 else 1
    return windows * op.kernel[0], windows


def conv_pool_layer(
    network: Network,
    index: int,
    conv: Conv2D,
    pool: AvgPool2D | MaxPool2D,
    isa: Isa,
    choose: Choose = first_of,
) -> Layer | None:
    """The Layer of a convolution that is pooled strip by strip; None where that cannot be."""
    x, between, y = (network.tensor(t) for t in (conv.inputs[0], conv.output, pool.output))
    first = _conv2d(index, conv, x, between, isa, choose, strips=True)
    group = first.fields["group"]
    strip = _strip(pool, between, y, group)
    if strip is None:
        return None
    rows = 1 if between.shape[1] == 1 else pool.kernel[0]
    window = (1, pool.kernel[0]) if between.shape[1] == 1 else pool.kernel
    second = _pool(index, pool, between, y)
    sizes = {
        "in_height": rows,
        "in_width": strip[0] // rows,
        "out_height": 1,
        "out_width": strip[1],
        "kernel_height": window[0],
        "kernel_width": window[1],
        "stride_height": window[0],
        "stride_width": window[1],
    }
    second = replace(second, fields={**second.fields, **sizes})
    strip_bytes = pack.padded(strip[0] * activation_bytes(between.shape[2:], between.bits), 4)
    pooled_bytes = activation_bytes(y.shape[2:], y.bits)
    strips = math.prod(y.shape[:2]) // strip[1]
    return replace(
        first,
        op=pool,
        kind="conv2d_pool",
        function="tk_conv2d_pool",
        params_type="tk_conv2d_pool_params",
        sources=("kernels/conv2d_pool.c", *first.sources, *second.sources),
        fields={
            "strips": strips,
            "strip_pixels": strip[0],
            "pooled_pixels": strip[1],
            "strip_bytes": strip_bytes,
            "pooled_bytes": pooled_bytes,
            "backward": 0,
        },
        scratch_bytes=strip_bytes + first.scratch_bytes,
        overlap=overlap.windowed(
            _strip_reach(_window(conv, x, between), x, strip[0], strips),
            pooled_bytes * strip[1],
            1,
            backward=True,
        ),
        parts=(first, second),
    )


def _strip_reach(window: _Window, x: Tensor, pixels: int, strips: int) -> overlap.Reach:
    """What each strip reads."""
    seen = _reach(window, x)
    low = seen.low[: strips * pixels].reshape(strips, pixels).min(axis=1)
    high = seen.high[: strips * pixels].reshape(strips, pixels).max(axis=1)
    return overlap.Reach(low, high)


def choose_kernels(
    network: Network,
    isa: Isa,
    choose: Choose = first_of,
    *,
    pooled: frozenset[str] = frozenset(),
) -> tuple[Layer, ...]:
    """One Layer for each operator that executes code, in order.

    Args:
        network: a valid Network.
        isa: what the core can do.
        choose: picks where there are several ways; see `tinykit.codegen.choice`.
        pooled: names of the pools that run as a part of the convolution before them; all of them
            from `poolable`.

    Raises:
        TinykitError: a layer's accumulator can overflow, or its sizes exceed the C fields.
    """
    layers: list[Layer] = []
    before = {pool: conv for conv, pool in poolable(network) if pool.name in pooled}
    inside = set(before.values())
    for op in network.ops:
        if op in inside or needs_no_code(network, op):
            continue
        index = len(layers)
        joined = None
        if op in before and isinstance(op, AvgPool2D | MaxPool2D):
            joined = conv_pool_layer(network, index, before[op], op, isa, choose)
            if joined is None:
                raise ValueError(f"{op.name} cannot be pooled in strips")
        layer = joined if joined is not None else _layer(network, index, op, isa, choose)
        for part in layer.calls or layer.parts or (layer,):
            _check_fields(part)
        layers.append(layer)
    return tuple(layers)


def poolable(network: Network) -> list[tuple[Conv2D, AvgPool2D | MaxPool2D]]:
    """Convolutions whose output only a pool reads, and the pool, if its windows tile the output."""
    readers: dict[str, list[Op]] = {}
    for op in network.ops:
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    found = []
    for op in network.ops:
        following = readers.get(op.output, [])
        if not isinstance(op, Conv2D) or len(following) != 1 or op.output == network.output:
            continue
        if network.tensor(op.inputs[0]).bits == 1:
            continue
        pool = following[0]
        if not isinstance(pool, AvgPool2D | MaxPool2D):
            continue
        if _strip(pool, network.tensor(op.output), network.tensor(pool.output), 1) is not None:
            found.append((op, pool))
    return found


def _layer(network: Network, index: int, op: Op, isa: Isa, choose: Choose) -> Layer:
    """The Layer of one operator that executes code."""
    (x, *others), y = [network.tensor(name) for name in op.inputs], network.tensor(op.output)
    if isinstance(op, Conv2D | Dense) and x.bits == 1:
        return _binary(index, op, x, y, isa)
    if isinstance(op, Conv2D):
        return _conv2d(index, op, x, y, isa, choose)
    if isinstance(op, DepthwiseConv2D) and is_binarization(op, x):
        return binarize_layer(index, op, x)
    if isinstance(op, DepthwiseConv2D):
        return _depthwise(index, op, x, y, isa)
    if isinstance(op, Dense):
        return _dense(index, op, x, y, isa, choose)
    if isinstance(op, AvgPool2D | MaxPool2D):
        return _pool(index, op, x, y)
    if isinstance(op, Elementwise):
        return elementwise_layer(index, op, x, others[0], y, isa)
    if isinstance(op, Lookup):
        return lookup_layer(index, op, x)
    if isinstance(op, Mean):
        return mean_layer(index, op, x)
    if isinstance(op, Softmax):
        return softmax_layer(index, op, x)
    if isinstance(op, Lstm):
        return lstm_layer(index, op, x, y)
    if isinstance(op, Pad | Slice | Concat | Transpose | ResizeNearest):
        return move_layer(index, op, (x, *others), y)
    if isinstance(op, Reshape):
        return reshape_layer(index, op, x, y)
    raise TinykitError(
        f"there is no kernel for {type(op).__name__}.",
        where=f"layer {op.name}",
        remedy="Add one as docs/architecture.md describes.",
    )


_BYTE_FIELDS = frozenset({"dilation_height", "dilation_width", "pad_top", "pad_left"})
_BYTE_FIELDS_OF_WINDOWS = frozenset(
    {"kernel_height", "kernel_width", "stride_height", "stride_width"}
)


def _check_fields(layer: Layer) -> None:
    narrow = _BYTE_FIELDS | (_BYTE_FIELDS_OF_WINDOWS if layer.scaling is not None else frozenset())
    length = layer.matmul.length if layer.matmul else 0
    for name, value in (layer.fields | {"row length": length}).items():
        windowed = isinstance(layer.op, Windowed | Weighted)
        limit = 0xFF if name in narrow else 0xFFFF if windowed else 0xFFFFFFFF
        if value > limit:
            raise TinykitError(
                f"{name.replace('_', ' ')} {value} is beyond the kernels' limit of {limit}.",
                where=f"layer {layer.op.name}",
                remedy="Split the layer, or make it smaller.",
            )
