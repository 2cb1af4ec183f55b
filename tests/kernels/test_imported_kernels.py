# SPDX-License-Identifier: Apache-2.0
"""Kernels of the operators that imported models bring, against the interpreter, bit for bit."""

from __future__ import annotations

import itertools
import math

import kernel_library
import numpy as np
import pytest

from tinykit.codegen import elementwise as elementwise_module
from tinykit.codegen import overlap
from tinykit.codegen.elementwise import broadcast_fields, elementwise_layer, lookup_layer
from tinykit.codegen.isa import ISAS
from tinykit.codegen.layer import Layer
from tinykit.codegen.moves import move_layer
from tinykit.codegen.recurrent import lstm_layer
from tinykit.codegen.reductions import mean_layer, softmax_layer
from tinykit.network import Tensor, add_rescale
from tinykit.network.interpreter import run_op
from tinykit.network.ops import (
    Add,
    Concat,
    Elementwise,
    Lookup,
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
    Transpose,
)
from tinykit.network.requantize import quantize_multipliers
from tinykit.network.sample import Builder, random_input
from tinykit.network.shapes import broadcasts

# Runs shorter and longer than a word, and of whole words.
SHAPES = [
    (*sides, channels)
    for sides in ((1, 1), (1, 5), (4, 1), (3, 2), (2, 7))
    for channels in (1, 3, 4, 8, 13)
]


@pytest.fixture(scope="module", params=ISAS)
def library(request, shared_folder):
    return request.param, kernel_library.build(shared_folder, isa=request.param)


def _tensor(name: str, shape: tuple[int, ...], zero_point: int = 0, scale: float = 1.0) -> Tensor:
    return Tensor(name, shape, 8, scale, zero_point)


def _check(library, layer: Layer, op: Op, tensors: list[Tensor], arrays, y: Tensor) -> None:
    """Held to the interpreter, with an output of its own and over each input that allows it."""
    inputs = [(array[None], tensor) for array, tensor in zip(arrays, tensors, strict=True)]
    want = run_op(op, inputs, y)[0]
    allowed = [layer.overlap, *[layer.others] * (len(tensors) - 1)]
    places = [i for i, over in enumerate(allowed) if over == overlap.ELEMENTWISE]
    for over in (None, *places):
        got = kernel_library.call_all(library[1], layer, list(arrays), y, over=over)
        np.testing.assert_array_equal(got, want, err_msg=f"over {over}")


# --- Two tensors ----------------------------------------------------------------------------------


