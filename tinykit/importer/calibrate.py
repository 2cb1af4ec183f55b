# SPDX-License-Identifier: Apache-2.0
"""Ranges of a model's activations from representative data, by one of three methods.

`minmax` takes the whole range, as TFLite's converter does. `percentile` leaves out the same small
share of values at either end. `mse` takes the range whose 8-bit integers have the least mean
squared error, between what is clipped and what is rounded. All ranges hold 0, for it must be an
integer exactly (Jacob et al., arXiv:1712.05877, section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.importer.float_run import FloatModel
from tinykit.importer.frame import beyond_float_is_infinite

Method = Literal["minmax", "percentile", "mse"]
METHODS: tuple[str, ...] = get_args(Method)
PERCENTILE = 99.99

LEAST_RANGE = float(np.finfo(np.float32).tiny) * 1e6
"""What is narrower is taken for 0."""

_BINS = 8192
_FRACTIONS = 64
_ROUNDS = 3


@beyond_float_is_infinite()
def calibrate(
    model: FloatModel,
    x: NDArray[Any],
    method: Method = "minmax",
    *,
    percentile: float = PERCENTILE,
    tick: Callable[[int], None] | None = None,
) -> dict[str, tuple[float, float]]:
    """The range of the input and of every activation.

    Args:
        model: runs twice over the data for `percentile` and `mse`, once for `minmax`.
        x: representative reals (n, *input shape), n >= 1.
        method: see the module.
        percentile: share of values in percent below the upper end, and above the lower one.
        tick: called with the number of samples of each step that is done; in total n or 2 n.

    Returns:
        (low, high) by tensor, low <= 0 <= high.

    Raises:
        TinykitError: an activation is not finite.
        ValueError: `percentile` is not in (50, 100].
    """
    if not 50 < percentile <= 100:
        raise ValueError(f"a percentile above 50 and up to 100 is wanted, not {percentile}")
    ends: dict[str, tuple[float, float]] = {}

    def widen(name: str, values: NDArray[np.float32]) -> None:
        low, high = ends.get(name, (0.0, 0.0))
        least, most = float(values.min(initial=0.0)), float(values.max(initial=0.0))
        if not (np.isfinite(least) and np.isfinite(most)):
            raise TinykitError(
                "is not finite on the representative data.",
                where=f"{model.graph.source}: tensor {name[:80]}",
                remedy="Give data in the units that the model was trained with.",
            )
        ends[name] = (min(low, least), max(high, most))

    model.run(x, widen, tick)
    if method == "minmax":
        return ends
    counts = {name: np.zeros(_BINS, np.int64) for name in ends}

    def count(name: str, values: NDArray[np.float32]) -> None:
        low, high = ends[name]
        if high - low >= LEAST_RANGE:
            # In float64, where the two ends of float32 have a distance.
            places = (values.reshape(-1).astype(np.float64) - low) * (_BINS / (high - low))
            bins = np.clip(places.astype(np.int32), 0, _BINS - 1)
            counts[name] += np.bincount(bins, minlength=_BINS)

    model.run(x, count, tick)
    if method == "percentile":
        return {name: _percentiles(counts[name], *ends[name], percentile) for name in ends}
    return {name: least_error(counts[name], *ends[name]) for name in ends}


def parameters(low: float, high: float) -> tuple[np.float32, int]:
    """Scale and zero point of int8 over a range that holds 0; 0 is an integer exactly.

    As TFLite's converter: the scale is the range over 255 steps, and the zero point is computed
    from the end at which it is represented with the smaller error, then rounded.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < LEAST_RANGE:
        return np.float32(1.0), 0
    scale = (high - low) / 255.0
    from_low, from_high = -128 - low / scale, 127 - high / scale
    low_error, high_error = 128 + abs(low / scale), 127 + abs(high / scale)
    zero = from_low if low_error < high_error else from_high
    return np.float32(scale), int(np.clip(np.floor(zero + 0.5), -128, 127))


def least_error(counts: NDArray[np.int64], low: float, high: float) -> tuple[float, float]:
    """The range of least mean squared error of int8 over a histogram.

    The ends are moved in turns, each over a grid of fractions of its own.

    Args:
        counts: (bins,) over [low, high].
        low, high: low <= 0 <= high.
    """
    if high <= low:
        return low, high
    centres = low + (np.arange(len(counts)) + 0.5) * ((high - low) / len(counts))
    seen = counts > 0
    values, weights = centres[seen], counts[seen].astype(np.float64)

    def error(ends: tuple[float, float]) -> float:
        scale, zero_point = parameters(*ends)
        levels = np.clip(np.rint(values / scale) + zero_point, -128, 127) - zero_point
        return float(weights @ np.square(levels * float(scale) - values))

    best = (low, high)
    least = error(best)
    for _ in range(_ROUNDS):
        before = least
        for side, end in ((1, high), (0, low)):
            for fraction in np.linspace(1.0, 1 / _FRACTIONS, _FRACTIONS) if end else ():
                ends = (best[0], fraction * end) if side else (fraction * end, best[1])
                if (wrong := error(ends)) < least:
                    best, least = ends, wrong
        if least == before:
            break
    return best


def _percentiles(
    counts: NDArray[np.int64], low: float, high: float, percentile: float
) -> tuple[float, float]:
    total = counts.sum()
    if high <= low or not total:
        return low, high
    share = np.cumsum(counts) / total
    width = (high - low) / len(counts)
    top = low + width * (int(np.searchsorted(share, percentile / 100)) + 1)
    bottom = low + width * int(np.searchsorted(share, 1 - percentile / 100, side="right"))
    return min(bottom, 0.0), max(min(top, high), 0.0)
