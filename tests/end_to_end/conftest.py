# SPDX-License-Identifier: Apache-2.0
"""Run folders without a training: random weights behind a front end that is calibrated for real.

Bit-exactness, sizes and counts do not depend on what the weights mean, so these tests need no
TensorFlow and no minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tinykit.cli import app
from tinykit.data import Dataset, load_dataset
from tinykit.frontends import Frontend, from_config
from tinykit.network import Conv2D, Network, requantize_from_scales
from tinykit.network.sample import ds_cnn, har_cnn
from tinykit.recipe import Recipe
from tinykit.runs import Run, save_samples

MakeRun = Callable[..., Run]
Tinykit = Callable[..., Result]

SETS = {"kws": "synthetic_speech", "har": "synthetic_gait"}


@cache
def _dataset(task: str) -> Dataset:
    return load_dataset(SETS[task])


@cache
def _frontend(task: str) -> Frontend:
    data = _dataset(task)
    shape: dict[str, Any] = {"rate": data.rate, "input_length": data.x.shape[1]}
    config = {"kind": "mfcc", **shape}
    if task == "har":
        config = {"kind": "imu", **shape, "channels": data.x.shape[2]}
    return from_config(config).calibrate(data.part("train").x)


def attach_frontend(network: Network, task: str) -> Network:
    """The same network, fed by the task's front end."""
    data, frontend = _dataset(task), _frontend(task)
    tensors = tuple(
        replace(t, scale=frontend.scale, zero_point=frontend.zero_point)
        if t.name == network.input
        else t
        for t in network.tensors
    )
    first = network.ops[0]
    assert isinstance(first, Conv2D)
    scaled = replace(
        first,
        requantize=requantize_from_scales(
            frontend.scale,
            first.weight_scale,
            network.tensor(first.output).scale,
            channels=len(first.bias),
            low=first.requantize.low,
            high=first.requantize.high,
        ),
    )
    return replace(
        network,
        tensors=tensors,
        ops=(scaled, *network.ops[1:]),
        labels=data.labels,
        frontend=frontend.to_config(),
        metadata={
            "task": task,
            "data": data.name,
            "synthetic": data.synthetic,
            "channels": list(data.channels),
            "scale": list(data.scale),
        },
    )


def task_network(task: str, policy: str) -> Network:
    """A small network of the task at a policy."""
    rng = np.random.default_rng(7)
    if task == "kws":
        return attach_frontend(ds_cnn(width=16, policy=policy, rng=rng, blocks=2), "kws")
    return attach_frontend(har_cnn(policy, rng, widths=(8, 12)), "har")


def write_run(directory: Path, task: str, policy: str) -> Run:
    """A run folder as a training would have left it, but for metrics.json and model.keras."""
    network = task_network(task, policy)
    directory.mkdir(parents=True, exist_ok=True)
    network.save(directory / "network.tkn")
    save_samples(directory, _dataset(task))
    recipe = "kws_demo" if task == "kws" else "har_demo"
    (directory / "recipe.toml").write_text(Recipe.load(recipe).to_toml())
    return Run(directory, network)


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """`make_run(task, policy)` gives a fresh run folder."""

    def make(task: str, policy: str = "w8a8") -> Run:
        return write_run(tmp_path_factory.mktemp(f"{task}-{policy}"), task, policy)

    return make


@pytest.fixture(scope="module")
def motion_run(make_run: MakeRun) -> Run:
    """An int8 network for motion."""
    return make_run("har")


@pytest.fixture(scope="module")
def speech_run(make_run: MakeRun) -> Run:
    """An int8 network for speech."""
    return make_run("kws")


@pytest.fixture
def tinykit() -> Tinykit:
    """Run the command line in this process."""

    def run(*words: str | Path, status: int = 0) -> Result:
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == status, f"{done.exit_code}: {done.output}\n{done.exception!r}"
        return done

    return run
