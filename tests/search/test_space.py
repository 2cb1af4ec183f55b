# SPDX-License-Identifier: Apache-2.0
"""The space offers only what can be generated, and a trial is the same wherever it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykit.boards import load_board
from tinykit.codegen.choice import lay_out_for
from tinykit.network import interpret
from tinykit.search.space import SPACES, Short, short_recipe, weight_bytes
from tinykit.search.trial import Job, run_job, training_windows


class Drawn:
    """A trial whose choices hypothesis makes."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self.data.draw(st.sampled_from(list(choices)), label=name)

    def suggest_int(self, name: str, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high), label=name)


@settings(max_examples=12, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(SPACES)))
def test_every_choice_exports_and_is_planned(data: st.DataObject, name: str) -> None:
    from tinykit.models.keras_model import build
    from tinykit.quantize.export import export_network
    from tinykit.quantize.qat import QatModel, Schemes

    space = SPACES[name]
    drawn = space.suggest(Drawn(data))
    recipe = space.to_recipe(drawn, name="drawn", seed=0)
    plan = space.blueprint(drawn, 6)
    model = QatModel(plan, recipe.quantization.parsed(), Schemes(), 0.03)
    model.load(build(plan, seed=0))
    labels = tuple("abcdef")
    network = export_network(model, name="drawn", labels=labels, frontend=None, metadata={})
    x = np.zeros((1, *plan.input_shape), np.int8)
    assert interpret(network, x).shape == (1, 6)
    for board in ("nrf52840dk", "virt_rv32imc"):
        layout = lay_out_for(network, load_board(board))
        assert layout.plan.size > 0
        assert sum(layer.weight_bytes for layer in layout.layers) >= weight_bytes(plan, recipe)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_starts_lie_in_the_space(name: str) -> None:
    space = SPACES[name]
    for start in space.starts():

        class Given:
            def suggest_categorical(self, key: str, choices: Any, start: Any = start) -> Any:
                assert start.get(key, choices[0]) in choices
                return start.get(key, choices[0])

            def suggest_int(self, key: str, low: int, high: int, start: Any = start) -> int:
                assert low <= start[key] <= high
                return start[key]

        space.to_recipe(space.suggest(Given()), name="start", seed=0)


@pytest.fixture(scope="module")
def job() -> Job:
    space = SPACES["synthetic_gait"]
    drawn = {**space.starts()[-1], "seconds": 1.28}
    drawn |= {f"{key}{i}": 1 for key in ("width", "kernel", "down") for i in (3, 4)}
    recipe = space.to_recipe(drawn, name="same", seed=3)
    short = short_recipe(recipe, Short(steps=30), training_windows(recipe))
    return Job(0, short.to_toml(), "nrf52840dk")


def test_a_trial_is_the_same_whenever_it_runs(job: Job) -> None:
    one, two = run_job(job), run_job(job)
    assert one.network == two.network
    assert {**one.figures(), "seconds": 0} == {**two.figures(), "seconds": 0}
    assert one.macro_f1 > 1 / 6
    assert one.memory == one.weights + one.arena
