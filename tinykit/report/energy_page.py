# SPDX-License-Identifier: Apache-2.0
"""Bars of what takes the power of each way to listen, and the figures behind them, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinykit import __version__
from tinykit.energy import Parts
from tinykit.files import write_atomic
from tinykit.report.plots import stacked
from tinykit.report.render import page_template


def write_energy_page(path: Path, document: dict[str, Any], parts: Parts, board: str) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        document: what `tinykit energy --json` prints.
        parts: the figures.
        board: name of the controller's board.

    Raises:
        TinykitError: the file cannot be written.
    """
    nanowatts = {
        way: {name: round(1e9 * watts) for name, watts in of.items()}
        for way, of in document["watts"].items()
    }
    most = max(sum(of.values()) for of in nanowatts.values())
    bars = [(way, of, stacked(of, most, f"power, {way}")) for way, of in nanowatts.items()]
    content = page_template("energy.html.j2").render(
        tinykit=__version__, document=document, parts=parts, board=board, bars=bars
    )
    write_atomic(path, content)
