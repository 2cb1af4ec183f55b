# SPDX-License-Identifier: Apache-2.0
"""`tinykit search har`: phase 1 over architectures of one precision, and what it leaves behind.

search.json          what was asked
study.db             Optuna's database, unless another one was given
trials/00012/        recipe.toml, network.tkn and figures.json of each finished trial
pareto.json          the front
pareto/01-.../       its networks as run folders: recipe.toml is of the trial, long.toml asks
                     for the long training of the same network
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tinykit.errors import TinykitError
from tinykit.files import directory_atomic, write_atomic
from tinykit.recipe import Recipe
from tinykit.search.space import (
    Short,
    Space,
    check_limit,
    short_recipe,
    space_of,
    weight_bytes,
)
from tinykit.search.study import (
    FIGURES,
    NETWORK,
    RECIPE,
    SETTINGS,
    Found,
    Study,
    open_study,
    storage_url,
)
from tinykit.search.trial import training_windows
from tinykit.search.workers import Workers

PARETO = "pareto.json"
LONG = "long.toml"
TRIALS = "trials"


@dataclass(frozen=True)
class Settings:
    """What a search was asked for; it can be resumed with the same only.

    Attributes:
        data: data set.
        board: id of the board that costs are of.
        seed: of the sampler and of all trainings.
        most_memory: bytes of weights; what has more is not trained.
        steps: of a trial's training.
    """

    data: str
    board: str
    seed: int = 0
    most_memory: int = 24_000
    steps: int = 300

    def check(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            TinykitError: says what and why.
        """
        from tinykit.boards import load_board
        from tinykit.fits import microcontroller

        space_of(self.data)
        microcontroller(load_board(self.board))
        check_limit(self.most_memory)
        if self.steps < 1:
            raise TinykitError(f"--steps {self.steps} trains nothing.", remedy="Give 1 or more.")


@dataclass(frozen=True)
class _Draws:
    """The space of a search as `Study` wants it."""

    settings: Settings
    space: Space
    classes: int

    def to_recipe(self, drawn: Mapping[str, Any], number: int) -> str | None:
        """TOML of a choice; None where its weights alone go beyond the limit."""
        recipe = self.space.to_recipe(
            drawn, name=f"{self.settings.data}-{number:05d}", seed=self.settings.seed
        )
        plan = self.space.blueprint(drawn, self.classes)
        if weight_bytes(plan, recipe) > self.settings.most_memory:
            return None
        short = Short(steps=self.settings.steps)
        return short_recipe(recipe, short, training_windows(recipe)).to_toml()


def search(
    settings: Settings,
    folder: Path,
    workers: Workers,
    *,
    trials: int,
    storage: str | None = None,
    resume: bool = False,
) -> list[Found]:
    """Search until so many trials are finished; the front.

    Args:
        settings: what to search.
        folder: of the search.
        workers: run the trials.
        trials: to finish, those from before included.
        storage: file or URL of the database; study.db in the folder by default.
        resume: go on with the search that is in the folder.

    Raises:
        TinykitError: bad settings, another search in the folder, or interrupted (status 130).
    """
    settings.check()
    if trials < 1:
        raise TinykitError(f"--trials {trials} searches nothing.", remedy="Give 1 or more.")
    claim(settings, folder, resume=resume)
    space = space_of(settings.data)
    labels = space.base().load_dataset().labels
    study = Study(
        study=open_study(
            "phase1",
            storage_url(storage, folder),
            seed=settings.seed,
            resume=resume,
            where=folder,
        ),
        folder=folder / TRIALS,
        board=settings.board,
        seed=settings.seed,
        draw=space.suggest,
        to_recipe=_Draws(settings, space, len(labels)).to_recipe,
    )
    if study.finished() == 0:
        for start in space.starts():
            study.enqueue(start)
    study.run(trials, workers)
    front = study.front()
    export(front, folder, space.base())
    return front


def claim(settings: Settings, folder: Path, *, resume: bool) -> None:
    """Write search.json; refuse to go on with another search.

    Raises:
        TinykitError: the folder holds another search, or one and `resume` is not asked for.
    """
    path, text = folder / SETTINGS, json.dumps(asdict(settings), indent=1) + "\n"
    if path.exists() and not resume:
        raise TinykitError(
            "a search is here already.",
            where=folder,
            remedy="Go on with --resume, or search into another folder (--out).",
        )
    if path.exists() and path.read_text() != text:
        raise TinykitError(
            "the search was begun with other settings.",
            where=path,
            remedy="Give the same options, or search into another folder (--out).",
        )
    write_atomic(path, text)


def load_settings(folder: Path) -> Settings:
    """The settings of a search folder.

    Raises:
        TinykitError: no search is there.
    """
    try:
        settings = Settings(**json.loads((folder / SETTINGS).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise TinykitError(
            "no search here.", where=folder, remedy="Name a folder that `tinykit search` made."
        ) from error
    settings.check()
    return settings


def export(front: list[Found], folder: Path, base: Recipe) -> None:
    """Write pareto.json and a run folder of each network of the front."""
    rows = []
    with directory_atomic(folder / "pareto") as aside:
        for place, one in enumerate(front, start=1):
            home = aside / f"{place:02d}-{one.figures['memory']}B"
            home.mkdir()
            for name in (RECIPE, NETWORK, FIGURES):
                shutil.copyfile(one.folder / name, home / name)
            (home / LONG).write_text(long_recipe(one, base).to_toml())
            rows.append({"trial": one.number, "folder": f"pareto/{home.name}", **one.figures})
    write_atomic(folder / PARETO, json.dumps(rows, indent=1) + "\n")


def long_recipe(one: Found, base: Recipe) -> Recipe:
    """The network of a trial with the long training of the base recipe."""
    recipe = Recipe.load(one.folder / RECIPE)
    own = recipe.quantization
    quantization = replace(base.quantization, policy=own.policy, layers=own.layers, edges=own.edges)
    return replace(recipe, training=base.training, quantization=quantization)


def load_front(folder: Path) -> list[dict[str, Any]]:
    """The rows of pareto.json.

    Raises:
        TinykitError: no finished search is there.
    """
    try:
        rows: list[dict[str, Any]] = json.loads((folder / PARETO).read_text())
        return rows
    except (OSError, ValueError) as error:
        raise TinykitError(
            "no finished search here.",
            where=folder,
            remedy="Name a folder that `tinykit search` made; --resume ends an interrupted one.",
        ) from error
