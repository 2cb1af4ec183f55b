# SPDX-License-Identifier: Apache-2.0
"""What searched networks must beat, on the same splits: forests, ST's GMP, a CNN in floats.

    python benchmarks/har_baselines.py hapt [--seconds 2.56] [--seeds 3] [--out FILE] [--runs DIR]

FILE, put as baselines.json into the folder of a search, adds them to its page, and `tinykit search
show` then names those that no network of at most their memory beats.

Random forests on statistical features of a window, as int16: mean, deviation, least, largest and
mean absolute difference of each channel and of each sensor's magnitude. Forests of several numbers
of trees and depths are trained with scikit-learn and turned into C by emlearn (inline, int16),
which is compiled for a Cortex-M4: its .text and .rodata are the forest's memory, features and their
code not counted. Scores are those of scikit-learn's trees on the integers that the C compares.
Needs the extra `baselines`.

GMP (two convolutions and a global maximum, of ST's model zoo) is trained by the data set's packaged
recipe to integers of 8 bits; its memory is its weights and arena, as that of searched networks. The
CNN of that recipe in floats is not deployed: its memory is said to be four times that of its
integers. Finished trainings are kept in DIR.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.data import load_dataset
from tinykit.files import write_atomic
from tinykit.quantize.metrics import classification
from tinykit.quantize.pipeline import train
from tinykit.recipe import Named, Recipe
from tinykit.runs import open_run
from tinykit.search.space import space_of
from tinykit.search.trial import cost_on

TREES_AND_DEPTHS = ((1, 3), (1, 6), (3, 4), (5, 6), (10, 6), (10, 9), (20, 9), (60, 12))
CORE = ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O2", "-std=c11", "-c")


def features(x: NDArray[np.int16]) -> NDArray[np.int16]:
    """Windows (n, samples, channels) to statistics (n, features)."""
    wide = x.astype(np.float64)
    triples = wide.reshape(*wide.shape[:2], -1, 3)
    columns = np.concatenate([wide, np.linalg.norm(triples, axis=3)], axis=2)
    parts = [columns.mean(1), columns.std(1), columns.min(1), columns.max(1)]
    parts.append(np.abs(np.diff(columns, axis=1)).mean(1))
    return np.clip(np.rint(np.concatenate(parts, axis=1)), -32768, 32767).astype(np.int16)


def compiled_bytes(forest: object, width: int) -> int:
    """Flash of a forest in C for a Cortex-M4."""
    import emlearn

    model = emlearn.convert(forest, dtype="int16_t", method="inline")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        model.save(file=str(folder / "forest.h"), name="forest", inference=["inline"])
        (folder / "forest.c").write_text(
            '#include "forest.h"\n'
            "int classify(const int16_t *features);\n"
            "int classify(const int16_t *features)\n"
            f"{{\n    return forest_predict(features, {width});\n}}\n"
        )
        words = [*CORE, "-I", emlearn.includedir, "-ffunction-sections", "forest.c"]
        words += ["-o", "forest.o"]
        subprocess.run(words, cwd=folder, check=True)
        linked = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-nostartfiles", "-nostdlib"]
        linked += ["-Wl,--gc-sections,-e,classify", "forest.o", "-lgcc", "-lc_nano", "-o", "f.elf"]
        subprocess.run(linked, cwd=folder, check=True)
        said = subprocess.run(
            ["arm-none-eabi-size", "f.elf"], cwd=folder, check=True, capture_output=True, text=True
        ).stdout
    text, data, *_ = said.splitlines()[1].split()
    return int(text) + int(data)


Scores = dict[str, list[float]]


def note(scores: Scores, part: str, found: dict[str, Any]) -> None:
    """Keep the figures of a seed, in percent."""
    for figure in ("accuracy", "macro_f1"):
        scores.setdefault(f"{part} {figure}", []).append(100 * found[figure])


def forests(options: argparse.Namespace) -> Iterator[tuple[str, int, Scores]]:
    """Name, bytes and scores of each forest."""
    from sklearn.ensemble import RandomForestClassifier

    rate = load_dataset(options.data).rate
    window = round(options.seconds * rate)
    data = load_dataset(options.data, window=window, step=window // 2)
    parts = {name: data.part(name) for name in ("train", "validation", "test")}
    x = {name: features(part.x) for name, part in parts.items()}
    for trees, depth in TREES_AND_DEPTHS:
        scores: Scores = {}
        size = 0
        for seed in range(options.seeds):
            forest = RandomForestClassifier(trees, max_depth=depth, random_state=seed, n_jobs=1)
            forest.fit(x["train"], parts["train"].y)
            size = max(size, compiled_bytes(forest, x["train"].shape[1]))
            for name in ("validation", "test"):
                found = classification(forest.predict_proba(x[name]), parts[name].y, data.labels)
                note(scores, name, found)
        yield f"{trees} trees of {depth}", size, scores


def networks(options: argparse.Namespace) -> Iterator[tuple[str, int, Scores]]:
    """GMP in integers, and the packaged recipe's CNN in floats."""
    base = Recipe.load(space_of(options.data).recipe)
    gmp = replace(base, name="gmp", model=Named("gmp"))
    for name, recipe, stage in (("GMP", gmp, "quantized"), ("float CNN", base, "float")):
        scores: Scores = {}
        size = 0
        for seed in range(options.seeds):
            home = options.runs / f"{options.data}-{recipe.name}-seed{seed}"
            told = home / "metrics.json"
            if not told.exists():
                train(recipe.override(seed=seed), home, resume=home.exists())
            metrics = json.loads(told.read_text())
            costs = cost_on(open_run(home).network, options.board)
            memory = costs["weights"] + costs["arena"]
            size = max(size, memory if stage == "quantized" else 4 * memory)
            for part in ("validation", "test"):
                note(scores, part, metrics[stage][part])
        yield name, size, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--seconds", type=float, default=2.56, help="window of the forests")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--board", default="nrf52840dk", help="that memory is of")
    parser.add_argument("--runs", type=Path, default=Path("runs/har-baselines"))
    parser.add_argument("--out", type=Path, help="JSON of validation scores by memory")
    options = parser.parse_args()
    rows = []
    for name, memory, scores in (*forests(options), *networks(options)):
        mean = {key: round(float(np.mean(values)), 2) for key, values in scores.items()}
        print(
            json.dumps({"data": options.data, "name": name, "memory": memory, **mean}), flush=True
        )
        score = mean["validation macro_f1"] / 100
        rows.append({"name": name, "memory": memory, "macro_f1": score})
    if options.out:
        write_atomic(options.out, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
