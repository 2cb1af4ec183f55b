# SPDX-License-Identifier: Apache-2.0
"""`tinykit stream`: a recording through the sensor of an emulated board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinykit.frontends import Analog
    from tinykit.replay import Replay
    from tinykit.workflow import Firmware


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
    wav: Annotated[
        list[Path] | None,
        typer.Option(
            help="For comparators: a wav file to hear; may be given several times. Recordings of "
            "the run by default."
        ),
    ] = None,
    clips: Annotated[
        int, typer.Option(help="For comparators without --wav: how many recordings.", min=1)
    ] = 5,
    gap: Annotated[
        float, typer.Option(help="For comparators: seconds of silence after each.", min=0)
    ] = 1.0,
    emulator: Annotated[
        str, typer.Option(help="For comparators on --bus uart: auto, renode or qemu.")
    ] = "auto",
    timeout: Annotated[
        float, typer.Option(help="Seconds without output after which the firmware hangs.")
    ] = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Let the firmware read a real recording through its driver, and compare with Python.

    Renode's model of an inertial sensor gives the recording's samples at the sensor's own rate;
    simulated comparators hear sound, and drive the inputs of the board. Exit status 4 if the
    firmware and Python differ in a single bit.

    Example: [bold]tinykit stream runs/har/firmware/nrf52840dk-stream-lsm6dso --seconds 30[/bold]
    """
    from tinykit.codegen.bit_stream import BitStream
    from tinykit.data import hapt
    from tinykit.data.dataset import IMU_SCALE
    from tinykit.progress import progress
    from tinykit.replay import app_of, open_stream, replay
    from tinykit.replay_bits import bits_of, replay_bits
    from tinykit.workflow import build_firmware

    firmware = open_stream(project)
    app = app_of(firmware)
    if isinstance(app, BitStream):
        assert firmware.run is not None  # open_stream has seen it
        analog = app.analog(firmware.run.network)
        samples = _heard(firmware, analog, wav or [], clips, gap)
    else:
        signal = hapt.recording_of(subject).signal
        samples = signal[int(start * hapt.RATE) : int((start + seconds) * hapt.RATE)]
    with progress() as bar:
        task = bar.add_task("build", total=None, note="")
        built = build_firmware(firmware)
        bar.update(task, description="emulate")

        def tick() -> None:
            bar.advance(task)

        if isinstance(app, BitStream):
            bits = bits_of(analog, samples)
            result = replay_bits(
                *(firmware, built.elf, bits), emulator=emulator, timeout=timeout, tick=tick
            )
        else:
            result = replay(
                *(firmware, built.elf, samples, IMU_SCALE), timeout=timeout, out=out, tick=tick
            )
    if as_json:
        show_json(result.as_dict())
    else:
        _show(result)
    if not result.exact:
        raise typer.Exit(4)


def _heard(
    firmware: Firmware, analog: Analog, wav: list[Path], clips: int, gap: float
) -> NDArray[np.int16]:
    """Recordings with silence after each: int16 (samples,)."""
    from tinykit.data import read_wav
    from tinykit.replay_bits import joined

    assert firmware.run is not None
    every = [read_wav(path, analog.rate) for path in wav]
    return joined(every or list(firmware.run.samples().first(clips).x), round(gap * analog.rate))


def _show(result: Replay) -> None:
    rows = [
        (f"{at:.2f}", result.labels[one.label], result.labels[one.smoothed], str(one.scores))
        for at, one in zip(result.seconds, result.board, strict=True)
    ]
    show_table("Decisions", ("seconds", "class", "smoothed", "scores"), rows, right=0)
    if result.captures[1]:
        show(f"woke {len(result.captures[1])} times, for {sum(result.captures[1])} hops")
    show(f"{result.agree} of {len(rows)} are what Python decides")
