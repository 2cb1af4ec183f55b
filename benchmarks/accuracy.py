# SPDX-License-Identifier: Apache-2.0
"""Reproduce the accuracy table: data sets x policies x seeds, on real recordings.

    TINYKIT_DATA=... python benchmarks/accuracy.py --out runs/accuracy --jobs 2

Finished runs are skipped and interrupted ones resumed, so it can be stopped at any time. Writes
accuracy.json and accuracy.md into the output folder after every run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.quantize.pipeline import train
from tinykit.recipe import Recipe

ALL = ("w8a8", "w4a8", "w4a4", "w2a8", "w2a2")
# The first policy of a recipe also trains the float network that the others start from.
PLAN: dict[str, tuple[str, ...]] = {
    "kws": ALL,
    "har_hapt": ("w8a8", "w4a8", "w4a4", "w2a8"),
    "har_motionsense": ("w8a8", "w4a4"),
    "har_wisdm": ("w8a8", "w4a4"),
    "mlperf_kws": ("w8a8",),
    "kws_small": ("w8a8",),
}
# Least mean test accuracy of the w8a8 network, percent.
GOALS = {"kws": 92.0, "har_hapt": 93.5, "har_motionsense": 93.0, "har_wisdm": 75.0}
# Points of test accuracy that integers may cost against float.
ALLOWED_LOSS = {"w8a8": 0.5, "w4a8": 1.0, "w4a4": 2.0, "w2a8": 3.0}


@dataclass(frozen=True)
class Job:
    """All policies of one recipe and seed: one float training, then one QAT each.

    Attributes:
        teacher: the job whose teacher network this one shares, where the recipe has one.
    """

    recipe: str
    seed: int
    policies: tuple[str, ...]
    out: Path
    threads: int
    teacher: Job | None = None

    def runs(self) -> Iterator[tuple[str, Path, Recipe]]:
        """Policy, run folder and recipe, the float training first."""
        first = self.folder(self.policies[0])
        for policy in self.policies:
            recipe = Recipe.load(self.recipe).override(seed=self.seed, policy=policy)
            if self.teacher is not None:
                recipe = recipe.override(teacher=str(self.teacher.folder(self.policies[0])))
            if policy != self.policies[0]:
                recipe = recipe.override(init_from=str(first))
            yield policy, self.folder(policy), recipe

    def folder(self, policy: str) -> Path:
        """The run folder of a policy."""
        return self.out / f"{self.recipe}-{policy}-seed{self.seed}"

    def run(self) -> list[str]:
        """Train what is not there yet; the names of the folders."""
        done = []
        for _, folder, recipe in self.runs():
            if not finished(folder, recipe):
                train(recipe, folder, resume=_same(folder, recipe), threads=self.threads)
            done.append(folder.name)
        return done


def _same(folder: Path, recipe: Recipe) -> bool:
    path = folder / "recipe.toml"
    return path.exists() and path.read_text() == recipe.to_toml()


def finished(folder: Path, recipe: Recipe) -> bool:
    """Whether the folder holds the figures of this very recipe."""
    return _same(folder, recipe) and (folder / "metrics.json").exists()


def collect(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """One row per finished run."""
    rows = []
    for job in jobs:
        for policy, folder, recipe in job.runs():
            if not finished(folder, recipe):
                continue
            metrics = json.loads((folder / "metrics.json").read_text())
            row: dict[str, Any] = {
                "recipe": job.recipe,
                "data": metrics["data"]["name"],
                "synthetic": metrics["data"]["synthetic"],
                "policy": policy,
                "seed": job.seed,
                "parameters": metrics["model"]["parameters"],
                "macs": metrics["network"]["macs"],
                "seconds": metrics["seconds"],
                "agreement": metrics["quantized"]["fake_quantized_against_integers"],
            }
            for stage in ("float", "quantized"):
                for part in ("validation", "test"):
                    for figure in ("accuracy", "macro_f1"):
                        row[f"{stage}_{part}_{figure}"] = metrics[stage][part][figure]
            rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Mean and spread over seeds, in Markdown."""
    lines = [
        "| recipe | policy | seeds | validation | test accuracy, % | macro F1, % | float test, % "
        "| loss to float, points | goal |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for recipe, policies in PLAN.items():
        for policy in policies:
            some = [r for r in rows if (r["recipe"], r["policy"]) == (recipe, policy)]
            if some:
                lines.append(_line(recipe, policy, some))
    return "\n".join(lines) + "\n"


def _line(recipe: str, policy: str, rows: Sequence[dict[str, Any]]) -> str:
    def percent(key: str) -> NDArray[np.float64]:
        return np.array([100 * r[key] for r in rows])

    test, whole = percent("quantized_test_accuracy"), percent("float_test_accuracy")
    cells = [
        recipe + (" (synthetic data)" if rows[0]["synthetic"] else ""),
        policy,
        ", ".join(str(r["seed"]) for r in rows),
        _spread(percent("quantized_validation_accuracy")),
        _spread(test),
        _spread(percent("quantized_test_macro_f1")),
        _spread(whole),
        _spread(whole - test),
        _verdict(recipe, policy, float(test.mean()), float((whole - test).mean())),
    ]
    return "| " + " | ".join(cells) + " |"


def _spread(values: NDArray[np.float64]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"


def _verdict(recipe: str, policy: str, test: float, loss: float) -> str:
    goals = []
    if policy == "w8a8" and recipe in GOALS:
        goals.append((f"at least {GOALS[recipe]}", test >= GOALS[recipe]))
    # The issue asks for the other widths of the keyword spotter only.
    if policy in ALLOWED_LOSS and recipe in GOALS and (policy == "w8a8" or recipe == "kws"):
        goals.append((f"loss at most {ALLOWED_LOSS[policy]}", loss <= ALLOWED_LOSS[policy]))
    return "; ".join(f"{text}: {'met' if met else 'NOT met'}" for text, met in goals)


def save(jobs: Sequence[Job], out: Path) -> str:
    """Write both files; the table."""
    rows = collect(jobs)
    text = table(rows)
    write_atomic(out / "accuracy.json", json.dumps(rows, indent=1) + "\n")
    write_atomic(out / "accuracy.md", text)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--recipes", nargs="+", default=list(PLAN), choices=list(PLAN))
    parser.add_argument("--policies", nargs="+", choices=ALL, help="of those planned")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once")
    parser.add_argument("--threads", type=int, default=1, help="threads of each")
    parser.add_argument("--collect", action="store_true", help="only gather what is finished")
    given = parser.parse_args(arguments)
    jobs = list(_plan(given))
    failed = 0 if given.collect else _run_all(jobs, given.jobs, given.out)
    print(save(jobs, given.out), end="")
    return 1 if failed else 0


def _chosen(planned: tuple[str, ...], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The wanted policies; the first planned one stays, as it trains the float network."""
    return tuple(p for p in planned if wanted is None or p in wanted or p == planned[0])


def _plan(given: argparse.Namespace) -> Iterator[Job]:
    """The jobs, seed by seed; later seeds share the first one's teacher."""
    firsts: dict[str, Job] = {}
    for seed in given.seeds:
        for recipe in given.recipes:
            policies = _chosen(PLAN[recipe], given.policies)
            job = Job(recipe, seed, policies, given.out, given.threads)
            if recipe in firsts and Recipe.load(recipe).training.distill:
                job = replace(job, teacher=firsts[recipe])
            firsts.setdefault(recipe, job)
            yield job


def _run_all(jobs: Sequence[Job], workers: int, out: Path) -> int:
    """Run the jobs, each after the one whose teacher it needs; how many failed."""
    # A process per job: TensorFlow cannot change its threads once started, nor be forked.
    context = multiprocessing.get_context("spawn")
    waiting, done, failed = list(jobs), set[Job](), 0
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        running: dict[Future[list[str]], Job] = {}
        while waiting or running:
            ready = [j for j in waiting if j.teacher is None or j.teacher in done]
            for job in ready[: workers - len(running)]:
                waiting.remove(job)
                running[pool.submit(job.run)] = job
            finished_now, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished_now:
                job = running.pop(future)
                done.add(job)
                try:
                    print("finished:", ", ".join(future.result()), file=sys.stderr, flush=True)
                except TinykitError as error:
                    failed += 1
                    print(f"failed: {job.recipe}: {error}", file=sys.stderr, flush=True)
                save(jobs, out)
    return failed


if __name__ == "__main__":
    sys.exit(main())
