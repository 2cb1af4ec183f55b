# SPDX-License-Identifier: Apache-2.0
"""The benchmark's metrics: the share of right classes, and the area under the ROC curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Quality:
    """What a closed submission must reach (arXiv:2106.07597, table 1).

    Attributes:
        metric: "top-1" or "AUC".
        target: the least value.
    """

    metric: str
    target: float


QUALITY: Final = {
    "kws01": Quality("top-1", 0.90),
    "ic01": Quality("top-1", 0.85),
    "vww01": Quality("top-1", 0.80),
    "ad01": Quality("AUC", 0.85),
}


def top1(scores: FloatArray, labels: IntArray) -> float:
    """Share of rows of `scores` (n, classes) whose first largest value stands at the label (n,)."""
    return float(np.mean(np.argmax(scores, axis=1) == labels))


def auc(scores: FloatArray, positive: BoolArray) -> float:
    """Area under the ROC curve: the probability that a positive scores above a negative.

    Ties count half (Mann and Whitney, Annals of Mathematical Statistics 18, 1947).

    Args:
        scores: (n,) one number each, larger for positives.
        positive: (n,).

    Raises:
        TinykitError: all are positive, or none.
    """
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        raise TinykitError(
            "the area under the ROC curve needs inputs of two classes.",
            where="--inputs",
            remedy="Allow more inputs with --limit, or complete the set.",
        )
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    # Ranks from 1; equal scores share the mean of theirs.
    ranks = np.cumsum(ties) - (ties - 1) / 2
    above = ranks[place][positive].sum() - count * (count + 1) / 2
    return float(above / (count * others))


def mean_auc(scores: FloatArray, labels: IntArray) -> float:
    """Mean over classes of `auc` of each against the rest; of two classes, that of the second.

    Args:
        scores: (n, classes).
        labels: (n,).
    """
    classes = scores.shape[1]
    if classes == 2:
        return auc(scores[:, 1], labels == 1)
    return float(np.mean([auc(scores[:, i], labels == i) for i in range(classes)]))
