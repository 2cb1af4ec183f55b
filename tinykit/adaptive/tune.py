# SPDX-License-Identifier: Apache-2.0
"""Choosing thresholds: a sweep over validation data, and what is worth keeping of it.

The network runs once, through all exits. Whatever thresholds then do to accuracy and cost follows
from its logits and from the predicted instructions of each exit, so thousands of combinations are
tried in seconds. Kept are those that no other beats in both (the Pareto set).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tinykit.boards import Board, load_board
from tinykit.codegen.choice import lay_out_for
from tinykit.codegen.cost import cost_model
from tinykit.codegen.exits import ExitCosts, exit_costs
from tinykit.data import Dataset
from tinykit.errors import TinykitError
from tinykit.front import climbing
from tinykit.frontends import from_config
from tinykit.network import Expected, Mode, Network, exit_logits
from tinykit.network.exits import NEVER, first_left, full_mode, margins
from tinykit.quantize.metrics import confusion_matrix, overall

Metric = Literal["accuracy", "macro_f1"]
Logits = NDArray[np.int8]
Thresholds = tuple[tuple[int, ...], ...]

# Combinations of thresholds in the sweep; points of its front that are refined class by class, and
# thresholds that are tried for a class.
_SWEEP = 4096
_REFINED = 24
_CLASS_CANDIDATES = 16
_ROUNDS = 2


@dataclass(frozen=True)
class Point:
    """Thresholds and what they do."""

    thresholds: Thresholds
    expected: Expected

    def score(self, metric: Metric) -> float:
        """The figure that counts."""
        return self.expected.accuracy if metric == "accuracy" else self.expected.macro_f1


@dataclass(frozen=True)
class Trial:
    """What thresholds are tried on.

    Attributes:
        logits: int8 (exits + 1, n, classes).
        y: int64 (n,), true classes.
        costs: instructions by exit.
        board: id of the board that these are of.
    """

    logits: Logits
    y: NDArray[np.int64]
    costs: ExitCosts
    board: str

    @cached_property
    def best(self) -> NDArray[np.int64]:
        """The class that each exit and the end name: int64 (exits + 1, n)."""
        return self.logits.argmax(axis=2)

    @cached_property
    def margin(self) -> NDArray[np.int64]:
        """By which margin each exit does: int64 (exits, n)."""
        return margins(self.logits[:-1])

    def expected(self, mode: Mode) -> Expected:
        """What a mode does here."""
        left = first_left(self.best[:-1], self.margin, mode.thresholds)
        ends, _, classes = self.logits.shape
        predicted = self.best[left, np.arange(len(left))]
        accuracy, macro_f1 = overall(confusion_matrix(predicted, self.y, classes))
        shares = np.bincount(left, minlength=ends) / len(left)
        instructions = float(shares @ self.costs.by_exit(mode))
        return Expected(accuracy, macro_f1, instructions, tuple(shares.tolist()), self.board)

    def point(self, thresholds: Thresholds) -> Point:
        """Thresholds and what they do here."""
        return Point(thresholds, self.expected(Mode("tried", thresholds)))


def tune(
    network: Network,
    trial: Trial,
    *,
    modes: int = 24,
    metric: Metric = "macro_f1",
    by_class: bool = True,
) -> Network:
    """The network with its operating modes: "full", "m01" to the cheapest but one, "fastest".

    Args:
        network: with exits.
        trial: on validation data.
        modes: at most so many, 2 or more; fewer where fewer are worth keeping.
        metric: what is held against the instructions.
        by_class: let thresholds differ by class.

    Returns:
        the network with modes from the costliest to the cheapest; the first runs to the end.
    """
    exits = len(network.exits)
    full, fastest = full_mode(exits), Mode("fastest", ((0,),) * exits)
    most = trial.expected(full).instructions
    swept = pareto([trial.point(one) for one in _grid(trial)], metric)
    refined = _refined(trial, swept, metric) if by_class else []
    front = [
        one
        for one in pareto([*swept, *refined], metric)
        if one.expected.instructions < most and one.expected.shares[0] < 1
    ]
    kept = reversed(_spread(front, modes - 2))
    between = [Mode(f"m{i:02}", one.thresholds) for i, one in enumerate(kept, start=1)]
    named = [full, *between, fastest]
    known = tuple(replace(mode, expected=trial.expected(mode)) for mode in named)
    return replace(network, modes=known)


def pareto(points: Iterable[Point], metric: Metric) -> list[Point]:
    """Those that no other matches at fewer instructions or beats at as many, cheapest first."""
    ordered = sorted(points, key=lambda p: (p.expected.instructions, -p.score(metric)))
    return climbing(ordered, lambda p: p.score(metric))


def _grid(trial: Trial) -> Iterable[Thresholds]:
    """Combinations of one threshold an exit."""
    exits = len(trial.logits) - 1
    each = max(4, int(_SWEEP ** (1 / exits)))
    candidates = [_candidates(one, each) for one in trial.margin]
    return (tuple((one,) for one in row) for row in itertools.product(*candidates))


def _candidates(seen: NDArray[np.int64], most: int) -> list[int]:
    """Thresholds that divide the margins `seen` evenly; always, and never."""
    if not len(seen):
        return [NEVER]
    middle = np.quantile(seen, np.linspace(0, 1, max(most - 2, 1)), method="inverted_cdf")
    return sorted({0, NEVER, *(min(int(one), NEVER - 1) for one in middle)})


def _refined(trial: Trial, front: Sequence[Point], metric: Metric) -> list[Point]:
    """What is met while points of a front get thresholds by class, and follow the front's slope.

    Coordinate descent: one threshold after the other takes the value with the best score less the
    price of its instructions, which is what the front pays there. What was tried on the way counts
    too: it lies between the points that the descent ends at.
    """
    classes = trial.logits.shape[2]
    choices = {
        (e, c): _candidates(trial.margin[e][trial.best[e] == c], _CLASS_CANDIDATES)
        for e in range(len(trial.margin))
        for c in range(classes)
    }
    found, starts = [], _spread(front, _REFINED)
    for index, start in enumerate(starts):
        near = starts[max(0, index - 1) : index + 2]
        gain = near[-1].score(metric) - near[0].score(metric)
        pay = near[-1].expected.instructions - near[0].expected.instructions
        price = gain / pay if pay > 0 else 0.0

        def worth(point: Point, price: float = price) -> tuple[float, float]:
            spent = point.expected.instructions
            return point.score(metric) - price * spent, -spent

        now = trial.point(tuple(row * classes for row in start.thresholds))
        for (e, c), tries in list(choices.items()) * _ROUNDS:
            others = [trial.point(_with(now.thresholds, e, c, one)) for one in tries]
            now = max((now, *others), key=worth)
            found += others
    return found


def _with(thresholds: Thresholds, exit_: int, class_: int, value: int) -> Thresholds:
    """`thresholds` with one exchanged."""
    rows = [list(row) for row in thresholds]
    rows[exit_][class_] = value
    return tuple(tuple(row) for row in rows)


def _spread(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many, evenly along the instructions, both ends among them."""
    if len(points) <= most:
        return list(points)
    spent = np.array([one.expected.instructions for one in points])
    wanted = np.linspace(spent[0], spent[-1], most)
    chosen = dict.fromkeys(int(np.abs(spent - one).argmin()) for one in wanted)
    # Where points are few, several wanted ones share the nearest: others fill the gaps.
    for index in np.linspace(0, len(points) - 1, len(points)).astype(int):
        if len(chosen) >= most:
            break
        chosen.setdefault(int(index))
    return [points[index] for index in sorted(chosen)]


