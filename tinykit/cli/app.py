# SPDX-License-Identifier: Apache-2.0
"""The command `tinykit`: one thin command per stage, no logic."""

from __future__ import annotations

from typing import Annotated

import typer

import tinykit
from tinykit.cli import (
    bench,
    boards,
    build,
    datasets,
    demo,
    doctor,
    energy,
    evaluate,
    fits,
    flash,
    frontend,
    generate,
    import_,
    mlperf,
    predict,
    report,
    run,
    search,
    stream,
    train,
    tune,
    verify,
)
from tinykit.cli.output import Commands

app = typer.Typer(
    cls=Commands,
    name="tinykit",
    help="From recordings to measured TinyML firmware: "
    "train, quantize, generate, build, emulate, report.",
    epilog="Start with `tinykit doctor`, then `tinykit demo`.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tinykit {tinykit.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("train")(train.train)
app.add_typer(search.app, name="search")
app.command("tune")(tune.tune)
app.command("evaluate")(evaluate.evaluate)
app.command("import")(import_.import_model)
app.command("fits")(fits.fits)
app.command("generate")(generate.generate)
app.command("build")(build.build)
app.command("run")(run.run)
app.command("stream")(stream.stream)
app.command("flash")(flash.flash)
app.command("verify")(verify.verify)
app.command("predict")(predict.predict)
app.command("mlperf")(mlperf.mlperf)
app.command("bench")(bench.bench)
app.command("report")(report.report)
app.add_typer(frontend.app, name="frontend")
app.command("energy")(energy.energy)
app.command("boards")(boards.boards)
app.command("datasets")(datasets.datasets)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Entry point of the console script."""
    app()
