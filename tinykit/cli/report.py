# SPDX-License-Identifier: Apache-2.0
"""`tinykit report`: one self-contained HTML file and its JSON twin."""

from __future__ import annotations

from tinykit.cli.output import JsonOption, RunArgument, show, show_json


def report(run: RunArgument, as_json: JsonOption = False) -> None:
    """Write RUN/report.html and RUN/report.json from what the run folder holds.

    Example: [bold]tinykit report runs/kws-w8a8-seed0[/bold]
    """
    from tinykit.report import write_report
    from tinykit.runs import open_run

    html, twin = write_report(open_run(run).directory)
    if as_json:
        show_json({"html": html, "json": twin})
    else:
        show(f"report: [bold]{html}[/bold] and {twin}")
