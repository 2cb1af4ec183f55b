# SPDX-License-Identifier: Apache-2.0
"""Every kernel at every width, on random shapes, against the interpreter, bit for bit."""

from __future__ import annotations

import ctypes as c
import math
import zlib
from dataclasses import replace
from itertools import product

import kernel_library
import numpy as np
import pytest
from growing import growing_network

from tinykit.codegen import elementwise as elementwise_module
from tinykit.codegen.elementwise import elementwise_layer
from tinykit.codegen.isa import ISAS
from tinykit.codegen.kernels import choose_kernels
from tinykit.codegen.layer import Layer
from tinykit.codegen.moves import moves_bytes, reshape_layer
from tinykit.network import Add, AvgPool2D, MaxPool2D, Network, Reshape, Tensor, add_rescale
from tinykit.network.interpreter import run_op
from tinykit.network.ops import integer_range
from tinykit.network.requantize import requantize
from tinykit.network.sample import Builder, random_input

WIDTHS = (8, 4, 2)
# Of weights, input and output.
TRIPLES = list(product(WIDTHS, WIDTHS, WIDTHS))


@pytest.fixture(scope="module", params=ISAS)
def library(request, shared_folder):
    return request.param, kernel_library.build(shared_folder, isa=request.param)


def _window(rng: np.random.Generator, shape: tuple[int, ...]) -> dict:
    """A kernel, stride, dilation and lopsided padding that give at least one pixel."""
    kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
    dilation = tuple(int(d) for d in rng.integers(1, 3, 2))
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    pads = [int(rng.integers(0, e)) for e in (extent[0], extent[0], extent[1], extent[1])]
    for axis in (0, 1):
        # Windows of one output pixel come up often, those of none never.
        short = extent[axis] - shape[axis] - pads[2 * axis] - pads[2 * axis + 1]
        if short > 0:
            kernel = tuple(1 if a == axis else k for a, k in enumerate(kernel))
            pads[2 * axis : 2 * axis + 2] = [0, 0]
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    return {"kernel": kernel, "stride": stride, "padding": tuple(pads), "dilation": dilation}


def _start(rng: np.random.Generator, bits: int, channels: int) -> Builder:
    shape = (int(rng.integers(1, 8)), int(rng.integers(1, 7)), channels)
    return Builder(rng, shape, bits=bits)


def _check(library, network: Network, rng: np.random.Generator, layer: int = 0) -> None:
    source = network.tensor(choose_kernels(network, library[0])[layer].op.inputs[0])
    _check_on(library, network, random_input(rng, source, 2), layer)


def _check_on(library, network: Network, x: np.ndarray, layer: int = 0) -> None:
    isa, kernels = library
    # Any of the kernels and storages that can be chosen.
    rng = np.random.default_rng(zlib.crc32(x.tobytes()))
    chosen = choose_kernels(network, isa, lambda ways: ways[int(rng.integers(len(ways)))])[layer]
    source = network.tensor(chosen.op.inputs[0])
    result = network.tensor(chosen.op.output)
    want = run_op(chosen.op, [(x, source)], result)
    for one, expected in zip(x, want, strict=True):
        got = kernel_library.call(kernels, chosen, one, source, result)
        np.testing.assert_array_equal(got, expected)
        for distance, layer_there in _over(chosen, source, result):
            got = kernel_library.call_over(kernels, layer_there, one, source, result, distance)
            np.testing.assert_array_equal(got, expected, err_msg=f"{distance} bytes apart")


def _over(layer: Layer, source: Tensor, result: Tensor) -> list[tuple[int, Layer]]:
    """The closest distances at which the output may lie over the input, with the layer for each."""
    over, found = layer.overlap, []
    if over.same:
        found.append((0, layer))
    if math.isfinite(over.forward):
        # Memory plans keep buffers on word boundaries.
        found.append((4 * math.floor(-over.forward / 4), layer))
    if over.forward == -math.inf:
        found.append((8, layer))
    if math.isfinite(over.backward):
        fields = {**layer.fields, "backward": 1}
        found.append((4 * math.ceil(over.backward / 4), replace(layer, fields=fields)))
    return found


