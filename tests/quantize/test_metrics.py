# SPDX-License-Identifier: Apache-2.0
"""Figures of a classifier, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tinykit.quantize.metrics import agreement, classification


def test_figures_by_hand() -> None:
    scores = np.array([[3, 1, 0], [3, 3, 0], [0, 5, 1], [9, 5, 1]], np.int8)
    found = classification(scores, np.array([0, 1, 1, 0]), ("a", "b", "c"))
    assert found["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert found["accuracy"] == 0.75
    a, b, c = found["per_class"]
    assert (a["precision"], a["recall"]) == (pytest.approx(2 / 3), 1.0)
    assert (b["precision"], b["recall"], b["count"]) == (1.0, 0.5, 2)
    assert (c["precision"], c["recall"], c["f1"]) == (0.0, 0.0, 0.0)
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_no_clips_no_figures() -> None:
    found = classification(np.zeros((0, 2), np.int8), np.zeros(0, np.int64), ("a", "b"))
    assert (found["count"], found["accuracy"], found["macro_f1"]) == (0, 0.0, 0.0)


def test_agreement() -> None:
    ours = np.array([[1, 2], [5, -128]], np.int8)
    theirs = np.array([[1, 2], [6, 127]], np.int8)
    found = agreement(ours, theirs)
    assert found == {"same_class": 0.5, "identical": 0.5, "max_difference": 255}
    assert agreement(ours[:0], theirs[:0])["identical"] == 1.0
    with pytest.raises(ValueError, match="shape"):
        agreement(ours, theirs[:1])
