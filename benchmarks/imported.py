# SPDX-License-Identifier: Apache-2.0
"""Models of others on emulated cores: `python benchmarks/imported.py MODEL.tflite ...`.

For each model and core it imports the file, builds the firmware, sends random inputs over UART and
holds every score against tflite-runtime's reference kernels; then it prints exact instructions,
flash and arena beside what was predicted before the build, and beside what others reach on the same
file where it is one of MLPerf Tiny's. Flash holds no test inputs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinykit.bench.anchors import load_anchors
from tinykit.bench.cores import CORES
from tinykit.boards import load_board
from tinykit.cli.output import show_table
from tinykit.emulators import select
from tinykit.emulators.measure import measure
from tinykit.importer.run import import_run
from tinykit.network import interpret
from tinykit.network.sample import random_input
from tinykit.network.tflite_oracle import run_foreign
from tinykit.progress import progress
from tinykit.runs import open_run
from tinykit.workflow import build_firmware, generate_firmware

BOARDS = ("mps2_an386", "virt_rv32imc", "mps3_an547")
# Cases of `tinykit bench` by the start of a file's SHA-256, where others were measured on it.
CASES = {
    "aeea4368": "kws-w8a8",
    "3c002613": "ic-w8a8",
    "597a384c": "vww-w8a8",
    "87cf2419": "ad-w8a8",
}


@dataclass(frozen=True)
class Figures:
    """What one model takes on one core."""

    model: str
    sha256: str
    board: str
    core: str
    inputs: int
    equal: int
    instructions: int
    predicted_instructions: int | None
    flash: int
    predicted_flash: int
    arena: int


def figures(model: Path, board_id: str, inputs: int, folder: Path) -> Figures:
    """Import, build, run and compare."""
    directory, imported = import_run(model, folder / model.stem)
    run, board = open_run(directory), load_board(board_id)
    source = run.network.tensor(run.network.input)
    x = random_input(np.random.default_rng(0), source, inputs)
    want = run_foreign(model.read_bytes(), x)
    if not np.array_equal(interpret(imported.network, x), want):
        raise SystemExit(f"{model.name}: the interpreter and TFLite differ")
    firmware = generate_firmware(run, board, vectors=0, clips=0)
    build = build_firmware(firmware)
    equal = 0
    with select("qemu", board).start(build.elf, board) as session:
        session.self_test()
        for one, scores in zip(x, want, strict=True):
            equal += session.send_features(one)["scores"] == scores.tolist()
        session.quit()
        counted = measure(session.marks()).inference
    assert counted is not None
    metadata = firmware.metadata
    return Figures(
        model=model.stem,
        sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        board=board_id,
        core=board.core,
        inputs=inputs,
        equal=equal,
        instructions=round(counted.mean),
        predicted_instructions=(metadata["predicted"] or {}).get("instructions"),
        flash=build.flash,
        predicted_flash=metadata["estimate"]["flash"],
        arena=metadata["arena"]["bytes"],
    )


def beside_others(found: Sequence[Figures]) -> Iterator[tuple[str, ...]]:
    """Rows: model and core, figure, ours, theirs, how many times ours that is, and the engine."""
    book, core_of = load_anchors(), {board: core for core, board in CORES.items()}
    for one in found:
        case = CASES.get(one.sha256[:8], "")
        for figure in ("instructions", "flash", "arena"):
            ours = int(getattr(one, figure))
            for anchor in book.anchors_of(case, core_of[one.board], figure):
                row = (f"{ours:,}", f"{anchor.value:,.0f}", f"{anchor.value / ours:.2f}")
                yield f"{one.model} {one.core}", figure, *row, f"{anchor.engine} {anchor.how}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--board", action="append", help=f"default: {', '.join(BOARDS)}")
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    boards = arguments.board or BOARDS
    found = []
    with tempfile.TemporaryDirectory() as folder, progress() as bar:
        task = bar.add_task("measure", total=len(arguments.models) * len(boards), note="")
        for model in arguments.models:
            for board in boards:
                found.append(figures(model, board, arguments.inputs, Path(folder)))
                bar.advance(task)
    rows = [
        (
            f"{one.model} {one.core}",
            f"{one.equal} of {one.inputs}",
            one.instructions,
            one.predicted_instructions,
            one.flash,
            one.predicted_flash,
            one.arena,
        )
        for one in found
    ]
    columns = ("model, core", "equal to TFLite", "instructions", "predicted")
    show_table("Imported models", (*columns, "flash", "predicted", "arena"), rows)
    others = list(beside_others(found))
    if others:
        heads = ("model, core", "figure", "tinykit", "theirs", "times ours", "engine")
        show_table("Beside others", heads, others)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    if any(one.equal != one.inputs for one in found):
        raise SystemExit(4)


if __name__ == "__main__":
    main()
