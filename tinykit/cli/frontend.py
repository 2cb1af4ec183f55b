# SPDX-License-Identifier: Apache-2.0
"""`tinykit frontend`: the analog front end as parts, as a netlist, and at work on a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinykit.cli.evaluate import Part
from tinykit.cli.output import Commands, JsonOption, show, show_json, show_table
from tinykit.errors import TinykitError

if TYPE_CHECKING:
    from tinykit.frontends import Analog

app = typer.Typer(
    cls=Commands,
    help="The analog binary front end: its parts, a SPICE netlist, a recording and its bits.",
    no_args_is_help=True,
)
RunOption = Annotated[
    Path | None, typer.Option("--run", help="Take the front end of this run, with its thresholds.")
]
ChannelsOption = Annotated[int, typer.Option(help="Filters of the bank, 4 to 64.")]
SeriesOption = Annotated[str, typer.Option(help="Resistors: E24, E96 or ideal.")]
ThresholdOption = Annotated[str, typer.Option(help="fixed or adaptive.")]


@app.command("netlist")
def netlist(
    channels: ChannelsOption = 16,
    series: SeriesOption = "E96",
    run: RunOption = None,
    gain_bandwidth: Annotated[float, typer.Option(help="Of the op-amps, Hz.", min=1.0)] = 1e6,
    full_scale: Annotated[
        float, typer.Option(help="Volts that int16 full scale stands for.", min=1e-3)
    ] = 1.0,
    supply: Annotated[float, typer.Option(help="Volts of a high bit.", min=0.1)] = 1.8,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file.")] = Path("analog.cir"),
    as_json: JsonOption = False,
) -> None:
    """Write the front end as a SPICE netlist, and show its parts.

    Example: [bold]tinykit frontend netlist --channels 16 --output bank.cir[/bold]
    """
    from tinykit.files import write_atomic
    from tinykit.frontends.analog import render_netlist
    from tinykit.report.frontend_page import COLUMNS, part_rows

    front = _front(run, channels, series, "fixed")
    text = render_netlist(
        front, gain_bandwidth=gain_bandwidth, full_scale=full_scale, supply=supply
    )
    write_atomic(output, text)
    rows = part_rows(front)
    if as_json:
        filters = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        show_json({"netlist": output, "filters": filters})
    else:
        show_table(f"{front.filters} filters of {front.series} parts", COLUMNS, rows)
        show(f"netlist: [bold]{output}[/bold]")


@app.command("show")
def show_recording(
    recording: Annotated[Path, typer.Argument(help="A wav file.")],
    channels: ChannelsOption = 16,
    series: SeriesOption = "E96",
    threshold: ThresholdOption = "fixed",
    run: RunOption = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page; it needs no other file.")
    ] = Path("frontend.html"),
    as_json: JsonOption = False,
) -> None:
    """Write a page with a recording's spectrogram over its bits, and the filters with tolerances.

    Without --run the thresholds are the means of the recording itself.

    Example: [bold]tinykit frontend show yes.wav --channels 16[/bold]
    """
    from dataclasses import replace

    from tinykit.data import read_wav
    from tinykit.report.frontend_page import write_frontend_page

    front = _front(run, channels, series, threshold)
    x = read_wav(recording, rate=front.rate)
    if len(x) < front.hop:
        raise TinykitError(f"is shorter than one hop of {front.hop} samples.", where=recording)
    front = replace(front, input_length=len(x))
    if run is None:
        front = front.calibrate(x[None])
    levels = " of the run" if run else " at the means of this recording"
    write_frontend_page(output, recording.name, front, x, levels)
    share = float(front.bits(x[None]).mean())
    if as_json:
        show_json({"page": output, "share_of_ones": share, "frontend": front.to_config()})
    else:
        show(f"page: [bold]{output}[/bold]; {100 * share:.1f} % of the bits are 1")


@app.command("yield")
def manufactured(
    run: Annotated[Path, typer.Argument(help="A run whose front end is analog.")],
    units: Annotated[int, typer.Option(help="Manufactured units to draw.")] = 50,
    clips: Annotated[int, typer.Option(help="Clips that each unit hears.", min=1)] = 300,
    accuracy: Annotated[
        float, typer.Option(help="Percent that a unit must reach.", min=0.0, max=100.0)
    ] = 80.0,
    resistor: Annotated[float, typer.Option(help="Tolerance, percent.", min=0.0)] = 1.0,
    capacitor: Annotated[float, typer.Option(help="Tolerance, percent.", min=0.0)] = 5.0,
    offset: Annotated[float, typer.Option(help="Of comparators, millivolts.", min=0.0)] = 3.0,
    part: Annotated[Part, typer.Option(help="Which part of the split.")] = Part.VALIDATION,
    seed: Annotated[int, typer.Option(help="Of units and of the choice of clips.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """How accurate manufactured units are, and what rounded thresholds and loudness cost.

    Each unit's parts, amplifiers, temperature, supply and microphone are drawn within tolerances.

    Example: [bold]tinykit frontend yield runs/kws_analog --units 100 --accuracy 85[/bold]
    """
    import numpy as np

    from tinykit.frontends.analog import Tolerances
    from tinykit.recipe import Recipe
    from tinykit.runs import open_run
    from tinykit.yields import simulate

    network = open_run(run).network
    dataset = Recipe.load(run / "recipe.toml").load_dataset(None).part(part.value)
    order = np.random.default_rng(seed).permutation(len(dataset))[:clips]
    strayed = Tolerances(resistor=resistor / 100, capacitor=capacitor / 100, offset=offset / 1000)
    x, y = dataset.x[order], dataset.y[order]
    found = simulate(network, x, y, units=units, tolerances=strayed, seed=seed)
    share = found.share_at(accuracy / 100)
    if as_json:
        figures = {"mean": found.mean, "fifth_percentile": found.fifth_percentile, "yield": share}
        show_json({"run": run, "part": part.value, **vars(found), **figures})
        return
    rows = [
        ("exact parts", found.nominal),
        *((f"thresholds of {name}", one) for name, one in found.rounded.items()),
        *((f"sound {gain:g} times as loud", one) for gain, one in found.gains.items()),
        (f"{units} units, mean", found.mean),
        ("their 5th percentile", found.fifth_percentile),
        ("the worst of them", min(found.units)),
    ]
    shown = [(name, f"{100 * one:.2f} %") for name, one in rows]
    show_table(f"{found.clips} clips of the {part.value} part", ("", "accuracy"), shown)
    show(f"yield at {accuracy:g} %: [bold]{100 * share:.0f} %[/bold] of the units")


def _front(run: Path | None, channels: int, series: str, threshold: str) -> Analog:
    """The front end of a run, or one of the options.

    Raises:
        TinykitError: the run has another front end, or an option is out of range.
    """
    from tinykit.frontends import analog_of

    if run is None:
        kind = {"kind": "analog", "filters": channels, "series": series, "threshold": threshold}
        return analog_of(kind, "front end")
    from tinykit.runs import open_run

    return analog_of(open_run(run).network.frontend, run)
