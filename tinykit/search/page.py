# SPDX-License-Identifier: Apache-2.0
"""A finished search as one HTML page: scores over memory, instructions and estimated energy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tinykit import __version__
from tinykit.boards import Board, load_board
from tinykit.emulators.measure import estimate
from tinykit.files import write_atomic
from tinykit.report import plots
from tinykit.report.document import Cloud, Spot
from tinykit.report.render import page_template
from tinykit.search.baselines import beaten_by, load_baselines
from tinykit.search.har import load_front, load_settings
from tinykit.search.mixed import load_rows

PAGE = "search.html"
# Milliseconds within which an inference is wanted, after Daghero et al. (arXiv:2209.00839).
MOST_MS = 16.0
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
    mixed, baselines = load_rows(folder), load_baselines(folder)
    others = [Spot(one.title, one.flash, 100 * one.macro_f1) for one in baselines]

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
        front=[{**row, "ms": milliseconds(row, board)} for row in front],
        most_ms=MOST_MS,
        beaten=beaten_by(front, baselines),
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


def milliseconds(row: Row, board: Board) -> float | None:
    """Time of an inference on `board`, an estimate; None on the host, where none is made."""
    found = estimate(row["instructions"], board)
    return None if found is None else 1e3 * found.seconds


def _spot(row: Row, cost: Callable[[Row], float]) -> Spot:
    name = row["folder"] if "folder" in row else f"{row['point']:05d} {row['way']}"
    return Spot(name, cost(row), 100 * row["macro_f1"])
