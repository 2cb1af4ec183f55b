# SPDX-License-Identifier: Apache-2.0
"""Cut long labelled recordings into windows of one activity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinykit.errors import TinykitError


def check_window(window: int, step: int, purity: float) -> None:
    """Refuse options that make no sense.

    Raises:
        TinykitError: window or step below 1, or purity outside (0.5, 1].
    """
    if window < 1 or step < 1 or not 0.5 < purity <= 1.0:
        raise TinykitError(
            f"window={window}, step={step}, purity={purity} cannot be used.",
            remedy="window and step are samples >= 1; purity is a share above 0.5 and up to 1.",
        )


def label_windows(
    label: npt.NDArray[Any], classes: int, window: int, step: int, purity: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Windows of one recording in which one class has at least the share `purity`.

    Args:
        label: (n,) class of each sample, negative where there is none.
        classes: how many classes there are.
        window: length of a window, samples.
        step: from the start of one window to the next, samples.
        purity: share of samples that must be of the class, above 0.5.

    Returns:
        starts int64 (m,) and classes int64 (m,).
    """
    starts = np.arange(0, len(label) - window + 1, step, dtype=np.int64)
    if len(starts) == 0:
        return starts, starts.copy()
    of_class = label[:, None] == np.arange(classes)
    total = np.concatenate([np.zeros((1, classes), np.int64), np.cumsum(of_class, axis=0)])
    inside = total[starts + window] - total[starts]
    y = inside.argmax(axis=1).astype(np.int64)
    pure = inside.max(axis=1) >= purity * window
    return starts[pure], y[pure]


def cut(
    signal: npt.NDArray[np.int16], starts: npt.NDArray[np.int64], window: int
) -> npt.NDArray[np.int16]:
    """(m, window, channels) of `signal` (n, channels) at `starts`."""
    if len(starts) == 0:
        return np.zeros((0, window, signal.shape[1]), np.int16)
    return signal[starts[:, None] + np.arange(window)]