@pytest.mark.parametrize(("weight", "inp", "out"), TRIPLES)
def test_convolution(library, weight, inp, out):
    rng = np.random.default_rng(weight * 100 + inp * 10 + out)
    for _ in range(6):
        builder = _start(rng, inp, int(rng.integers(1, 12)))
        window = _window(rng, builder.shape)
        builder.conv(int(rng.integers(1, 10)), **window, weight_bits=weight, bits=out)
        _check(library, _flat(builder), rng)


@pytest.mark.parametrize(("weight", "inp", "out"), TRIPLES)
def test_pointwise(library, weight, inp, out):
    rng = np.random.default_rng(weight * 100 + inp * 10 + out + 1)
    for channels in (1, 7, 16, 33):
        builder = _start(rng, inp, channels)
        builder.conv(
            int(rng.integers(1, 10)), (1, 1), padding="valid", weight_bits=weight, bits=out
        )
        _check(library, _flat(builder), rng)


@pytest.mark.parametrize(("weight", "inp", "out"), TRIPLES)
def test_depthwise(library, weight, inp, out):
    rng = np.random.default_rng(weight * 100 + inp * 10 + out + 2)
    for case in range(8):
        channels = (4, 8)[case % 2] if case < 4 else int(rng.integers(1, 11))
        builder = _start(rng, inp, channels)
        window = _window(rng, builder.shape)
        multiplier = int(rng.integers(1, 4)) if case >= 5 else 1
        builder.depthwise(**window, multiplier=multiplier, weight_bits=weight, bits=out)
        _check(library, _flat(builder), rng)


@pytest.mark.parametrize(("weight", "inp", "out"), TRIPLES)
def test_depthwise_3x3(library, weight, inp, out):
    """The kernel that some cores have a way of their own for, where channels come in fours."""
    rng = np.random.default_rng(weight * 100 + inp * 10 + out + 4)
    for shape in ((1, 2, 4), (2, 1, 8), (5, 5, 4), (4, 9, 12), (int(rng.integers(3, 12)), 6, 20)):
        builder = Builder(rng, shape, bits=inp)
        pads = [(1, 1, 1, 1), (2, 0, 0, 2), (1, 2, 2, 1)]
        padding = pads[int(rng.integers(0, len(pads)))]
        relu = bool(rng.random() < 0.5)
        builder.depthwise((3, 3), padding=padding, weight_bits=weight, bits=out, relu=relu)
        _check(library, _flat(builder), rng)


@pytest.mark.parametrize(("inp", "out"), list(product((4, 2), (4, 2))))
def test_depthwise_of_narrow_values(library, inp, out):
    """Behind a ReLU, and channels in fours: what a folded image is for, where the core has one."""
    rng = np.random.default_rng(inp * 10 + out)
    folded = f"tk_dsp_depthwise_folded_a{inp}_o{out}"
    functions = []
    for shape in ((1, 1, 4), (1, 5, 8), (2, 3, 4), (7, 4, 12), (8, 9, 8)):
        for stride in ((1, 1), (2, 2), (1, 2), (3, 1)):
            builder = Builder(rng, shape, bits=inp)
            padding = tuple(int(one) for one in rng.integers(1, 3, 4))
            weight = int(rng.choice((4, 2)))
            builder.depthwise((3, 3), stride=stride, padding=padding, weight_bits=weight, bits=out)
            network = _flat(builder)
            functions.append(choose_kernels(network, library[0])[0].function)
            _check(library, network, rng)
    # Scales drawn for the smallest images may be too steep.
    assert functions.count(folded) >= 15 or library[0] != "dsp"


