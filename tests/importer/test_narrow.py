# SPDX-License-Identifier: Apache-2.0
"""Weights of 4 and 2 bits from models as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.importer.models import MODELS
from tinykit.boards import load_board
from tinykit.codegen.hostlib import HostModel
from tinykit.errors import TinykitError
from tinykit.importer.adaround import adaround
from tinykit.importer.calibrate import calibrate
from tinykit.importer.float_run import FloatModel
from tinykit.importer.graph import Graph
from tinykit.importer.lower import lower, with_weight_bits
from tinykit.importer.narrow import (
    Moments,
    error_of,
    largest_scales,
    least_error_scales,
    measure,
    reals,
    rounded,
)
from tinykit.importer.narrowing import Narrowing
from tinykit.importer.options import Options
from tinykit.importer.ptq import quantize
from tinykit.importer.real_graph import CHANNEL_AXIS, real_graph
from tinykit.importer.run import import_run
from tinykit.importer.tflite_reader import read_tflite
from tinykit.importer.walk import Walk, rows_of, weights_of
from tinykit.importer.write_tflite import to_tflite
from tinykit.network import Network, interpret, interpret_all
from tinykit.network.ops import Weighted
from tinykit.network.sample import random_input
from tinykit.network.tflite_oracle import run_foreign
from tinykit.runs import open_run
from tinykit.workflow import build_firmware, generate_firmware, run_firmware

_WITHOUT_WEIGHTS = {"clipped", "permute_for_free", "relu_alone", "relu6_alone"}
_WITH_WEIGHTS = [name for name in MODELS if name not in _WITHOUT_WEIGHTS]
# One for each kind of layer, window and width of the next layer's input.
_COMPILED = (
    "mobile",
    "conv_dilation",
    "conv_stride",
    "depthwise_multiplier",
    "dense",
    "dense_over_time",
    "squeeze_excite",
)


def inputs_of(model: FloatModel, count: int = 24) -> np.ndarray:
    shape = (count, *model.input_shape)
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


def narrowing(path: Path, bits: int, rounding: str) -> Narrowing:
    """Of an int8 or a float model, on seeded noise."""
    graph = read_tflite(path)
    model = FloatModel(graph)
    x = inputs_of(model)
    if graph.is_quantized:
        return Narrowing(model, graph, graph, x, bits, rounding)
    return Narrowing(model, None, quantize(model.graph, calibrate(model, x)), x, bits, rounding)


def all_layers(graph: Graph) -> set[str]:
    return {node.name for node in graph.nodes if node.kind in CHANNEL_AXIS}


def narrow_network(path: Path, bits: int, rounding: str = "nearest") -> tuple[Network, bytes]:
    work = narrowing(path, bits, rounding)
    graph, layers = work.run(all_layers(work.whole))
    imported = with_weight_bits(lower(graph), dict.fromkeys(layers, bits))
    return imported.network, to_tflite(graph)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 32), bits=st.sampled_from([2, 4, 8]))
def test_the_scale_of_least_error_errs_no_more_than_the_largest(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 60)))
    rows = rng.standard_t(2, shape) * 10.0 ** rng.uniform(-4, 3, (shape[0], 1))
    rows[0] *= rng.random() < 0.8
    least, largest = least_error_scales(rows, bits), largest_scales(rows, bits)
    assert least.dtype == np.float32
    assert (least > 0).all()
    assert (error_of(rows, least, bits) <= error_of(rows, largest, bits)).all()
    levels = rounded(rows, least, bits)
    assert np.abs(levels.astype(int)).max() <= (1 << (bits - 1)) - 1


def test_the_scale_of_least_error_clips_an_outlier() -> None:
    rows = np.random.default_rng(0).normal(0, 1, (1, 5000))
    rows[0, 7] = 10.0
    least = least_error_scales(rows, 4)
    assert least[0] < largest_scales(rows, 4)[0] / 2


@pytest.mark.parametrize("kind", CHANNEL_AXIS)
def test_rows_go_back_to_where_they_came_from(kind: str) -> None:
    shape = (5, 7) if kind == "FULLY_CONNECTED" else (4, 3, 2, 6)
    weight = np.random.default_rng(0).normal(0, 1, shape)
    rows = rows_of(weight, kind)
    assert len(rows) == shape[CHANNEL_AXIS[kind]]
    assert np.array_equal(weights_of(rows, shape, kind), weight)


def drawn(seed: int, *, groups: bool, constant: bool = False) -> tuple[np.ndarray, Moments]:
    """Weights of 6 channels of 12 and moments of 300 correlated inputs, as `measure` makes them."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (6, 12))
    mixing = rng.normal(0, 1, (6 if groups else 1, 12, 12)) * (not constant)
    x = np.maximum(rng.normal(0, 1, (1, 300, 12)) @ mixing + 0.3, 0)
    sums = np.stack([x[i if groups else 0] @ rows[i] for i in range(6)], axis=1)
    mean, centre = x.mean(axis=1), sums.mean(axis=0)
    moved, centred = x - mean[:, None], sums - centre
    covariance = moved.transpose(0, 2, 1) @ moved / 300
    cross = np.stack([moved[i if groups else 0].T @ centred[:, i] for i in range(6)]) / 300
    return rows, Moments(mean, centre, covariance, cross, centred.var(axis=0))


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("bits", [4, 2])
def test_learned_rounding_is_never_worse_and_often_better(bits: int, groups: bool) -> None:
    gains = []
    for seed in range(5):
        rows, moments = drawn(seed, groups=groups)
        scale = least_error_scales(rows, bits)
        nearest = moments.error(reals(rounded(rows, scale, bits), scale))
        levels = adaround(rows, scale, bits, moments)
        learned = moments.error(reals(levels, scale))
        assert (learned <= nearest).all()
        assert np.abs(levels.astype(int)).max() <= (1 << (bits - 1)) - 1
        assert np.abs(levels - rows / scale[:, None]).max() < 1 or bits == 2
        gains.append(learned.sum() / nearest.sum())
        assert np.array_equal(levels, adaround(rows, scale, bits, moments))
    assert np.mean(gains) < 0.8


