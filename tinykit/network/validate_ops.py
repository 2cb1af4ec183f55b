# SPDX-License-Identifier: Apache-2.0
"""What operators without weights and windows promise: called by `tinykit.network.validate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tinykit.errors import TinykitError
from tinykit.network import shapes
from tinykit.network.lstm import MOST_CELL_BITS
from tinykit.network.ops import (
    Add,
    Concat,
    Constant,
    Elementwise,
    Lookup,
    Lstm,
    Mean,
    Mul,
    Op,
    Pad,
    PRelu,
    Requantize,
    ResizeNearest,
    Slice,
    Softmax,
    Sub,
    Sum,
    Tensor,
    Transpose,
)
from tinykit.network.requantize import ADD_LEFT_SHIFT
from tinykit.network.softmax import MOST_CHANNELS
from tinykit.network.validate import (
    check_array,
    check_clamp,
    check_shape,
    check_unchanged,
    fail,
    multipliers_in_range,
)

if TYPE_CHECKING:
    from tinykit.network.network import Network

_MOVES = (Pad, Slice, Concat, Transpose, ResizeNearest)
# The largest product of two integers of 8 bits less their zero points.
_LARGEST_PRODUCT = 255 * 255
_INT32_LIMIT = 1 << 31
# Room is left above a gate's sum over the last output for that over the input, which has 16 bits.
_GATE_LIMIT = _INT32_LIMIT - (1 << 16)


def check_op(network: Network, op: Op) -> None:
    """Check one operator that has neither weights nor a window and is no Reshape.

    Raises:
        TinykitError: names the network, the layer, what is wrong and what to do.
    """
    result = network.tensor(op.output)
    if isinstance(op, Constant):
        _check_constant(network, op, result)
        return
    inputs = [network.tensor(name) for name in op.inputs]
    if not isinstance(op, Sum):
        _check_eight_bits(network, op, [*inputs, result])
    if isinstance(op, Elementwise):
        _check_broadcast(network, op, *inputs)
    if isinstance(op, Lstm | Mean | Pad | Slice | Transpose | ResizeNearest):
        _check_three_axes(network, op, inputs[0])
    if isinstance(op, _MOVES):
        for source in inputs:
            check_unchanged(network, op, source, result)
    _OWN[type(op)](network, op, inputs, result)
    check_shape(network, op)


def _fail(network: Network, op: Op, what: str, remedy: str) -> TinykitError:
    return fail(network, what, place=f"layer {op.name}", remedy=remedy)


def _check_eight_bits(network: Network, op: Op, tensors: list[Tensor]) -> None:
    for tensor in tensors:
        if tensor.bits != 8:
            kind = type(op).__name__
            raise _fail(
                network,
                op,
                f"is a {kind} of {tensor.bits}-bit values ({tensor.name}).",
                f"A {kind} takes and gives 8 bits.",
            )


def _check_three_axes(network: Network, op: Op, source: Tensor) -> None:
    if len(source.shape) != 3:
        raise _fail(
            network,
            op,
            f"needs height, width and channels, but {source.name} is {source.shape}.",
            "Put a Reshape before it.",
        )


def _check_broadcast(network: Network, op: Op, first: Tensor, second: Tensor) -> None:
    if not shapes.broadcasts(first.shape, second.shape):
        raise _fail(
            network,
            op,
            f"cannot broadcast {second.name}, {second.shape}, to {first.name}, {first.shape}.",
            "Give each side of the second input that of the first, or 1.",
        )


def _check_constant(network: Network, op: Constant, result: Tensor) -> None:
    check_array(network, f"layer {op.name}", "value", op.value, np.int8, len(result.shape))
    if result.bits != 8 or op.value.shape != result.shape:
        raise _fail(
            network,
            op,
            f"holds {op.value.shape}, but {result.name} is {result.shape} of {result.bits} bits.",
            "Give a Constant 8 bits and the shape of its tensor.",
        )


def _check_sum(network: Network, op: Sum, inputs: list[Tensor], result: Tensor) -> None:
    step = op.rescale
    verb = "adds" if isinstance(op, Add) else "subtracts"
    for one in inputs:
        if one.bits != result.bits:
            raise _fail(
                network,
                op,
                f"{verb} {one.name}, {one.shape} of {one.bits} bits, "
                f"but {result.name} is {result.shape} of {result.bits} bits.",
                "Give both inputs and the output one width.",
            )
    if result.bits == 1:
        raise _fail(
            network,
            op,
            f"{verb} one-bit values, which one bit cannot hold.",
            "Let the layers before it give 8, 4 or 2 bits.",
        )
    if result.bits < 8 and inputs[1].shape != result.shape:
        raise _fail(
            network,
            op,
            f"broadcasts {inputs[1].name} of {result.bits} bits.",
            "Give both inputs one shape, or 8 bits.",
        )
    factors = [*zip(step.input_multiplier, step.input_shift, strict=False)]
    normal = all(_is_normal(m) and -31 <= shift <= 0 for m, shift in factors)
    # Twice the larger scale is the common one, so one factor is 1/2 and no sum can overflow.
    if not normal or len(factors) != 2 or (1 << 30, 0) not in factors:
        raise _fail(
            network,
            op,
            f"has the input factors {factors}.",
            "Make them with tinykit.network.requantize.add_rescale.",
        )
    normal = _is_normal(step.output_multiplier) and -31 <= step.output_shift <= 0
    if not normal or step.left_shift != ADD_LEFT_SHIFT:
        raise _fail(
            network,
            op,
            f"has the output factor {(step.output_multiplier, step.output_shift)} "
            f"and the left shift {step.left_shift}.",
            "Make them with tinykit.network.requantize.add_rescale.",
        )
    check_clamp(network, op, step, result)


def _is_normal(multiplier: int) -> bool:
    return multiplier == 0 or 1 << 30 <= multiplier < 1 << 31


def _check_scaled(network: Network, op: Mul | PRelu, inputs: list[Tensor], result: Tensor) -> None:
    step, count = op.requantize, 1 if isinstance(op, Mul) else 2
    for name, array in (("multiplier", step.multiplier), ("shift", step.shift)):
        check_array(network, f"layer {op.name}", name, array, np.int32, 1)
    normal = step.multiplier.shape == step.shift.shape == (count,) and multipliers_in_range(step)
    reach = _LARGEST_PRODUCT << max(0, int(step.shift.max()))
    if not normal or reach >= _INT32_LIMIT:
        raise _fail(
            network,
            op,
            f"has the multipliers {step.multiplier.tolist()} and shifts {step.shift.tolist()}.",
            f"Give it {count}, made with tinykit.network.requantize.quantize_multiplier; "
            "an output scale that fine leaves 32 bits.",
        )
    check_clamp(network, op, step, result)


def _check_lookup(network: Network, op: Lookup, inputs: list[Tensor], result: Tensor) -> None:
    check_array(network, f"layer {op.name}", "table", op.table, np.int8, 1)
    if op.table.shape != (256,):
        raise _fail(network, op, f"has a table of {op.table.size}.", "Give it 256 outputs.")


def _check_mean(network: Network, op: Mean, inputs: list[Tensor], result: Tensor) -> None:
    if not op.axes or tuple(sorted(set(op.axes) & {0, 1, 2})) != op.axes:
        raise _fail(
            network, op, f"is over the axes {op.axes}.", "Give some of 0, 1 and 2, ascending."
        )
    if not (isinstance(op.steps, np.ndarray) and op.steps.dtype == np.int32):
        raise _fail(network, op, "has no int32 steps.", "Give an int32 array.")
    steps = op.steps.astype(np.int64)
    if steps.ndim != 1 or (np.diff(steps) < 0).any():
        raise _fail(network, op, "has steps that do not ascend.", "Sort them.")
    if not -128 <= op.first <= op.first + len(steps) <= 127:
        raise _fail(
            network,
            op,
            f"gives {op.first} to {op.first + len(steps)}.",
            "Let the outputs stay in -128..127.",
        )


def _check_softmax(network: Network, op: Softmax, inputs: list[Tensor], result: Tensor) -> None:
    table = op.exponentials
    check_array(network, f"layer {op.name}", "exponentials", table, np.int32, 1)
    falls = len(table) <= 256 and (np.diff(table.astype(np.int64)) <= 0).all()
    if not falls or table[0] != _INT32_LIMIT - 1 or table[-1] < 0:
        raise _fail(
            network,
            op,
            "has no table of exponentials.",
            "Give at most 256 that descend from 2^31 - 1 and are not negative.",
        )
    if (result.scale, result.zero_point) != (1 / 256, -128):
        raise _fail(
            network,
            op,
            f"gives the scale {result.scale} and the zero point {result.zero_point}.",
            "A softmax gives 1/256 and -128.",
        )
    if result.shape[-1] > MOST_CHANNELS:
        raise _fail(
            network,
            op,
            f"is over {result.shape[-1]} values, whose sum leaves 32 bits.",
            f"Use at most {MOST_CHANNELS}.",
        )


def _check_lstm(network: Network, op: Lstm, inputs: list[Tensor], result: Tensor) -> None:
    place = f"layer {op.name}"
    for name, array, dtype, ndim in (
        ("weight", op.weight, np.int8, 3),
        ("recurrent", op.recurrent, np.int8, 3),
        ("bias", op.bias, np.int32, 2),
        ("gate_multiplier", op.gate_multiplier, np.int32, 2),
        ("gate_shift", op.gate_shift, np.int32, 2),
    ):
        check_array(network, place, name, array, dtype, ndim)
    cells, source = op.bias.shape[1], inputs[0].shape
    found = (op.weight.shape, op.recurrent.shape, op.bias.shape, source[1])
    if found != ((4, cells, source[2]), (4, cells, cells), (4, cells), 1):
        raise _fail(
            network,
            op,
            f"has weights {op.weight.shape} and {op.recurrent.shape} and biases {op.bias.shape} "
            f"for {source}.",
            "Give it four gates, a signal (steps, 1, features), and as many outputs as cells.",
        )
    for array in (op.weight, op.recurrent):
        if array.min() < -127:
            raise _fail(network, op, "has a weight of -128.", "Keep weights in -127..127.")
    if not 0 <= op.cell_bits <= MOST_CELL_BITS or not 0 <= op.clip < 1 << 15:
        raise _fail(
            network,
            op,
            f"has a state of {op.cell_bits} bits before the point, within {op.clip}.",
            f"Give it 0 to {MOST_CELL_BITS} bits, and at most {(1 << 15) - 1}.",
        )
    _check_gates(network, op, inputs[0], result)
    _check_factors(network, op, op.requantize)
    if op.requantize.multiplier.shape != (1,) or op.requantize.shift.max() > 0:
        raise _fail(
            network, op, "has an output scale below 2^-30.", "Widen the range of the output."
        )
    check_clamp(network, op, op.requantize, result)


def _check_factors(network: Network, op: Op, step: Requantize) -> None:
    for name, array in (("multiplier", step.multiplier), ("shift", step.shift)):
        check_array(network, f"layer {op.name}", name, array, np.int32, 1)
    if step.multiplier.shape != step.shift.shape or not multipliers_in_range(step):
        raise _fail(
            network,
            op,
            f"has the multipliers {step.multiplier.tolist()} and shifts {step.shift.tolist()}.",
            "Make them with tinykit.network.requantize.quantize_multiplier.",
        )


def _check_gates(network: Network, op: Lstm, source: Tensor, result: Tensor) -> None:
    """No gate's sum leaves 32 bits, shifted or not."""
    if op.gate_multiplier.shape != (2, 4) or op.gate_shift.shape != (2, 4):
        raise _fail(
            network,
            op,
            f"has {op.gate_multiplier.shape} multipliers.",
            "Give it two for each gate.",
        )
    for which, (rows, bias, x) in enumerate(
        ((op.weight, op.bias, source), (op.recurrent, np.zeros_like(op.bias), result))
    ):
        step = Requantize(op.gate_multiplier[which], op.gate_shift[which], result.zero_point, 127)
        _check_factors(network, op, step)
        widest = abs(x.zero_point) + 128
        bound = np.abs(bias.astype(np.int64)) + widest * np.abs(rows.astype(np.int64)).sum(axis=2)
        left = np.where(step.multiplier == 0, 0, np.maximum(step.shift, 0))
        # Floats only compare here, and they are exact for what could pass.
        worst = np.ldexp(bound.astype(np.float64), left[:, None])
        if worst.max() > _GATE_LIMIT:
            raise _fail(
                network,
                op,
                f"has a gate whose sum can reach {worst.max():.4g}, beyond 32 bits.",
                "Use fewer inputs, or smaller scales for them and the weights.",
            )


