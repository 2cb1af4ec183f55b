# SPDX-License-Identifier: Apache-2.0
"""`tinykit datasets`: which recordings there are, which are here, and under which licence."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tinykit.cli.output import JsonOption, show_json, show_table


def datasets(
    fetch: Annotated[
        str | None, typer.Option(help="Download this set (checked by sha256) into the cache.")
    ] = None,
    check: Annotated[
        str | None, typer.Option("--verify", help="Check every file of this set by sha256.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the data sets, or download or check one.

    Recordings are looked for in the folder that TINYKIT_DATA names, then in the cache.

    Example: [bold]tinykit datasets --fetch speech_commands[/bold]
    """
    from tinykit.data.catalogue import dataset_infos, verify_dataset

    if fetch:
        from tinykit.data.fetch import fetch as download

        download(fetch)
    if check:
        checks = verify_dataset(check)
        if as_json:
            show_json([asdict(item) for item in checks])
        else:
            rows = [(item.path.name, item.state) for item in checks]
            show_table(f"Files of {check}", ("file", "sha256"), rows, right=9)
        raise typer.Exit(0 if all(item.state == "ok" for item in checks) else 1)
    infos = dataset_infos()
    if as_json:
        show_json([asdict(info) for info in infos])
        return
    table = [
        (
            info.name,
            info.task,
            "synthetic" if info.synthetic else "real",
            "yes" if info.present else ("to download" if info.fetchable else "no"),
            f"{info.rate} Hz",
            len(info.labels),
            info.licence[:40],
        )
        for info in infos
    ]
    columns = ("set", "task", "made of", "here", "rate", "classes", "licence")
    show_table("Data sets", columns, table, right=4)
