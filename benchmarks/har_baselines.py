# SPDX-License-Identifier: Apache-2.0
"""Random forests and two plain networks, on the splits of the searches: what networks must beat.

    python benchmarks/har_baselines.py hapt [--seconds 2.56] [--seeds 3] [--out FILE]
        [--only forests|networks] [--runs FOLDER] [--board nrf52840dk]

FILE, put as baselines.json into the folder of a search, adds them to its page. Rows that it has of
other names stay.

Forests:
Features of a window, as int16: mean, deviation, least, largest and mean absolute difference of each
channel and of each sensor's magnitude. Forests of several numbers of trees and depths are trained
with scikit-learn and turned into C by emlearn (inline, int16), which is compiled for a Cortex-M4:
its .text and .rodata are the forest's memory, features and their code not counted. Scores are those
of scikit-learn's trees on the integers that the C compares. Needs the extra `baselines`.

Networks, trained as the data set's packaged recipe says, finished ones being kept in --runs:
- "GMP", after the network of that name in ST's model zoo (global max pooling). The 1,528 parameters
  that the zoo states for 24 samples of 3 axes and 4 classes are those of two convolutions of 16
  channels over 5 steps of one axis, two batch normalisations and a dense layer. Here, as everywhere
  in tinykit, convolutions look at all channels of a sample, so the first has more weights. It has 8
  bits and goes through the kit: its flash is that of the whole firmware.
- "float CNN", the packaged recipe's network before quantisation. Its score is that of Keras in
  float32. Its memory is computed, not measured: 4 bytes a parameter and 4 bytes for each activation
  that lies in memory at once, code not counted.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.data import Dataset, load_dataset
from tinykit.files import write_atomic
from tinykit.network import Network
from tinykit.network.ops import Weighted
from tinykit.quantize.metrics import classification
from tinykit.quantize.pipeline import train
from tinykit.recipe import Named, Recipe
from tinykit.runs import open_run
from tinykit.search.space import space_of
from tinykit.search.trial import cost_on

TREES_AND_DEPTHS = ((1, 3), (1, 6), (3, 4), (5, 6), (10, 6), (10, 9), (20, 9), (60, 12))
PARTS = ("train", "validation", "test")
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


def forests(data: Dataset, seeds: int) -> list[dict[str, Any]]:
    """Figures of forests of all sizes."""
    from sklearn.ensemble import RandomForestClassifier

    parts = {name: data.part(name) for name in PARTS}
    x = {name: features(part.x) for name, part in parts.items()}
    rows = []
    for trees, depth in TREES_AND_DEPTHS:
        runs, size = [], 0
        for seed in range(seeds):
            forest = RandomForestClassifier(trees, max_depth=depth, random_state=seed, n_jobs=1)
            forest.fit(x["train"], parts["train"].y)
            size = max(size, compiled_bytes(forest, x["train"].shape[1]))
            runs.append(
                {
                    name: classification(forest.predict_proba(x[name]), parts[name].y, data.labels)
                    for name in ("validation", "test")
                }
            )
        shape = {"trees": trees, "depth": depth}
        rows.append({"name": f"{trees} trees of {depth}", **shape, "flash": size, **means(runs)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def recipes(data: str, window: int) -> dict[str, Recipe]:
    """The two networks by name."""
    base = space_of(data).base()
    options = {**base.data.options, "window": window, "step": window // 2}
    plain = replace(base, data=Named(data, options))
    shape = {"widths": [16, 16], "kernels": [5], "pools": [1, window], "head": "flatten"}
    gmp = Named("har_cnn", {**shape, "dropout": 0.0})
    return {"GMP": replace(plain, name="gmp", model=gmp).override(policy="w8a8"), "CNN": plain}


def networks(data: str, window: int, seeds: int, folder: Path, board: str) -> list[dict[str, Any]]:
    """Figures of the GMP network as firmware, and of the packaged one in float."""
    rows = []
    for name, recipe in recipes(data, window).items():
        homes = [folder / f"{name.lower()}-{window}-seed{seed}" for seed in range(seeds)]
        for seed, home in enumerate(homes):
            if not (home / "metrics.json").exists():
                train(recipe.override(seed=seed), home, resume=home.exists())
        metrics = [json.loads((home / "metrics.json").read_text()) for home in homes]
        network = open_run(homes[0]).network
        if name == "GMP":
            costs = cost_on(network, board)
            memory = costs["weights"] + costs["arena"]
            row = {"name": "GMP, 8 bits", **costs, "memory": memory, "board": board}
            row |= means([one["quantized"] for one in metrics])
        else:
            row = {"name": "float CNN", **float_memory(network), "computed": True}
            row |= means([one["float"] for one in metrics])
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def float_memory(network: Network) -> dict[str, int]:
    """Bytes of a network with float32 for each parameter, and for the largest input and output."""
    parameters = sum(
        op.weight.size + op.bias.size for op in network.ops if isinstance(op, Weighted)
    )
    live = max(
        sum(math.prod(network.tensor(one).shape) for one in (*op.inputs, op.output))
        for op in network.ops
    )
    return {"flash": 4 * parameters, "memory": 4 * (parameters + live)}


def means(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean scores over the seeds in percent, and macro_f1 of validation, 0 to 1."""
    found = {
        f"{part} {figure}": round(float(np.mean([100 * run[part][figure] for run in runs])), 2)
        for part in ("validation", "test")
        for figure in ("accuracy", "macro_f1")
    }
    return {**found, "macro_f1": found["validation macro_f1"] / 100}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Put rows into the file, in place of those of the same names."""
    old = json.loads(path.read_text()) if path.exists() else []
    names = {row["name"] for row in rows}
    kept = [row for row in old if row["name"] not in names]
    write_atomic(path, json.dumps([*kept, *rows], indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--seconds", type=float, default=2.56)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON of validation scores by memory")
    parser.add_argument("--only", choices=("forests", "networks"))
    parser.add_argument("--runs", type=Path, default=Path("runs/baselines"))
    parser.add_argument("--board", default="nrf52840dk")
    options = parser.parse_args()
    window = round(options.seconds * load_dataset(options.data).rate)
    rows = []
    if options.only != "networks":
        data = load_dataset(options.data, window=window, step=window // 2)
        rows += forests(data, options.seeds)
    if options.only != "forests":
        folder = options.runs / options.data
        rows += networks(options.data, window, options.seeds, folder, options.board)
    if options.out:
        about = {"data": options.data, "seconds": options.seconds}
        write(options.out, [{**row, **about} for row in rows])


if __name__ == "__main__":
    main()