def _others(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All shapes that broadcast to `shape`."""
    sides = itertools.product(*({1, side} for side in shape))
    found = sorted({*sides, (1,)})
    assert all(broadcasts(shape, other) for other in found)
    return found


@pytest.mark.parametrize(
    "shape", [(1,), (7,), (4, 3, 5), (1, 3, 4), (4, 1, 8), (2, 3, 1), (5, 1, 1)]
)
def test_broadcasting_goes_where_numpy_goes(shape):
    for other in _others(shape):
        places = np.arange(math.prod(other)).reshape(other if len(other) == len(shape) else ())
        want = np.broadcast_to(places, shape).reshape(-1)
        f = {k.removeprefix("shape."): v for k, v in broadcast_fields(shape, other).items()}
        got = [
            block * f["block_step"] + row * f["row_step"] + value * f["value_step"]
            for block in range(f["blocks"])
            for row in range(f["rows"])
            for value in range(f["values"])
        ]
        assert got == want.tolist()
        assert f["value_step"] <= 1


def _drawn(
    rng: np.random.Generator, kind: type[Elementwise], shape, other
) -> tuple[Op, list[Tensor], Tensor]:
    """An operator of drawn zero points, scales and clamps."""
    zero_points = [int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))])) for _ in range(3)]
    scales = [float(one) for one in 10.0 ** rng.uniform(-2, -1, 3)]
    relu = rng.random() < 0.3
    low, high = (zero_points[2] if relu else -128), 127
    ends = {"name": "op", "inputs": ("a", "b"), "output": "y"}
    if kind in (Add, Sub):
        step = add_rescale((scales[0], scales[1]), scales[2], low=low, high=high)
        op = kind(**ends, rescale=step)
    else:
        # From products that all saturate to those that all vanish.
        steep = (
            2.0 ** rng.uniform(-20, 10, 2) if rng.random() < 0.4 else 2.0 ** rng.uniform(-9, 1, 2)
        )
        multiplier, shift = quantize_multipliers(steep[: 1 if kind is Mul else 2])
        op = kind(**ends, requantize=Requantize(multiplier, shift, low, high))
    a, b = (
        _tensor("a", shape, zero_points[0], scales[0]),
        _tensor("b", other, zero_points[1], scales[1]),
    )
    return op, [a, b], _tensor("y", shape, zero_points[2], scales[2])


@pytest.mark.parametrize("kind", [Add, Sub, Mul, PRelu])
@pytest.mark.parametrize("shape", SHAPES)
def test_two_tensors(library, kind, shape):
    rng = np.random.default_rng([*shape, len(kind.__name__)])
    for other in _others(shape):
        op, tensors, y = _drawn(rng, kind, shape, other)
        layer = elementwise_layer(0, op, *tensors, y, library[0])
        arrays = [random_input(rng, tensor, 1)[0] for tensor in tensors]
        _check(library, layer, op, tensors, arrays, y)


@pytest.mark.parametrize("kind", [Add, Sub])
def test_broadcast_sums_without_a_linear_form(library, kind, monkeypatch):
    monkeypatch.setattr(elementwise_module, "linear_sum", lambda wanted, halves: None)
    rng = np.random.default_rng(1)
    for other in _others((3, 2, 5)):
        op, tensors, y = _drawn(rng, kind, (3, 2, 5), other)
        layer = elementwise_layer(0, op, *tensors, y, library[0])
        assert layer.kind == "add_rescaled"
        _check(library, layer, op, tensors, [random_input(rng, t, 1)[0] for t in tensors], y)


def _all_pairs() -> list[np.ndarray]:
    values = np.arange(-128, 128).astype(np.int8)
    return [one[..., None] for one in np.meshgrid(values, values, indexing="ij")]


@pytest.mark.parametrize("kind", [Sub, Mul, PRelu])
@pytest.mark.parametrize("seed", range(8))
def test_all_pairs(library, kind, seed):
    rng, pair = np.random.default_rng(seed), _all_pairs()
    op, tensors, y = _drawn(rng, kind, pair[0].shape, pair[0].shape)
    _check(library, elementwise_layer(0, op, *tensors, y, library[0]), op, tensors, pair, y)


@pytest.mark.parametrize("shift", [*range(-31, -14, 4), *range(-13, 3), 7, 12, 13, 14, 15])
@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_products_of_any_scale(library, shift, zero_point):
    """From factors of which nothing is left to those of which only zero does not saturate."""
    pair = _all_pairs()
    for multiplier, clamp in (
        (1 << 30, (-128, 127)),
        ((1 << 31) - 1, (-100, 90)),
        (0, (-128, 127)),
    ):
        step = Requantize(np.int32([multiplier]), np.int32([shift]), *clamp)
        op = Mul(name="op", inputs=("a", "b"), output="y", requantize=step)
        tensors = [_tensor("a", pair[0].shape, -128), _tensor("b", pair[0].shape, 127)]
        y = _tensor("y", pair[0].shape, zero_point)
        _check(library, elementwise_layer(0, op, *tensors, y, library[0]), op, tensors, pair, y)


# --- One tensor -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 15, 16, 33, 256])
def test_lookup(library, count):
    rng = np.random.default_rng(count)
    x = _tensor("x", (count,))
    op = Lookup("op", ("x",), "y", table=rng.integers(-128, 128, 256).astype(np.int8))
    values = (
        (np.arange(count) - 128).astype(np.int8) if count == 256 else random_input(rng, x, 1)[0]
    )
    _check(library, lookup_layer(0, op, x), op, [x], [values], _tensor("y", (count,)))


def _stairs(count: int, factor: float) -> np.ndarray:
    """The steps of a rounded mean, times `factor`, of `count` values; outputs from -128 on."""
    sums = np.arange(-128 * count, 127 * count + 1)
    outputs = np.clip(np.floor(sums * factor / count + 0.5), -128, 127).astype(int)
    jumps = np.diff(outputs, prepend=-128)
    return np.repeat(sums, jumps).astype(np.int32)


def _means(library, op: Mean, shape, *, ends: bool = False) -> Layer:
    rng = np.random.default_rng([*shape, *op.axes])
    x = _tensor("x", shape)
    y = _tensor("y", tuple(1 if axis in op.axes else side for axis, side in enumerate(shape)))
    layer = mean_layer(0, op, x)
    samples = [random_input(rng, x, 1)[0]]
    samples += [np.full(shape, value, np.int8) for value in ((-128, 127) if ends else ())]
    for values in samples:
        _check(library, layer, op, [x], [values], y)
    return layer


AXES = [axes for n in (1, 2, 3) for axes in itertools.combinations(range(3), n)]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("shape", SHAPES)
def test_means_along_a_line(library, axes, shape):
    count = math.prod(shape[axis] for axis in axes)
    for factor in (1.0, 0.37, 2.9):
        steps = _stairs(count, factor)
        op = Mean("op", ("x",), "y", axes=axes, first=-128, steps=steps)
        layer = _means(library, op, shape, ends=True)
        # Equal steps are no line.
        assert bool(layer.arrays) <= bool((np.diff(steps) == 0).any())


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("shape", [(3, 2, 8), (2, 5, 3), (1, 9, 4)])
def test_means_of_any_steps(library, axes, shape):
    rng = np.random.default_rng([*shape, *axes])
    reach = 128 * math.prod(shape[axis] for axis in axes)
    for most in (0, 1, 40, 255):
        steps = np.sort(rng.integers(-reach - 50, reach + 50, most)).astype(np.int32)
        first = int(rng.integers(-128, 128 - most))
        _means(library, Mean("op", ("x",), "y", axes=axes, first=first, steps=steps), shape)


@pytest.mark.parametrize(("side", "channels"), [(16, 4), (17, 4), (23, 8), (17, 3), (96, 1)])
def test_means_of_many_values(library, side, channels):
    """More values than can be summed at once in half a word."""
    shape = (side, side, channels)
    op = Mean("op", ("x",), "y", axes=(0, 1), first=-128, steps=_stairs(side * side, 1.0))
    layer = _means(library, op, shape, ends=True)
    assert not layer.arrays
    assert (layer.function == "tk_mean_words") == (channels % 4 == 0)


def _exponentials(scale: float, count: int) -> np.ndarray:
    table = np.floor(np.exp(-scale * np.arange(count)) * ((1 << 31) - 1)).astype(np.int32)
    table[0] = (1 << 31) - 1
    return table


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (10,), (1000,), (4095,), (3, 2, 4), (5, 1, 3)])
@pytest.mark.parametrize(
    ("scale", "count"), [(0.0, 256), (0.01, 256), (0.1, 160), (0.9, 20), (5.0, 1)]
)
def test_softmax(library, shape, scale, count):
    rng = np.random.default_rng([*shape, count])
    x, y = _tensor("x", shape), Tensor("y", shape, 8, 1 / 256, -128)
    op = Softmax("op", ("x",), "y", exponentials=_exponentials(scale, count))
    layer = softmax_layer(0, op, x)
    # All alike, one far above the others, and drawn ones.
    lonely = np.full(shape, -128, np.int8)
    lonely.reshape(-1)[-1] = 127
    for values in (np.full(shape, 7, np.int8), lonely, *random_input(rng, x, 3)):
        _check(library, layer, op, [x], [values], y)


# --- Steps of a signal ----------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [1, 3, 8, 13])
@pytest.mark.parametrize("features", [1, 4, 7, 20])
def test_lstm(library, features, cells):
    """Of one step and of some, with an output of its own and as near its input as it may come."""
    rng = np.random.default_rng([features, cells])
    for steps in (1, 2, 9):
        builder = Builder(rng, (steps, 1, features))
        source = builder.last
        op = builder.lstm(cells).ops[-1]
        layer = lstm_layer(0, op, source, builder.last)
        x = random_input(rng, source, 1)
        want = run_op(op, [(x, source)], builder.last)[0]
        got = kernel_library.call(library[1], layer, x[0], source, builder.last)
        np.testing.assert_array_equal(got, want)
        near = -int(layer.overlap.forward)
        got = kernel_library.call_over(library[1], layer, x[0], source, builder.last, near)
        np.testing.assert_array_equal(got, want)


# --- What moves bytes -----------------------------------------------------------------------------


def _moves(library, op: Op, shapes: list[tuple[int, ...]], out: tuple[int, ...]) -> Layer:
    rng = np.random.default_rng([n for shape in shapes for n in shape])
    tensors = [_tensor(f"x{i}", shape) for i, shape in enumerate(shapes)]
    y = _tensor("y", out)
    layer = move_layer(0, op, tensors, y)
    arrays = [random_input(rng, tensor, 1)[0] for tensor in tensors]
    _check(library, layer, op, tensors, arrays, y)
    return layer


@pytest.mark.parametrize("shape", SHAPES)
def test_pad(library, shape):
    rng = np.random.default_rng([*shape, 1])
    for case in range(6):
        padding = tuple(int(one) for one in rng.integers(0, 5, 6))
        if case % 2:
            padding = (*padding[:4], 0, 0)
        value = int(rng.integers(-128, 128))
        out = tuple(
            side + padding[2 * axis] + padding[2 * axis + 1] for axis, side in enumerate(shape)
        )
        _moves(library, Pad("op", ("x0",), "y", padding=padding, value=value), [shape], out)


@pytest.mark.parametrize("shape", SHAPES)
def test_slice(library, shape):
    rng = np.random.default_rng([*shape, 2])
    for _ in range(10):
        begin, step, size = [], [], []
        for side in shape:
            begin.append(int(rng.integers(0, side)))
            step.append(int(rng.choice([1, 1, 2, 3, -1, -2])))
            room = (
                begin[-1] // -step[-1] + 1
                if step[-1] < 0
                else (side - 1 - begin[-1]) // step[-1] + 1
            )
            size.append(int(rng.integers(1, room + 1)))
        op = Slice("op", ("x0",), "y", begin=tuple(begin), step=tuple(step))
        layer = _moves(library, op, [shape], tuple(size))
        assert (layer.overlap == overlap.ELEMENTWISE) == (min(step) > 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_transpose(library, shape):
    for permutation in itertools.permutations(range(3)):
        op = Transpose("op", ("x0",), "y", permutation=permutation)
        _moves(library, op, [shape], tuple(shape[axis] for axis in permutation))


@pytest.mark.parametrize("shape", SHAPES)
def test_concat(library, shape):
    for axis, counts in itertools.product(range(3), ((1,), (1, 1), (2, 5, 1), (4, 8))):
        shapes = [tuple(n if i == axis else side for i, side in enumerate(shape)) for n in counts]
        out = tuple(sum(counts) if i == axis else side for i, side in enumerate(shape))
        names = tuple(f"x{i}" for i in range(len(counts)))
        _moves(library, Concat("op", names, "y", axis=axis), shapes, out)


def test_concat_of_rows(library):
    _moves(library, Concat("op", ("x0", "x1", "x2"), "y", axis=0), [(5,), (1,), (6,)], (12,))


@pytest.mark.parametrize("shape", SHAPES)
def test_resize_nearest(library, shape):
    rng = np.random.default_rng([*shape, 3])
    for height, width in ((1, 1), (2 * shape[0], 2 * shape[1]), (5, 3), (3, 9)):
        rows = np.sort(rng.integers(0, shape[0], height)).astype(np.int32)
        columns = rng.integers(0, shape[1], width).astype(np.int32)
        op = ResizeNearest("op", ("x0",), "y", rows=rows, columns=columns)
        _moves(library, op, [shape], (height, width, shape[2]))
