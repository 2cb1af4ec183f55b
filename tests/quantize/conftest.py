# SPDX-License-Identifier: Apache-2.0
"""A data set that trains in seconds."""

from __future__ import annotations

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
    "model": {"name": "har_cnn", "widths": [6, 8], "kernels": [5], "pools": [2], "dropout": 0.0},
    "augment": {"rotation_deg": 5.0},
    "training": {"epochs": 3, "batch": 32, "learning_rate": 1e-2, "warmup": 0.0},
    "quantization": {"epochs": 2, "freeze": 1, "batch": 32, "learning_rate": 1e-3},
}


def waves(seed: int = 0) -> Dataset:
    """Three classes of sine waves at their own pace, 32 samples of 3 channels, 9 subjects."""
    rng = np.random.default_rng(seed)
    count = 270
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


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe of seconds whose data set is `waves`; the cache is the test's own."""
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Recipe, "load_dataset", lambda self, root=None: waves())
    return Recipe.from_table(TABLE)
