# SPDX-License-Identifier: Apache-2.0
"""One trial: train a network shortly, export it, and say what it can do and what it takes.

A trial depends on its recipe and board alone, so it may run in any process on any machine, and
running it again gives the same result. The test part of the data is never looked at.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinykit.network import Network
from tinykit.network.store import to_bytes
from tinykit.recipe import Named, Recipe

if TYPE_CHECKING:
    from tinykit.data import Dataset
    from tinykit.quantize.pipeline import Work


@dataclass(frozen=True)
class Job:
    """What a worker is given; plain data.

    Attributes:
        number: of the trial.
        recipe: as TOML.
        board: id.
        start: run folder whose float model training starts from; "" for none.
    """

    number: int
    recipe: str
    board: str
    start: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a trial found.

    Attributes:
        macro_f1, accuracy: of the integer Network on the validation part.
        flash: bytes of a firmware without test vectors.
        weights: bytes of the weights as they lie in flash.
        arena: bytes of RAM for all activations and scratch.
        instructions: of an inference, predicted for the board's core.
        seconds: that the trial took.
        network: the Network file.
    """

    macro_f1: float
    accuracy: float
    flash: int
    weights: int
    arena: int
    instructions: int
    seconds: float
    network: bytes

    @property
    def memory(self) -> int:
        """Bytes of weights and arena."""
        return self.weights + self.arena

    def figures(self) -> dict[str, Any]:
        """All but the Network, for JSON."""
        table = asdict(self)
        del table["network"]
        return {**table, "memory": self.memory}


def run_job(job: Job) -> Outcome:
    """Run a trial in this process.

    Raises:
        TinykitError: bad data or recipe, or a network that cannot be generated.
    """
    from tinykit.quantize.pipeline import start_tensorflow

    start_tensorflow(1)
    start = time.perf_counter()
    recipe = Recipe.parse(job.recipe, where=f"trial {job.number}")
    network = train_shortly(recipe, Path(job.start) if job.start else None)
    scores = validation_figures(network, recipe)
    return Outcome(
        macro_f1=scores["macro_f1"],
        accuracy=scores["accuracy"],
        **cost_on(network, job.board),
        seconds=time.perf_counter() - start,
        network=to_bytes(network),
    )


def train_shortly(recipe: Recipe, start: Path | None) -> Network:
    """The Network of a recipe after quantisation-aware training only.

    Args:
        recipe: its float training does not take place.
        start: run folder with the float model to start from; None starts from nothing.
    """
    from tinykit.models.keras_model import build
    from tinykit.quantize.pipeline import load_float

    work = prepared(recipe)
    if start is None:
        model = build(work.blueprint, seed=recipe.seed)
    else:
        model = load_float(start, work.blueprint)
    trained, _ = work.quantized(model, None, untrained=start is None)
    network: Network = work.export(trained)
    return network


def validation_figures(network: Network, recipe: Recipe) -> dict[str, Any]:
    """Figures of the integers on the validation part."""
    from tinykit.network import interpret
    from tinykit.quantize.metrics import classification

    f = prepared(recipe).features
    return classification(interpret(network, f.validation), f.validation_y, network.labels)


def cost_on(network: Network, board: str) -> dict[str, int]:
    """flash, weights, arena and instructions of a Network on a board, without a build.

    Raises:
        TinykitError: it cannot be generated, or no core like the board's was measured.
    """
    from tinykit.boards import load_board
    from tinykit.errors import TinykitError
    from tinykit.fits import fit_boards, microcontroller

    fit = fit_boards(network, [microcontroller(load_board(board))], vectors=0, clips=0)[0]
    if fit.instructions is None:
        raise TinykitError(
            "no core like this board's has been measured, so nothing can be predicted.",
            where=f"board {board}",
            remedy="Search for another board; `tinykit fits` shows which have predictions.",
        )
    return {
        "flash": fit.sizes.flash,
        "weights": fit.sizes.flash_parts["weights"],
        "arena": fit.sizes.ram_parts["arena"],
        "instructions": fit.instructions,
    }


def training_windows(recipe: Recipe) -> int:
    """How many windows train."""
    return len(_dataset(_data_key(recipe)).part("train"))


def _data_key(recipe: Recipe) -> str:
    """The part of a recipe that decides on its windows and features."""
    return Recipe(
        name="data",
        task=recipe.task,
        data=recipe.data,
        frontend=recipe.frontend,
        model=Named("har_cnn"),
        augment=recipe.augment,
    ).to_toml()


@lru_cache(maxsize=24)
def _dataset(key: str) -> Dataset:
    return Recipe.parse(key, where="data").load_dataset()


@lru_cache(maxsize=8)
def _shared(key: str) -> Work:
    """Front end and features, which trials on the same windows share."""
    from tinykit.quantize.pipeline import Work

    recipe = Recipe.parse(key, where="data")
    return Work.prepare(recipe, Path(), _dataset(key), resume=False)


def prepared(recipe: Recipe) -> Work:
    """A recipe's data, features and architecture, from what this process has read already."""
    from tinykit.quantize.pipeline import architecture

    shared = _shared(_data_key(recipe))
    plan = architecture(recipe, shared.frontend, shared.dataset)
    return replace(shared, recipe=recipe, blueprint=plan)
