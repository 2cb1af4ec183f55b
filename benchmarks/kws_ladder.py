# SPDX-License-Identifier: Apache-2.0
"""Keyword spotting from float to one bit: what each step down the ladder costs.

    TINYKIT_DATA=... python benchmarks/kws_ladder.py --out runs/ladder [--seeds 0 1 2] [--test]

All rungs of a seed start from one float model, the baseline, but those behind simulated circuits
(recipe kws_analog), whose float models hear envelopes; losses are against the baseline. Prints
accuracy on validation data, on which all choices are made; `--test` adds the test part, to be asked
for once. Finished runs are skipped and interrupted ones resumed. Writes ladder.json and ladder.md
into the output folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinykit.boards import load_board
from tinykit.files import write_atomic
from tinykit.fits import fit_boards
from tinykit.quantize.pipeline import train
from tinykit.recipe import Recipe
from tinykit.runs import open_run

RECIPE, CIRCUIT = "kws_bnn", "kws_analog"
BOARD = "stm32f405"


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    Attributes:
        name: in the table.
        policy: bits of weights and activations.
        model: options of the model that differ from the recipe's.
        goal: points of accuracy that it may lose against the float model; None for no goal.
        filters: of the circuit that gives the bits; 0 for mel energies.
    """

    name: str
    policy: str
    model: dict[str, Any]
    goal: float | None = None
    filters: int = 0


RUNGS = {
    "int8": Rung("8-bit integers", "w8a8", {"binary": False}),
    "weights": Rung("binary weights, 8-bit activations", "w1a8", {"binary": False}),
    "bnn": Rung("binary network on 8-bit mel", "w1a1,stem=w2a8", {}, 4.0),
    "bits": Rung("binary network on one-bit mel", "w1a1", {"one_bit_input": True}, 7.0),
    "circuit64": Rung("... on 64 analog filters", "w1a1", {}, filters=64),
    "circuit32": Rung("... on 32", "w1a1", {}, filters=32),
    "circuit16": Rung("... on 16", "w1a1", {}, 12.0, filters=16),
    "circuit8": Rung("... on 8", "w1a1", {}, 18.0, filters=8),
}


def recipe_of(rung: Rung, seed: int, first: Path | None) -> Recipe:
    """The recipe of a rung; `first` is the run folder whose float model it starts from."""
    if rung.filters:
        recipe = Recipe.load(CIRCUIT).override(seed=seed)
        options = {**recipe.frontend.options, "filters": rung.filters}
        return replace(recipe, frontend=replace(recipe.frontend, options=options))
    recipe = Recipe.load(RECIPE).override(seed=seed, policy=rung.policy)
    options = {**recipe.model.options, **rung.model}
    recipe = replace(recipe, model=replace(recipe.model, options=options))
    return recipe if first is None else recipe.override(init_from=str(first))


def trained(recipe: Recipe, folder: Path, threads: int | None) -> dict[str, Any]:
    """The metrics of a run, which is trained where it is not there yet."""
    path, told = folder / "recipe.toml", folder / "metrics.json"
    # Keys that came later have defaults, which change nothing.
    same = path.exists() and Recipe.load(path) == recipe
    if same and told.exists():
        done: dict[str, Any] = json.loads(told.read_text())
        return done
    return train(recipe, folder, resume=same, threads=threads)


def row(rung: Rung, seed: int, folder: Path, whole: dict[str, Any]) -> dict[str, Any]:
    """Figures of a run: percent, bytes, operations; `whole` has those of the baseline."""
    metrics = json.loads((folder / "metrics.json").read_text())
    network = open_run(folder).network
    (fit,) = fit_boards(network, [load_board(BOARD)], vectors=0, clips=0)
    figures: dict[str, Any] = {"rung": rung.name, "policy": rung.policy, "seed": seed}
    for part in ("validation", "test"):
        figures[f"float_{part}"] = 100 * whole["float"][part]["accuracy"]
        figures[f"quantized_{part}"] = 100 * metrics["quantized"][part]["accuracy"]
    return figures | {
        "macs": network.macs(),
        "ace": network.ace(),
        "parameter_bytes": network.parameter_bytes(),
        "arena": fit.sizes.ram_parts["arena"],
        "flash": fit.sizes.flash,
        "ram": fit.sizes.ram,
    }


def table(rows: Sequence[dict[str, Any]], *, test: bool) -> str:
    """The ladder in Markdown, means over seeds."""
    part = "test" if test else "validation"
    lines = [
        f"| network | bits | seeds | {part}, % | float, % | loss | goal | MACs | ACE "
        f"| parameters, B | arena, B | flash, B ({BOARD}) | RAM, B |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rung in RUNGS.values():
        some = [one for one in rows if one["rung"] == rung.name]
        if not some:
            continue
        scores = [one[f"quantized_{part}"] for one in some]
        whole = [one[f"float_{part}"] for one in some]
        mean, of_float = sum(scores) / len(some), sum(whole) / len(some)
        spread = f" ({min(scores):.2f} to {max(scores):.2f})" if len(some) > 1 else ""
        goal = "" if rung.goal is None else f"{rung.goal:g}"
        if goal:
            goal += ": met" if of_float - mean <= float(goal) else ": NOT met"
        first = some[0]
        cells = [rung.name, rung.policy, ", ".join(str(one["seed"]) for one in some)]
        cells += [f"{mean:.2f}{spread}", f"{of_float:.2f}", f"{of_float - mean:.2f}", goal]
        cells += [
            f"{first[key]:,}" for key in ("macs", "ace", "parameter_bytes", "arena", "flash", "ram")
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("runs/ladder"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rungs", nargs="+", default=list(RUNGS), choices=list(RUNGS))
    parser.add_argument("--threads", type=int, help="of TensorFlow; all cores by default")
    parser.add_argument("--test", action="store_true", help="show the test part, at the end")
    given = parser.parse_args(arguments)
    rows = []
    for seed in given.seeds:
        first: Path | None = None
        whole: dict[str, Any] = {}
        for key in RUNGS:
            # The first rung trains the float model of all.
            if key not in given.rungs and first is not None:
                continue
            folder = given.out / f"{key}-seed{seed}"
            metrics = trained(recipe_of(RUNGS[key], seed, first), folder, given.threads)
            whole = metrics if first is None else whole
            first = first or folder
            rows.append(row(RUNGS[key], seed, folder, whole))
    rows.sort(key=lambda one: [rung.name for rung in RUNGS.values()].index(one["rung"]))
    text = table(rows, test=given.test)
    kept = [{k: v for k, v in one.items() if given.test or "test" not in k} for one in rows]
    write_atomic(given.out / "ladder.json", json.dumps(kept, indent=1) + "\n")
    write_atomic(given.out / "ladder.md", text)
    print(text, end="")


if __name__ == "__main__":
    main()