def _check_pad(network: Network, op: Pad, inputs: list[Tensor], result: Tensor) -> None:
    whole = len(op.padding) == 6 and all(0 <= pad <= 0xFFFF for pad in op.padding)
    if not whole or not -128 <= op.value <= 127:
        raise _fail(
            network,
            op,
            f"pads {op.padding} with {op.value}.",
            "Give six numbers of at least 0, and a value of 8 bits.",
        )


def _check_slice(network: Network, op: Slice, inputs: list[Tensor], result: Tensor) -> None:
    source = inputs[0].shape
    good = len(op.begin) == len(op.step) == len(result.shape) == 3 and all(op.step)
    for begin, step, side, wide in zip(op.begin, op.step, result.shape, source, strict=False):
        last = begin + step * (side - 1)
        good = good and 0 <= begin < wide and 0 <= last < wide
    if not good:
        raise _fail(
            network,
            op,
            f"takes {result.shape} from {op.begin} in steps of {op.step} out of {source}.",
            "Stay within the input, with steps that are not 0.",
        )


def _check_concat(network: Network, op: Concat, inputs: list[Tensor], result: Tensor) -> None:
    rank = len(result.shape)
    alike = 0 <= op.axis < rank and all(len(one.shape) == rank for one in inputs)
    if alike:
        rest = {(*one.shape[: op.axis], *one.shape[op.axis + 1 :]) for one in (*inputs, result)}
        total = sum(one.shape[op.axis] for one in inputs)
        alike = len(rest) == 1 and total == result.shape[op.axis]
    if not alike:
        raise _fail(
            network,
            op,
            f"joins {', '.join(str(one.shape) for one in inputs)} along axis {op.axis} "
            f"to {result.shape}.",
            "Give shapes that differ along that axis only, and add up there.",
        )


