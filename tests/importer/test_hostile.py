# SPDX-License-Identifier: Apache-2.0
"""Damaged and hostile .tflite files: each is refused by a TinykitError, or runs."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest

from tests.importer.single import File
from tests.importer.test_operators import OPERATORS
from tinykit.errors import TinykitError
from tinykit.importer import flatbuffer
from tinykit.importer.calibrate import calibrate
from tinykit.importer.float_run import FloatModel
from tinykit.importer.frame import beyond_float_is_infinite
from tinykit.importer.lower import lower
from tinykit.importer.narrowing import Narrowing
from tinykit.importer.ptq import quantize
from tinykit.importer.real_graph import real_graph
from tinykit.importer.tflite_reader import parse_tflite
from tinykit.importer.write_tflite import to_tflite
from tinykit.network import interpret, shapes

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

_MOST_MACS = 10**7
_MOST_VALUES = 1 << 18
_MUTATIONS = 40
_SPECIAL = (0, 1, 2, 4, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC00000)


def taken(data: bytes) -> bool:
    """Whether the importer takes `data`; what it takes is run. Any other error is the test's."""
    try:
        network = lower(parse_tflite(data)).network
    except TinykitError as error:
        refusal = error
        network = None
    if network is None:
        assert refusal.what
        assert refusal.where
        return False
    values = sum(int(np.prod(tensor.shape)) for tensor in network.tensors)
    work = sum(shapes.macs(op, network.tensor(op.output).shape) for op in network.ops)
    if values <= _MOST_VALUES and work <= _MOST_MACS:
        interpret(network, np.zeros((1, *network.tensor(network.input).shape), np.int8))
    return True


def tiny() -> bytes:
    """One operator on four values."""
    file = File()
    x, y = file.tensor((1, 4), 0.1), file.tensor((1, 4), 0.1)
    file.node("RELU", [x], y)
    return file.content(x, y)


