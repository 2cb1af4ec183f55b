# SPDX-License-Identifier: Apache-2.0
"""`tinykit predict`: classify your own recordings, in Python and on an emulated board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinykit.cli.output import JsonOption, RunArgument, show_json, show_table
from tinykit.cli.run import EmulatorOption


def predict(
    run: RunArgument,
    recording: Annotated[
        Path, typer.Argument(help="A wav file, a folder of recordings, or a CSV of samples.")
    ],
    board: Annotated[
        str | None,
        typer.Option("--board", "-b", help="Also stream them to this emulated board."),
    ] = None,
    emulator: EmulatorOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Classify recordings in windows of the network's length, half overlapping.

    Sound of another rate is resampled and stereo is mixed, with a notice. A CSV has one column a
    channel and may have a header.

    Example: [bold]tinykit predict runs/kws-w8a8-seed0 yes.wav --board mps2_an386[/bold]
    """
    from tinykit.predict import predict as classify
    from tinykit.predict import predict_on_board, recordings, windows
    from tinykit.runs import open_run

    opened = open_run(run)
    clips = [window for path in recordings(recording) for window in windows(opened, path)]
    found = classify(opened, clips)
    if board is not None:
        found = predict_on_board(opened, clips, found, board, emulator)
    if as_json:
        show_json([one.as_dict() for one in found])
    else:
        rows = [
            (
                Path(one.source).name,
                f"{one.start:.2f} s",
                one.label,
                f"{100 * one.probability:.0f} %",
                *((one.board_label, "yes" if one.agrees else "NO") if board else ()),
            )
            for one in found
        ]
        columns = ("recording", "at", "class", "probability")
        extra = (board, "equals Python") if board else ()
        show_table("Predictions", (*columns, *extra), rows)
    if any(one.agrees is False for one in found):
        raise typer.Exit(4)
