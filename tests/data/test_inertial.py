# SPDX-License-Identifier: Apache-2.0
"""Recordings of a slower sensor, or of one without a gyroscope."""

from __future__ import annotations

import numpy as np
import pytest

from tinykit.data import load_dataset
from tinykit.data.inertial import Recording, resampled
from tinykit.errors import TinykitError


def test_samples_are_means_and_mixed_labels_are_none() -> None:
    signal = np.arange(14, dtype=np.int16).reshape(7, 2) * 10
    label = np.array([0, 0, 0, 1, 1, 1, 1])
    slow = resampled(Recording(signal, label, "s"), 2, 1)
    assert slow.signal.tolist() == [[10], [50], [90]]
    assert slow.label.tolist() == [0, -1, 1]
    assert slow.subject == "s"


def test_one_means_as_it_is() -> None:
    signal = np.arange(8, dtype=np.int16).reshape(4, 2)
    same = resampled(Recording(signal, np.zeros(4, np.int64), "s"), 1, 2)
    assert np.array_equal(same.signal, signal)


def test_a_set_says_the_rate_and_channels_that_it_has() -> None:
    data = load_dataset("synthetic_gait", window=16, step=8, decimate=5, gyroscope=False)
    assert data.x.shape[1:] == (16, 3)
    assert (data.rate, data.channels) == (10, ("acc_x", "acc_y", "acc_z"))
    assert len(data.scale) == 3


def test_a_rate_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(TinykitError, match="decimate = 3"):
        load_dataset("synthetic_gait", decimate=3)
