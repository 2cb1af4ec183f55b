# SPDX-License-Identifier: Apache-2.0
"""Phase 2: bits of each layer, weights and activations, around networks of phase 1.

The networks are trained in float once, long. From that model two ways start: trials that draw the
bits of each layer, and trainings that learn them (`tinykit.quantize.mixed`) at several prices of
memory and instructions. What the latter arrive at is tried as any other choice, so both ways, and
the uniform precisions that they must beat, stand in one table with the same training.

Kernels know one width a layer. Widths of groups of channels would have to be deployed as several
convolutions and a concatenation, which costs more instructions and requantisation constants than
small layers can save; so the width of a layer is what both ways choose.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.front import climbing
from tinykit.models import Blueprint
from tinykit.quantize.policy import WIDTHS
from tinykit.recipe import Recipe
from tinykit.search.har import TRIALS, Settings, load_front, load_settings
from tinykit.search.space import Short, Suggests, short_recipe, space_of
from tinykit.search.study import RECIPE, Found, Study, best_by_memory, open_study, storage_url
from tinykit.search.trial import prepared, training_windows
from tinykit.search.workers import Workers

if TYPE_CHECKING:
    from tinykit.quantize.mixed import Cost

PHASE = "phase2"
FLOAT = "float"
TABLE = "mixed.json"
WAYS = ("uniform", "search", "differentiable")
# What a halving of all memory, or of all instructions, is worth in units of the loss.
PRICES = ((0.05, 0.0), (0.2, 0.0), (0.6, 0.0), (0.1, 0.1), (0.4, 0.4))


@dataclass(frozen=True)
class Bits:
    """The space of one network: the bits of each layer.

    Attributes:
        recipe: of the network, with the training of a trial.
        layers: names of those with weights.
    """

    recipe: Recipe
    layers: tuple[str, ...]

    def suggest(self, trial: Suggests) -> dict[str, Any]:
        """Draw weights' and activations' bits of each layer; the logits have 8."""
        drawn = {}
        for name in self.layers:
            drawn[f"w_{name}"] = trial.suggest_categorical(f"w_{name}", WIDTHS)
            if name != self.layers[-1]:
                drawn[f"a_{name}"] = trial.suggest_categorical(f"a_{name}", WIDTHS)
        return drawn

    def uniform(self, weights: int, activations: int) -> dict[str, int]:
        """The choice of the same bits everywhere."""
        return self.choice(dict.fromkeys(self.layers, f"w{weights}a{activations}"))

    def choice(self, policy: Mapping[str, str]) -> dict[str, int]:
        """The parameters of bits by layer, "w4a8" each."""
        drawn = {}
        for name in self.layers:
            weights, activations = policy[name][1:].split("a")
            drawn[f"w_{name}"] = int(weights)
            if name != self.layers[-1]:
                drawn[f"a_{name}"] = int(activations)
        return drawn

    def to_recipe(self, drawn: Mapping[str, Any], number: int) -> str:
        """TOML of a choice."""
        layers = named_bits(drawn, self.layers)
        quantization = replace(self.recipe.quantization, policy="w8a8", layers=layers)
        name = f"{self.recipe.name}-bits{number:05d}"
        return replace(self.recipe, name=name, quantization=quantization).to_toml()


def named_bits(drawn: Mapping[str, Any], layers: Iterable[str]) -> dict[str, str]:
    """Bits by layer, "w4a8" each, of the parameters of a choice."""
    return {name: f"w{drawn[f'w_{name}']}a{drawn.get(f'a_{name}', 8)}" for name in layers}


def search_bits(
    folder: Path,
    workers: Workers,
    *,
    points: int,
    trials: int,
    storage: str | None = None,
    resume: bool = False,
) -> list[dict[str, Any]]:
    """Phase 2 of a search: bits of each layer of some networks of its front.

    Args:
        folder: of a finished phase 1.
        workers: run the trials.
        points: how many networks of the front, spread evenly over memory.
        trials: of each network, the uniform precisions included.
        storage: as in phase 1.
        resume: go on.

    Returns:
        The rows of mixed.json: figures of all trials, with `point` and `way`.

    Raises:
        TinykitError: as phase 1.
    """
    settings, rows = load_settings(folder), []
    for point in chosen_points(folder, points):
        home = folder / PHASE / f"{point.number:05d}"
        bits = bits_of(point, settings)
        train_float(bits.recipe, settings, home / FLOAT)
        study = Study(
            study=open_study(
                f"{PHASE}-{point.number}",
                storage_url(storage, folder),
                seed=settings.seed,
                resume=resume or _begun(home),
                where=home,
            ),
            folder=home / TRIALS,
            board=settings.board,
            seed=settings.seed,
            draw=bits.suggest,
            to_recipe=bits.to_recipe,
            start=str(home / FLOAT),
        )
        uniform = [bits.uniform(w, a) for w in WIDTHS for a in WIDTHS]
        learned = learn_bits(bits, settings, home)
        for one in (*uniform, *learned):
            study.enqueue(one)
        study.run(trials, workers)
        rows += _rows(point, home, uniform, learned)
    write_atomic(folder / TABLE, json.dumps(rows, indent=1) + "\n")
    return rows


def chosen_points(folder: Path, points: int) -> list[Found]:
    """So many networks of a front, those that are best of their memory, spread over it.

    Raises:
        TinykitError: no finished search, or fewer than one point is asked for.
    """
    if points < 1:
        raise TinykitError(f"--points {points} chooses nothing.", remedy="Give 1 or more.")
    front = [Found.load(folder / TRIALS / f"{row['trial']:05d}") for row in load_front(folder)]
    best = best_by_memory(front)
    places = np.unique(np.linspace(0, len(best) - 1, min(points, len(best))).round().astype(int))
    return [best[place] for place in places]


def bits_of(point: Found, settings: Settings) -> Bits:
    """The space around a network of phase 1."""
    recipe = Recipe.load(point.folder / RECIPE)
    short = Short(steps=settings.steps)
    recipe = short_recipe(recipe, short, training_windows(recipe))
    layers = tuple(layer.name for layer in prepared(recipe).blueprint.weighted())
    return Bits(recipe, layers)


def train_float(recipe: Recipe, settings: Settings, run: Path) -> None:
    """The float model that all choices start from, trained as the base recipe says."""
    from tinykit.quantize.pipeline import start_tensorflow

    if (run / "model.keras").exists():
        return
    start_tensorflow(None)
    training = space_of(settings.data).base().training
    long = replace(recipe, training=training)
    run.mkdir(parents=True, exist_ok=True)
    write_atomic(run / RECIPE, long.to_toml())
    replace(prepared(long), run=run, resume=True).float_stage()


def learn_bits(bits: Bits, settings: Settings, home: Path) -> list[dict[str, int]]:
    """Choices that gradient descent arrives at, one for each of PRICES."""
    path = home / "learned.json"
    if path.exists():
        learned: list[dict[str, int]] = json.loads(path.read_text())
        return learned
    learned = [
        bits.choice(learned_policy(bits.recipe, settings.board, home / FLOAT, memory, time))
        for memory, time in PRICES
    ]
    write_atomic(path, json.dumps(learned) + "\n")
    return learned


def learned_policy(
    recipe: Recipe, board: str, start: Path, memory: float, time: float
) -> dict[str, str]:
    """Bits of each layer after a training that pays for memory and instructions.

    Args:
        recipe: with the training of a trial.
        board: that instructions are predicted for.
        start: run folder with the float model.
        memory, time: prices, see PRICES.
    """
    from tinykit.quantize import loop
    from tinykit.quantize.mixed import MixedModel
    from tinykit.quantize.pipeline import load_float, start_tensorflow

    start_tensorflow(None)
    work = prepared(recipe)
    how = recipe.quantization
    cost = cost_of(work.blueprint, board, memory, time)
    steps = how.epochs * (len(work.features.train_y) // how.batch)
    model = MixedModel(work.blueprint, work.features.scale, cost, strength=1.0, steps=steps)
    model.load(load_float(start, work.blueprint))
    model.calibrate(work.calibration())
    loop.fit(
        model,
        work.material(),
        work.fit("bits", how, recipe.seed),
        checkpoint=None,
        augment=work.augment(),
    )
    policy: dict[str, str] = model.policy()
    return policy


def cost_of(plan: Blueprint, board: str, memory: float, time: float) -> Cost:
    """What each width of each layer costs on a board.

    Instructions of a layer at its weights' and its input's width are those that the cost model
    predicts for the untrained network of that uniform precision.
    """
    from tinykit.models.keras_model import build
    from tinykit.quantize.mixed import Cost

    shapes = plan.shapes()
    untrained = build(plan, seed=0)
    names = [layer.name for layer in plan.weighted()]
    tables = {name: np.zeros((len(WIDTHS), len(WIDTHS))) for name in names}
    for row, weights in enumerate(WIDTHS):
        for column, activations in enumerate(WIDTHS):
            predicted = _predicted(untrained, plan, f"w{weights}a{activations}", board)
            for name in names:
                tables[name][row, column] = predicted[name]
    return Cost(
        weight_bytes={name: float(count) for name, count in plan.weights().items()},
        activation_bytes={name: float(np.prod(shapes[name])) for name in names},
        instructions=tables,
        memory=memory,
        time=time,
    )


def _predicted(untrained: Any, plan: Blueprint, policy: str, board: str) -> dict[str, float]:
    """Instructions by layer at one precision; what is not predicted counts as nothing."""
    from tinykit.boards import load_board
    from tinykit.codegen.choice import Cheapest
    from tinykit.codegen.cost import cost_model
    from tinykit.codegen.isa import isa_of
    from tinykit.codegen.kernels import choose_kernels
    from tinykit.quantize.export import export_network
    from tinykit.quantize.policy import parse_policy
    from tinykit.quantize.qat import QatModel, Schemes

    model = QatModel(plan, parse_policy(policy, edges=2), Schemes(), 1 / 32)
    model.load(untrained)
    classes = plan.shapes()[plan.layers[-1].name][-1]
    labels = tuple(f"class{i}" for i in range(classes))
    network = export_network(model, name="cost", labels=labels, frontend=None, metadata={})
    chip = load_board(board)
    costs = cost_model(chip)
    layers = choose_kernels(network, isa_of(chip), Cheapest(costs))
    return {
        layer.op.name: 0.0 if costs is None else (costs.predict(layer) or 0.0) for layer in layers
    }


def _begun(home: Path) -> bool:
    return (home / TRIALS).exists()


def _rows(
    point: Found, home: Path, uniform: list[dict[str, int]], learned: list[dict[str, int]]
) -> list[dict[str, Any]]:
    """All trials of a network, each with the way that its bits were chosen."""
    rows = []
    for folder in sorted((home / TRIALS).iterdir()):
        found = Found.load(folder)
        bits = found.figures["parameters"]
        way = "search"
        if bits in uniform:
            way = "uniform"
        elif bits in learned:
            way = "differentiable"
        layers = [name[2:] for name in bits if name.startswith("w_")]
        about = {"point": point.number, "trial": found.number, "way": way}
        about["bits"] = named_bits(bits, layers)
        rows.append(about | found.figures)
    return rows


def load_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of mixed.json; none where phase 2 has not been."""
    try:
        rows: list[dict[str, Any]] = json.loads((folder / TABLE).read_text())
        return rows
    except OSError:
        return []


def best_of_each_way(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each network and way, those better than all of it with less memory or as much."""
    kept: list[Mapping[str, Any]] = []
    for point in sorted({row["point"] for row in rows}):
        for way in WAYS:
            own = [row for row in rows if (row["point"], row["way"]) == (point, way)]
            own.sort(key=lambda row: (row["memory"], -row["macro_f1"]))
            kept += climbing(own, lambda row: float(row["macro_f1"]))
    return kept