def _check_transpose(network: Network, op: Transpose, inputs: list[Tensor], result: Tensor) -> None:
    if tuple(sorted(op.permutation)) != (0, 1, 2):
        raise _fail(
            network,
            op,
            f"has the permutation {op.permutation}.",
            "Give each of 0, 1 and 2 once.",
        )


def _check_resize(
    network: Network, op: ResizeNearest, inputs: list[Tensor], result: Tensor
) -> None:
    sides = (("rows", op.rows, 0), ("columns", op.columns, 1))
    for name, places, axis in sides:
        check_array(network, f"layer {op.name}", name, places, np.int32, 1)
        if places.min() < 0 or places.max() >= inputs[0].shape[axis]:
            raise _fail(
                network,
                op,
                f"takes {name} {places.min()} to {places.max()} out of {inputs[0].shape}.",
                "Stay within the input.",
            )


_OWN: dict[type[Op], Callable[..., None]] = {
    Add: _check_sum,
    Sub: _check_sum,
    Mul: _check_scaled,
    PRelu: _check_scaled,
    Lookup: _check_lookup,
    Mean: _check_mean,
    Softmax: _check_softmax,
    Lstm: _check_lstm,
    Pad: _check_pad,
    Slice: _check_slice,
    Concat: _check_concat,
    Transpose: _check_transpose,
    ResizeNearest: _check_resize,
}
