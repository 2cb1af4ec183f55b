# SPDX-License-Identifier: Apache-2.0
"""Recipes: the packaged ones, a round trip, and keys and values that cannot be."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tinykit.errors import TinykitError
from tinykit.recipe import Recipe, recipe_names

BASE = """
name = "mine"
task = "har"
[data]
name = "synthetic_gait"
[frontend]
name = "imu"
[model]
name = "har_cnn"
"""


@pytest.mark.parametrize("name", recipe_names())
def test_packaged_recipes_survive_a_round_trip(name: str) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert Recipe.parse(recipe.to_toml(), where="again") == recipe


def test_the_recipes_of_the_command_line_are_there() -> None:
    assert {"kws", "kws_demo", "kws_small", "mlperf_kws", "har_hapt", "har_demo"} <= set(
        recipe_names()
    )


def test_demos_are_synthetic() -> None:
    for name in recipe_names():
        if name.endswith("_demo"):
            assert Recipe.load(name).data.name.startswith("synthetic_")


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("[trainig]\nepochs = 3", ["'trainig'", "Did you mean 'training'"]),
        ("[training]\nepoch = 3", ["'epoch'", "Did you mean 'epochs'"]),
        ("[training]\nepochs = -3", ["epochs = -3"]),
        ("[training]\nepochs = 2.5", ["epochs = 2.5"]),
        ("[training]\ninit_from = 3", ["init_from = 3"]),
        ('[quantization]\npolicy = "w3a8"', ["w3a8", "3-bit"]),
        ('[quantization]\nlayers = { conv1 = "w3a8" }', ["conv1", "3-bit"]),
        ('[quantization]\nweights = "lqs"', ["'lqs'", "Did you mean 'lsq'"]),
        ('[quantization]\nweights = "pact"', ["'pact'", "lsq, minmax"]),
        ('[quantization]\ngranularity = "row"', ["'row'"]),
        ("[augment]\nshift_ms = 3.0", ["'shift_ms'", "rotation_deg"]),
        ("seed", ["is not TOML"]),
    ],
)
def test_what_cannot_be_is_refused(addition: str, words: list[str]) -> None:
    with pytest.raises(TinykitError) as caught:
        Recipe.parse(BASE + addition, where="mine.toml")
    assert "mine.toml" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("key", ["name", "task", "data", "frontend", "model"])
def test_a_missing_section_is_named(key: str) -> None:
    table = tomllib.loads(BASE)
    del table[key]
    with pytest.raises(TinykitError, match=f"has no {key}"):
        Recipe.from_table(table)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("har_cnn", "har_cnm", ["Did you mean 'har_cnn'"]),
        ("synthetic_gait", "synthetic_gate", ["Did you mean 'synthetic_gait'"]),
        ('"imu"', '"umi"', ["front end 'umi'"]),
        ('"har"', '"hra"', ["task 'hra'"]),
    ],
)
def test_a_name_that_does_not_exist_is_refused(old: str, new: str, words: list[str]) -> None:
    with pytest.raises(TinykitError) as caught:
        Recipe.parse(BASE.replace(old, new), where="mine.toml")
    for word in words:
        assert word in str(caught.value)


def test_override(tmp_path: Path) -> None:
    recipe = Recipe.load("kws").override(seed=7, policy="w4a4,pw*=w2a4", epochs=3)
    assert (recipe.seed, recipe.training.epochs) == (7, 3)
    assert str(recipe.quantization.parsed()) == "w4a4,pw*=w2a4"
    assert recipe.override(data=str(tmp_path)).data.name == "folder"
    with pytest.raises(TinykitError, match="3-bit"):
        recipe.override(policy="w3a8")
    with pytest.raises(TinykitError, match="seed"):
        recipe.override(seed=-1)
    with pytest.raises(TinykitError, match="data set"):
        recipe.override(data="nowhere")


def test_files_are_found_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(BASE)
    assert Recipe.load(file).name == "mine"
    with pytest.raises(TinykitError, match="cannot read"):
        Recipe.load(tmp_path / "none.toml")
    with pytest.raises(TinykitError, match="Did you mean 'kws'"):
        Recipe.load("kwz")


def test_data_must_be_of_the_recipes_task() -> None:
    recipe = Recipe.load("kws").override(data="synthetic_gait")
    with pytest.raises(TinykitError, match="is for har"):
        recipe.load_dataset()
