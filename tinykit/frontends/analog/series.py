# SPDX-License-Identifier: Apache-2.0
"""Preferred numbers of IEC 60063: the values in which resistors and capacitors are sold."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinykit.frontends.fixed import FloatArray
from tinykit.suggest import one_of

#: E24 as the standard lists it; ten of its numbers are not the rounded powers of ten.
_E24 = (
    *(1.0, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2.0, 2.2, 2.4, 2.7, 3.0),
    *(3.3, 3.6, 3.9, 4.3, 4.7, 5.1, 5.6, 6.2, 6.8, 7.5, 8.2, 9.1),
)
SERIES: dict[str, tuple[float, ...]] = {
    "E6": _E24[::4],
    "E12": _E24[::2],
    "E24": _E24,
    "E96": tuple(round(10.0 ** (i / 96), 2) for i in range(96)),
}


def mantissas(series: str) -> FloatArray:
    """(n,) float64 in [1, 10): the numbers of the series.

    Raises:
        TinykitError: no such series.
    """
    return np.array(SERIES[one_of(series, SERIES, what="series", where="front end analog")])


def neighbours(values: ArrayLike, series: str, count: int = 1) -> FloatArray:
    """The `count` values of the series that are closest by ratio, the closest first.

    Args:
        values: any shape, positive; infinity (a part left out) stays infinity.
        series: a key of `SERIES`.
        count: at most the numbers of the series.

    Returns:
        The shape of `values` with one more axis of `count`.
    """
    wanted = np.asarray(values, np.float64)
    finite = np.where(np.isfinite(wanted), wanted, 1.0)
    decade = 10.0 ** np.floor(np.log10(finite))
    grid = mantissas(series)
    grid = np.concatenate([grid / 10.0, grid, grid * 10.0])
    distance = np.abs(np.log(grid / (finite / decade)[..., None]))
    chosen = np.argsort(distance, axis=-1, kind="stable")[..., :count]
    found = grid[chosen] * decade[..., None]
    return np.where(np.isfinite(wanted)[..., None], found, np.inf)


def nearest(values: ArrayLike, series: str) -> FloatArray:
    """The closest values of the series, of the shape of `values`."""
    return neighbours(values, series)[..., 0]
