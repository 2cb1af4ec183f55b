# SPDX-License-Identifier: Apache-2.0
"""Tuned modes: on the Pareto front, ordered, and as good as they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinykit.adaptive.tune import Point, Trial, pareto, trial_on, tune
from tinykit.boards import load_board
from tinykit.codegen.exits import ExitCosts
from tinykit.errors import TinykitError
from tinykit.network import NEVER, Expected, Mode, Network
from tinykit.network.exits import margins, taken
from tinykit.network.sample import adaptive_cnn, har_cnn
from tinykit.quantize.metrics import classification

COSTS = ExitCosts(np.array([1000.0, 3000.0, 9000.0]), np.array([50.0, 60.0]), np.array([5.0, 5.0]))
NETWORK = adaptive_cnn(modes=0)


def learned(seed: int = 0, count: int = 600, classes: int = 6) -> Trial:
    """Logits of exits that know more and more, with larger margins where they are right."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count)
    hard = rng.uniform(size=count)
    logits = rng.normal(0, 8, (3, count, classes))
    for exit_, skill in enumerate((30.0, 45.0, 70.0)):
        logits[exit_, np.arange(count), y] += skill * (1 - hard)
    return Trial(np.clip(logits, -128, 127).astype(np.int8), y, COSTS, "mps2_an386")


TRIAL = learned()


@pytest.fixture(scope="module")
def tuned() -> Network:
    return tune(NETWORK, TRIAL)


def test_ends_and_order(tuned: Network) -> None:
    assert [one.name for one in tuned.modes[:2]] == ["full", "m01"]
    assert tuned.modes[-1].name == "fastest"
    known = [one.expected for one in tuned.modes]
    assert known[0].shares == (0, 0, 1)
    assert known[-1].shares == (1, 0, 0)
    spent = [one.instructions for one in known]
    assert spent == sorted(spent, reverse=True)
    assert spent[0] == 9010
    assert spent[-1] == 1050
    assert 20 <= len(tuned.modes) <= 24


def test_between_the_ends_dearer_is_better(tuned: Network) -> None:
    scores = [one.expected.macro_f1 for one in tuned.modes[1:]]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_a_mode_does_what_it_says(tuned: Network) -> None:
    for mode in tuned.modes:
        left = taken(TRIAL.logits, mode)
        scores = TRIAL.logits[left, np.arange(len(left))]
        figures = classification(scores, TRIAL.y, tuned.labels)
        assert mode.expected.accuracy == pytest.approx(figures["accuracy"])
        assert mode.expected.macro_f1 == pytest.approx(figures["macro_f1"])
        spent = COSTS.by_exit(mode)[left].mean()
        assert mode.expected.instructions == pytest.approx(spent)


def test_thresholds_by_class_are_no_worse_than_one_for_all(tuned: Network) -> None:
    """Each mode is on the front of everything that the sweep of single thresholds found."""
    for one in range(0, 60, 3):
        for other in range(0, 60, 3):
            point = TRIAL.point(((one,), (other,)))
            at_most = [
                mode.expected.macro_f1
                for mode in tuned.modes
                if mode.expected.instructions <= point.expected.instructions * 1.1
            ]
            assert max(at_most, default=1) >= point.expected.macro_f1 - 0.02


def test_the_same_data_give_the_same_modes(tuned: Network) -> None:
    assert tune(NETWORK, learned()).digest == tuned.digest


@pytest.mark.parametrize("modes", [2, 3, 7])
def test_no_more_modes_than_asked_for(modes: int) -> None:
    found = tune(NETWORK, TRIAL, modes=modes, metric="accuracy").modes
    assert len(found) == modes
    assert (found[0].name, found[-1].name) == ("full", "fastest")


def test_one_threshold_for_all_classes() -> None:
    found = tune(NETWORK, TRIAL, by_class=False).modes
    assert {len(row) for mode in found for row in mode.thresholds} == {1}


def test_where_the_first_exit_knows_all_only_the_ends_are_left() -> None:
    logits = TRIAL.logits.copy()
    logits[:] = logits[-1]
    found = tune(NETWORK, replace(TRIAL, logits=logits)).modes
    assert [one.name for one in found] == ["full", "fastest"]


def test_pareto_by_hand() -> None:
    def point(cost: float, score: float) -> Point:
        return Point(((0,),), Expected(score, score, cost, (1.0,), ""))

    cheap, dear, worse, twin = point(1, 0.5), point(3, 0.9), point(2, 0.4), point(3, 0.8)
    assert pareto([worse, twin, dear, cheap], "accuracy") == [cheap, dear]


def test_cost_grows_with_every_threshold() -> None:
    """From leaving at once to running to the end, never back."""
    for exit_ in (0, 1):
        spent = []
        for one in range(0, NEVER, 5):
            row = [[(20,), (20,)][i] for i in range(2)]
            row[exit_] = (one,)
            spent.append(TRIAL.point(tuple(row)).expected.instructions)
        assert spent == sorted(spent)
    first = [TRIAL.point(((0,), (t,))).expected.shares for t in (0, 9, NEVER)]
    assert first == [(1, 0, 0)] * 3
    assert TRIAL.expected(Mode("full", ((NEVER,), (NEVER,)))).shares == (0, 0, 1)
    assert margins(TRIAL.logits).max() <= NEVER


def test_what_cannot_be_tuned() -> None:
    board = load_board("mps2_an386")
    with pytest.raises(TinykitError, match="no exits"):
        trial_on(har_cnn(), None, board)
    with pytest.raises(TinykitError, match="no front end"):
        trial_on(NETWORK, None, board)
