# SPDX-License-Identifier: Apache-2.0
"""The float executor: TFLite's float reference kernels to the rounding of float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.importer.models import DYNAMIC, MODELS
from tinykit.errors import TinykitError
from tinykit.importer.float_run import FloatModel
from tinykit.importer.graph import Graph, GraphTensor, Node
from tinykit.importer.lower import lower
from tinykit.importer.tflite_reader import read_tflite
from tinykit.network import interpret
from tinykit.network.sample import random_input
from tinykit.network.tflite_oracle import run_foreign

_FILES = [*(f"float/{name}" for name in MODELS), *(f"dynamic/{name}" for name in DYNAMIC)]


def relative_error(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got.reshape(want.shape) - want).max() / np.abs(want).max())


@pytest.mark.parametrize("file", _FILES)
def test_it_gives_what_tflite_gives(models: Path, file: str) -> None:
    path = models / f"{file}.tflite"
    model = FloatModel(read_tflite(path))
    x = np.random.default_rng(0).normal(0, 1, (7, *model.input_shape)).astype(np.float32)
    assert relative_error(model.run(x), run_foreign(path.read_bytes(), x)) < 1e-5


@pytest.mark.parametrize("name", ["mobile", "residual", "inception", "flatten", "over_time"])
def test_samples_do_not_depend_on_their_batch(models: Path, name: str) -> None:
    model = FloatModel(read_tflite(models / "float" / f"{name}.tflite"))
    x = np.random.default_rng(1).normal(0, 1, (5, *model.input_shape)).astype(np.float32)
    alone = np.concatenate([model.run(one[None]) for one in x])
    assert relative_error(model.run(x), alone) < 1e-5


@pytest.mark.parametrize("name", ["mobile", "residual", "softmax", "dense", "conv_1d"])
def test_a_quantized_model_is_run_on_the_reals_it_stands_for(models: Path, name: str) -> None:
    """Weights and biases are those of the integers, so outputs differ by few of their steps."""
    graph = read_tflite(models / f"{name}.tflite")
    network = lower(graph).network
    source, result = network.tensor(network.input), network.tensor(network.output)
    q = np.clip(random_input(np.random.default_rng(0), source, 50) // 3, -128, 127).astype(np.int8)
    x = (q.astype(np.float32) - source.zero_point) * np.float32(source.scale)
    model = FloatModel(graph)
    want = model.run(x.reshape(-1, *model.input_shape)).reshape(50, -1)
    got = (interpret(network, q).astype(np.float64) - result.zero_point) * result.scale
    inside = (got > got.min()) & (got < got.max())
    assert inside.any()
    assert np.abs(got - want)[inside].mean() < 3 * result.scale


def test_observers_see_the_input_and_every_activation(models: Path) -> None:
    model = FloatModel(read_tflite(models / "float" / "residual.tflite"))
    x = np.random.default_rng(0).normal(0, 1, (3, *model.input_shape)).astype(np.float32)
    seen = model.run_all(x)
    assert set(seen) == {
        *model.graph.inputs,
        *(name for node in model.graph.nodes for name in node.outputs),
    }
    assert np.array_equal(seen[model.graph.inputs[0]], x)
    assert np.array_equal(seen[model.graph.outputs[0]], model.run(x))


def tiny(kind: str, weight: tuple[int, ...], result: tuple[int, ...]) -> Graph:
    """One layer over 4x4x2 pixels."""
    tensors = [
        GraphTensor("x", (1, 4, 4, 2), "float32"),
        GraphTensor("w", weight, "float32", np.ones(weight, np.float32)),
        GraphTensor("y", result, "float32"),
    ]
    options = {
        "padding": "VALID",
        "stride_h": 1,
        "stride_w": 1,
        "dilation_h": 1,
        "dilation_w": 1,
        "fused_activation": "NONE",
    }
    return Graph(
        "tiny",
        {tensor.name: tensor for tensor in tensors},
        (Node(kind, f"0 {kind}", ("x", "w"), ("y",), options),),
        ("x",),
        ("y",),
        "tiny.tflite",
    )


@pytest.mark.parametrize(
    ("graph", "what"),
    [
        (tiny("CONV_2D", (3, 2, 2, 1), (1, 3, 3, 3)), "groups"),
        (tiny("CONV_2D", (3, 2, 2, 2), (1, 3, 3, 4)), "gives 54 values, not 72"),
        (tiny("CONV_2D", (3, 2), (1, 3, 3, 3)), "cannot be computed"),
        (tiny("DEPTHWISE_CONV_2D", (1, 9, 9, 2), (1, 3, 3, 2)), "cannot be computed"),
        (tiny("LSTM", (3, 2), (1, 3, 3, 3)), "cannot be run: 0 LSTM"),
    ],
)
def test_a_model_that_contradicts_itself_is_refused(graph: Graph, what: str) -> None:
    with pytest.raises(TinykitError, match=what):
        FloatModel(graph).run(np.zeros((2, 4, 4, 2), np.float32))


def test_several_outputs_are_refused() -> None:
    graph = tiny("CONV_2D", (3, 2, 2, 2), (1, 3, 3, 3))
    with pytest.raises(TinykitError, match="has 2 outputs"):
        FloatModel(replace(graph, outputs=("y", "x")))
