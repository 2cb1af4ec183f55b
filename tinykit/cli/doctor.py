# SPDX-License-Identifier: Apache-2.0
"""`tinykit doctor`: what is installed, what is missing, and the command that installs it."""

from __future__ import annotations

import typer

from tinykit.cli.output import JsonOption, show, show_json, show_table


def doctor(as_json: JsonOption = False) -> None:
    """Check compilers, emulators and Python packages; exit status 1 if a needed one is missing.

    Example: [bold]tinykit doctor[/bold]
    """
    from tinykit.emulators.doctor import examine

    checks = examine()
    if as_json:
        show_json([check.as_dict() for check in checks])
    else:
        rows = [
            (
                check.name,
                "found" if check.found else ("missing" if check.required else "absent (optional)"),
                check.version or "-",
                check.purpose,
                "" if check.found else check.install,
            )
            for check in checks
        ]
        columns = ("what", "state", "version", "needed for", "install with")
        show_table("Doctor", columns, rows, right=9)
    if any(check.required and not check.found for check in checks):
        if not as_json:
            show("[bold red]Something needed is missing.[/bold red]")
        raise typer.Exit(1)
