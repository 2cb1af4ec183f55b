# SPDX-License-Identifier: Apache-2.0
"""Figures of a classifier from its scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def classification(
    scores: NDArray[Any], y: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, Any]:
    """Accuracy, macro-F1, confusion matrix and per-class figures, JSON-able.

    Args:
        scores: (n, classes); the largest wins, the first of equals.
        y: (n,) true classes.
        labels: class names.

    Returns:
        `confusion[i][j]` counts clips of class i taken for j. A class without clips, or never
        predicted, has precision, recall and F1 of 0, and macro-F1 averages over classes that
        have clips.
    """
    classes = len(labels)
    predicted = scores.argmax(axis=1) if len(scores) else np.zeros(0, np.int64)
    confusion = confusion_matrix(predicted, y, classes)
    right = np.diag(confusion).astype(np.float64)
    support, taken = confusion.sum(axis=1), confusion.sum(axis=0)
    recall = right / np.maximum(support, 1)
    precision = right / np.maximum(taken, 1)
    f1 = _f1(confusion)
    accuracy, macro_f1 = overall(confusion)
    return {
        "count": len(y),
        "accuracy": accuracy,
        "macro_f1": macro_f1,
        "confusion": confusion.tolist(),
        "per_class": [
            {
                "label": label,
                "count": int(support[i]),
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
            }
            for i, label in enumerate(labels)
        ],
    }


def confusion_matrix(
    predicted: NDArray[np.int64], y: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """int64 (classes, classes): [i, j] counts what is of class i and was taken for j."""
    counts = np.bincount(y * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def overall(confusion: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy, and F1 averaged over the classes that have clips; 0 without any."""
    count, present = confusion.sum(), confusion.sum(axis=1) > 0
    if not count:
        return 0.0, 0.0
    return float(np.trace(confusion) / count), float(_f1(confusion)[present].mean())


def _f1(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """By class; 0 where it has no clips and is never predicted."""
    sums = confusion.sum(axis=1) + confusion.sum(axis=0)
    result: NDArray[np.float64] = 2.0 * np.diag(confusion) / np.maximum(sums, 1)
    return result


def agreement(ours: NDArray[np.int8], theirs: NDArray[np.int8]) -> dict[str, float | int]:
    """How far two integer score arrays (n, classes) agree.

    Returns:
        same_class: share of clips with the same winner; identical: share of equal scores;
        max_difference: the largest difference, in steps.
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"scores of different shape: {ours.shape} and {theirs.shape}")
    if ours.size == 0:
        return {"same_class": 1.0, "identical": 1.0, "max_difference": 0}
    wide = np.abs(ours.astype(np.int64) - theirs.astype(np.int64))
    return {
        "same_class": float(np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1))),
        "identical": float(np.mean(wide == 0)),
        "max_difference": int(wide.max()),
    }
