# SPDX-License-Identifier: Apache-2.0
"""`tinykit generate`: a PlatformIO project from a run, for one board."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinykit.cli.output import BoardOption, JsonOption, RunArgument, show, show_json, show_table
from tinykit.errors import TinykitError

if TYPE_CHECKING:
    from tinykit.codegen.apps import App
    from tinykit.runs import Run


class BusName(StrEnum):
    """How a sensor is wired."""

    SPI = "spi"
    I2C = "i2c"
    GPIO = "gpio"
    UART = "uart"


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
            help="What the firmware does: mlperf speaks MLPerf Tiny's protocol, stream reads a "
            "sensor."
        ),
    ] = AppName.SELFTEST,
    task: Annotated[
        str | None, typer.Option(help="With --app mlperf: kws01, ic01, vww01 or ad01.")
    ] = None,
    energy: Annotated[
        bool, typer.Option("--energy", help="With --app mlperf: for energy mode.")
    ] = False,
    sensor: Annotated[
        str, typer.Option(help="With --app stream: lsm6dso, lsm6dsr or comparators.")
    ] = "lsm6dso",
    hop: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --app stream: samples from one window to the next; half a window."
        ),
    ] = None,
    smooth: Annotated[
        int, typer.Option(min=1, help="With --app stream: decisions that a majority is of.")
    ] = 1,
    silence: Annotated[
        int | None,
        typer.Option(
            min=1, help="With comparators: silent hops before it sleeps; a quarter of a window."
        ),
    ] = None,
    lead: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="With comparators: silent hops before the sound in its first window; as many.",
        ),
    ] = None,
    bus: Annotated[
        BusName | None,
        typer.Option(
            help="With --app stream: how the sensor is wired: spi or i2c, comparators by gpio, or "
            "uart for emulators. The first of them by default."
        ),
    ] = None,
    mode: Annotated[
        str, typer.Option(help="With inertial sensors: of a network with exits; the first.")
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
        app=_stream(opened, sensor, hop, smooth, silence, lead, bus, mode)
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


def _stream(
    run: Run,
    name: str,
    hop: int | None,
    smooth: int,
    silence: int | None,
    lead: int | None,
    bus: BusName | None,
    mode: str,
) -> App:
    """The streaming app that the options describe.

    Raises:
        TinykitError: there is no such sensor, or it cannot be wired so, or takes no mode.
    """
    from tinykit.codegen.bit_stream import SOURCES, BitStream
    from tinykit.codegen.stream import BUSES, ImuStream
    from tinykit.sensors import find_sensor
    from tinykit.suggest import one_of

    rows = run.network.tensor(run.network.input).shape[0]
    sensor = find_sensor(name)
    ways = SOURCES if sensor is None else BUSES
    wired = one_of(bus.value if bus else ways[0], ways, what=f"bus for {name}", where="--bus")
    step = hop or max(1, rows // 2)
    if sensor is None:
        quarter = max(1, rows // 4)
        before = rows // 4 if lead is None else lead
        if mode:
            raise TinykitError(
                "comparators take no mode.",
                where="--mode",
                remedy="Leave it out; the network runs in its first.",
            )
        return BitStream(step, smooth, silence or quarter, before, wired)
    return ImuStream(sensor, step, smooth, wired, mode)


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
