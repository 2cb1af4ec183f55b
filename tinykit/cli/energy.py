# SPDX-License-Identifier: Apache-2.0
"""`tinykit energy`: average power of a digital and of an analog front end, by their parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinykit.cli.output import BoardOption, JsonOption, show, show_json, show_table
from tinykit.errors import TinykitError

if TYPE_CHECKING:
    from tinykit.boards import Board
    from tinykit.energy import Parts, Setup

_SHARES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
_SHOWN = 12


def energy(
    board: BoardOption = "nrf52840dk",
    channels: Annotated[int, typer.Option(help="Filters of the analog front end.")] = 8,
    share: Annotated[
        float, typer.Option(help="Share of time with sound, for the break-down.", min=0, max=1)
    ] = 0.1,
    inferences: Annotated[float, typer.Option(help="A second of sound.", min=0.001)] = 1.0,
    integrated: Annotated[
        bool, typer.Option("--integrated", help="Filters on a chip, not of op-amps one can buy.")
    ] = False,
    adc: Annotated[
        bool, typer.Option("--adc", help="An analog microphone and an ADC in the digital way.")
    ] = False,
    always: Annotated[
        bool, typer.Option("--always", help="Both work in quiet too, instead of waiting for sound.")
    ] = False,
    digital: Annotated[
        Path | None, typer.Option(help="A run whose predicted instructions the digital way takes.")
    ] = None,
    binary: Annotated[
        Path | None, typer.Option(help="A run whose predicted instructions the analog way takes.")
    ] = None,
    features_instructions: Annotated[
        float | None, typer.Option(help="Of the digital features, a second.", min=1)
    ] = None,
    digital_instructions: Annotated[
        float | None, typer.Option(help="Of an inference of the digital way.", min=1)
    ] = None,
    binary_instructions: Annotated[
        float | None, typer.Option(help="Of an inference of the analog way.", min=1)
    ] = None,
    parts: Annotated[
        Path | None, typer.Option(help="A file of parts instead of tinykit's.")
    ] = None,
    show_parts: Annotated[
        bool, typer.Option("--show-parts", help="Print the file of parts, and stop.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with the break-down too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate average power against the share of time with sound, and how long a battery lasts.

    Nothing here is measured but instructions: the rest are sums of what data sheets say, and of
    assumptions, which are marked.

    Example: [bold]tinykit energy --channels 16 --share 0.05[/bold]
    """
    from tinykit.boards import load_board
    from tinykit.emulators.measure import estimate
    from tinykit.energy import Setup, load_parts
    from tinykit.energy.parts import DEFAULT
    from tinykit.frontends import Analog

    if show_parts:
        typer.echo((parts or DEFAULT).read_text(encoding="utf-8"), nl=False)
        return
    chosen = load_board(board)
    one = estimate(1, chosen)
    if one is None:
        raise TinykitError("has no estimate of energy.", where=f"board {board}")
    figures = load_parts(parts)
    given = {
        "work.features": features_instructions,
        "work.network": digital_instructions or _predicted(digital, chosen),
        "work.binary_network": binary_instructions or _predicted(binary, chosen),
    }
    for name, value in given.items():
        if value is not None:
            figures = figures.with_value(name, value, "given on the command line")
    setup = Setup(
        front=Analog(filters=channels),
        joules_per_instruction=one.joules,
        watts_running=chosen.clock_hz * chosen.pj_per_cycle * 1e-12,
        inferences=inferences,
        integrated=integrated,
        converter=adc,
        gated=not always,
    )
    document = _document(figures, setup, share)
    if html is not None:
        from tinykit.report.energy_page import write_energy_page

        write_energy_page(html, document, figures, chosen.name)
    if as_json:
        show_json({"board": board, **document})
    else:
        _show(document, share)


def _predicted(run: Path | None, board: Board) -> float | None:
    """Predicted instructions of an inference.

    Raises:
        TinykitError: no core like the board's was measured.
    """
    if run is None:
        return None
    from tinykit.fits import fit_boards
    from tinykit.runs import open_model

    (found,) = fit_boards(open_model(run).network, [board], vectors=0, clips=0)
    if found.instructions is None:
        raise TinykitError("has no prediction of instructions.", where=f"board {board.id}")
    return float(found.instructions)


def _document(parts: Parts, setup: Setup, share: float) -> dict[str, Any]:
    from tinykit.energy import acquisition, lifetimes, powers, sensitivities

    curve = []
    for one in _SHARES:
        totals = {way: sum(of.values()) for way, of in powers(parts, setup, one).items()}
        days = {way: dict(lifetimes(parts, watts)) for way, watts in totals.items()}
        curve.append({"share": one, "watts": totals, "days": days})
    watts = powers(parts, setup, share)
    return {
        "share": share,
        "watts": watts,
        "acquisition_watts": {way: acquisition(of) for way, of in watts.items()},
        "curve": curve,
        "ratio_with_each_figure_half_and_one_and_a_half": sensitivities(parts, setup, share),
        "assumptions": [name for name, one in parts.figures.items() if one.assumption],
    }


def _show(document: dict[str, Any], share: float) -> None:
    curve = document["curve"]
    batteries = list(curve[0]["days"]["digital"])
    rows = []
    for one in curve:
        digital, analog = one["watts"]["digital"], one["watts"]["analog"]
        life = [f"{one['days'][way][name]:.0f}" for name in batteries for way in one["days"]]
        ratio = f"{digital / analog:.2f}"
        micro = (f"{1e6 * digital:.1f}", f"{1e6 * analog:.1f}")
        rows.append((f"{100 * one['share']:g} %", *micro, ratio, *life))
    columns = [f"{name}\n{way}, days" for name in batteries for way in ("digital", "analog")]
    show_table(
        "Average power, estimates", ("sound", "digital, uW", "analog, uW", "ratio", *columns), rows
    )
    watts = document["watts"]
    names = dict.fromkeys([*watts["digital"], *watts["analog"]])
    cells = [
        (name, *(f"{1e6 * of[name]:.2f}" if name in of else None for of in watts.values()))
        for name in names
    ]
    show_table(f"With sound {100 * share:g} % of the time, uW", ("", "digital", "analog"), cells)
    digital, analog = document["acquisition_watts"].values()
    part = 100 * analog / sum(watts["analog"].values())
    show(
        f"Acquisition and features: digital {1e6 * digital:.1f} uW, analog {1e6 * analog:.1f} uW, "
        f"{digital / analog:.1f} times less, and {part:.0f} % of its whole.\n"
    )
    swings = document["ratio_with_each_figure_half_and_one_and_a_half"]
    assumed = set(document["assumptions"])
    show_table(
        "Ratio digital / analog when a figure is half, or half as much again",
        ("figure", "x 0.5", "x 1.5", ""),
        [
            (name, f"{low:.2f}", f"{high:.2f}", "assumption" if name in assumed else "")
            for name, (low, high) in list(swings.items())[:_SHOWN]
        ],
    )
    show(f"Assumptions among the figures: {', '.join(document['assumptions'])}.")
