# SPDX-License-Identifier: Apache-2.0
"""Recordings of sensors as Renode's models take them: its RESD format.

The layout follows Renode's documentation, "RESD format": a header, then blocks of samples at a
constant period, accelerations in micrograms and angular rates in 10 microrad/s.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MAGIC: Final = b"RESD\x01\0\0\0"
_CONSTANT_PERIOD: Final = 2
_ACCELERATION: Final = 2
_ANGULAR_RATE: Final = 3
_NANOSECONDS: Final = 1_000_000_000
# Steps in one g, and in one rad/s.
_PER_G: Final = 1e6
_PER_RAD_S: Final = 1e5


def period_of(hertz: float) -> int:
    """Nanoseconds between samples."""
    return round(_NANOSECONDS / hertz)


@dataclass(frozen=True, eq=False)
class Recording:
    """What a sensor is to sense.

    Attributes:
        samples: int16 (n, 3) or (n, 6): acceleration, then angular rate.
        scale: a step of each channel, g and rad/s.
        hertz: samples a second.
    """

    samples: NDArray[np.int16]
    scale: tuple[float, ...]
    hertz: float

    def resd(self) -> bytes:
        """As a file."""
        real = self.samples * np.asarray(self.scale[: self.samples.shape[1]])
        blocks = [_block(_ACCELERATION, real[:, :3] * _PER_G, self.hertz)]
        if self.samples.shape[1] > 3:
            blocks.append(_block(_ANGULAR_RATE, real[:, 3:] * _PER_RAD_S, self.hertz))
        return _MAGIC + b"".join(blocks)


def _block(kind: int, steps: NDArray[np.float64], hertz: float) -> bytes:
    """A block that starts at 0 and has no metadata."""
    body = struct.pack("<QQQ", 0, period_of(hertz), 0) + np.rint(steps).astype("<i4").tobytes()
    return struct.pack("<BHHQ", _CONSTANT_PERIOD, kind, 0, len(body)) + body
