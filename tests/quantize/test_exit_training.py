# SPDX-License-Identifier: Apache-2.0
"""Exits in training: what is trained is what is exported, and a short training learns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TABLE, waves

from tinykit.errors import TinykitError
from tinykit.frontends import from_config
from tinykit.network import Concat, Network, exit_logits, run_tflite, to_tflite
from tinykit.quantize.pipeline import train
from tinykit.quantize.policy import parse_policy
from tinykit.recipe import Exits, Recipe

MODEL = {"name": "har_cnn", "widths": [6, 8], "kernels": [5], "pools": [2], "dropout": 0.0}


@pytest.fixture(scope="module")
def adaptive(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run with one exit."""
    table = {**TABLE, "model": MODEL, "exits": {"after": ["pool1"], "weights": [0.7]}}
    run = tmp_path_factory.mktemp("runs") / "adaptive"
    train(Recipe.from_table(table), run)
    return run


def test_both_ends_learn(adaptive: Path) -> None:
    metrics = json.loads((adaptive / "metrics.json").read_text())
    (early,) = metrics["quantized"]["exits"]
    assert early["exit"] == "pool1_exit"
    assert early["accuracy"] > 0.5
    assert metrics["quantized"]["validation"]["accuracy"] > 0.6
    assert metrics["quantized"]["fake_quantized_against_integers"]["same_class"] > 0.99
    assert all("validation_accuracy_exit0" in one for one in metrics["quantized"]["epochs"])


def test_the_network_has_the_exit(adaptive: Path) -> None:
    network = Network.load(adaptive / "network.tkn")
    assert [one.tensor for one in network.exits] == ["pool1_exit"]
    assert network.modes == ()
    data = waves().part("test")
    logits = exit_logits(network, from_config(network.frontend).integer(data.x))
    right = (logits.argmax(axis=2) == data.y).mean(axis=1)
    assert (right > 0.5).all()


def test_a_run_folder_says_all_of_its_exits(adaptive: Path) -> None:
    again = Recipe.load(adaptive / "recipe.toml")
    assert again.exits == Exits(after=("pool1",), weights=(0.7,))


def test_a_recipe_without_exits_says_nothing_of_them() -> None:
    assert "exits" not in Recipe.from_table(TABLE).to_toml()


def test_an_exit_after_a_layer_that_is_not_there(recipe: Recipe, tmp_path: Path) -> None:
    wrong = replace(recipe, exits=Exits(after=("pool7",)))
    with pytest.raises(TinykitError, match="but after conv1, pool1") as caught:
        train(wrong, tmp_path / "run")
    assert "[exits]" in str(caught.value.where)


@pytest.mark.parametrize("exits", [{"after": "pool1"}, {"weights": []}, {"distillation": 1.5}])
def test_settings_that_cannot_be(exits: dict) -> None:
    with pytest.raises(TinykitError, match=r"\[exits\]"):
        Recipe.from_table({**TABLE, "exits": exits})


def test_weights_repeat() -> None:
    assert Exits(weights=(1.0, 0.5)).weights_of(3) == (1.0, 0.5, 0.5)
    assert Exits(weights=(1.0, 0.5)).weights_of(1) == (1.0,)


def test_logits_of_exits_have_eight_bits_and_edge_weights() -> None:
    bits = parse_policy("w2a4").assign(["a", "b", "out_exit", "c", "out"], ["out_exit"])
    assert [one.activations for one in bits.values()] == [4, 4, 8, 4, 8]
    assert [one.weights for one in bits.values()] == [8, 2, 8, 2, 8]


def test_what_a_join_puts_together_is_trained_as_it_is_exported() -> None:
    """The integers of every tensor, a Concat's too, are those that fake quantisation made."""
    from tinykit.models.har_cnn import har_big_little
    from tinykit.models.keras_model import build
    from tinykit.quantize.export import export_network
    from tinykit.quantize.loop import logits
    from tinykit.quantize.qat import QatModel, Schemes

    plan = har_big_little((32, 1, 3), 3, little=(4, 4), extra=(4, 6), kernels=(3,))
    model = QatModel(plan, parse_policy("w4a8"), Schemes(), 0.05)
    model.load(build(plan, seed=1))
    x = np.random.default_rng(0).integers(-128, 128, (64, 32, 1, 3)).astype(np.int8)
    model.calibrate(x.astype(np.float32) * 0.05)
    model.live = False
    network = export_network(
        model, name="nested", labels=("a", "b", "c"), frontend=None, metadata={}
    )
    assert sum(isinstance(op, Concat) for op in network.ops) == 2
    assert len(network.exits) == 1
    ours = np.rint(logits(model, x, 0.05) / network.tensor(network.output).scale)
    assert np.abs(ours - exit_logits(network, x)[-1]).max() <= 1
    theirs = run_tflite(to_tflite(network), x).reshape(len(x), -1)
    assert np.array_equal(theirs, exit_logits(network, x)[-1])


def test_what_lies_side_by_side_needs_the_same_bits() -> None:
    from tinykit.models.har_cnn import har_big_little
    from tinykit.quantize.qat import QatModel, Schemes

    plan = har_big_little((32, 1, 3), 3, little=(4,), extra=(4,))
    with pytest.raises(TinykitError, match="beside that of little1"):
        QatModel(plan, parse_policy("w8a8,extra1=w8a4"), Schemes(), 0.05)
