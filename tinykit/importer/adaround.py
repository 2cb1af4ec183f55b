# SPDX-License-Identifier: Apache-2.0
"""Rounding that is learned: each weight up or down, so that a layer's sums change least.

After Nagel et al., Up or Down? Adaptive Rounding (AdaRound), arXiv:2004.10568, section 3.3: a
rectified sigmoid h(V) in [0, 1] is added to the weight rounded down, and a regulariser whose power
falls drives it to 0 or 1. Here the error of the sums is taken from their second moments over the
representative data, which is that over all of it at once, so nothing is drawn at random; the
layer's activation is left out, and its bias is taken for the best one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.importer.narrow import Moments, Rows, reals, rounded, times
from tinykit.network.ops import integer_range

STEPS = 1000
MOST_INPUTS = 4096
"""Inputs of a sum above which the matrix of second moments is too large."""

_LOW, _HIGH = -0.1, 1.1
_RATE = 0.02
# In units of the mean variance times the scale squared; random layers come near the best rounding.
_REGULARISER = 1.0
_WARM_UP = 0.2
_POWERS = (20.0, 2.0)
# A share of the mean variance, added to all: data of few samples says nothing of most directions.
_DAMPING = 0.01
# Of the mean square, below which a variance is the rounding of sums.
_LEAST_VARIANCE = 1e-10

Floats = NDArray[Any]


def adaround(
    rows: Rows, scale: NDArray[np.float32], bits: int, moments: Moments, steps: int = STEPS
) -> NDArray[np.int8]:
    """Integers of weights whose sums err least on the representative data.

    Args:
        rows: weights, (channels, weights of each).
        scale: (channels,).
        bits: of a weight.
        moments: of the layer, with covariances.
        steps: of Adam.

    Returns:
        int8, the shape of `rows`; no channel's error (`Moments.error`) is above that of rounding
        to the nearest.
    """
    assert moments.covariance is not None
    assert moments.cross is not None
    most, units = integer_range(bits)[1], scale.astype(np.float64)[:, None]
    nearest = rounded(rows, scale, bits)
    exact = np.clip(rows / units, -most, most)
    floor = np.minimum(np.floor(exact), most - 1)
    # Per channel in steps of its scale, over the mean variance: a gradient of the order of 1.
    variance = np.trace(moments.covariance, axis1=1, axis2=2).mean() / rows.shape[1]
    if not variance > _LEAST_VARIANCE * np.square(moments.mean).mean():
        return nearest
    damping = _DAMPING * variance
    matrices = (moments.covariance + damping * np.eye(rows.shape[1])) / variance
    wanted = (moments.cross + damping * rows) / (variance * units)
    up = _learn(floor, exact - floor, matrices.astype(np.float32), wanted, steps)
    learned = (floor + up).astype(np.int8)
    better = moments.error(reals(learned, scale)) < moments.error(reals(nearest, scale))
    return np.where(better[:, None], learned, nearest)


def _learn(
    floor: Rows, rest: Rows, matrices: NDArray[np.float32], wanted: Rows, steps: int
) -> NDArray[np.bool_]:
    """Which weights to round up: Adam (Kingma and Ba, arXiv:1412.6980) on V."""
    span = _HIGH - _LOW
    share = np.clip((rest - _LOW) / span, 1e-4, 1 - 1e-4)
    v = np.log(share / (1 - share)).astype(np.float32)
    base, target = floor.astype(np.float32), wanted.astype(np.float32)
    first, second = np.zeros_like(v), np.zeros_like(v)
    for step in range(1, steps + 1):
        sigmoid = 1 / (1 + np.exp(-v))
        h = np.clip(sigmoid * span + _LOW, 0, 1)
        slope = np.where((h > 0) & (h < 1), span * sigmoid * (1 - sigmoid), 0)
        gradient = 2 * (times(base + h, matrices) - target)
        gradient += _pull(h, step / steps)
        gradient *= slope
        first += 0.1 * (gradient - first)
        second += 0.001 * (np.square(gradient) - second)
        mean, power = first / (1 - 0.9**step), second / (1 - 0.999**step)
        v -= _RATE * mean / (np.sqrt(power) + 1e-8)
    return np.asarray(1 / (1 + np.exp(-v)) >= 0.5)


def _pull(h: Floats, done: float) -> Floats | float:
    """Gradient of the regulariser, the sum of 1 - |2 h - 1|^power, in h."""
    if done < _WARM_UP:
        return 0.0
    late = (done - _WARM_UP) / (1 - _WARM_UP)
    power = _POWERS[1] + (_POWERS[0] - _POWERS[1]) * 0.5 * (1 + np.cos(np.pi * late))
    centred = 2 * h - 1
    pull: Floats = -2 * _REGULARISER * power * np.sign(centred) * np.abs(centred) ** (power - 1)
    return pull
