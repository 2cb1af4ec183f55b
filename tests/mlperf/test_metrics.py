# SPDX-License-Identifier: Apache-2.0
"""Metrics against values worked out by hand, and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from tinykit.errors import TinykitError
from tinykit.mlperf.metrics import auc, mean_auc, top1


def test_top1_takes_the_first_of_equals() -> None:
    scores = np.array([[1.0, 2.0, 0.0], [5.0, 5.0, 1.0], [0.0, 0.0, 0.1]])
    assert top1(scores, np.array([1, 0, 2])) == 1.0
    assert top1(scores, np.array([1, 1, 2])) == pytest.approx(2 / 3)


def test_auc_by_hand() -> None:
    """The example of the textbook: three of four pairs are in order."""
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]) == 1) == 0.75
    assert auc(np.array([1.0, 2.0, 3.0]), np.array([False, True, True])) == 1.0
    assert auc(np.array([3.0, 2.0, 1.0]), np.array([False, True, True])) == 0.0
    assert auc(np.ones(7), np.arange(7) > 2) == 0.5


def test_auc_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.integers(0, 12, 60) / 4
        positive = rng.random(60) < 0.4
        ups, downs = scores[positive][:, None], scores[~positive][None, :]
        pairs = (ups > downs) + 0.5 * (ups == downs)
        assert auc(scores, positive) == pytest.approx(pairs.mean(), abs=1e-12)


def test_auc_needs_both_classes() -> None:
    for positive in (np.ones(3, bool), np.zeros(3, bool)):
        with pytest.raises(TinykitError, match="two classes"):
            auc(np.arange(3.0), positive)


def test_mean_auc() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])
    assert mean_auc(scores, np.array([0, 0, 1, 1])) == 0.75
    three = np.eye(3)[[0, 1, 2, 0]]
    assert mean_auc(three, np.array([0, 1, 2, 0])) == 1.0
    assert mean_auc(three, np.array([0, 1, 2, 1])) == pytest.approx((5 / 6 + 0.75 + 1) / 3)