def mutated(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """`data` with one to three bytes, words or pieces changed."""
    result = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        words = len(result) // 4
        if words < 2:
            break
        first, second = (4 * int(one) for one in rng.integers(0, words, 2))
        way = int(rng.integers(0, 6))
        if way == 0:
            result[first] ^= 1 << int(rng.integers(0, 8))
        elif way == 1:
            result[first : first + 4] = struct.pack(
                "<I", _SPECIAL[int(rng.integers(len(_SPECIAL)))]
            )
        elif way == 2:
            (word,) = struct.unpack_from("<I", result, first)
            near = (word + int(rng.integers(-8, 9))) & 0xFFFFFFFF
            result[first : first + 4] = struct.pack("<I", near)
        elif way == 3:
            one, two = result[first : first + 4], result[second : second + 4]
            result[first : first + 4], result[second : second + 4] = two, one
        elif way == 4:
            piece = other[second : second + 4 * int(rng.integers(1, 9))]
            result[first : first + len(piece)] = piece
        elif rng.random() < 0.2:
            del result[first:]
    return bytes(result)


@pytest.mark.parametrize("operator", OPERATORS)
def test_mutations_are_refused_or_run(operator: str) -> None:
    rng = np.random.default_rng(list(operator.encode()))
    data = OPERATORS[operator](rng)
    assert taken(data)
    others = list(OPERATORS.values())
    kept = 0
    for _ in range(_MUTATIONS):
        other = others[int(rng.integers(len(others)))](rng)
        kept += taken(mutated(data, other, rng))
    assert kept < _MUTATIONS


def test_no_part_of_a_file_ends_in_another_error() -> None:
    data = tiny()
    assert taken(data)
    # What the last bytes hold may be unread; most lengths cut what is needed.
    assert not any(taken(data[:length]) for length in range(len(data) // 2))
    for length in range(len(data) // 2, len(data)):
        taken(data[:length])


def test_any_word_may_be_anything() -> None:
    data = tiny()
    for place in range(0, len(data) - 3, 4):
        for word in _SPECIAL:
            taken(data[:place] + struct.pack("<I", word) + data[place + 4 :])


@pytest.mark.parametrize(
    ("operator", "options"), [("RELU", ""), ("LEAKY_RELU", "LeakyReluOptions")]
)
def test_a_factor_beyond_float32_is_refused_without_a_warning(operator: str, options: str) -> None:
    file = File()
    x, y = file.tensor((1, 4), 1e30), file.tensor((1, 4), 1e-30)
    file.node(operator, [x], y, options, **({"Alpha": 0.5} if options else {}))
    with pytest.raises(TinykitError, match=operator):
        lower(parse_tflite(file.content(x, y)))


@pytest.mark.parametrize("place", [0, 1 << 31, 0xFFFFFFFF])
def test_a_root_outside_the_file_is_refused(place: int) -> None:
    with pytest.raises(TinykitError, match=r"outside itself|ends within"):
        parse_tflite(struct.pack("<I", place) + tiny()[4:])


def shared(entries: int, tail: bytes) -> bytes:
    """A Model whose list of subgraphs points `entries` times to one place, where `tail` starts."""
    # The list of fields (version, operator_codes, subgraphs) comes first, then the table.
    fields = struct.pack("<HHHHHH", 10, 12, 4, 0, 8, 0)
    head = struct.pack("<I4s", 20, b"TFL3") + fields
    table = struct.pack("<iII", 12, 3, 4)
    start = len(head) + len(table) + 4
    end = start + 4 * entries
    offsets = b"".join(struct.pack("<I", end - (start + 4 * i) + 8) for i in range(entries))
    return head + table + struct.pack("<I", entries) + offsets + tail


EMPTY = struct.pack("<HHHH", 4, 4, 0, 0) + struct.pack("<i", 8)
"""An empty list of fields, and 8 bytes on a table without any."""


def test_a_table_that_many_point_to_is_counted() -> None:
    with pytest.raises(TinykitError, match="has 3 subgraphs"):
        parse_tflite(shared(3, EMPTY))
    with pytest.raises(TinykitError, match="more than"):
        parse_tflite(shared(flatbuffer.MAX_TABLES + 1, EMPTY))


def test_a_count_beyond_the_file_is_refused() -> None:
    data = bytearray(shared(3, EMPTY))
    data[32:36] = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(TinykitError, match="ends within"):
        parse_tflite(bytes(data))


def test_a_mean_whose_factor_cannot_be_expressed_is_refused() -> None:
    file = File()
    x, y = file.tensor((1, 2, 2, 3), 1e20), file.tensor((1, 3), 1e-20)
    file.node("MEAN", [x, file.constant([1, 2])], y, "ReducerOptions", KeepDims=False)
    with pytest.raises(TinykitError, match="MEAN"):
        lower(parse_tflite(file.content(x, y)))


@pytest.mark.parametrize("scale", [1e-45, 1e-38, 2e-9])
@pytest.mark.parametrize("fused", [False, True])
def test_an_end_beyond_32_bits_is_refused(scale: float, fused: bool) -> None:
    file = File()
    x, y = file.tensor((1, 4), scale), file.tensor((1, 4), scale)
    if fused:
        file.node("ADD", [x, x], y, "AddOptions", FusedActivationFunction="RELU6")
    else:
        file.node("RELU6", [x], y)
    with pytest.raises(TinykitError, match="cannot express in 32 bits"):
        lower(parse_tflite(file.content(x, y)))


@pytest.mark.parametrize("operator", ["LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "QUANTIZE"])
def test_an_output_scale_beyond_float32_is_refused_without_a_warning(operator: str) -> None:
    file = File()
    x, y = file.tensor((1, 4), 1e30), file.tensor((1, 4), 1e-45)
    options = {"LEAKY_RELU": "LeakyReluOptions"}.get(operator, "")
    file.node(operator, [x], y, options, **({"Alpha": 0.5} if options else {}))
    with pytest.raises(TinykitError, match=operator):
        lower(parse_tflite(file.content(x, y)))


def test_an_input_that_is_left_out_is_refused() -> None:
    file = File()
    x, y = file.tensor((1, 4), 0.1), file.tensor((1, 8), 0.1)
    file.node("CONCATENATION", [x, -1], y, "ConcatenationOptions", Axis=1)
    with pytest.raises(TinykitError, match="lacks an input"):
        lower(parse_tflite(file.content(x, y)))


def test_reals_where_a_float_model_needs_integers_are_refused() -> None:
    file = File()
    x, y = (file.tensor((1, 4, 4, 2), None, dtype="float32") for _ in range(2))
    size = file.tensor((2,), None, data=np.full(2, 4, np.float32), dtype="float32")
    options = "ResizeNearestNeighborOptions"
    file.node("RESIZE_NEAREST_NEIGHBOR", [x, size], y, options, HalfPixelCenters=True)
    graph = parse_tflite(file.content(x, y))
    ranges = dict.fromkeys(("t0", "t1"), (-1.0, 1.0))
    with pytest.raises(TinykitError, match="reals for integers"):
        quantize(real_graph(graph), ranges)


def test_shapes_of_other_ranks_are_not_joined() -> None:
    file = File()
    x, row = file.tensor((1, 4), 0.1), file.tensor((4,), 0.1, data=np.zeros(4, np.int8))
    y = file.tensor((1, 8), 0.1)
    file.node("CONCATENATION", [x, row], y, "ConcatenationOptions", Axis=1)
    with pytest.raises(TinykitError, match="joins"):
        lower(parse_tflite(file.content(x, y)))


def test_a_reshape_whose_shape_is_left_out_is_written() -> None:
    file = File()
    x, y = (file.tensor((1, 4), None, dtype="float32") for _ in range(2))
    file.node("RESHAPE", [x, -1], y, "")
    model = FloatModel(parse_tflite(file.content(x, y)))
    whole = quantize(model.graph, calibrate(model, np.ones((2, 4), np.float32), "minmax"))
    again, network = (lower(one).network for one in (parse_tflite(to_tflite(whole)), whole))
    assert again.tensor(again.input) == network.tensor(network.input)


@pytest.mark.parametrize("sides", [(201330689, 0), (201330689, 1), (1, 201330689)])
def test_a_window_of_any_size_takes_no_memory(sides: tuple[int, int]) -> None:
    file = File()
    x, y = (file.tensor(shape, None, dtype="float32") for shape in ((1, 7, 3, 1), (1, 4, 2, 1)))
    strides = {"StrideH": 2, "StrideW": 2}
    window = {"FilterHeight": sides[0], "FilterWidth": sides[1]}
    file.node("MAX_POOL_2D", [x], y, "Pool2DOptions", Padding="SAME", **strides, **window)
    model = FloatModel(parse_tflite(file.content(x, y)))
    tracemalloc.start()
    with pytest.raises(TinykitError, match="MAX_POOL_2D"):
        model.run(np.zeros((2, *model.input_shape), np.float32))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.filterwarnings("error")
def test_factors_beyond_float32_are_refused_without_a_warning() -> None:
    file = File()
    x, other = file.tensor((1, 4), 3e38), file.tensor((1, 4), 3e38, data=np.ones((1, 4), np.int8))
    y = file.tensor((1, 4), 1e-3)
    file.node("MUL", [x, other], y, "MulOptions")
    with pytest.raises(TinykitError, match="MUL"):
        lower(parse_tflite(file.content(x, y)))


def test_what_is_beyond_float_warns_again_afterwards() -> None:
    before = np.geterr()
    with beyond_float_is_infinite(), beyond_float_is_infinite():
        assert np.geterr()["over"] == "ignore"
    assert np.geterr() == before


def narrow_layer(size: float) -> None:
    """Quantize a layer whose weights are all `size`, and give it weights of 4 bits."""
    file = File()
    x, y = (file.tensor((1, side), None, dtype="float32") for side in (4, 2))
    weight = file.tensor((2, 4), None, data=np.full((2, 4), size, np.float32), dtype="float32")
    file.node("FULLY_CONNECTED", [x, weight, -1], y, "FullyConnectedOptions")
    model = FloatModel(parse_tflite(file.content(x, y)))
    data = np.ones((2, 4), np.float32)
    whole = quantize(model.graph, calibrate(model, data, "mse"))
    work = Narrowing(model, None, whole, data, 4, "adaround")
    network = lower(work.run({node.name for node in whole.nodes})[0]).network
    interpret(network, np.zeros((1, 4), np.int8))


@pytest.mark.parametrize("size", [1e-45, 1e-38, 1e-33, 1e30])
@pytest.mark.filterwarnings("error")
def test_weights_near_the_ends_of_float32_are_run(size: float) -> None:
    narrow_layer(size)


@pytest.mark.filterwarnings("error")
def test_weights_whose_sums_leave_float32_are_refused_without_a_warning() -> None:
    with pytest.raises(TinykitError, match="not finite"):
        narrow_layer(3e38)


def test_a_pad_of_fewer_axes_than_its_convolution_is_refused() -> None:
    file = File()
    x, padded = file.tensor((1, 4, 4, 2), 0.1), file.tensor((1, 6), 0.1)
    amounts = file.constant([[0, 0], [1, 1], [1, 1], [0, 0]])
    weight = file.tensor((2, 3, 3, 2), 0.1, data=np.ones((2, 3, 3, 2), np.int8))
    y = file.tensor((1, 6, 6, 2), 0.1)
    file.node("PAD", [x, amounts], padded, "PadOptions")
    same = {"Padding": "SAME", "StrideH": 1, "StrideW": 1}
    same |= {"DilationHFactor": 1, "DilationWFactor": 1}
    file.node("CONV_2D", [padded, weight, -1], y, "Conv2DOptions", **same)
    with pytest.raises(TinykitError, match="PAD"):
        lower(parse_tflite(file.content(x, y)))
