# SPDX-License-Identifier: Apache-2.0
"""Read a CSV recording of motion as the int16 steps that the device's sensor would give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinykit.data.csvfile import read_csv
from tinykit.data.dataset import ACC_SCALE_G, GYRO_SCALE_RAD_S, STANDARD_GRAVITY, to_int16
from tinykit.errors import TinykitError


def channel_scales(channels: Sequence[str]) -> tuple[float, ...]:
    """Units per LSB of each channel, by its name: `acc...` in g, `gyro...` in rad/s.

    Raises:
        TinykitError: a name begins otherwise.
    """
    scales = []
    for channel in channels:
        if channel.startswith("acc"):
            scales.append(ACC_SCALE_G)
        elif channel.startswith("gyro"):
            scales.append(GYRO_SCALE_RAD_S)
        else:
            raise TinykitError(
                f"the unit of channel {channel!r} is not known.",
                remedy="Begin names with `acc` (acceleration) or `gyro` (angular rate).",
            )
    return tuple(scales)


def read_motion(path: Path, channels: Sequence[str], acc_unit: str = "g") -> npt.NDArray[np.int16]:
    """A CSV recording as int16 (n, channels) in the device's steps.

    Raises:
        TinykitError: as for `read_csv`, or `acc_unit` is neither "g" nor "m/s2".
    """
    if acc_unit not in ("g", "m/s2"):
        raise TinykitError(f"acc_unit={acc_unit!r} is not known.", remedy='Use "g" or "m/s2".')
    values = read_csv(path, channels)
    if acc_unit == "m/s2":
        values[:, [c.startswith("acc") for c in channels]] /= STANDARD_GRAVITY
    return to_int16(values, channel_scales(channels))
