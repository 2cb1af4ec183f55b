# SPDX-License-Identifier: Apache-2.0
"""From recipe to run folder: repeatable, resumable, and honest in its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.network import Network, interpret
from tinykit.quantize import loop
from tinykit.quantize.pipeline import evaluate, train
from tinykit.recipe import Recipe
from tinykit.runs import open_run


def content(run: Path) -> bytes:
    """The network's file."""
    return (run / "network.tkn").read_bytes()


def test_a_run_is_complete(recipe: Recipe, whole: Path) -> None:
    assert Recipe.load(whole / "recipe.toml") == recipe
    metrics = json.loads((whole / "metrics.json").read_text())
    assert (whole / "model.keras").exists()
    assert (whole / "samples.npz").exists()
    assert metrics["data"]["synthetic"] is True
    assert len(metrics["float"]["epochs"]) == 3
    assert metrics["quantized"]["validation"]["accuracy"] > 0.6
    assert metrics["quantized"]["fake_quantized_against_integers"]["identical"] > 0.95
    # What the figures say is what the stored network does.
    assert Network.load(whole / "network.tkn").digest == metrics["network"]["digest"]
    again = evaluate(whole, "test")
    assert again["confusion"] == metrics["quantized"]["test"]["confusion"]


def test_a_run_is_repeatable(recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    train(recipe, tmp_path / "again")
    assert content(tmp_path / "again") == content(whole)


@pytest.mark.parametrize("stop_at", [2, 4])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    recipe: Recipe, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    """Ctrl-C in the second epoch of float training, or in the first epoch of QAT."""
    calls = 0

    def interrupted(path: Path, data: bytes) -> None:
        nonlocal calls
        write_atomic(path, data)
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_atomic", interrupted)
        with pytest.raises(TinykitError, match="--resume") as caught:
            train(recipe, tmp_path / "cut")
    assert caught.value.exit_code == 130
    assert not (tmp_path / "cut" / "network.tkn").exists()
    train(recipe, tmp_path / "cut", resume=True)
    assert content(tmp_path / "cut") == content(whole)


def test_resuming_another_recipe_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    write_atomic(tmp_path / "run" / "recipe.toml", recipe.to_toml())
    with pytest.raises(TinykitError, match="another recipe"):
        train(replace(recipe, seed=5), tmp_path / "run", resume=True)


def test_a_damaged_checkpoint_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_atomic(run / "recipe.toml", recipe.to_toml())
    write_atomic(run / "checkpoints" / "float.npz", b"not a checkpoint")
    with pytest.raises(TinykitError, match="cannot be read"):
        train(recipe, run, resume=True)


def test_qat_starts_from_another_runs_float_model(
    recipe: Recipe, whole: Path, tmp_path: Path
) -> None:
    first = json.loads((whole / "metrics.json").read_text())
    second = recipe.override(init_from=str(whole), policy="w2a4,conv1=w2a4", seed=1)
    metrics = train(second, tmp_path / "second")
    assert metrics["float"]["test"] == first["float"]["test"]
    assert metrics["float"]["from"] == str(whole)
    assert metrics["quantized"]["policy"] == "w2a4,conv1=w2a4"
    assert len(metrics["quantized"]["epochs"]) == 3 * recipe.quantization.epochs
    assert content(tmp_path / "second") != content(whole)
    wider = replace(second, model=replace(recipe.model, options={"widths": [9, 9]}))
    with pytest.raises(TinykitError, match="not a har_cnn of this recipe"):
        train(wider, tmp_path / "third")
    with pytest.raises(TinykitError, match="no float model"):
        train(recipe.override(init_from=str(tmp_path / "none")), tmp_path / "fourth")


def test_training_stops_when_validation_does_not_get_better(recipe: Recipe, tmp_path: Path) -> None:
    training = replace(recipe.training, patience=2, epochs=60, mixup=0.3, label_smoothing=0.1)
    how = replace(recipe.quantization, granularity="tensor", activations="pact")
    metrics = train(replace(recipe, training=training, quantization=how), tmp_path / "run")
    assert len(metrics["float"]["epochs"]) == metrics["float"]["best_epoch"] + 3 < 60
    assert metrics["quantized"]["validation"]["accuracy"] > 0.6
    assert metrics["quantized"]["schemes"]["granularity"] == "tensor"


def test_an_unwritable_folder_is_said_so(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TinykitError, match="cannot write"):
        train(recipe, tmp_path / "file" / "run")


def test_the_network_takes_the_front_ends_features(whole: Path) -> None:
    run = open_run(whole)
    samples = run.samples()
    scores = interpret(run.network, run.frontend.integer(samples.x))
    assert np.mean(scores.argmax(axis=1) == samples.y) > 0.5
    assert run.network.tensor("input").scale == run.frontend.scale
    assert list(run.network.metadata["channels"]) == ["acc_x", "acc_y", "acc_z"]
