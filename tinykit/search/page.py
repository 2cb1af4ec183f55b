# SPDX-License-Identifier: Apache-2.0
"""A finished search as one HTML page: scores over memory, instructions and estimated energy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tinykit import __version__
from tinykit.boards import load_board
from tinykit.emulators.measure import estimate
from tinykit.files import write_atomic
from tinykit.report import plots
from tinykit.report.document import Cloud, Spot
from tinykit.report.render import page_template
from tinykit.search.baselines import Standing
from tinykit.search.har import load_settings

PAGE = "search.html"
Row = Mapping[str, Any]


def write_page(folder: Path, found: Standing) -> Path:
    """Write search.html into a folder that `tinykit search` made.

    Args:
        folder: of the search.
        found: its networks, and other classifiers that stand beside them.
    """
    settings = load_settings(folder)
    board = load_board(settings.board)
    one = estimate(1, board)
    nanojoules = 0.0 if one is None else one.joules * 1e9
    spots = [Spot(one.name, one.memory, 100 * one.macro_f1) for one in found.others]

    def clouds(cost: Callable[[Row], float], beside: Iterable[Spot] = ()) -> list[Cloud]:
        phases = [("one precision", found.front), ("bits of each layer", found.mixed)]
        named = [Cloud(name, tuple(_spot(row, cost) for row in rows)) for name, rows in phases]
        baselines = Cloud("baselines", tuple(beside), joined=False)
        return [one for one in (*named, baselines) if one.points]

    content = page_template("search.html.j2").render(
        tinykit=__version__,
        plots=plots,
        settings=settings,
        board=board,
        front=found.front,
        mixed=found.mixed,
        compared=found,
        milliseconds=None if one is None else one.seconds * 1e3,
        pictures=[
            ("Weights and arena", "bytes", clouds(lambda row: row["memory"], spots)),
            ("Flash", "bytes", clouds(lambda row: row["flash"])),
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
