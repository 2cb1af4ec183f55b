# SPDX-License-Identifier: Apache-2.0
"""All kernels in one shared library, called through ctypes with guards around their memory."""

from __future__ import annotations

import ctypes as c
import fcntl
from pathlib import Path

import numpy as np

from tinykit.codegen.hostlib import WARNINGS, host_flags
from tinykit.codegen.isa import Isa
from tinykit.codegen.layer import Layer
from tinykit.codegen.objects import compile_c, object_files
from tinykit.network.ops import Tensor
from tinykit.network.packing import activation_bytes, pack_activations, unpack_activations
from tinykit.resources import resource_dir

GUARD = 64
PAINT = 0xA5
# A trap is a signal that ends the test run: no undefined behaviour passes unseen.
UNDEFINED = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")


class Output(c.Structure):
    _fields_ = (
        ("zero_point", c.c_int8),
        ("low", c.c_int8),
        ("high", c.c_int8),
        ("bits", c.c_uint8),
    )


class Matmul(c.Structure):
    _fields_ = (
        ("stream", c.POINTER(c.c_uint32)),
        ("length", c.c_uint16),
        ("channels", c.c_uint16),
        ("chunk", c.c_uint16),
        ("output", Output),
        ("plain", c.c_uint8),
    )


def _fields(kind, *names):
    return tuple((name, kind) for name in names)


class Conv2D(c.Structure):
    _fields_ = (
        *_fields(c.c_uint16, "in_height", "in_width", "pixel_bytes", "out_height", "out_width"),
        *_fields(c.c_uint8, "kernel_height", "runs", "run_pixels", "stride_height"),
        *_fields(c.c_uint8, "stride_width", "dilation_height", "dilation_width", "pad_top"),
        *_fields(c.c_uint8, "pad_left"),
        *_fields(c.c_uint16, "padded_height", "padded_width"),
        *_fields(c.c_uint8, "group", "blank", "backward"),
        *_fields(c.c_uint16, "run_values", "run_step", "column_bytes"),
        *_fields(c.c_void_p, "expand", "multiply"),
        ("matmul", Matmul),
    )


class Depthwise(c.Structure):
    _fields_ = (
        *_fields(c.c_uint16, "in_height", "in_width", "in_channels", "out_height", "out_width"),
        *_fields(c.c_uint16, "channels"),
        *_fields(c.c_uint8, "kernel_height", "kernel_width", "stride_height", "stride_width"),
        *_fields(c.c_uint8, "dilation_height", "dilation_width", "pad_top", "pad_left"),
        *_fields(c.c_uint16, "plane_height", "plane_width"),
        *_fields(c.c_uint8, "in_bits", "weight_bits"),
        ("in_zero_point", c.c_int8),
        ("output", Output),
        ("stream", c.POINTER(c.c_uint32)),
    )


class Binary(c.Structure):
    _fields_ = (
        *_fields(c.c_uint16, "in_height", "in_width", "pixel_bytes", "out_height", "out_width"),
        *_fields(c.c_uint8, "kernel_height", "runs", "run_pixels", "stride_height"),
        *_fields(c.c_uint8, "stride_width", "dilation_height", "dilation_width", "pad_top"),
        *_fields(c.c_uint8, "pad_left", "digits"),
        *_fields(c.c_uint16, "channels", "words"),
        ("count", c.c_void_p),
        ("output", Output),
        ("stream", c.POINTER(c.c_uint32)),
    )


class Dense(c.Structure):
    _fields_ = (
        ("in_features", c.c_uint16),
        *_fields(c.c_void_p, "expand", "multiply"),
        ("matmul", Matmul),
    )


class Pool(c.Structure):
    _fields_ = (
        *(
            (name, c.c_uint16)
            for name in (
                "in_height",
                "in_width",
                "out_height",
                "out_width",
                "channels",
                "kernel_height",
                "kernel_width",
                "stride_height",
                "stride_width",
            )
        ),
        ("pad_top", c.c_uint8),
        ("pad_left", c.c_uint8),
        ("bits", c.c_uint8),
    )


