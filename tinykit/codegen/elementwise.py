# SPDX-License-Identifier: Apache-2.0
"""Layers of operators that work value by value: Add, Sub, Mul, PRelu and Lookup."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tinykit.codegen import overlap
from tinykit.codegen.isa import Isa
from tinykit.codegen.layer import Layer, tensor_bytes
from tinykit.codegen.sums import Sum, linear_sum, nibble_table
from tinykit.network import ops
from tinykit.network.ops import Elementwise, Lookup, Mul, PRelu, Requantize, Sub, Tensor
from tinykit.network.shapes import Shape

# As in firmware/src/kernels/product.h: shifts beyond these give the same outputs as these.
_MOST_RIGHT, _MOST_LEFT = 18, 13
# Kinds that have the params, and the file, of another.
_SHARED = {"add_halves": "add", "mul_steep": "mul"}
_FILES = {"mul_steep": "mul"}


def elementwise_layer(
    index: int, op: Elementwise, a: Tensor, b: Tensor, y: Tensor, isa: Isa
) -> Layer:
    """The Layer of an operator on two tensors.

    Args:
        index: as in Layer.
        op: the operator.
        a, b, y: its inputs and its output.
        isa: what the core can do.
    """
    shape = broadcast_fields(a.shape, b.shape)
    if isinstance(op, ops.Sum):
        return _sum(index, op, (a, b), y, isa)
    if isinstance(op, Mul):
        fields = _product_fields("scale", op.requantize, 0, y)
        kind = "mul" if fields["scale.away"] else "mul_steep"
    else:
        assert isinstance(op, PRelu)
        kind = "prelu"
        fields = _product_fields("positive", op.requantize, 0, y)
        fields |= _product_fields("negative", op.requantize, 1, y)
    rest = {
        "zero_point_a": a.zero_point,
        "zero_point_b": b.zero_point,
        "low": op.requantize.low,
        "range": op.requantize.high - op.requantize.low,
    }
    return _layer(index, op, kind, shape | fields | rest, same=_same(a, b))


def _layer(index: int, op: Elementwise, kind: str, fields: dict[str, int], *, same: bool) -> Layer:
    return Layer(
        index=index,
        op=op,
        kind=kind,
        function=f"tk_{kind}",
        params_type=f"tk_{_SHARED.get(kind, kind)}_params",
        sources=(f"kernels/{_FILES.get(kind, kind)}.c",),
        fields=fields,
        overlap=overlap.ELEMENTWISE,
        others=overlap.ELEMENTWISE if same else overlap.NONE,
    )


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether nothing is broadcast; sides may differ only where both are one value."""
    return math.prod(a.shape) == math.prod(b.shape)


def broadcast_fields(shape: Shape, other: Shape) -> dict[str, int]:
    """The members of a `tk_broadcast`.

    Args:
        shape, other: of the first and the second input, as `shapes.broadcasts` allows.
    """
    sides = (1,) * len(shape) if len(other) < len(shape) else other
    # From the last axis on, those along which the second input stays or moves, taken together.
    levels: list[tuple[int, bool]] = []
    for wide, side in zip(reversed(shape), reversed(sides), strict=True):
        if wide == 1:
            continue
        if levels and levels[-1][1] == (side > 1):
            levels[-1] = (levels[-1][0] * wide, side > 1)
        else:
            levels.append((wide, side > 1))
    levels += [(1, False)] * (3 - len(levels))
    counts = [count for count, _ in levels]
    steps, seen = [], 1
    for count, moves in levels:
        steps.append(seen if moves else 0)
        seen *= count if moves else 1
    names = ("value", "row", "block")
    return {f"shape.{name}s": count for name, count in zip(names, counts, strict=True)} | {
        f"shape.{name}_step": step for name, step in zip(names, steps, strict=True)
    }


def _product_fields(name: str, requantize: Requantize, which: int, y: Tensor) -> dict[str, int]:
    """The members of a `tk_product` that scales as one of `requantize`'s factors does."""
    multiplier = int(requantize.multiplier[which])
    # Where nothing gets through, the shift does not matter and must not overflow.
    right = -int(requantize.shift[which]) if multiplier else 1
    if right > 0:
        right = min(right, _MOST_RIGHT)
        constant, shift, left, away = 1 + (1 << right), right + 1, 2, -2
    else:
        constant, shift, left, away = 1, 1, 2 + min(-right, _MOST_LEFT), 0
    return {
        f"{name}.multiplier": multiplier,
        f"{name}.constant": constant + (y.zero_point << shift),
        f"{name}.left": left,
        f"{name}.shift": shift,
        f"{name}.away": away,
    }


def _sum(index: int, op: ops.Sum, inputs: tuple[Tensor, Tensor], y: Tensor, isa: Isa) -> Layer:
    a, b = inputs
    wanted = Sum(
        op.rescale,
        (a.zero_point, b.zero_point),
        y.zero_point,
        y.bits,
        subtract=isinstance(op, Sub),
    )
    if y.bits < 8:
        layer = _layer(index, op, "add_table", _packed_fields(y), same=True)
        return replace(layer, arrays={"table": nibble_table(wanted)})
    same = _same(a, b)
    halves = same and isa in ("dsp", "mve")
    linear = linear_sum(wanted, halves=halves)
    shape = broadcast_fields(a.shape, b.shape)
    if linear is None:
        return _layer(index, op, "add_rescaled", shape | _rescaled_fields(wanted), same=same)
    fields = {
        "factor_a": linear.factors[0],
        "factor_b": linear.factors[1],
        "offset": linear.offset,
        "shift": linear.shift,
        "low": op.rescale.low,
        "range": op.rescale.high - op.rescale.low,
    }
    if not same:
        return _layer(index, op, "add_broadcast", shape | fields, same=False)
    kind = "add_halves" if halves else "add"
    return _layer(index, op, kind, {"values": math.prod(y.shape)} | fields, same=True)


def _rescaled_fields(wanted: Sum) -> dict[str, int]:
    step = wanted.rescale
    return {
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
        "subtract": int(wanted.subtract),
    }


def _packed_fields(y: Tensor) -> dict[str, int]:
    size, used = tensor_bytes(y), y.shape[-1] * y.bits % 8
    pixels = 1 if used == 0 else math.prod(y.shape[:-1])
    return {
        "pixels": pixels,
        "pixel_bytes": size // pixels,
        "mask": 0xFF if used == 0 else (1 << used) - 1,
    }


def lookup_layer(index: int, op: Lookup, x: Tensor) -> Layer:
    """The Layer of a function of one value, of the tensor `x`."""
    return Layer(
        index=index,
        op=op,
        kind="lookup",
        function="tk_lookup",
        params_type="tk_lookup_params",
        sources=("kernels/lookup.c",),
        fields={"values": math.prod(x.shape)},
        # By the byte that stands for a value.
        arrays={"table": np.roll(op.table, 128).view(np.uint8)},
        overlap=overlap.ELEMENTWISE,
    )
