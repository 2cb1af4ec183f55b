# SPDX-License-Identifier: Apache-2.0
"""`tinykit tune`: operating modes of a network with exits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from tinykit.cli.output import JsonOption, RunArgument, show, show_json, show_table


class MetricName(StrEnum):
    """What is held against instructions."""

    ACCURACY = "accuracy"
    MACRO_F1 = "macro_f1"


def tune(
    run: RunArgument,
    board: Annotated[
        str, typer.Option("--board", "-b", help="Whose predicted instructions count.")
    ] = "mps2_an386",
    modes: Annotated[int, typer.Option(help="At most so many.", min=2, max=255)] = 24,
    metric: Annotated[
        MetricName, typer.Option(help="Held against instructions.")
    ] = MetricName.MACRO_F1,
    by_class: Annotated[
        bool,
        typer.Option(
            "--by-class/--one-for-all",
            help="A threshold for each class, or one an exit, which follows validation data less.",
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Choose the thresholds of a network's exits on validation data; needs no TensorFlow.

    The modes are stored in the run's network, from the whole network ("full") to the first exit
    ("fastest"); those it had are replaced. `tinykit evaluate` says what they do on the test part.

    Example: [bold]tinykit tune runs/har_adaptive-w8a8-seed0 --board mps2_an386[/bold]
    """
    from tinykit.adaptive import tune_run
    from tinykit.boards import load_board

    tuned = tune_run(run, load_board(board), modes=modes, metric=metric.value, by_class=by_class)
    found = [
        {"mode": mode.name, **asdict(mode.expected)}
        for mode in tuned.modes
        if mode.expected is not None
    ]
    if as_json:
        show_json({"network": tuned.digest, "modes": found})
        return
    show_modes(f"Modes on validation data; instructions predicted for {board}", found)
    show(f"next: tinykit evaluate {run}, tinykit generate {run} --board {board}")


def show_modes(title: str, modes: Iterable[Mapping[str, Any]]) -> None:
    """A table of modes, with their cost against the first, which runs to the end."""
    found = list(modes)
    rows = [
        (
            one["mode"],
            f"{100 * one['accuracy']:.2f} %",
            f"{100 * one['macro_f1']:.2f} %",
            round(one["instructions"]),
            f"{found[0]['instructions'] / one['instructions']:.2f}x",
            " ".join(f"{100 * share:.0f}" for share in one["shares"]),
        )
        for one in found
    ]
    columns = ("mode", "accuracy", "macro F1", "instructions", "fewer", "exits taken, %")
    show_table(title, columns, rows)