class Repack(c.Structure):
    _fields_ = (
        ("values", c.c_uint32),
        ("in_channels", c.c_uint32),
        ("out_channels", c.c_uint32),
        ("bits", c.c_uint8),
    )


class Add(c.Structure):
    _fields_ = (
        ("values", c.c_uint32),
        ("factor_a", c.c_int32),
        ("factor_b", c.c_int32),
        ("offset", c.c_int32),
        ("shift", c.c_uint8),
        ("low", c.c_int8),
        ("range", c.c_uint8),
    )


class AddTable(c.Structure):
    _fields_ = (
        ("table", c.POINTER(c.c_uint8)),
        ("pixels", c.c_uint32),
        ("pixel_bytes", c.c_uint32),
        ("mask", c.c_uint8),
    )


class Broadcast(c.Structure):
    _fields_ = _fields(
        c.c_uint32, "values", "rows", "blocks", "value_step", "row_step", "block_step"
    )


class Product(c.Structure):
    _fields_ = (
        *_fields(c.c_int32, "multiplier", "constant"),
        *_fields(c.c_uint8, "left", "shift"),
        ("away", c.c_int8),
    )


_CLAMP = (("low", c.c_int8), ("range", c.c_uint8))


class AddBroadcast(c.Structure):
    _fields_ = (
        ("shape", Broadcast),
        *_fields(c.c_int32, "factor_a", "factor_b", "offset"),
        ("shift", c.c_uint8),
        *_CLAMP,
    )


class Mul(c.Structure):
    _fields_ = (
        ("shape", Broadcast),
        ("scale", Product),
        *_fields(c.c_int8, "zero_point_a", "zero_point_b"),
        *_CLAMP,
    )


class PRelu(c.Structure):
    _fields_ = (
        ("shape", Broadcast),
        *_fields(Product, "positive", "negative"),
        *_fields(c.c_int8, "zero_point_a", "zero_point_b"),
        *_CLAMP,
    )


class Lookup(c.Structure):
    _fields_ = (("table", c.POINTER(c.c_uint8)), ("values", c.c_uint32))


class Binarize(c.Structure):
    _fields_ = (("rules", c.POINTER(c.c_int32)), *_fields(c.c_uint32, "pixels", "channels"))


class Mean(c.Structure):
    _fields_ = (
        ("steps", c.POINTER(c.c_int32)),
        *_fields(c.c_uint32, "groups", "group_step", "outputs", "output_step"),
        *_fields(c.c_uint32, "lines", "line_step", "taps", "tap_step"),
        *_fields(c.c_int32, "factor", "offset"),
        *_fields(c.c_uint8, "left", "shift"),
        *_CLAMP,
    )


class Softmax(c.Structure):
    _fields_ = (
        ("exponentials", c.POINTER(c.c_int32)),
        *_fields(c.c_uint32, "distances", "pixels", "channels"),
    )


class Lstm(c.Structure):
    _fields_ = (
        *_fields(c.c_uint32, "steps", "features", "cells"),
        ("multiplier", c.c_int32),
        *_fields(c.c_uint8, "shift", "cell_bits"),
        *_fields(c.c_int16, "least", "greatest"),
        ("gates", c.POINTER(c.c_int32)),
        ("output", Output),
        ("stream", c.POINTER(c.c_uint32)),
    )


class Move(c.Structure):
    _fields_ = (
        *_fields(c.c_uint32, "run", "runs", "lines", "blocks"),
        *_fields(c.c_int32, "run_from", "line_from", "block_from"),
        *_fields(c.c_int32, "run_to", "line_to", "block_to"),
        *_fields(c.c_uint32, "from", "to"),
    )


class Pad(c.Structure):
    _fields_ = (("move", Move), ("bytes", c.c_uint32), ("value", c.c_int8))


class ResizeNearest(c.Structure):
    _fields_ = (
        *_fields(c.POINTER(c.c_uint16), "rows", "columns"),
        *_fields(c.c_uint32, "out_height", "out_width", "in_width", "pixel_bytes"),
    )