@pytest.mark.parametrize("bits", WIDTHS)
def test_sums_that_grow(library, bits):
    """Scales of one half and more: shifts by nothing and to the left."""
    rng = np.random.default_rng(bits)
    network = growing_network(rng, bits)
    for index, layer in enumerate(choose_kernels(network, library[0])):
        if layer.scaling is not None:
            _check(library, network, rng, index)


@pytest.mark.parametrize(("weight", "inp", "out"), TRIPLES)
def test_dense(library, weight, inp, out):
    rng = np.random.default_rng(weight * 100 + inp * 10 + out + 3)
    for features in (1, 5, 8, 40, 67):
        builder = Builder(rng, (features,), bits=inp)
        builder.dense(int(rng.integers(1, 8)), weight_bits=weight, bits=out)
        _check(library, builder.build(), rng)


@pytest.mark.parametrize("bits", WIDTHS)
def test_an_input_that_is_padded_first(library, bits):
    """Few channels in, many out, and most pixels at a border: the keyword spotter's first layer."""
    rng = np.random.default_rng(bits)
    builder = Builder(rng, (13, 5, 1), bits=bits)
    builder.conv(40, (5, 4), stride=(2, 2), weight_bits=8)
    network = _flat(builder)
    layer = choose_kernels(network, library[0])[0]
    assert layer.fields["padded_height"] > 13
    _check(library, network, rng)


@pytest.mark.parametrize(("weight", "bits"), [(4, 4), (4, 2), (2, 4), (2, 2)])
def test_sums_of_several_chunks(library, weight, bits):
    """So many values that pixels which share a register must be taken apart on the way."""
    rng = np.random.default_rng(weight * 10 + bits)
    found = set()
    for channels in (8, 64, 512, 2048):
        builder = Builder(rng, (2, 2, channels), bits=bits)
        builder.conv(3, (1, 1), padding="valid", weight_bits=weight, bits=8)
        network = _flat(builder)
        matmul = choose_kernels(network, library[0])[0].matmul
        if matmul.variant.lane_limit is not None:
            found.add(matmul.chunk < matmul.length)
        _check(library, network, rng)
    assert found in ({True, False}, set()) or weight * bits < 16


@pytest.mark.parametrize(("weight", "inp", "out"), list(product((4, 2), WIDTHS, (4, 2))))
def test_narrow_outputs(library, weight, inp, out):
    """Behind a ReLU: where the core has kernels that need one multiplication, for short and long
    rows, in one chunk and in several, for whole groups and what is left."""
    rng = np.random.default_rng(weight * 100 + inp * 10 + out + 5)
    multiplies = []
    for shape in ((1, 1, 4), (3, 3, 16), (3, 5, 64), (1, 9, 300)):
        builder = Builder(rng, shape, bits=inp)
        builder.conv(12, (1, 1), padding="valid", weight_bits=weight, bits=out)
        network = _flat(builder)
        multiplies.append(choose_kernels(network, library[0])[0].matmul.variant.multiply)
        _check(library, network, rng)
    lined = [name for name in multiplies if name.endswith(f"_o{out}")]
    assert len(lined) >= 2 or library[0] != "dsp"


@pytest.mark.parametrize("kind", [AvgPool2D, MaxPool2D])
@pytest.mark.parametrize("bits", WIDTHS)
def test_pools(library, kind, bits):
    rng = np.random.default_rng(bits)
    for _ in range(8):
        builder = _start(rng, bits, int(rng.integers(1, 10)))
        kernel = tuple(int(rng.integers(1, 1 + side)) for side in builder.shape[:2])
        pads = tuple(int(rng.integers(0, k)) for k in (kernel[0], kernel[0], kernel[1], kernel[1]))
        stride = tuple(int(s) for s in rng.integers(1, 4, 2))
        builder.pool(kind, kernel, stride=stride, padding=pads)
        _check(library, _flat(builder), rng)


