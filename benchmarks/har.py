# SPDX-License-Identifier: Apache-2.0
"""From a finished search to the table of the report: chosen on validation, tested once.

    python benchmarks/har.py runs/search-hapt [--points 15] [--seeds 3] [--budgets 1000 3000 24000]

Of the front's networks those are taken that are best of their memory on validation and, where these
are fewer than POINTS, others that come near; where budgets are given, the best within each. They
are trained long, with every seed, and each one's integers are scored on the test part once.
Finished trainings are kept in SEARCH/final and not done again. Prints a table, and writes
SEARCH/final.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinykit.front import climbing
from tinykit.quantize.pipeline import train
from tinykit.recipe import Recipe
from tinykit.runs import open_run
from tinykit.search.har import LONG, load_front, load_settings
from tinykit.search.trial import cost_on


def chosen(rows: list[dict], points: int, budgets: list[int]) -> list[dict]:
    """Rows of the front to train long."""
    best = climbing(rows, lambda row: row["macro_f1"])
    if budgets:
        within = [[row for row in best if row["memory"] <= budget] for budget in budgets]
        picked = [few[-1] for few in within if few]
    else:
        places = np.unique(np.linspace(0, len(best) - 1, min(points, len(best))).round())
        picked = [best[int(place)] for place in places]
        # On the front for their few instructions: those that lose least against the best.
        rest = sorted((row for row in rows if row not in best), key=lambda row: loss(row, best))
        picked = sorted(picked + rest[: points - len(picked)], key=lambda row: row["memory"])
    return [row for i, row in enumerate(picked) if row not in picked[:i]]


def loss(row: dict, best: list[dict]) -> float:
    """What a network loses against the best one of at most its memory."""
    return max(one["macro_f1"] for one in best if one["memory"] <= row["memory"]) - row["macro_f1"]


def long_training(search: Path, row: dict, seed: int, teacher: str) -> dict:
    """Figures of a network after the long training with a seed."""
    home = search / "final" / f"{row['trial']:05d}-seed{seed}"
    metrics = home / "metrics.json"
    if not metrics.exists():
        recipe = Recipe.load(search / row["folder"] / LONG).override(seed=seed)
        if teacher:
            training = replace(recipe.training, distill=0.5, teacher=teacher)
            recipe = replace(recipe, training=training)
        train(recipe, home, resume=home.exists())
    figures = json.loads(metrics.read_text())["quantized"]
    costs = cost_on(open_run(home).network, load_settings(search).board)
    return {"seed": seed, **costs, **{part: figures[part] for part in ("validation", "test")}}


def line(row: dict, runs: list[dict]) -> dict:
    """One line of the table: mean and spread over the seeds."""

    def over(part: str, figure: str) -> tuple[float, float]:
        values = [100 * run[part][figure] for run in runs]
        return round(float(np.mean(values)), 2), round(float(np.std(values)), 2)

    memory = max(run["weights"] + run["arena"] for run in runs)
    return {
        "trial": row["trial"],
        "memory": memory,
        "weights": max(run["weights"] for run in runs),
        "arena": max(run["arena"] for run in runs),
        "flash": max(run["flash"] for run in runs),
        "instructions": max(run["instructions"] for run in runs),
        **{f"{part} {f}": over(part, f) for part in ("validation", "test") for f in FIGURES},
        "seeds": len(runs),
    }


FIGURES = ("accuracy", "macro_f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("search", type=Path)
    parser.add_argument("--points", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budgets", type=int, nargs="*", default=[])
    parser.add_argument("--teacher", default="", help="run folder with a teacher.keras to follow")
    options = parser.parse_args()
    lines = []
    for row in chosen(load_front(options.search), options.points, options.budgets):
        runs = [
            long_training(options.search, row, seed, options.teacher)
            for seed in range(options.seeds)
        ]
        lines.append(line(row, runs))
        print(json.dumps(lines[-1]), flush=True)
    (options.search / "final.json").write_text(json.dumps(lines, indent=1) + "\n")


if __name__ == "__main__":
    main()
