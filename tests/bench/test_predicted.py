# SPDX-License-Identifier: Apache-2.0
"""Predicted instructions of a result, beside those that were counted."""

from __future__ import annotations

from tests.bench.results import result
from tinykit.bench import Result, load, save

LAYERS = (
    {"name": "dense0", "predicted": 900},
    {"name": "dense1", "predicted": 300},
)


def test_of_a_network_all_layers_count():
    assert result(counted="inference", layers=LAYERS).predicted == 1200


def test_of_a_layer_it_alone():
    assert result(layers=LAYERS).predicted == 900
    assert result(layers=LAYERS).as_dict()["predicted"] == 900


def test_none_where_the_model_is_silent():
    silent = ({"name": "dense0", "predicted": None}, LAYERS[1])
    assert result(counted="inference", layers=silent).predicted is None
    assert result(counted="dense1", layers=silent).predicted == 300
    assert result().predicted is None


def test_a_baseline_keeps_none_of_it(tmp_path):
    path = tmp_path / "baseline.json"
    save(path, [result(layers=LAYERS)], brief=True)
    assert "predicted" not in path.read_text()
    kept: Result = load(path)[0]
    assert kept.figures == result().figures
