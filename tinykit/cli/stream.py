# SPDX-License-Identifier: Apache-2.0
"""`tinykit stream`: a recording through the sensor of an emulated board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table


def stream(
    project: Annotated[
        Path, typer.Argument(help="A project that `tinykit generate --app stream` wrote.")
    ],
    subject: Annotated[str, typer.Option(help="Whose recording of HAPT.")] = "16",
    start: Annotated[float, typer.Option(help="Seconds into it.", min=0)] = 0.0,
    seconds: Annotated[float, typer.Option(help="How many of it.", min=0)] = 60.0,
    out: Annotated[
        Path | None, typer.Option(help="Keep what the sensor senses: a file for Renode (RESD).")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds without output after which the firmware hangs.")
    ] = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Let the firmware read a real recording through its driver, and compare with Python.

    Renode's model of the sensor gives the recording's samples at the sensor's own rate. Exit status
    4 if the firmware and Python differ in a single bit.

    Example: [bold]tinykit stream runs/har/firmware/nrf52840dk-stream-lsm6dso --seconds 30[/bold]
    """
    from tinykit.data import hapt
    from tinykit.data.dataset import IMU_SCALE
    from tinykit.progress import progress
    from tinykit.replay import open_stream, replay
    from tinykit.workflow import build_firmware

    signal = hapt.recording_of(subject).signal
    samples = signal[int(start * hapt.RATE) : int((start + seconds) * hapt.RATE)]
    with progress() as bar:
        task = bar.add_task("build", total=None, note="")
        firmware = open_stream(project)
        built = build_firmware(firmware)
        bar.update(task, description="emulate")
        result = replay(
            firmware,
            built.elf,
            samples,
            IMU_SCALE,
            timeout=timeout,
            out=out,
            tick=lambda: bar.advance(task),
        )
    if as_json:
        show_json(result.as_dict())
    else:
        rows = [
            (f"{at:.2f}", result.labels[one.label], result.labels[one.smoothed], str(one.scores))
            for at, one in zip(result.seconds, result.board, strict=True)
        ]
        show_table("Decisions", ("seconds", "class", "smoothed", "scores"), rows, right=0)
        show(f"{result.agree} of {len(rows)} are what Python decides")
    if not result.exact:
        raise typer.Exit(4)