class AddRescaled(c.Structure):
    _fields_ = (
        ("shape", Broadcast),
        ("multiplier_a", c.c_int32),
        ("multiplier_b", c.c_int32),
        ("multiplier", c.c_int32),
        ("shift_a", c.c_uint8),
        ("shift_b", c.c_uint8),
        ("shift", c.c_uint8),
        ("left_shift", c.c_uint8),
        ("zero_point_a", c.c_int8),
        ("zero_point_b", c.c_int8),
        ("zero_point", c.c_int8),
        ("low", c.c_int8),
        ("high", c.c_int8),
        ("subtract", c.c_uint8),
    )


_STRUCTS = {
    "tk_add_broadcast_params": AddBroadcast,
    "tk_mul_params": Mul,
    "tk_prelu_params": PRelu,
    "tk_binarize_params": Binarize,
    "tk_lookup_params": Lookup,
    "tk_lstm_params": Lstm,
    "tk_mean_params": Mean,
    "tk_softmax_params": Softmax,
    "tk_move_params": Move,
    "tk_pad_params": Pad,
    "tk_resize_nearest_params": ResizeNearest,
    "tk_add_params": Add,
    "tk_add_table_params": AddTable,
    "tk_binary_params": Binary,
    "tk_add_rescaled_params": AddRescaled,
    "tk_conv2d_params": Conv2D,
    "tk_depthwise_params": Depthwise,
    "tk_dense_params": Dense,
    "tk_pool_params": Pool,
    "tk_repack_params": Repack,
}


