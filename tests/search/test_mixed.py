# SPDX-License-Identifier: Apache-2.0
"""Bits of each layer: both ways, drawn and learned, find networks that cost less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.search import fakes
from tinykit.models import blueprint
from tinykit.search.har import Settings, search
from tinykit.search.mixed import (
    TABLE,
    best_of_each_way,
    bits_of,
    chosen_points,
    cost_of,
    load_rows,
    search_bits,
)
from tinykit.search.workers import Processes

BOARD = "nrf52840dk"


def plan():
    return blueprint("har_cnn", (16, 1, 3), 3, {"widths": [4, 8], "kernels": [3], "pools": [2]})


def test_price_decides_between_wide_and_narrow() -> None:
    """Without a price nothing is narrowed; where only the price counts, everything is."""
    import tensorflow as tf

    from tinykit.models.keras_model import build
    from tinykit.quantize.mixed import MixedModel

    x = np.random.default_rng(0).normal(size=(64, 16, 1, 3)).astype(np.float32)
    for memory, expected in ((5.0, "w2a2"), (-5.0, "w8a8")):
        model = MixedModel(plan(), 1 / 32, cost_of(plan(), BOARD, memory, 0.0), strength=1, steps=9)
        model.load(build(plan(), seed=0))
        model.calibrate(x)
        before = float(model.expected_cost())
        choices = [v for v in model.trainable_variables if v.name == "choice"]
        for _ in range(9):
            with tf.GradientTape() as tape:
                model(x, training=True)
                (cost,) = model.losses
            for choice, gradient in zip(choices, tape.gradient(cost, choices), strict=True):
                if gradient is not None:
                    choice.assign(choice - 0.01 * tf.sign(gradient))
        assert float(model.expected_cost()) < before
        policy = model.policy()
        assert policy["conv1"] == policy["conv2"] == expected
        assert policy["dense"] == expected[:2] + "a8"


def test_costs_are_of_the_board_and_fall_with_width() -> None:
    cost = cost_of(plan(), BOARD, 1.0, 1.0)
    assert cost.weight_bytes == {"conv1": 36.0, "conv2": 96.0, "dense": 24.0}
    assert all(table.shape == (3, 3) and table.min() > 0 for table in cost.instructions.values())
    other = cost_of(plan(), "virt_rv32imc", 1.0, 1.0)
    assert not np.array_equal(other.instructions["conv1"], cost.instructions["conv1"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished phase 1 whose networks nobody trained."""
    home = tmp_path_factory.mktemp("search")
    pool = Processes(1, fakes.outcome)
    try:
        search(fakes.SETTINGS, home, pool, trials=4)
    finally:
        pool.close()
    return home


def test_points_are_of_the_front(folder: Path) -> None:
    assert [p.number for p in chosen_points(folder, 1)] <= [
        p.number for p in chosen_points(folder, 9)
    ]


def test_all_ways_end_in_one_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinykit.search import mixed

    monkeypatch.setattr(mixed, "train_float", lambda recipe, settings, run: None)
    learned = {"conv1": "w4a4", "conv2": "w2a8", "conv3": "w4a2", "conv4": "w2a2", "dense": "w4a8"}
    names = bits_of(chosen_points(folder, 1)[0], fakes.SETTINGS).layers
    policy = {name: learned.get(name, "w4a2") for name in names}
    monkeypatch.setattr(mixed, "learned_policy", lambda *_: policy)
    pool = Processes(2, fakes.outcome)
    try:
        rows = search_bits(folder, pool, points=1, trials=14)
    finally:
        pool.close()
    ways = [row["way"] for row in rows]
    assert (ways.count("uniform"), ways.count("differentiable")) == (9, 1)
    assert len(rows) >= 14
    assert rows == load_rows(folder)
    assert (folder / TABLE).exists()
    kept = best_of_each_way(rows)
    assert {row["way"] for row in kept} == {"uniform", "search", "differentiable"}
    assert next(row for row in rows if row["way"] == "differentiable")["bits"] == policy
    assert Settings(**{**vars(fakes.SETTINGS)}) == fakes.SETTINGS
