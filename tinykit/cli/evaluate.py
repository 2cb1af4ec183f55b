# SPDX-License-Identifier: Apache-2.0
"""`tinykit evaluate`: accuracy of a run's Network, by the integer interpreter."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tinykit.cli.output import JsonOption, RunArgument, show_json, show_table
from tinykit.cli.tune import show_modes


class Part(StrEnum):
    """A part of the split."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    run: RunArgument,
    part: Annotated[Part, typer.Option(help="Which part of the split.")] = Part.TEST,
    as_json: JsonOption = False,
) -> None:
    """Evaluate the integers that a board would compute; needs the data set, not TensorFlow.

    Example: [bold]tinykit evaluate runs/kws-w8a8-seed0 --part validation[/bold]
    """
    from tinykit.quantize.pipeline import evaluate as evaluate_run

    figures = evaluate_run(run, part.value)
    if as_json:
        show_json(figures)
        return
    origin = "SYNTHETIC data" if figures["synthetic"] else "real recordings"
    rows = [
        (
            row["label"],
            row["count"],
            *(f"{100 * row[key]:.1f} %" for key in ("precision", "recall", "f1")),
        )
        for row in figures["per_class"]
    ]
    title = (
        f"{figures['data']} ({origin}), {part.value}: accuracy {100 * figures['accuracy']:.2f} %, "
        f"macro F1 {100 * figures['macro_f1']:.2f} %"
    )
    show_table(title, ("class", "clips", "precision", "recall", "F1"), rows)
    if figures.get("modes"):
        show_modes(f"Modes on {figures['data']} ({origin}), {part.value}", figures["modes"])
