# SPDX-License-Identifier: Apache-2.0
"""A study: which networks to try next, and what was found, in a database that outlives the search.

Optuna (Akiba et al., arXiv:1907.10902) draws the parameters and keeps trials in SQLite or any other
database that SQLAlchemy knows. Each finished trial is first written to its folder, then told; one
that was under way when the search ended is queued again at the next start. What a trial finds
depends on its parameters and the study's seed, so it does not matter who runs it or how often.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.front import climbing
from tinykit.progress import notice, progress
from tinykit.search.trial import Job, Outcome
from tinykit.search.workers import Workers

if TYPE_CHECKING:
    import optuna

OBJECTIVES = (
    ("macro_f1", "maximize"),
    ("flash", "minimize"),
    ("arena", "minimize"),
    ("instructions", "minimize"),
)
SETTINGS = "search.json"
NETWORK = "network.tkn"
RECIPE = "recipe.toml"
FIGURES = "figures.json"
INTERRUPTED = 130
_DIGEST = "recipe"
# Random trials before the sampler starts to model what is good.
_STARTUP = 24
# Draws in a row that give nothing new, after which nothing new is expected.
_FRUITLESS = 200

Draw = Callable[["optuna.Trial"], dict[str, Any]]
ToRecipe = Callable[[Mapping[str, Any], int], str | None]


@dataclass(frozen=True)
class Study:
    """An open study.

    Attributes:
        study: Optuna's.
        folder: of the finished trials.
        board: id of the board that costs are of.
        seed: of the sampler.
        draw: suggests all parameters of a trial.
        to_recipe: TOML of a trial by its parameters and number; None where it would go beyond a
            limit, which needs no training to see.
        start: run folder that each trial starts from; "" for none.
    """

    study: Any
    folder: Path
    board: str
    seed: int
    draw: Draw
    to_recipe: ToRecipe
    start: str = ""

    def finished(self) -> int:
        """How many trials are complete."""
        return len(self._trials("COMPLETE"))

    def run(self, trials: int, workers: Workers) -> None:
        """Go on until `trials` are complete, counting those from before.

        Ends earlier, and says so, where the sampler finds nothing that was not tried.

        Raises:
            TinykitError: interrupted by Ctrl-C (exit status 130), or trials fail one after another.
        """
        self._requeue()
        under_way: dict[int, Any] = {}
        failures = 0
        try:
            with progress() as bar:
                task = bar.add_task("search", total=trials, note="")
                bar.update(task, completed=self.finished())
                more = True
                while (done := self.finished()) < trials:
                    wanted = min(workers.slots, trials - done)
                    more = more and self._start(under_way, wanted, workers)
                    if not under_way:
                        notice(f"{done} trials: there seems to be nothing else to try")
                        break
                    job, outcome = workers.finished()
                    trial = under_way.pop(job.number)
                    if isinstance(outcome, TinykitError):
                        failures = self._fail(trial, outcome, failures)
                        continue
                    failures = 0
                    self._tell(trial, job, outcome)
                    bar.update(task, advance=1, note=self._note())
        except KeyboardInterrupt as stop:
            raise TinykitError(
                f"interrupted; {self.finished()} of {trials} trials are finished and kept.",
                where=self.folder.parent,
                remedy="Run the same command with --resume to go on.",
                exit_code=INTERRUPTED,
            ) from stop

    def _start(self, under_way: dict[int, Any], wanted: int, workers: Workers) -> bool:
        """Start trials until `wanted` are under way; whether there were as many to try."""
        while len(under_way) < wanted:
            asked = self._ask()
            if asked is None:
                return False
            trial, job = asked
            under_way[job.number] = trial
            workers.submit(job)
        return True

    def enqueue(self, parameters: Mapping[str, Any]) -> None:
        """Have this choice tried next, unless it was tried before."""
        self.study.enqueue_trial(dict(parameters), skip_if_exists=True)

    def front(self) -> list[Found]:
        """The trials that no other one beats in all objectives, by memory."""
        found = [Found.load(self.home(one.number)) for one in self.study.best_trials]
        return sorted(found, key=lambda one: (one.figures["memory"], one.number))

    def home(self, number: int) -> Path:
        """The folder of a trial."""
        return self.folder / f"{number:05d}"

    def _trials(self, *states: str) -> list[Any]:
        from optuna.trial import TrialState

        wanted = tuple(TrialState[state] for state in states)
        return self.study.get_trials(deepcopy=False, states=wanted)

    def _requeue(self) -> None:
        """Queue again what was under way when an earlier search ended.

        A trial whose folder was written is finished, even if nobody came to tell the study.
        """
        from optuna.trial import TrialState

        lost = 0
        for trial in self._trials("RUNNING"):
            try:
                found = Found.load(self.home(trial.number))
            except TinykitError:
                self.study.tell(trial.number, state=TrialState.FAIL)
                self.study.enqueue_trial(trial.params)
                lost += 1
            else:
                self.study.tell(trial.number, found.values())
        if lost:
            notice(f"{lost} trials were under way when the search ended; they run again")

    def _ask(self) -> tuple[Any, Job] | None:
        """The next trial that is worth training; None where many draws found none."""
        from optuna.trial import TrialState

        for _ in range(_FRUITLESS):
            trial = self.study.ask()
            # A sampler of its own for each trial: what it draws after a restart is the same.
            self.study.sampler = sampler(self.seed, trial.number + 1)
            recipe = self.to_recipe(self.draw(trial), trial.number)
            if recipe is not None and self._is_new(trial, recipe):
                return trial, Job(trial.number, recipe, self.board, self.start)
            self.study.tell(trial, state=TrialState.PRUNED)
        return None

    def _is_new(self, trial: Any, recipe: str) -> bool:
        """Whether no trial has this recipe, whatever its name; notes it.

        Parameters of blocks that a network lacks differ without making a difference.
        """
        digest = zlib.crc32(recipe.split("\n", 1)[1].encode())
        known = {one.user_attrs.get(_DIGEST) for one in self._trials("COMPLETE", "RUNNING")}
        trial.set_user_attr(_DIGEST, digest)
        return digest not in known

    def _tell(self, trial: Any, job: Job, outcome: Outcome) -> None:
        home = self.home(job.number)
        figures = outcome.figures()
        write_atomic(home / RECIPE, job.recipe)
        write_atomic(home / NETWORK, outcome.network)
        write_atomic(home / FIGURES, json.dumps({**figures, "parameters": trial.params}) + "\n")
        self.study.tell(trial, Found(job.number, home, figures).values())

    def _fail(self, trial: Any, error: TinykitError, before: int) -> int:
        """Note a failed trial; the failures in a row.

        Raises:
            TinykitError: as many as make it likely that all will.
        """
        from optuna.trial import TrialState

        self.study.tell(trial, state=TrialState.FAIL)
        if before >= 2:
            raise error
        notice(f"trial {trial.number}: {error}")
        return before + 1

    def _note(self) -> str:
        best = max(self._trials("COMPLETE"), key=lambda one: one.values[0])
        return f"best macro F1 {100 * best.values[0]:.2f} %  front {len(self.study.best_trials)}"


@dataclass(frozen=True)
class Found:
    """A finished trial.

    Attributes:
        number: of the trial.
        folder: with its recipe, network and figures.
        figures: as `Outcome.figures`, and the parameters.
    """

    number: int
    folder: Path
    figures: dict[str, Any]

    def values(self) -> list[float]:
        """What the study optimises, in the order of OBJECTIVES."""
        return [float(self.figures[name]) for name, _ in OBJECTIVES]

    @classmethod
    def load(cls, folder: Path) -> Found:
        """Read a trial's folder.

        Raises:
            TinykitError: something is missing or broken.
        """
        try:
            figures = json.loads((folder / FIGURES).read_text())
            return cls(int(folder.name), folder, figures)
        except (OSError, ValueError) as error:
            raise TinykitError(
                "the trial's figures cannot be read.",
                where=folder,
                remedy="Search again into another folder; the database and the folders differ.",
            ) from error


def open_study(name: str, storage: str, *, seed: int, resume: bool, where: Path) -> Any:
    """Optuna's study `name` in a database.

    Args:
        name: of the study.
        storage: URL of a database.
        seed: of the sampler.
        resume: go on with the study that is there; else there must be none.
        where: for errors.

    Raises:
        TinykitError: Optuna is not installed, the database cannot be used, or it holds the study
            already.
    """
    try:
        import optuna
    except ImportError as error:
        raise TinykitError(
            "Optuna is not installed.", remedy="Install it with `pip install optuna`."
        ) from error
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            study_name=name,
            storage=optuna.storages.RDBStorage(storage),
            directions=[direction for _, direction in OBJECTIVES],
            sampler=sampler(seed, 0),
            load_if_exists=resume,
        )
    except optuna.exceptions.DuplicatedStudyError as error:
        raise TinykitError(
            f"the study {name} exists already.",
            where=where,
            remedy="Go on with --resume, or search into another folder (--out).",
        ) from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError) as error:
        raise TinykitError(
            f"the database cannot be used: {str(error).splitlines()[0]}",
            where=where,
            remedy="Give --storage a file, or a URL like postgresql://host/name.",
        ) from error


def sampler(seed: int, number: int) -> Any:
    """The sampler of one trial: multi-objective TPE (Ozaki et al., GECCO 2020)."""
    import optuna

    return optuna.samplers.TPESampler(
        n_startup_trials=_STARTUP, seed=(seed * 1_000_003 + number) % 2**32, multivariate=False
    )


def storage_url(storage: str | None, folder: Path) -> str:
    """A database's URL: as given, of the file given, or of study.db in the folder."""
    if storage is not None and "://" in storage:
        return storage
    path = Path(storage) if storage is not None else folder / "study.db"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TinykitError(
            f"cannot write: {error.strerror}.", where=path, remedy="Choose another --storage."
        ) from error
    return f"sqlite:///{path.resolve()}"


def best_by_memory(found: Sequence[Found]) -> list[Found]:
    """Those of `found` that are better than all with less memory or as much, by memory."""
    ordered = sorted(found, key=lambda f: (f.figures["memory"], -f.figures["macro_f1"]))
    return climbing(ordered, lambda f: float(f.figures["macro_f1"]))
