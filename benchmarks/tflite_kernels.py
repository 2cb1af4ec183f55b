# SPDX-License-Identifier: Apache-2.0
"""How far TFLite's optimised kernels are from its reference ones.

    python benchmarks/tflite_kernels.py MODEL.tflite ... [--inputs N]

Each int8 model runs on random inputs under tflite-runtime by its reference kernels, which tinykit
reproduces, and by its optimised ones, which is what a program gets that does not choose.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tinykit.cli.output import show_table
from tinykit.importer.run import import_network
from tinykit.network.sample import random_input
from tinykit.network.tflite_oracle import run_foreign
from tinykit.progress import progress


def difference(model: Path, inputs: int) -> str:
    """On how many inputs an output differs, and by how much at most."""
    network = import_network(model).network
    if network.metadata["input"]["dtype"] != "int8":
        return "its input is no int8"
    content = model.read_bytes()
    x = random_input(np.random.default_rng(0), network.tensor(network.input), inputs)
    right = run_foreign(content, x).astype(int)
    apart = np.abs(run_foreign(content, x, kernels="BUILTIN") - right).max(axis=1)
    return f"{(apart > 0).sum()} of {inputs}, by {apart.max()} at most"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--inputs", type=int, default=100)
    arguments = parser.parse_args()
    rows = []
    with progress() as bar:
        task = bar.add_task("run", total=len(arguments.models), note="")
        for model in arguments.models:
            rows.append((model.stem, difference(model, arguments.inputs)))
            bar.advance(task)
    show_table("Differ from the reference kernels", ("model", "outputs"), rows)


if __name__ == "__main__":
    main()
