# SPDX-License-Identifier: Apache-2.0
"""A data set that trains in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tinykit.data import Dataset
from tinykit.recipe import Recipe

TABLE = {
    "name": "tiny",
    "task": "har",
    "data": {"name": "synthetic_gait"},
    "frontend": {"name": "imu"},
    "model": {"name": "har_cnn", "widths": [8], "kernels": [5], "pools": [2], "dropout": 0.0},
    "augment": {"rotation_deg": 5.0},
    "training": {"epochs": 3, "batch": 10, "learning_rate": 1e-2, "warmup": 0.0},
    "quantization": {"epochs": 2, "freeze": 1, "batch": 20, "learning_rate": 1e-3},
}


def waves(seed: int = 0) -> Dataset:
    """Three classes of sine waves at their own pace, 32 samples of 3 channels, 9 subjects."""
    rng = np.random.default_rng(seed)
    count = 540
    y = np.arange(count) % 3
    subject = (np.arange(count) // 3) % 9
    pace = np.array([1.0, 3.0, 6.0])[y] * rng.uniform(0.9, 1.1, count)
    phase = rng.uniform(0, 2 * np.pi, (count, 3))
    time = np.linspace(0, 2 * np.pi, 32)
    clean = np.sin(pace[:, None, None] * time[None, :, None] + phase[:, None, :])
    x = 4000 * (clean + 0.3 * rng.normal(size=clean.shape))
    return Dataset(
        name="waves",
        task="har",
        rate=50,
        labels=("slow", "middling", "fast"),
        x=np.clip(np.rint(x), -32768, 32767).astype(np.int16),
        y=y.astype(np.int64),
        split=np.array([0, 0, 0, 0, 0, 1, 1, 2, 2], np.uint8)[subject],
        subject=np.array([f"s{i}" for i in subject]),
        channels=("acc_x", "acc_y", "acc_z"),
        scale=(1 / 4096,) * 3,
        synthetic=True,
        licence="none",
        citation="none",
    )


@pytest.fixture(scope="package")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recipe]:
    """A recipe of seconds whose data set is `waves`; the cache is the tests' own."""
    elsewhere = Recipe.load_dataset

    def load(self: Recipe, root: Path | None = None) -> Dataset:
        return waves() if self.name == TABLE["name"] else elsewhere(self, root)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(Recipe, "load_dataset", load)
        yield Recipe.from_table(TABLE)


@pytest.fixture(scope="package")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of `recipe`, trained without interruption."""
    from tinykit.quantize.pipeline import train

    run = tmp_path_factory.mktemp("runs") / "whole"
    train(recipe, run)
    return run