class Addition:
    """An Add of drawn zero points and, unless given, scales: (two inputs, output)."""

    def __init__(self, rng, shape: tuple[int, ...], bits: int, scales=None, relu: bool = False):
        low, high = integer_range(bits)
        drawn = 10.0 ** rng.uniform(-2, -1, 3) if scales is None else scales
        zero_points = [int(one) for one in rng.integers(low, high + 1, 3)]
        self.tensors = tuple(
            Tensor(name, shape, bits, float(scale), zero_point)
            for name, scale, zero_point in zip("aby", drawn, zero_points, strict=True)
        )
        low = zero_points[2] if relu else low
        step = add_rescale((drawn[0], drawn[1]), drawn[2], low=low, high=high)
        self.op = Add(name="add", inputs=("a", "b"), output="y", rescale=step)

    def check(self, library, pair: tuple[np.ndarray, np.ndarray]) -> Layer:
        """The layer, held to the interpreter with every place for its output."""
        isa, kernels = library
        a, b, y = self.tensors
        layer = elementwise_layer(0, self.op, a, b, y, isa)
        want = run_op(self.op, [(pair[0][None], a), (pair[1][None], b)], y)[0]
        for over in (None, 0, 1):
            got = kernel_library.call_all(kernels, layer, list(pair), y, over=over)
            np.testing.assert_array_equal(got, want)
        return layer


