# SPDX-License-Identifier: Apache-2.0
"""`tinykit generate`: a PlatformIO project from a run, for one board."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinykit.cli.output import BoardOption, JsonOption, RunArgument, show, show_json, show_table

if TYPE_CHECKING:
    from tinykit.codegen.apps import App
    from tinykit.runs import Run


class BusName(StrEnum):
    """How a sensor is wired."""

    SPI = "spi"
    I2C = "i2c"


class AppName(StrEnum):
    """What a firmware does."""

    SELFTEST = "selftest"
    MLPERF = "mlperf"
    STREAM = "stream"


def generate(
    run: RunArgument,
    board: BoardOption,
    out: Annotated[
        Path | None, typer.Option(help="Project folder; RUN/firmware/<board> by default.")
    ] = None,
    vectors: Annotated[int, typer.Option(help="Test vectors to embed.", min=0)] = 4,
    clips: Annotated[int, typer.Option(help="Recordings to embed.", min=0)] = 1,
    flash: Annotated[
        int | None,
        typer.Option(
            metavar="BYTES",
            min=1,
            help="Flash for the whole firmware: store weights wider where that saves "
            "instructions. As little flash as possible by default.",
        ),
    ] = None,
    app: Annotated[
        AppName,
        typer.Option(
            help="What the firmware does: mlperf speaks MLPerf Tiny's protocol, stream reads an "
            "inertial sensor."
        ),
    ] = AppName.SELFTEST,
    task: Annotated[
        str | None, typer.Option(help="With --app mlperf: kws01, ic01, vww01 or ad01.")
    ] = None,
    energy: Annotated[
        bool, typer.Option("--energy", help="With --app mlperf: for energy mode.")
    ] = False,
    sensor: Annotated[str, typer.Option(help="With --app stream: lsm6dso or lsm6dsr.")] = "lsm6dso",
    hop: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --app stream: samples from one window to the next; half a window."
        ),
    ] = None,
    smooth: Annotated[
        int, typer.Option(min=1, help="With --app stream: decisions that a majority is of.")
    ] = 1,
    bus: Annotated[
        BusName, typer.Option(help="With --app stream: how the sensor is wired.")
    ] = BusName.SPI,
    mode: Annotated[
        str, typer.Option(help="With --app stream: of a network with exits; the first.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Generate a complete project: plan the arena, pack the weights, render the C.

    What does not fit on the board is refused here, with the bytes that are missing (exit status 3).

    Example: [bold]tinykit generate runs/kws-w8a8-seed0 --board nrf52840dk[/bold]
    """
    from tinykit.boards import load_board
    from tinykit.codegen.isa import isa_of
    from tinykit.codegen.plan import plan_memory
    from tinykit.runs import open_run
    from tinykit.workflow import generate_firmware

    opened = open_run(run)
    firmware = generate_firmware(
        opened,
        load_board(board),
        out,
        vectors=vectors,
        clips=clips,
        flash_budget=flash,
        app=_stream(opened, sensor, hop, smooth, bus, mode)
        if app is AppName.STREAM
        else _app(app, task, energy),
    )
    if as_json:
        show_json({"project": firmware.directory, **firmware.metadata})
        return
    meta = firmware.metadata
    rows = [
        (
            layer["name"],
            layer["op"],
            "x".join(map(str, layer["output"]["shape"])),
            f"w{layer['weight_bits'] or '-'}a{layer['output']['bits']}",
            layer["macs"],
            layer["ace"],
            layer["predicted"],
            layer["weight_bytes"],
            layer["output_bytes"],
        )
        for layer in meta["layers"]
    ]
    columns = (
        *("layer", "op", "output", "bits", "MACs", "ACE"),
        *("predicted", "weight bytes", "output bytes"),
    )
    show_table(f"{meta['network']['name']} for {firmware.board.name}", columns, rows, right=2)
    _show_predicted(meta["predicted"])
    show("\n[bold]Arena[/bold]")
    typer.echo(plan_memory(opened.network, isa_of(firmware.board)).picture())
    sizes = meta["estimate"]
    memory_columns = ("memory", "needed", "available")
    board_sizes = (
        ("flash", sizes["flash"], firmware.board.flash_bytes or None),
        ("RAM", sizes["ram"], firmware.board.ram_bytes or None),
    )
    show_table("Memory", memory_columns, board_sizes)
    left = meta["embedded"]["left_out"]
    if any(left.values()):
        show(f"left out for want of flash: {left['vectors']} vectors, {left['clips']} recordings")
    following = {AppName.SELFTEST: "run", AppName.STREAM: "stream"}.get(app)
    following = f"   next: tinykit {following} {firmware.directory}" if following else ""
    show(f"project: [bold]{firmware.directory}[/bold]{following}")


def _stream(run: Run, sensor: str, hop: int | None, smooth: int, bus: str, mode: str) -> App:
    """The streaming app that the options describe; raises if there is no such sensor."""
    from tinykit.codegen.stream import ImuStream
    from tinykit.sensors import find_sensor

    rows = run.network.tensor(run.network.input).shape[0]
    return ImuStream(find_sensor(sensor), hop or max(1, rows // 2), smooth, bus, mode)


def _app(name: AppName, task: str | None, energy: bool) -> App:
    """The app that the options describe.

    Raises:
        TinykitError: they do not go together.
    """
    from tinykit.codegen.apps import SELF_TEST
    from tinykit.codegen.mlperf import TASKS, Mlperf, find_task
    from tinykit.errors import TinykitError

    if name is AppName.MLPERF and task is not None:
        return Mlperf(find_task(task), energy=energy)
    if name is AppName.SELFTEST and task is None and not energy:
        return SELF_TEST
    raise TinykitError(
        "--app mlperf, --task and --energy go together.",
        where="--task" if name is AppName.MLPERF else "--app",
        remedy=f"Write --app mlperf --task {'|'.join(TASKS)}, or none of them.",
    )


def _show_predicted(predicted: dict[str, Any] | None) -> None:
    if predicted is None or predicted["instructions"] is None:
        return
    core = predicted["core"] if predicted["same_core"] else f"{predicted['core']}, the closest core"
    count = predicted["instructions"]
    show(f"predicted: [bold]{count:,}[/bold] instructions an inference (model of {core})")