def test_learned_rounding_of_a_layer_without_variance_is_the_nearest() -> None:
    rows, moments = drawn(0, groups=False, constant=True)
    scale = least_error_scales(rows, 4)
    assert np.array_equal(adaround(rows, scale, 4, moments), rounded(rows, scale, 4))


@pytest.mark.parametrize("name", ["mobile", "depthwise_multiplier", "dense_over_time", "conv_1d"])
def test_moments_are_those_of_the_sums(models: Path, name: str) -> None:
    """The error that moments give is that of running the layer, and the bias corrects its mean."""
    work = narrowing(models / "float" / f"{name}.tflite", 4, "nearest")
    model, x = work.given, inputs_of(work.given) + 0.5
    before, after = Walk(model, x), Walk(model, x)
    for node in model.graph.nodes:
        if node.kind in CHANNEL_AXIS:
            moments = measure(before, after, node, node, second=True)
            weight = model.graph.tensors[node.inputs[1]].data
            assert weight is not None
            rows = rows_of(weight, node.kind)
            scale = largest_scales(rows, 4)
            narrow = reals(rounded(rows, scale, 4), scale)
            bias = moments.bias(narrow)
            assert np.allclose(moments.bias(rows), _bias(model, node.inputs), atol=1e-4)
            old = np.concatenate([call.run().reshape(-1, len(rows)) for call in before.calls(node)])
            sums = []
            for call in after.calls(node):
                columns = call.columns().astype(np.float64)
                if columns.shape[1] == 1:
                    sums.append(columns[:, 0] @ narrow.T)
                else:
                    sums.append(np.einsum("pci,ci->pc", columns, narrow))
            wrong = np.concatenate(sums) + bias - old
            plain = np.concatenate(sums) + _bias(model, node.inputs) - old
            assert np.allclose(np.square(wrong).mean(axis=0), moments.error(narrow), atol=1e-5)
            assert np.abs(wrong.mean(axis=0)).max() < 1e-4
            assert np.abs(plain.mean(axis=0)).max() > 1e-3
        before.step(node)
        after.step(node)


