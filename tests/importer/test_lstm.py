# SPDX-License-Identifier: Apache-2.0
"""What an LSTM must be like to be imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.importer.single import File
from tests.importer.test_operators import lstm, lstm_file
from tinykit.errors import TinykitError
from tinykit.importer.graph import Graph, Quantization
from tinykit.importer.lower import lower
from tinykit.importer.tflite_reader import parse_tflite

Change = Callable[[Graph], Graph]


def node(**changes: Any) -> Change:
    """The one layer, changed."""
    return lambda graph: replace(graph, nodes=(replace(graph.nodes[0], **changes),))


def option(name: str, value: Any) -> Change:
    return lambda graph: node(attributes={**graph.nodes[0].attributes, name: value})(graph)


def place(at: int, other: int | None) -> Change:
    """The tensor of another input, or none, at an input."""

    def change(graph: Graph) -> Graph:
        inputs = [*graph.nodes[0].inputs, *[""] * 4]
        inputs[at] = "" if other is None else inputs[other]
        return node(inputs=tuple(inputs[:24]))(graph)

    return change


def tensor(at: int, **changes: Any) -> Change:
    """The tensor at an input, changed."""

    def change(graph: Graph) -> Graph:
        name = graph.nodes[0].inputs[at]
        found = replace(graph.tensors[name], **changes)
        return replace(graph, tensors={**graph.tensors, name: found})

    return change


def quantized(scale: float) -> Quantization:
    return Quantization(np.array([scale], np.float32), np.zeros(1, np.int64))


REFUSED: dict[str, tuple[Change, str]] = {
    "coupled gates": (place(1, None), "CIFG"),
    "peepholes": (place(9, 12), "has peepholes"),
    "projection": (place(16, 5), "has a projection"),
    "normalization": (place(21, 12), "has layer normalization"),
    "few inputs": (node(inputs=("t0",)), "has 1 inputs"),
    "no bias": (place(13, None), "a bias that is no constant"),
    "swapped weights": (place(1, 5), "weights of the shapes"),
    "activation": (option("fused_activation", "RELU"), "the activation RELU"),
    "diagonal": (option("diagonal_recurrent_tensors", True), "diagonal"),
    "clip": (option("cell_clip", float("nan")), "clips its state to nan"),
    "batch": (tensor(0, shape=(3, 2, 5)), "axis [01] is that of the batch"),
    "no scale of what the gates give": (option("intermediates", ()), r"None for its hidden state"),
    "another scale": (tensor(18, quantization=quantized(0.5)), "for its last output"),
    "constant state": (tensor(18, is_variable=False), "keeps t"),
    "narrow state": (tensor(19, dtype="int8"), "keeps t.*int8"),
    "state between powers of two": (tensor(19, quantization=quantized(3e-4)), "the scale 0.0003"),
    "large state": (tensor(19, quantization=quantized(2.0**-8)), "the scale 0.00390625"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused_by_name(name: str) -> None:
    change, message = REFUSED[name]
    graph = parse_tflite(lstm(np.random.default_rng(5)))
    lower(graph)
    with pytest.raises(TinykitError, match=message) as caught:
        lower(change(graph))
    assert "0 UNIDIRECTIONAL_SEQUENCE_LSTM" in str(caught.value)
    assert caught.value.remedy


def test_two_layers_with_one_state_are_refused() -> None:
    file, x, y = lstm_file(np.random.default_rng(5))
    first = file.graph.nodes[0]
    again = file.graph.add(replace(file.graph.tensors[y], name="again"))
    file.graph.nodes.append(replace(first, outputs=[again]))
    with pytest.raises(TinykitError, match="keeps a state between inferences"):
        parse_tflite(file.content(x, again))


def test_an_svdf_is_refused_by_its_layer() -> None:
    file = File()
    x, state = file.tensor((1, 4), 0.1), file.tensor((1, 24), 0.1, dtype="int16", variable=True)
    feature, time = (
        file.tensor(shape, 0.1, data=np.ones(shape, kind))
        for shape, kind in (((6, 4), np.int8), ((6, 4), np.int16))
    )
    y = file.tensor((1, 6), 0.1)
    file.node("SVDF", [x, feature, time, file.constant([0] * 6), state], y, "SVDFOptions", Rank=1)
    with pytest.raises(TinykitError, match=r"layer 0 SVDF .* keeps a state between inferences"):
        lower(parse_tflite(file.content(x, y)))


def test_a_state_that_starts_with_values_is_refused() -> None:
    file, x, y = lstm_file(np.random.default_rng(5))
    state = file.graph.tensors[file.graph.nodes[0].inputs[18]]
    state.data = b"\1" * int(np.prod(state.shape))
    with pytest.raises(TinykitError, match="starts with values"):
        parse_tflite(file.content(x, y))
