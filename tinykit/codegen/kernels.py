# SPDX-License-Identifier: Apache-2.0
"""Kernel choice: from each operator of a Network to a C call with all its constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen import overlap, pack
from tinykit.codegen.isa import Isa
from tinykit.codegen.overlap import Overlap
from tinykit.codegen.variants import Variant, chunk_length, variants
from tinykit.errors import TinykitError
from tinykit.network import Network
from tinykit.network.ops import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Int8Array,
    MaxPool2D,
    Op,
    Requantize,
    Reshape,
    Tensor,
    integer_range,
)
from tinykit.network.packing import activation_bytes
from tinykit.network.shapes import kernel_size

# The doubling high multiply of the kernels is exact below this; see requantize.h.
_NARROW_LIMIT = 1 << 30
_INT32_LIMIT = 1 << 31
# Expanders read whole words.
_OVER_READ = 4
# Bias, multiplier and shift of a channel in the stream.
_SCALING_BYTES = 12


@dataclass(frozen=True)
class Scaling:
    """What follows the accumulator.

    Attributes:
        bias: (channels,) int64, the input's zero point folded in; within int32.
        multiplier: (channels,) int32.
        shift: (channels,) int8, to the right.
        zero_point, low, high, bits: of the output.
        wide: the accumulators need the 64-bit form (TK_WIDE_ACCUMULATORS).
    """

    bias: NDArray[np.int64]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]
    zero_point: int
    low: int
    high: int
    bits: int
    wide: bool


@dataclass(frozen=True)
class Matmul:
    """How a layer that mixes channels is multiplied.

    Attributes:
        variant: the expander and the multiplier.
        length: values in a row, padding included.
        chunk: values after which shared sums are taken apart.
    """

    variant: Variant
    length: int
    chunk: int


@dataclass(frozen=True)
class Layer:
    """One call in `tk_model_invoke`.

    Attributes:
        index: position among the layers that execute code; the marks count these.
        op: the operator it came from.
        kind: "conv2d", "dense", "depthwise", "avgpool2d", "maxpool2d", "repack".
        function: the C function.
        params_type: the C type of its constants.
        sources: C files below firmware/src that it needs.
        fields: scalar members of the params, in the order of the C struct.
        stream: (words,) uint32, weights and scaling as the kernel reads them, or None.
        matmul: how it is multiplied, or None.
        scaling: the requantisation, or None.
        scratch_bytes: scratch it needs, 0 if none.
        macs: multiply-accumulates, padding included.
        weight_bits: of the network's weights; flash may hold them wider.
        overlap: how its output may lie over its input.
        over_read: bytes behind its input that it may read, and ignores.
    """

    index: int
    op: Op
    kind: str
    function: str
    params_type: str
    sources: tuple[str, ...]
    fields: dict[str, int]
    stream: NDArray[np.uint32] | None = None
    matmul: Matmul | None = None
    scaling: Scaling | None = None
    scratch_bytes: int = 0
    macs: int = 0
    weight_bits: int = 0
    overlap: Overlap = overlap.NONE
    over_read: int = 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of packed weights in flash."""
        return 0 if self.stream is None else self.stream.nbytes - self.table_bytes

    @property
    def table_bytes(self) -> int:
        """Bytes of bias, multiplier and shift in flash."""
        return 0 if self.scaling is None else _SCALING_BYTES * len(self.scaling.bias)


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor in the arena."""
    return activation_bytes(tensor.shape, tensor.bits)


def _unpack_offset(bits: int) -> int:
    """What the kernels add to an unpacked activation, as `tk_unpack_offset` in C."""
    return 0 if bits == 8 else 1 << (bits - 1)


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
    requantize: Requantize,
    x: Tensor,
    y: Tensor,
) -> Scaling:
    """Fold the zero point into the bias and prove that nothing overflows.

    Raises:
        TinykitError: an accumulator can leave 32 bits.
    """
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


def _choose(
    name: str, rows: Int8Array, runs: int, scaling: Scaling, bits: int, x: Tensor, isa: Isa
) -> tuple[Matmul, NDArray[np.uint32]]:
    """The multiplier of a layer and its stream."""
    single = runs == 0
    for variant in variants(isa, bits, x.bits, single=single):
        padded = pack.pad_runs(rows, max(runs, 1), variant.run_block)
        if variant.planes < 8:
            padded = padded[:, pack.plane_order(padded.shape[1], variant.planes)]
        full = pack.pad_rows(padded, variant.block)
        chunk = chunk_length(variant, full, x.bits)
        inner = _inner_bound(rows.astype(np.int64), scaling.bias, x, variant.sum_shift)
        if chunk == 0 or inner >= _INT32_LIMIT:
            continue
        stream = variant.stream(
            pack.as_words(scaling.bias << variant.sum_shift),
            variant.rows(full, variant.storage),
            pack.as_words(scaling.multiplier),
            variant.shift(scaling.shift),
        )
        return Matmul(variant, full.shape[1], chunk), stream
    raise TinykitError(
        "no kernel can hold its sums in 32 bits.",
        where=f"layer {name}",
        remedy="Use a smaller kernel or fewer channels for this layer.",
    )


def _conv2d(index: int, op: Conv2D, x: Tensor, y: Tensor, isa: Isa) -> Layer:
    window = _window(op, x, y)
    rows = op.weight.reshape(len(op.weight), -1)
    pixel_bits = x.shape[2] * x.bits
    joined = window.dilation[1] == 1 and pixel_bits % 8 == 0
    runs = 1 if joined else window.kernel[1]
    run_pixels = window.kernel[1] if joined else 1
    scaling = _scaling(op.name, rows.astype(np.int64), op.bias, op.requantize, x, y)
    matmul, stream = _choose(
        op.name, rows, window.kernel[0] * runs, scaling, op.weight_bits, x, isa
    )
    variant = matmul.variant
    run_values = run_pixels * x.shape[2]
    run_step = pack.padded(run_values, variant.run_block)
    if not variant.apart:
        run_step *= variant.column_bytes
    columns = matmul.length * variant.column_bytes
    border = -(-run_pixels * -(-pixel_bits // 8) // 4) * 4 if any(op.padding) else 0
    return Layer(
        index=index,
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
            "stride_height": window.stride[0],
            "stride_width": window.stride[1],
            "dilation_height": window.dilation[0],
            "dilation_width": window.dilation[1],
            "pad_top": window.before[0],
            "pad_left": window.before[1],
            "group": variant.group,
            "blank": _blank(x),
            "backward": 0,
            "run_values": run_values,
            "run_step": run_step,
            "column_bytes": columns,
        },
        stream=stream,
        matmul=matmul,
        scaling=scaling,
        scratch_bytes=columns + variant.group * border,
        macs=y.shape[0] * y.shape[1] * rows.size,
        weight_bits=op.weight_bits,
        overlap=overlap.windowed(
            _reach(window, x), activation_bytes(y.shape[2:], y.bits), variant.group, backward=True
        ),
        over_read=_OVER_READ,
    )


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


def _dense(index: int, op: Dense, x: Tensor, y: Tensor, isa: Isa) -> Layer:
    scaling = _scaling(op.name, op.weight.astype(np.int64), op.bias, op.requantize, x, y)
    matmul, stream = _choose(op.name, op.weight, 0, scaling, op.weight_bits, x, isa)
    return Layer(
        index=index,
        op=op,
        kind="dense",
        function="tk_dense",
        params_type="tk_dense_params",
        sources=("kernels/dense.c", *matmul.variant.sources),
        fields={"in_features": op.weight.shape[1]},
        stream=stream,
        matmul=matmul,
        scaling=scaling,
        scratch_bytes=matmul.length * matmul.variant.column_bytes,
        macs=op.weight.size,
        weight_bits=op.weight_bits,
        overlap=overlap.ANYWHERE,
        over_read=_OVER_READ,
    )


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


def _depthwise_scratch(
    op: DepthwiseConv2D, x: Tensor, plane: tuple[int, int], kernel: tuple[int, int]
) -> int:
    """As dsp/depthwise.c takes it: planes of halves, then the taps."""
    together = op.depth_multiplier == 1 and x.bits == 8 and x.shape[2] % 2 == 0
    planes = (2 if together else 1) * (plane[0] * plane[1] + 2)
    return 2 * (planes + kernel[0] * (kernel[1] + kernel[1] % 2))


@dataclass(frozen=True)
class _DepthwiseKernel:
    """A C function, its files, what it reads and the scratch it needs."""

    function: str
    sources: tuple[str, ...]
    stream: NDArray[np.uint32]
    scratch_bytes: int


def _depthwise_kernel(
    op: DepthwiseConv2D, window: _Window, taps: Int8Array, scaling: Scaling, x: Tensor, isa: Isa
) -> _DepthwiseKernel:
    """The kernel for taps (c, kernel height * kernel width)."""
    plane = _plane(window)
    if isa == "mve":
        return _mve_depthwise_kernel(op, window, taps, scaling, x)
    return _DepthwiseKernel(
        function=f"tk_{isa}_depthwise",
        sources=(f"kernels/{isa}/depthwise.c", f"kernels/{isa}/finish.c"),
        stream=pack.depthwise_stream(
            pack.as_words(scaling.bias),
            taps,
            op.weight_bits,
            pack.as_words(scaling.multiplier),
            pack.power_words(scaling.shift),
        ),
        scratch_bytes=_depthwise_scratch(op, x, plane, window.kernel),
    )


def _mve_depthwise_kernel(
    op: DepthwiseConv2D, window: _Window, taps: Int8Array, scaling: Scaling, x: Tensor
) -> _DepthwiseKernel:
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
            scratch_bytes=strips + sums + rows,
        )
    # Where the taps lie, and a ring of rows; see mve/depthwise.c.
    places = len(taps[0]) + len(taps[0]) % 2
    return _DepthwiseKernel(
        function="tk_mve_depthwise",
        sources=("kernels/mve/depthwise.c",),
        stream=pack.mve_depthwise_stream(bias, taps, multiplier, shift),
        scratch_bytes=4 * places + 16 * window.extent[0] * plane[1],
    )


def _depthwise(index: int, op: DepthwiseConv2D, x: Tensor, y: Tensor, isa: Isa) -> Layer:
    window = _window(op, x, y)
    channels = op.weight.shape[2]
    taps = np.ascontiguousarray(op.weight.reshape(-1, channels).T)
    scaling = _scaling(op.name, taps.astype(np.int64), op.bias, op.requantize, x, y)
    plane = _plane(window)
    kernel = window.kernel
    in_place = x.shape == y.shape and x.bits == y.bits == 8
    found = _depthwise_kernel(op, window, taps, scaling, x, isa)
    return Layer(
        index=index,
        op=op,
        kind="depthwise",
        function=found.function,
        params_type="tk_depthwise_params",
        sources=found.sources,
        fields={
            "in_height": window.input[0],
            "in_width": window.input[1],
            "in_channels": x.shape[2],
            "out_height": window.output[0],
            "out_width": window.output[1],
            "channels": channels,
            "kernel_height": kernel[0],
            "kernel_width": kernel[1],
            "stride_height": window.stride[0],
            "stride_width": window.stride[1],
            "dilation_height": window.dilation[0],
            "dilation_width": window.dilation[1],
            "pad_top": window.before[0],
            "pad_left": window.before[1],
            "plane_height": plane[0],
            "plane_width": plane[1],
            "in_bits": x.bits,
            "weight_bits": op.weight_bits,
            "in_zero_point": x.zero_point,
        },
        stream=found.stream,
        scaling=scaling,
        scratch_bytes=found.scratch_bytes,
        macs=y.shape[0] * y.shape[1] * op.weight.size,
        weight_bits=op.weight_bits,
        overlap=overlap.IN_PLACE if in_place else overlap.NONE,
    )


def _pool(index: int, op: AvgPool2D | MaxPool2D, x: Tensor, y: Tensor) -> Layer:
    kind = "avgpool2d" if isinstance(op, AvgPool2D) else "maxpool2d"
    return Layer(
        index=index,
        op=op,
        kind=kind,
        function=f"tk_{kind}",
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


def is_alias(op: Op, x: Tensor, y: Tensor) -> bool:
    """Whether `op` needs no code: a reshape that moves no byte."""
    if not isinstance(op, Reshape):
        return False
    one_pixel = tensor_bytes(x) * 8 == int(np.prod(x.shape)) * x.bits
    return tensor_bytes(x) == tensor_bytes(y) and (one_pixel or x.shape[-1] == y.shape[-1])


def reshape_layer(index: int, op: Reshape, x: Tensor, y: Tensor) -> Layer:
    """The Layer of a reshape that is no alias."""
    return Layer(
        index=index,
        op=op,
        kind="repack",
        function="tk_repack",
        params_type="tk_repack_params",
        sources=("kernels/repack.c",),
        fields={
            "values": int(np.prod(x.shape)),
            "in_channels": x.shape[-1],
            "out_channels": y.shape[-1],
            "bits": x.bits,
        },
    )


def choose_kernels(network: Network, isa: Isa) -> tuple[Layer, ...]:
    """One Layer for each operator that executes code, in order.

    Args:
        network: a valid Network.
        isa: what the core can do.

    Raises:
        TinykitError: a layer's accumulator can overflow, or its sizes exceed the C fields.
    """
    layers: list[Layer] = []
    for op in network.ops:
        x, y = network.tensor(op.inputs[0]), network.tensor(op.output)
        if is_alias(op, x, y):
            continue
        index = len(layers)
        layer: Layer
        if isinstance(op, Conv2D):
            layer = _conv2d(index, op, x, y, isa)
        elif isinstance(op, DepthwiseConv2D):
            layer = _depthwise(index, op, x, y, isa)
        elif isinstance(op, Dense):
            layer = _dense(index, op, x, y, isa)
        elif isinstance(op, AvgPool2D | MaxPool2D):
            layer = _pool(index, op, x, y)
        elif isinstance(op, Reshape):
            layer = reshape_layer(index, op, x, y)
        else:
            raise TinykitError(
                f"there is no kernel for {type(op).__name__}.",
                where=f"layer {op.name}",
                remedy="Add one as docs/architecture.md describes.",
            )
        _check_fields(layer)
        layers.append(layer)
    return tuple(layers)


_BYTE_FIELDS = frozenset({"dilation_height", "dilation_width", "pad_top", "pad_left"})
_BYTE_FIELDS_OF_WINDOWS = frozenset(
    {"kernel_height", "kernel_width", "stride_height", "stride_width"}
)


def _check_fields(layer: Layer) -> None:
    narrow = _BYTE_FIELDS | (_BYTE_FIELDS_OF_WINDOWS if layer.scaling is not None else frozenset())
    for name, value in (
        layer.fields | {"row length": layer.matmul.length if layer.matmul else 0}
    ).items():
        limit = 0xFF if name in narrow else 0xFFFFFFFF if layer.kind == "repack" else 0xFFFF
        if value > limit:
            raise TinykitError(
                f"{name.replace('_', ' ')} {value} is beyond the kernels' limit of {limit}.",
                where=f"layer {layer.op.name}",
                remedy="Split the layer, or make it smaller.",
            )
