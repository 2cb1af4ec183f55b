# SPDX-License-Identifier: Apache-2.0
"""Devices for all tests, compiled once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mlperf.devices import NETWORKS, make_device
from tinykit.runs import Run


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`device("kws01")` or `device("kws01", energy=True)`: a program, cached."""
    made: dict[tuple[str, bool], Path] = {}

    def get(task: str, *, energy: bool = False) -> Path:
        if (task, energy) not in made:
            made[task, energy] = make_device(task, tmp_path_factory.mktemp(task), energy=energy)
        return made[task, energy]

    return get


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[[str], Run]:
    """`run_of("kws01")`: a run folder with that task's network."""

    def make(task: str) -> Run:
        network = NETWORKS[task]()
        folder = tmp_path / f"run-{task}"
        folder.mkdir()
        network.save(folder / "network.tkn")
        return Run(folder, network)

    return make
