# SPDX-License-Identifier: Apache-2.0
"""The analog front end as one HTML page: a recording and its bits, the filters, the parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinykit import __version__
from tinykit.files import write_atomic
from tinykit.frontends.analog import Analog, Tolerances
from tinykit.frontends.fixed import Int16Array
from tinykit.report.frontend_plots import recording, tolerance_bands
from tinykit.report.render import page_template

COLUMNS = ("filter", "centre, Hz", "Q", "gain", "R1, kΩ", "R2, kΩ", "R3, kΩ", "C, nF", "threshold")
_UNITS, _SEED = 200, 0


def part_rows(front: Analog) -> list[tuple[str, ...]]:
    """The filters and their parts as text, in `COLUMNS`; thresholds in full scales or shares."""
    parts, made = front.stages, front.stages.ideal()
    levels = front.comparator().levels
    return [
        (
            str(index),
            f"{made.centre[index]:.0f}",
            f"{made.quality[index]:.2f}",
            f"{made.gain[index]:.2f}",
            f"{parts.r1[index] / 1e3:.4g}",
            "-" if np.isinf(parts.r2[index]) else f"{parts.r2[index] / 1e3:.4g}",
            f"{parts.r3[index] / 1e3:.4g}",
            f"{parts.c1[index] * 1e9:.3g}",
            f"{levels[index]:.4f}",
        )
        for index in range(front.filters)
    ]


def write_frontend_page(path: Path, name: str, front: Analog, x: Int16Array, levels: str) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        name: of the recording.
        front: its `input_length` is that of `x`.
        x: (samples,) int16.
        levels: where the levels come from, for the page's head.

    Raises:
        TinykitError: the file cannot be written.
    """
    bits = front.bits(x[None])[0]
    tolerances = Tolerances()
    content = page_template("frontend.html.j2").render(
        tinykit=__version__,
        name=name,
        front=front,
        levels=levels,
        share=float(bits.mean()),
        recording=recording(front, x, bits),
        bands=tolerance_bands(front, tolerances, _UNITS, _SEED),
        tolerances=tolerances,
        units=_UNITS,
        columns=COLUMNS,
        rows=part_rows(front),
    )
    write_atomic(path, content)
