# SPDX-License-Identifier: Apache-2.0
"""Kernel choice: from each operator of a Network to a C call with all its constants."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen import pack
from tinykit.codegen.sums import Sum, linear_sum, nibble_table
from tinykit.errors import TinykitError
from tinykit.network import Network
from tinykit.network.ops import (
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    MaxPool2D,
    Op,
    Requantize,
    Reshape,
    Tensor,
    integer_range,
)
from tinykit.network.packing import activation_bytes

# The doubling high multiply of the kernels is exact below this; see requantize.h.
_NARROW_LIMIT = 1 << 30
_INT32_LIMIT = 1 << 31

# Each of the ops that multiply matrices refers to all three widths; the linker drops the unused.
_MATMUL = (
    "kernels/matmul_w8.c",
    "kernels/matmul_w4.c",
    "kernels/matmul_w2.c",
    "kernels/matmul_body.h",
    "kernels/matmul_narrow.h",
    "packing.c",
)


@dataclass(frozen=True)
class Scaling:
    """What follows the accumulator, ready for `tk_requantize`.

    Attributes:
        bias: (channels,) int32, the input's zero point folded in.
        multiplier: (channels,) int32.
        shift: (channels,) int8, to the right.
        zero_point, low, high, bits: of the output.
        wide: the accumulators need the 64-bit form (TK_WIDE_ACCUMULATORS).
    """

    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]
    zero_point: int
    low: int
    high: int
    bits: int
    wide: bool

    @property
    def nbytes(self) -> int:
        """Bytes of the three tables in flash."""
        return self.bias.nbytes + self.multiplier.nbytes + -(-self.shift.nbytes // 4) * 4


@dataclass(frozen=True)
class Layer:
    """One call in `tk_model_invoke`.

    Attributes:
        index: position among the layers that execute code; the marks count these.
        op: the operator it came from.
        kind: "conv2d", "pointwise", "dense", "depthwise", "avgpool2d", "maxpool2d", "repack",
            "add", "add_halves", "add_rescaled", "add_table".
        function: the C function.
        params_type: the C type of its constants.
        sources: C files below firmware/src that it needs.
        fields: scalar members of the params, in the order of the C struct.
        weight: (words,) uint32, or None.
        row_length: values in a matrix row with its padding, 0 if there is no matrix.
        scaling: the requantisation, or None.
        table: (256,) uint8 of `tk_add_table`, or None.
        scratch_bytes: scratch it needs, 0 if none.
        macs: multiply-accumulates, padding included.
    """

    index: int
    op: Op
    kind: str
    function: str
    params_type: str
    sources: tuple[str, ...]
    fields: dict[str, int]
    weight: NDArray[np.uint32] | None = None
    row_length: int = 0
    scaling: Scaling | None = None
    table: NDArray[np.uint8] | None = None
    scratch_bytes: int = 0
    macs: int = 0
    weight_bits: int = field(default=0)

    @property
    def weight_bytes(self) -> int:
        """Bytes of packed weights in flash."""
        return 0 if self.weight is None else self.weight.nbytes

    @property
    def table_bytes(self) -> int:
        """Bytes of bias, multiplier and shift, or of a table of sums, in flash."""
        scaling = 0 if self.scaling is None else self.scaling.nbytes
        return scaling + (0 if self.table is None else self.table.nbytes)


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
    weight_bits: int,
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
    # Inside a kernel the sum runs over shifted activations and, for narrow weights, over weights
    # that stand at the top of a byte.
    inner = np.abs(rows).sum(axis=1) * (128 if x.bits == 8 else 1 << x.bits)
    inner = inner << (8 - weight_bits)
    if max(shifted.max(), np.abs(folded).max(), inner.max()) >= _INT32_LIMIT:
        raise TinykitError(
            "an accumulator can leave 32 bits.",
            where=f"layer {name}",
            remedy="Use a smaller kernel, fewer channels or a smaller scale for this layer.",
        )
    return Scaling(
        bias=folded.astype(np.int32),
        multiplier=multiplier,
        shift=(-shift).astype(np.int8),
        zero_point=y.zero_point,
        low=requantize.low,
        high=requantize.high,
        bits=y.bits,
        wide=bool(shifted.max() >= _NARROW_LIMIT),
    )


def _window_fields(op: Conv2D | DepthwiseConv2D, x: Tensor, y: Tensor) -> dict[str, int]:
    kernel = op.weight.shape[1:3] if isinstance(op, Conv2D) else op.weight.shape[:2]
    fields = {
        "in_height": x.shape[0],
        "in_width": x.shape[1],
        "in_channels": x.shape[2],
        "out_height": y.shape[0],
        "out_width": y.shape[1],
    }
    if isinstance(op, DepthwiseConv2D):
        fields["channels"] = y.shape[2]
    return fields | {
        "kernel_height": kernel[0],
        "kernel_width": kernel[1],
        "stride_height": op.stride[0],
        "stride_width": op.stride[1],
        "dilation_height": op.dilation[0],
        "dilation_width": op.dilation[1],
        "pad_top": op.padding[0],
        "pad_left": op.padding[2],
        "in_bits": x.bits,
        "in_zero_point": x.zero_point,
    }


def _is_pointwise(op: Conv2D) -> bool:
    return op.weight.shape[1:3] == (1, 1) and op.stride == (1, 1) and not any(op.padding)


def _conv2d(index: int, op: Conv2D, x: Tensor, y: Tensor, planes: bool) -> Layer:
    rows = op.weight.reshape(len(op.weight), -1)
    length = pack.row_length(rows.shape[1], op.weight_bits)
    kind = "pointwise" if _is_pointwise(op) else "conv2d"
    return Layer(
        index=index,
        op=op,
        kind=kind,
        function=f"tk_{kind}_w{op.weight_bits}",
        params_type="tk_conv2d_params",
        sources=(f"kernels/{kind}.c", *_MATMUL),
        fields=_window_fields(op, x, y),
        weight=pack.pack_rows(rows, op.weight_bits, planes=planes),
        row_length=length,
        scaling=_scaling(
            op.name, rows.astype(np.int64), op.bias, op.weight_bits, op.requantize, x, y
        ),
        scratch_bytes=4 * length,
        macs=y.shape[0] * y.shape[1] * rows.size,
        weight_bits=op.weight_bits,
    )


def _dense(index: int, op: Dense, x: Tensor, y: Tensor, planes: bool) -> Layer:
    length = pack.row_length(op.weight.shape[1], op.weight_bits)
    return Layer(
        index=index,
        op=op,
        kind="dense",
        function=f"tk_dense_w{op.weight_bits}",
        params_type="tk_dense_params",
        sources=("kernels/dense.c", *_MATMUL),
        fields={"in_features": op.weight.shape[1], "in_bits": x.bits},
        weight=pack.pack_rows(op.weight, op.weight_bits, planes=planes),
        row_length=length,
        scaling=_scaling(
            op.name, op.weight.astype(np.int64), op.bias, op.weight_bits, op.requantize, x, y
        ),
        scratch_bytes=2 * length,
        macs=op.weight.size,
        weight_bits=op.weight_bits,
    )


def _depthwise_scratch(op: DepthwiseConv2D, x: Tensor) -> int:
    """As depthwise.h asks."""
    channels = op.weight.shape[2]
    taps = op.weight.shape[0] * op.weight.shape[1]
    even = taps + taps % 2
    padded = -(-channels // 4) * 4
    direct = x.bits == 8 and op.depth_multiplier == 1 and channels % 4 == 0
    return 4 * even + (padded if direct else even * padded)


def _depthwise(index: int, op: DepthwiseConv2D, x: Tensor, y: Tensor, planes: bool) -> Layer:
    channels = op.weight.shape[2]
    rows = op.weight.reshape(-1, channels).T.astype(np.int64)
    return Layer(
        index=index,
        op=op,
        kind="depthwise",
        function=f"tk_depthwise_w{op.weight_bits}",
        params_type="tk_depthwise_params",
        sources=(f"kernels/depthwise_w{op.weight_bits}.c", "kernels/depthwise_body.h", "packing.c"),
        fields=_window_fields(op, x, y),
        weight=pack.pack_depthwise(op.weight, op.weight_bits, planes=planes),
        scaling=_scaling(op.name, rows, op.bias, op.weight_bits, op.requantize, x, y),
        scratch_bytes=_depthwise_scratch(op, x),
        macs=y.shape[0] * y.shape[1] * op.weight.size,
        weight_bits=op.weight_bits,
    )


def _pool(index: int, op: AvgPool2D | MaxPool2D, x: Tensor, y: Tensor) -> Layer:
    kind = "avgpool2d" if isinstance(op, AvgPool2D) else "maxpool2d"
    return Layer(
        index=index,
        op=op,
        kind=kind,
        function=f"tk_{kind}",
        params_type="tk_pool_params",
        sources=(f"kernels/{kind}.c", "kernels/pool_body.h", "packing.c"),
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
    )


def add_layer(index: int, op: Add, a: Tensor, b: Tensor, y: Tensor, planes: bool) -> Layer:
    """The Layer of a sum of `a` and `b`.

    Args:
        index: as in Layer.
        op: the operator.
        a, b, y: its inputs and its output.
        planes: the core has DSP instructions.
    """
    wanted = Sum(op.rescale, (a.zero_point, b.zero_point), y.zero_point, y.bits)
    table = None
    if y.bits < 8:
        kind, fields, table = "add_table", _packed_fields(y), nibble_table(wanted)
    else:
        kind, fields = _sum_fields(wanted, int(np.prod(y.shape)), planes)
    return Layer(
        index=index,
        op=op,
        kind=kind,
        function=f"tk_{kind}",
        params_type="tk_add_params" if kind == "add_halves" else f"tk_{kind}_params",
        sources=(f"kernels/{kind}.c",),
        fields=fields,
        table=table,
    )


def _sum_fields(wanted: Sum, values: int, planes: bool) -> tuple[str, dict[str, int]]:
    """Kernel and constants of a sum of 8 bits."""
    step = wanted.rescale
    linear = linear_sum(wanted, halves=planes)
    if linear is not None:
        return "add_halves" if planes else "add", {
            "values": values,
            "factor_a": linear.factors[0],
            "factor_b": linear.factors[1],
            "offset": linear.offset,
            "shift": linear.shift,
            "low": step.low,
            "range": step.high - step.low,
        }
    return "add_rescaled", {
        "values": values,
        "multiplier_a": step.input_multiplier[0],
        "multiplier_b": step.input_multiplier[1],
        "multiplier": step.output_multiplier,
        "shift_a": -step.input_shift[0],
        "shift_b": -step.input_shift[1],
        "shift": -step.output_shift,
        "left_shift": step.left_shift,
        "zero_point_a": wanted.zero_points[0],
        "zero_point_b": wanted.zero_points[1],
        "zero_point": wanted.zero_point,
        "low": step.low,
        "high": step.high,
    }


def _packed_fields(y: Tensor) -> dict[str, int]:
    size, used = tensor_bytes(y), y.shape[-1] * y.bits % 8
    pixels = 1 if used == 0 else int(np.prod(y.shape[:-1]))
    return {
        "pixels": pixels,
        "pixel_bytes": size // pixels,
        "mask": 0xFF if used == 0 else (1 << used) - 1,
    }


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


def choose_kernels(network: Network, *, planes: bool) -> tuple[Layer, ...]:
    """One Layer for each operator that executes code, in order.

    Args:
        network: a valid Network.
        planes: lay weights out for DSP instructions (`pack`).

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
            layer = _conv2d(index, op, x, y, planes)
        elif isinstance(op, DepthwiseConv2D):
            layer = _depthwise(index, op, x, y, planes)
        elif isinstance(op, Dense):
            layer = _dense(index, op, x, y, planes)
        elif isinstance(op, AvgPool2D | MaxPool2D):
            layer = _pool(index, op, x, y)
        elif isinstance(op, Add):
            layer = add_layer(index, op, x, network.tensor(op.inputs[1]), y, planes)
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
    for name, value in (layer.fields | {"row length": layer.row_length}).items():
        wide = layer.kind == "repack" or isinstance(layer.op, Add)
        limit = 0xFF if name in narrow else 0xFFFFFFFF if wide else 0xFFFF
        if value > limit:
            raise TinykitError(
                f"{name.replace('_', ' ')} {value} is beyond the kernels' limit of {limit}.",
                where=f"layer {layer.op.name}",
                remedy="Split the layer, or make it smaller.",
            )
