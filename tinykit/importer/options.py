# SPDX-License-Identifier: Apache-2.0
"""What a user may ask of quantization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinykit.errors import TinykitError
from tinykit.importer.calibrate import METHODS

ROUNDINGS = ("nearest", "adaround")
WIDTHS = (8, 4, 2)
OnStep = Callable[[str, int, int], None]
"""Told what is being done, how many of its steps are done, and of how many."""


def silent(what: str, done: int, total: int) -> None:
    """An `OnStep` that tells nobody."""


@dataclass(frozen=True)
class Options:
    """What is asked of quantization.

    Attributes:
        data: representative inputs, see `load_inputs`; a fifth is held out for the report.
        test: inputs that are used once, at the end, for the report.
        calibration: how a float model's ranges are measured; "minmax" by default.
        weights: bits of weights: 8, 4 or 2.
        rounding: of weights below 8 bits: "nearest", or "adaround".
        keep_8: layers that keep 8 bits, by name ("3 CONV_2D") or number ("3").
        max_drop: points of accuracy (of agreement, without labels) that the held-out part may
            lose; layers go back to 8 bits until it holds. None for no limit.
    """

    data: Path | None = None
    test: Path | None = None
    calibration: str | None = None
    weights: int = 8
    rounding: str = "nearest"
    keep_8: Sequence[str] = ()
    max_drop: float | None = None

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            TinykitError: names the option.
        """
        for name, value, known in (
            ("--calibration", self.calibration or "minmax", METHODS),
            ("--rounding", self.rounding, ROUNDINGS),
            ("--weights", self.weights, WIDTHS),
        ):
            if value not in known:
                listed = ", ".join(map(str, known))
                raise TinykitError(f"{value} is unknown.", where=name, remedy=f"Use {listed}.")
        narrow = {
            "--rounding adaround": self.rounding == "adaround",
            "--keep-8": bool(self.keep_8),
            "--max-drop": self.max_drop is not None,
        }
        for name, asked in narrow.items():
            if asked and self.weights == 8:
                raise TinykitError(
                    "is for weights below 8 bits.", where=name, remedy="Add --weights 4 or 2."
                )
            if asked and self.data is None and name != "--keep-8":
                raise TinykitError("needs inputs.", where=name, remedy="Add --data.")
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise TinykitError(
                f"{self.max_drop} is no number of points.",
                where="--max-drop",
                remedy="Give one from 0 to 100.",
            )