def build(folder: Path, *, wide: bool = False, isa: Isa = "riscv") -> c.CDLL:
    """Compile every kernel into one library with undefined behaviour trapped.

    Args:
        folder: where it is kept; those who share it compile once.
    """
    library = folder / f"kernels-{isa}-{wide:d}.so"
    with (folder / f"{library.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            _compile(library, wide=wide, isa=isa)
    return c.CDLL(str(library))


def _compile(library: Path, *, wide: bool, isa: Isa) -> None:
    source = resource_dir("firmware") / "src"
    sources = [*sorted((source / "kernels").rglob("*.c")), source / "packing.c"]
    flags = [*WARNINGS, "-O2", "-fPIC", *UNDEFINED]
    flags += [*host_flags(isa), *(["-DTK_WIDE_ACCUMULATORS"] if wide else [])]
    part = library.with_suffix(".part")
    shim = Path(__file__).with_name("shim.c")
    compile_c([shim, *object_files(sources, flags)], part, [*flags, "-shared"])
    part.rename(library)


def _filled(layer: Layer) -> c.Structure:
    """The params but for their streams; they hold the arrays that they point to."""
    params = _STRUCTS[layer.params_type]()
    for path, value in layer.fields.items():
        *outer, name = path.split(".")
        place = params
        for one in outer:
            place = getattr(place, one)
        assert name in dict(place._fields_)
        setattr(place, name, value)
        assert getattr(place, name) == value, f"{path} does not hold {value}"
    params.arrays = [np.ascontiguousarray(one) for one in layer.arrays.values()]
    kinds = dict(params._fields_)
    for name, array in zip(layer.arrays, params.arrays, strict=True):
        setattr(params, name, array.ctypes.data_as(kinds[name]))
    return params


def _params(library: c.CDLL, layer: Layer) -> tuple[c.Structure, np.ndarray | None]:
    params = _filled(layer)
    if layer.stream is None:
        return params, None
    s, stream = layer.scaling, np.ascontiguousarray(layer.stream)
    output = Output(bits=1) if s is None else Output(s.zero_point, s.low, s.high, s.bits)
    pointer = stream.ctypes.data_as(c.POINTER(c.c_uint32))
    if layer.binary is not None:
        params.stream, params.output = pointer, output
        params.count = c.cast(getattr(library, layer.binary.function), c.c_void_p).value
        return params, stream
    assert s is not None
    if layer.matmul is None:
        params.stream, params.output = pointer, output
        return params, stream
    m = layer.matmul
    params.matmul = Matmul(pointer, m.length, len(s.bias), m.chunk, output, s.plain)
    for name in ("expand", "multiply"):
        function = getattr(library, getattr(m.variant, name))
        setattr(params, name, c.cast(function, c.c_void_p).value)
    return params, stream


def _aligned(size: int) -> int:
    return -(-size // 8) * 8


def call(library: c.CDLL, layer: Layer, x: np.ndarray, source: Tensor, result: Tensor):
    """Run one layer on int8 `x` of source.shape; fails if it writes where it may not."""
    size = activation_bytes(result.shape, result.bits)
    packed = pack_activations(x, source.bits).tobytes()
    apart = _aligned(len(packed)) + GUARD
    arena, at = _run(library, layer, packed, size, apart)
    assert arena[at : at + len(packed)].tobytes() == packed, "wrote its input"
    out = arena[at + apart : at + apart + size]
    return unpack_activations(out, result.shape, result.bits)


def call_over(
    library: c.CDLL, layer: Layer, x: np.ndarray, source: Tensor, result: Tensor, distance: int
):
    """The same with the output `distance` bytes from the input's start, both sharing bytes."""
    size = activation_bytes(result.shape, result.bits)
    packed = pack_activations(x, source.bits).tobytes()
    arena, at = _run(library, layer, packed, size, distance)
    out = arena[at + distance : at + distance + size]
    return unpack_activations(out, result.shape, result.bits)


def _run(
    library: c.CDLL, layer: Layer, packed: bytes, out_size: int, distance: int
) -> tuple[np.ndarray, int]:
    """The memory after one call, and where the input starts in it."""
    ends = [len(packed), out_size, layer.scratch_bytes]
    room = _aligned(max(len(packed), out_size + abs(distance))) + GUARD
    arena = np.full(3 * room + _aligned(layer.scratch_bytes) + 2 * GUARD + 8, PAINT, np.uint8)
    base = (-arena.ctypes.data) % 8
    inp = base + room
    at = (inp, inp + distance, base + 3 * room)
    arena[inp : inp + len(packed)] = np.frombuffer(packed, np.uint8)
    params, keep = _params(library, layer)
    pointers = [c.c_void_p(arena.ctypes.data + one) for one in at]
    weighted = layer.scaling is not None or layer.binary is not None
    arguments = pointers if weighted else pointers[:2]
    assert getattr(library, layer.function)(c.byref(params), *arguments) == 0
    del keep
    untouched = np.ones(len(arena), bool)
    for offset, size in zip(at, ends, strict=True):
        untouched[offset : offset + size] = False
    assert (arena[untouched] == PAINT).all(), "wrote outside its buffers"
    return arena, inp


def call_all(
    library: c.CDLL, layer: Layer, inputs: list[np.ndarray], result: Tensor, *, over: int | None
) -> np.ndarray:
    """Run an operator on int8 tensors; fails if it writes where it may not.

    Args:
        over: the input that it writes over, or None for an output of its own.
    """
    packed = [pack_activations(x, result.bits).tobytes() for x in inputs]
    size = activation_bytes(result.shape, result.bits)
    stride = _aligned(max(size, *map(len, packed))) + GUARD
    arena = np.full((len(packed) + 2) * stride + GUARD, PAINT, np.uint8)
    start = GUARD + (-(arena.ctypes.data + GUARD)) % 8
    at = [start + i * stride for i in range(len(packed) + 1)]
    for place, data in zip(at, packed, strict=False):
        arena[place : place + len(data)] = np.frombuffer(data, np.uint8)
    out = at[-1 if over is None else over]
    before = arena.copy()
    places = [c.c_void_p(arena.ctypes.data + one) for one in at[:-1]]
    target = c.c_void_p(arena.ctypes.data + out)
    # A call for all inputs, or one for each.
    calls = [([place], call) for place, call in zip(places, layer.calls, strict=False)]
    for sources, call in calls or [(places, layer)]:
        params = _filled(call)
        assert getattr(library, call.function)(c.byref(params), *sources, target) == 0
    got = arena[out : out + size].copy()
    arena[out : out + size] = before[out : out + size]
    assert (arena == before).all(), "wrote outside its output"
    return unpack_activations(got, result.shape, result.bits)