def _all_pairs(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 (n, n, 1) each, n integers there are."""
    low, high = integer_range(bits)
    values = np.arange(low, high + 1).astype(np.int8)
    first, second = np.meshgrid(values, values, indexing="ij")
    return first[..., None], second[..., None]


@pytest.mark.parametrize("seed", range(12))
def test_all_sums_of_8_bits(library, seed):
    rng = np.random.default_rng(seed)
    pair = _all_pairs(8)
    layer = Addition(rng, pair[0].shape, 8, relu=seed % 3 == 0).check(library, pair)
    assert layer.kind == ("add_halves" if library[0] in ("dsp", "mve") else "add")


@pytest.mark.parametrize("second", [0.25, 1.0, 1.25])
@pytest.mark.parametrize("output", [0.25, 0.5, 1.0, 2.0, 2.5])
def test_sums_that_fall_on_halves(library, second, output):
    rng = np.random.default_rng(round(8 * second + 64 * output))
    pair = _all_pairs(8)
    Addition(rng, pair[0].shape, 8, (1.0, second, output)).check(library, pair)


def test_sums_without_a_linear_form(library, monkeypatch):
    pair = _all_pairs(8)
    monkeypatch.setattr(elementwise_module, "linear_sum", lambda wanted, halves: None)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        layer = Addition(rng, pair[0].shape, 8, relu=seed % 2 == 0).check(library, pair)
        assert layer.kind == "add_rescaled"


@pytest.mark.parametrize("output", [2.0**-8, 2.0**-18, 3.0**-6, 100.0, 2.0**22])
def test_steep_and_flat_sums(library, output):
    rng = np.random.default_rng(1)
    pair = _all_pairs(8)
    layer = Addition(rng, pair[0].shape, 8, (1.0, 0.7, output)).check(library, pair)
    if library[0] in ("dsp", "mve") and output < 2.0**-7:
        # Sixteen bits before the point do not hold it.
        assert layer.kind == "add_rescaled"


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_sums_of_any_shape(library, bits):
    """Rests of a word, and pixels that do not fill bytes."""
    rng = np.random.default_rng(bits)
    for shape in ((1,), (6,), (7,), (2, 3, 1), (3, 2, 5), (1, 2, 6), (2, 2, 8), (3, 1, 7)):
        addition = Addition(rng, shape, bits)
        first, second = (random_input(rng, one, 1)[0] for one in addition.tensors[:2])
        addition.check(library, (first, second))


@pytest.mark.parametrize("bits", [4, 2])
def test_all_narrow_sums(library, bits):
    rng = np.random.default_rng(bits)
    pair = _all_pairs(bits)
    for case in range(10):
        addition = Addition(rng, pair[0].shape, bits, relu=case % 2 == 0)
        assert addition.check(library, pair).kind == "add_table"


@pytest.mark.parametrize("kind", [AvgPool2D, MaxPool2D])
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("side", [3, 16, 17, 20])
def test_pools_of_whole_words(library, kind, bits, side):
    """Words are summed up to 257 pixels; 361 is where multiplying by the inverse ends."""
    rng = np.random.default_rng(bits + side)
    builder = Builder(rng, (side, side, 48), bits=bits)
    builder.pool(kind, (side, side), stride=(2, 2), padding=(0, 1, 1, 0))
    _check(library, _flat(builder), rng)
    extremes = Builder(rng, (side, side, 16), bits=bits).pool(kind, (side, side))
    low, high = integer_range(bits)
    for value in (low, high):
        x = np.full((1, side, side, 16), value, np.int8)
        _check_on(library, _flat(extremes), x)


@pytest.mark.parametrize("bits", [4, 2])
@pytest.mark.parametrize(("before", "after"), [((2, 3, 4), (4, 2, 3)), ((1, 1, 12), (2, 2, 3))])
def test_reshape_that_moves_bytes(library, bits, before, after):
    rng = np.random.default_rng(bits)
    x, y = (Tensor(name, shape, bits, 1.0, 0) for name, shape in (("x", before), ("y", after)))
    op = Reshape(name="r", inputs=("x",), output="y")
    assert moves_bytes(x, y)
    layer = reshape_layer(0, op, x, y)
    one = random_input(rng, x, 1)[0]
    got = kernel_library.call(library[1], layer, one, x, y)
    np.testing.assert_array_equal(got, one.reshape(after))


def _flat(builder: Builder) -> Network:
    """Close the chain with a head; its pixels may have to be averaged to fill bytes."""
    bits = builder.tensors[-1].bits
    if builder.shape[-1] % (8 // bits):
        builder.mean()
    return builder.dense(2, weight_bits=8, bits=8).build()


@pytest.mark.parametrize("isa", ISAS)
def test_wide_accumulators(shared_folder, isa):
    """The long form of the requantisation gives what the short one gives."""
    library = isa, kernel_library.build(shared_folder, wide=True, isa=isa)
    rng = np.random.default_rng(3)
    for weight, bits in product(WIDTHS, WIDTHS):
        builder = _start(rng, bits, 5)
        builder.conv(6, (3, 2), weight_bits=weight, bits=8, relu=bits == 8)
        builder.depthwise((3, 3), weight_bits=weight, bits=bits, relu=bits != 8)
        network = _flat(builder)
        _check(library, network, rng, 0)
        _check(library, network, rng, 1)


@pytest.mark.parametrize("wide", [False, True])
def test_requantize(shared_folder, wide):
    """One accumulator at a time, over the whole range that each form allows, ties included."""
    library = kernel_library.build(shared_folder, wide=wide)
    rng = np.random.default_rng(7)
    count = 200_000
    shift = rng.integers(-30 if wide else 0, 32, count).astype(np.int32)
    limit = np.int64((1 << 31) - (1 << 8) if wide else (1 << 30) - 1)
    top = limit >> np.maximum(-shift, 0)
    acc = (rng.integers(-(1 << 31), 1 << 31, count) % (2 * top + 1) - top).astype(np.int32)
    acc[::3] >>= rng.integers(0, 31, len(acc[::3]))
    multiplier = rng.integers(1 << 30, 1 << 31, count).astype(np.int32)
    multiplier[::5] = 1 << 30
    multiplier[::7] = 0
    want = requantize(acc, multiplier, -shift, 3, -128, 127)
    got = np.zeros(count, np.int32)
    struct = kernel_library.Output(3, -128, 127, 8)

    def pointer(a: np.ndarray):
        return a.ctypes.data_as(c.POINTER(c.c_int32))

    library.shim_requantize(
        c.byref(struct),
        pointer(acc),
        pointer(multiplier),
        pointer(shift),
        pointer(got),
        c.c_size_t(count),
    )
    np.testing.assert_array_equal(got, want)