def _bias(model: FloatModel, inputs: tuple[str, ...]) -> np.ndarray:
    if len(inputs) < 3 or not inputs[2]:
        return np.zeros(1)
    data = model.graph.tensors[inputs[2]].data
    assert data is not None
    return data.reshape(-1)


def test_a_walk_over_integers_is_the_network_but_for_roundings(models: Path) -> None:
    graph = read_tflite(models / "mobile.tflite")
    network, model = lower(graph).network, FloatModel(graph)
    source, result = network.tensor(network.input), network.tensor(network.output)
    q = random_input(np.random.default_rng(0), source, 40)
    x = (q.astype(np.float32) - source.zero_point) * np.float32(source.scale)
    walk = Walk(model, x, graph)
    *first, last = model.graph.nodes
    for node in first:
        walk.step(node)
    (call,) = walk.calls(last)
    want = (interpret(network, q).astype(np.float64) - result.zero_point) * result.scale
    assert np.abs(call.run() - want).max() < 3 * result.scale


@pytest.mark.parametrize("file", [*_WITH_WEIGHTS, *(f"float/{name}" for name in _WITH_WEIGHTS)])
def test_narrow_networks_agree_with_tflite(models: Path, file: str) -> None:
    bits = 2 if "/" in file else 4
    network, content = narrow_network(models / f"{file}.tflite", bits)
    layers = [op for op in network.ops if isinstance(op, Weighted)]
    assert layers
    assert {op.weight_bits for op in layers} == {bits}
    x = random_input(np.random.default_rng(0), network.tensor(network.input), 8)
    # Weights of few values are int8 to TFLite.
    assert np.array_equal(interpret(network, x), run_foreign(content, x))


@pytest.mark.parametrize("bits", [4, 2])
@pytest.mark.parametrize("name", _COMPILED)
def test_narrow_networks_agree_in_c(models: Path, name: str, bits: int) -> None:
    network, _ = narrow_network(models / "float" / f"{name}.tflite", bits)
    x = random_input(np.random.default_rng(0), network.tensor(network.input), 8)
    want = interpret(network, x)
    values = interpret_all(network, x[:2])
    with HostModel(network) as model:
        for tensor, got in model.invoke_layers(x[:2]).items():
            assert np.array_equal(values[tensor], got), tensor
        assert np.array_equal(model.invoke(x), want)


@pytest.mark.parametrize("board", ["mps2_an386", "virt_rv32imc"])
def test_a_narrow_run_on_boards(models: Path, board: str, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.random.default_rng(0).normal(0, 1, (20, 16, 16, 3)))
    options = Options(data=tmp_path / "data.npy", weights=4, rounding="adaround", keep_8=("0",))
    directory, imported = import_run(models / "mobile.tflite", tmp_path / "run", options=options)
    assert imported.quantization is not None
    assert [row["bits"] for row in imported.quantization["layers"]] == [8, 4, 4, 4]
    firmware = generate_firmware(open_run(directory), load_board(board))
    build = build_firmware(firmware)
    result = run_firmware(firmware, build, emulator="qemu")
    assert result.differences == []
    assert build.flash == firmware.metadata["estimate"]["flash"]


@pytest.mark.parametrize("file", ["mobile", "float/mobile", "residual", "flatten"])
def test_every_step_of_the_way_brings_the_output_closer(models: Path, file: str) -> None:
    """Largest scales without correction, least-error scales with it, learned rounding."""
    work = narrowing(models / f"{file}.tflite", 4, "adaround")
    fitted, x = np.split(inputs_of(work.given, 300), [200])
    names = all_layers(work.whole)
    before = work.given.run(x)

    def error(graph: Graph) -> float:
        return float(np.square(FloatModel(real_graph(graph)).run(x) - before).mean())

    work.inputs = fitted
    learned = error(work.run(names)[0])
    work.rounding = "nearest"
    corrected = error(work.run(names)[0])
    work.inputs = None
    plain = error(work.run(names)[0])
    assert learned < corrected < plain


