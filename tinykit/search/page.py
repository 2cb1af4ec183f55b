# SPDX-License-Identifier: Apache-2.0
"""A finished search as one HTML page: scores over memory, instructions and estimated energy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tinykit import __version__
from tinykit.boards import load_board
from tinykit.emulators.measure import estimate
from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.report import plots
from tinykit.report.document import Cloud, Spot
from tinykit.report.render import page_template
from tinykit.search.har import load_front, load_settings
from tinykit.search.mixed import load_rows

PAGE, BASELINES = "search.html", "baselines.json"
Row = Mapping[str, Any]


def write_page(folder: Path) -> Path:
    """Write search.html into a folder that `tinykit search` made.

    Other classifiers stand beside the networks if the folder has their baselines.json: a list of
    objects with a name, their flash and their validation macro_f1, from 0 to 1.

    Raises:
        TinykitError: no finished search is there, or baselines.json is broken.
    """
    settings, front = load_settings(folder), load_front(folder)
    board = load_board(settings.board)
    one = estimate(1, board)
    nanojoules = 0.0 if one is None else one.joules * 1e9
    mixed, others = load_rows(folder), _baselines(folder / BASELINES)

    def clouds(cost: Callable[[Row], float], beside: Iterable[Spot] = ()) -> list[Cloud]:
        found = [("one precision", front), ("bits of each layer", mixed)]
        named = [Cloud(name, tuple(_spot(row, cost) for row in rows)) for name, rows in found]
        spots = tuple(beside)
        return [one for one in (*named, Cloud("baselines", spots, joined=False)) if one.points]

    content = page_template("search.html.j2").render(
        tinykit=__version__,
        plots=plots,
        settings=settings,
        board=board,
        front=front,
        mixed=mixed,
        others=others,
        pictures=[
            ("Weights and arena", "bytes", clouds(lambda row: row["memory"])),
            ("Flash", "bytes", clouds(lambda row: row["flash"], others)),
            ("Work", "predicted instructions", clouds(lambda row: row["instructions"])),
            (
                "Energy, an estimate",
                "nanojoules",
                clouds(lambda row: row["instructions"] * nanojoules),
            ),
        ],
    )
    write_atomic(folder / PAGE, content)
    return folder / PAGE


def _spot(row: Row, cost: Callable[[Row], float]) -> Spot:
    name = row["folder"] if "folder" in row else f"{row['point']:05d} {row['way']}"
    return Spot(name, cost(row), 100 * row["macro_f1"])


def _baselines(path: Path) -> list[Spot]:
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Spot(str(r["name"]), float(r["flash"]), 100 * float(r["macro_f1"])) for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinykitError(
            f"the file is broken: {error}.",
            where=path,
            remedy="Write it again with `python benchmarks/har_baselines.py DATA --out FILE`.",
        ) from error
