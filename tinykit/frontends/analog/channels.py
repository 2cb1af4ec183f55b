# SPDX-License-Identifier: Apache-2.0
"""Where the filters of a bank lie and how wide they are."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tinykit.frontends.analog.response import Response
from tinykit.frontends.fixed import FloatArray
from tinykit.frontends.mel import mel, mel_to_hertz

Spacing = Literal["mel", "log"]
SPACINGS = ("mel", "log")


def points(positions: FloatArray, lower_hz: float, upper_hz: float, spacing: str) -> FloatArray:
    """Hz at positions of which 0 is `lower_hz` and 1 is `upper_hz`."""
    if spacing == "log":
        return np.asarray(lower_hz * (upper_hz / lower_hz) ** positions, np.float64)
    low, high = mel(lower_hz), mel(upper_hz)
    return mel_to_hertz(low + positions * (high - low))


def spaced(filters: int, lower_hz: float, upper_hz: float, spacing: Spacing) -> Response:
    """Centres evenly spaced in mel or octaves; neighbours meet near their -3 dB points.

    A filter's width is the distance between the points half a step to either side. From 166 to
    6761 Hz in mel, 16 filters have qualities from 1.34 to 6.32.

    Args:
        filters: at least 2.
        lower_hz, upper_hz: centres of the first and of the last filter.
        spacing: "mel" or "log".

    Returns:
        The filters, with a gain of 1, or of 2 Q^2 where this is less: a single multiple-feedback
        stage has no more (see `mfb`).
    """
    steps = np.arange(filters) / (filters - 1)
    half = 0.5 / (filters - 1)
    centre = points(steps, lower_hz, upper_hz, spacing)
    width = points(steps + half, lower_hz, upper_hz, spacing) - points(
        steps - half, lower_hz, upper_hz, spacing
    )
    quality = centre / width
    return Response(centre, quality, np.minimum(1.0, 2.0 * quality**2))