def test_what_may_be_lost_decides_which_layers_keep_8_bits(models: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "data.npy", rng.normal(0, 1, (200, 8, 7, 3)))
    kept = []
    for limit in (100.0, 10.0, 0.0):
        options = Options(data=tmp_path / "data.npy", weights=2, max_drop=limit)
        _, imported = import_run(models / "flatten.tflite", tmp_path / "run", options=options)
        report = imported.quantization
        assert report is not None
        bits = [row["bits"] for row in report["layers"]]
        kept.append(bits.count(8))
        figures = report["stages"][-1]["held_out"]
        assert figures["inputs"] == 40
        assert figures["accuracy"] is None
        assert 100 - figures["agreement"] <= limit
        moved = [row["sensitivity"] for row in report["layers"]]
        # The first to go back is the one that moves the output most.
        if kept[-1] == 1:
            assert bits[int(np.argmax(moved))] == 8
    assert kept[0] == 0
    assert kept == sorted(kept)
    assert kept[-1] > 0


def test_without_data_weights_are_rounded_and_biases_stay(models: Path, tmp_path: Path) -> None:
    path = models / "mobile.tflite"
    _, imported = import_run(path, tmp_path / "run", options=Options(weights=4))
    eight = lower(read_tflite(path)).network
    report = imported.quantization
    assert report is not None
    assert [stage["stage"] for stage in report["stages"]] == ["int8", "w4"]
    assert "held_out" not in report["stages"][0]
    assert report["stages"][0]["weight_bytes"] > 1.9 * report["stages"][1]["weight_bytes"]
    for old, new in zip(eight.ops, imported.network.ops, strict=True):
        if isinstance(old, Weighted) and isinstance(new, Weighted):
            source = eight.tensor(old.inputs[0]).scale
            before, after = (source * op.weight_scale * op.bias for op in (old, new))
            assert np.allclose(before, after, atol=source * float(new.weight_scale.max()))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"weights": 3}, "3 is unknown.*8, 4, 2"),
        ({"rounding": "up", "weights": 4}, "up is unknown.*nearest, adaround"),
        ({"calibration": "best"}, "best is unknown.*minmax, percentile, mse"),
        ({"rounding": "adaround"}, "weights below 8 bits"),
        ({"keep_8": ("0",)}, "weights below 8 bits"),
        ({"rounding": "adaround", "weights": 4}, "needs inputs"),
        ({"max_drop": 1.0, "weights": 4}, "needs inputs"),
        ({"keep_8": ("99",), "weights": 4}, "no layer '99' with weights.*0 CONV_2D"),
        ({"calibration": "mse"}, "int8 already"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    models: Path, tmp_path: Path, options: dict[str, object], what: str
) -> None:
    with pytest.raises(TinykitError, match=what) as caught:
        import_run(models / "mobile.tflite", tmp_path / "run", options=Options(**options))  # type: ignore[arg-type]
    assert caught.value.remedy
    assert not (tmp_path / "run").exists()


def test_a_drop_is_not_judged_on_few_inputs_nor_a_class_that_is_not_there(
    models: Path, tmp_path: Path
) -> None:
    x = np.zeros((9, 16, 16, 3), np.float32)
    np.savez(tmp_path / "few.npz", x=x, y=np.arange(9) % 5)
    np.savez(tmp_path / "wrong.npz", x=x, y=np.arange(9))
    for name, limit, what in (("few", 1.0, "fewer than 10"), ("wrong", None, "the class 5")):
        options = Options(data=tmp_path / f"{name}.npz", weights=4, max_drop=limit)
        with pytest.raises(TinykitError, match=what):
            import_run(models / "mobile.tflite", tmp_path / "run", options=options)
