# SPDX-License-Identifier: Apache-2.0
"""Float models quantized here: ranges, rules, and files that TFLite runs to the same integers."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.importer.models import DYNAMIC, ENDS, MODELS
from tests.importer.test_hostile import mutated
from tests.importer.test_operators import OPERATORS
from tinykit.errors import TinykitError
from tinykit.importer.calibrate import METHODS, Method, calibrate, least_error, parameters
from tinykit.importer.float_run import FloatModel
from tinykit.importer.lower import lower
from tinykit.importer.options import Options
from tinykit.importer.ptq import quantize
from tinykit.importer.real_graph import real_graph
from tinykit.importer.representative import Expected, load_inputs
from tinykit.importer.run import MODEL, REPORT, import_run
from tinykit.importer.tflite_reader import parse_tflite, read_tflite
from tinykit.importer.write_tflite import to_tflite
from tinykit.network import interpret
from tinykit.network.sample import random_input
from tinykit.network.tflite_oracle import run_foreign
from tinykit.runs import open_run
from tinykit.verify import verify

_FILES = [*(f"float/{name}" for name in MODELS), *(f"dynamic/{name}" for name in DYNAMIC)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("file", _FILES)
def test_the_written_file_gives_the_networks_integers(
    models: Path, file: str, method: Method
) -> None:
    model = FloatModel(read_tflite(models / f"{file}.tflite"))
    x = np.random.default_rng(0).normal(0, 1, (20, *model.input_shape)).astype(np.float32)
    graph = quantize(model.graph, calibrate(model, x, method))
    network = lower(graph).network
    q = random_input(np.random.default_rng(1), network.tensor(network.input), 10)
    content = to_tflite(graph)
    want = run_foreign(content, q)
    assert np.array_equal(interpret(network, q), want)
    assert len(np.unique(want)) > 1
    again = lower(parse_tflite(content)).network
    assert np.array_equal(interpret(again, q), want)
    # What it stands for is what the floats were, to a few steps of the output.
    source, result = network.tensor(network.input), network.tensor(network.output)
    levels = np.clip(np.rint(x / np.float32(source.scale)) + source.zero_point, -128, 127)
    got = interpret(network, levels.astype(np.int8).reshape(-1, *source.shape))
    reals = (got.astype(np.float64) - result.zero_point) * result.scale
    wrong = reals - model.run(x).reshape(reals.shape)
    assert np.sqrt(np.square(wrong).mean()) < 6 * result.scale


def test_one_scale_for_all_outputs_of_a_dense_layer_is_written_as_it_is(models: Path) -> None:
    model = FloatModel(read_tflite(models / "float" / "dense.tflite"))
    x = np.random.default_rng(0).normal(0, 1, (20, 17)).astype(np.float32)
    graph = quantize(model.graph, calibrate(model, x), dense_per_channel=False)
    content = to_tflite(graph)
    assert {node.kind for node in parse_tflite(content).nodes} == {"FULLY_CONNECTED"}
    network = lower(graph).network
    q = random_input(np.random.default_rng(1), network.tensor(network.input), 50)
    assert np.array_equal(interpret(network, q), run_foreign(content, q))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 32))
def test_parameters_hold_zero_and_the_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = -(10 ** rng.uniform(-6, 6)), 10 ** rng.uniform(-6, 6)
    scale, zero_point = parameters(low, high)
    assert -128 <= zero_point <= 127
    step = float(scale)
    assert (-128 - zero_point) * step == pytest.approx(low, abs=step)
    assert (127 - zero_point) * step == pytest.approx(high, abs=step)


def histogram_error(values: np.ndarray, weights: np.ndarray, ends: tuple[float, float]) -> float:
    scale, zero_point = parameters(*ends)
    levels = np.clip(np.rint(values / scale) + zero_point, -128, 127) - zero_point
    return float(weights @ np.square(levels * float(scale) - values))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 32))
def test_the_range_of_least_error_errs_no_more_than_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = -float(rng.uniform(0, 5)), float(rng.uniform(0.1, 5))
    counts = rng.integers(0, 1000, 256) * (rng.random(256) < 0.5)
    counts[[0, -1]] += 1
    centres = low + (np.arange(256) + 0.5) * (high - low) / 256
    ends = least_error(counts, low, high)
    assert low <= ends[0] <= 0 <= ends[1] <= high
    whole = histogram_error(centres, counts.astype(float), (low, high))
    assert histogram_error(centres, counts.astype(float), ends) <= whole


def test_methods_clip_an_outlier_as_they_say(models: Path) -> None:
    model = FloatModel(read_tflite(models / "float" / "conv_valid.tflite"))
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (200, *model.input_shape)).astype(np.float32)
    x[3, 0, 0, 0] = 1000.0
    name = model.graph.inputs[0]
    found = {method: calibrate(model, x, method)[name] for method in METHODS}
    assert found["minmax"] == (float(x.min()), 1000.0)
    # The bins of the histogram are as wide as the outlier makes them.
    assert found["percentile"][1] < 5 + 2 * 1005 / 8192
    assert found["percentile"][0] <= np.percentile(x, 0.01) + 1e-6
    assert found["mse"][1] < 1000.0
    assert calibrate(model, x, "percentile", percentile=100)[name][1] == pytest.approx(1000.0)


def test_a_range_is_the_union_over_the_data(models: Path) -> None:
    model = FloatModel(read_tflite(models / "float" / "conv_1d.tflite"))
    x = np.random.default_rng(0).normal(0, 1, (40, *model.input_shape)).astype(np.float32)
    whole, first, second = (calibrate(model, part) for part in (x, x[:20], x[20:]))
    for name, (low, high) in whole.items():
        assert low == min(first[name][0], second[name][0]) <= 0
        assert high == max(first[name][1], second[name][1]) >= 0


def test_the_run_of_a_float_model_is_verified_against_what_it_became(
    models: Path, tmp_path: Path
) -> None:
    path, rng = models / "float" / "mobile.tflite", np.random.default_rng(0)
    x = rng.normal(0, 1, (50, 16, 16, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=rng.integers(0, 5, 50))
    options = Options(data=tmp_path / "data.npz", calibration="mse")
    directory, imported = import_run(path, tmp_path / "run", options=options)
    agreement = verify(open_run(directory), [])
    assert agreement.exact
    assert [row.executor for row in agreement.rows][-1] == "tflite-runtime (reference kernels)"
    report = json.loads((directory / REPORT).read_text())["quantization"]
    assert report == json.loads(json.dumps(imported.quantization))
    assert report["options"]["calibrated_on"] == 40
    assert [stage["stage"] for stage in report["stages"]] == ["float", "int8"]
    floats, integers = report["stages"]
    assert floats["weight_bytes"] == 4 * integers["weight_bytes"]
    assert floats["held_out"]["inputs"] == 10
    assert floats["held_out"]["agreement"] == 100.0
    assert integers["held_out"]["sqnr_db"] > 15
    again, _ = import_run(path, tmp_path / "again", options=options)
    for name in ("network.tkn", MODEL, REPORT):
        assert (directory / name).read_bytes() == (again / name).read_bytes()


def test_a_float_model_without_data_is_refused_with_the_remedy(
    models: Path, tmp_path: Path
) -> None:
    with pytest.raises(TinykitError, match=r"computes in floats.*--data"):
        import_run(models / "float" / "mobile.tflite", tmp_path / "run")
    assert not (tmp_path / "run").exists()


EXPECTED = Expected((4, 1, 3), "int8", 0.5, 3)


def test_inputs_are_reals_whatever_holds_them(tmp_path: Path) -> None:
    q = np.random.default_rng(0).integers(-128, 128, (6, 4, 3)).astype(np.int8)
    want = ((q.astype(np.float32) - 3) * 0.5).reshape(6, 4, 1, 3)
    np.save(tmp_path / "own.npy", q)
    np.save(tmp_path / "reals.npy", want)
    np.savez(tmp_path / "named.npz", x=want[:, :, 0].astype(np.float64), y=np.arange(6))
    folder = tmp_path / "folder"
    folder.mkdir()
    with (folder / "y_labels.csv").open("w", newline="") as stream:
        for i, one in enumerate(q):
            (folder / f"in{i}.bin").write_bytes(one.tobytes())
            csv.writer(stream).writerow([f"in{i}.bin", 10, 9 - i])
    for name, y in (
        ("own.npy", None),
        ("reals.npy", None),
        ("named.npz", list(range(6))),
        ("folder", [9, 8, 7, 6, 5, 4]),
    ):
        found = load_inputs(tmp_path / name, EXPECTED)
        assert np.array_equal(found.x, want), name
        assert (None if found.y is None else found.y.tolist()) == y


def bad_inputs(folder: Path) -> dict[str, str]:
    """Files that are refused, and why."""
    good = np.zeros((2, 4, 3), np.float32)
    np.save(folder / "shape.npy", np.zeros((2, 5, 3)))
    np.save(folder / "nan.npy", np.full((2, 4, 3), np.nan))
    np.save(folder / "text.npy", np.array([["a"]]))
    np.save(folder / "objects.npy", np.array([{}, None], object), allow_pickle=True)
    np.save(folder / "empty.npy", np.zeros((0, 4, 3)))
    (folder / "noise.npy").write_bytes(b"\x93NUMPY no more")
    (folder / "noise.npz").write_bytes(b"PK\x03\x04 no archive")
    (folder / "words.txt").write_text("no data")
    np.savez(folder / "names.npz", a=good, b=good)
    np.savez(folder / "short.npz", x=good, y=np.zeros(3, np.int64))
    np.savez(folder / "floats.npz", x=good, y=np.zeros(2))
    (folder / "nothing").mkdir()
    (folder / "raw").mkdir()
    (folder / "raw" / "a.bin").write_bytes(bytes(5))
    return {
        "shape.npy": r"holds float64 \(2, 5, 3\), but the model takes \(4, 1, 3\)",
        "nan.npy": "NaN or infinity, first in input 0",
        "text.npy": "holds <U1",
        "objects.npy": "cannot be read",
        "empty.npy": "holds no inputs",
        "noise.npy": "cannot be read",
        "noise.npz": "cannot be read",
        "words.txt": "no kind of data known",
        "missing.npy": "cannot be read",
        "names.npz": "no array x among a, b",
        "short.npz": r"2 inputs, but classes of the shape \(3,\)",
        "floats.npz": "classes y of float64",
        "nothing": "no .npy and no .bin",
        "raw": "has 5 bytes",
    }


def test_bad_inputs_are_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    for name, why in bad_inputs(tmp_path).items():
        with pytest.raises(TinykitError, match=why) as caught:
            load_inputs(tmp_path / name, EXPECTED)
        assert caught.value.remedy


@pytest.mark.parametrize("name", ENDS)
def test_verify_holds_other_ends_against_the_file(models: Path, tmp_path: Path, name: str) -> None:
    directory, _ = import_run(models / f"{name}.tflite", tmp_path / "run")
    agreement = verify(open_run(directory), [])
    assert agreement.exact
    assert agreement.rows[-1].inputs == 100
    assert agreement.rows[-1].exact


def test_a_bias_is_on_the_scale_of_its_layer_whatever_the_file_says(models: Path) -> None:
    graph = read_tflite(models / "dense.tflite")
    tensors = {
        name: replace(tensor, quantization=None) if tensor.dtype == "int32" else tensor
        for name, tensor in graph.tensors.items()
    }
    x = np.random.default_rng(0).normal(0, 1, (5, 17)).astype(np.float32)
    plain = FloatModel(replace(graph, tensors=tensors)).run(x)
    assert np.allclose(plain, FloatModel(graph).run(x), atol=1e-5)


# Without its scales, a QUANTIZE alone is nothing; an LSTM is taken in integers only.
NOT_IN_FLOATS = ("QUANTIZE", "UNIDIRECTIONAL_SEQUENCE_LSTM")


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name not in NOT_IN_FLOATS])
def test_damaged_float_models_are_refused_or_quantized(operator: str) -> None:
    rng = np.random.default_rng(list(operator.encode()))
    data = to_tflite(real_graph(parse_tflite(OPERATORS[operator](rng))))
    assert quantized(data)
    kept = sum(quantized(mutated(data, data, rng)) for _ in range(15))
    assert kept < 15


def quantized(data: bytes) -> bool:
    """Whether a float model is taken; any error but a TinykitError is the test's."""
    try:
        model = FloatModel(parse_tflite(data))
        x = np.random.default_rng(0).normal(0, 1, (2, *model.input_shape)).astype(np.float32)
        lower(quantize(model.graph, calibrate(model, x, "mse")))
    except TinykitError:
        return False
    return True