def costs_on(network: Network, board: Board) -> ExitCosts:
    """Predicted instructions of an inference by exit.

    Raises:
        TinykitError: there is no prediction for the board.
    """
    model = cost_model(board)
    layers = lay_out_for(network, board).layers
    costs = None if model is None else exit_costs(network, layers, model)
    if costs is None:
        raise TinykitError(
            "instructions of this network cannot be predicted.",
            where=board.id,
            remedy="Tune for another board; modes chosen for one are good on others.",
        )
    return costs


def trial_on(network: Network, dataset: Dataset, board: Board) -> Trial:
    """Logits of all recordings of `dataset` at all exits, with the costs on a board.

    Raises:
        TinykitError: the network has no exits or no front end, or there are no recordings.
    """
    where = f"network {network.name}"
    if not network.exits:
        raise TinykitError(
            "has no exits, so there is nothing to tune.",
            where=where,
            remedy="Train with a recipe that has [exits].",
        )
    if network.frontend is None:
        raise TinykitError("has no front end, so it takes no recordings.", where=where)
    if not len(dataset):
        raise TinykitError("there are no recordings.", where=dataset.name)
    logits = exit_logits(network, from_config(network.frontend).integer(dataset.x))
    return Trial(logits, dataset.y, costs_on(network, board), board.id)


def tune_run(
    run: Path,
    board: Board,
    *,
    modes: int = 24,
    metric: Metric = "macro_f1",
    by_class: bool = True,
    data_root: Path | None = None,
) -> Network:
    """Choose modes on the validation part of a run's data set; they replace those it had.

    Raises:
        TinykitError: no network or recipe there, no such data, or no exits.
    """
    from tinykit.recipe import Recipe
    from tinykit.runs import open_run

    opened = open_run(run)
    dataset = Recipe.load(opened.directory / "recipe.toml").load_dataset(data_root)
    trial = trial_on(opened.network, dataset.part("validation"), board)
    tuned = tune(opened.network, trial, modes=modes, metric=metric, by_class=by_class)
    tuned.save(opened.directory / "network.tkn")
    return tuned


def evaluate_modes(
    network: Network, logits: Logits, y: NDArray[np.int64]
) -> list[dict[str, object]]:
    """What each mode does on recordings, with the costs of the board that it was tuned for.

    Args:
        network: with modes.
        logits: int8 (exits + 1, n, classes), as `exit_logits` gives them.
        y: int64 (n,), true classes.
    """
    boards = {mode.expected.board for mode in network.modes if mode.expected is not None}
    found: list[dict[str, object]] = []
    for name in sorted(boards):
        trial = Trial(logits, y, costs_on(network, load_board(name)), name)
        for mode in network.modes:
            if mode.expected is not None and mode.expected.board == name:
                seen = trial.expected(mode)
                found.append(
                    {
                        "mode": mode.name,
                        "accuracy": seen.accuracy,
                        "macro_f1": seen.macro_f1,
                        "instructions": seen.instructions,
                        "shares": list(seen.shares),
                        "board": name,
                    }
                )
    return found
