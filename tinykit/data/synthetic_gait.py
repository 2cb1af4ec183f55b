# SPDX-License-Identifier: Apache-2.0
"""Synthetic activities: a simple model of gait and posture at the waist. Nobody wore this sensor.

The body moves up and down once a step and sways once a stride (two steps), so acceleration and
angular rate are short Fourier series in the phase of the stride (Winter 1991 gives the shapes at
the waist; the amplitudes here are of that order, not fitted to anybody). Posture is the direction
of gravity in the sensor, plus the slow sway of a living body.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinykit.data.cache import Arrays, cached
from tinykit.data.dataset import IMU_CHANNELS, IMU_SCALE, Dataset
from tinykit.data.hapt import LABELS, RATE
from tinykit.data.inertial import Recording, check_sampling, imu_int16, resampled, windows_of
from tinykit.data.splits import subject_split
from tinykit.data.windows import check_window

Real = npt.NDArray[np.float64]

SUBJECTS = 20
TEST_SUBJECTS = (4, 8, 12, 16, 20)
VALIDATION_SUBJECTS = (3, 10, 17)


@dataclass(frozen=True)
class Gait:
    """How one activity moves: steps per second and amplitudes relative to level walking.

    `vertical`, `forward`, `sideways` in g, `turn` in rad/s (pitch, roll, yaw), `impact` the share
    of the second harmonic (heel strike), `lean` the forward pitch in rad.
    """

    cadence: float
    vertical: float
    forward: float
    sideways: float
    turn: tuple[float, float, float]
    impact: float
    lean: float


_GAITS = {
    "walking": Gait(1.85, 0.24, 0.16, 0.10, (0.35, 0.45, 0.60), 0.35, 0.03),
    "upstairs": Gait(1.55, 0.19, 0.14, 0.12, (0.45, 0.40, 0.45), 0.20, 0.14),
    "downstairs": Gait(1.95, 0.31, 0.15, 0.11, (0.40, 0.45, 0.50), 0.65, -0.02),
}
# Pitch and roll of the trunk, rad: sitting people lean back, standing ones hardly at all.
_POSTURES = {"sitting": (-0.32, 0.0), "standing": (0.02, 0.0), "laying": (-1.50, 0.15)}


@dataclass(frozen=True)
class Person:
    """What makes one subject differ: factors on cadence and force, and how the sensor sits."""

    cadence: float
    force: float
    impact: float
    slouch: float
    mounting: Real  # (3, 3) rotation


def find(root: Path) -> Path | None:
    """Always there: the set is made when it is loaded. `root` does not matter."""
    return Path(__file__)


def load(
    root: Path,
    *,
    window: int = 128,
    step: int = 64,
    decimate: int = 1,
    gyroscope: bool = True,
    seconds: float = 40.0,
    seed: int = 0,
    licence: str = "",
    citation: str = "",
) -> Dataset:
    """Make windows of the six activities of HAPT, in HAPT's channels, scales and rate.

    Args:
        root: not used.
        window: samples a window, at 50 Hz unless decimated.
        step: samples from one window to the next.
        decimate: samples of the recordings that become one; window and step count the latter.
        gyroscope: whether its channels are there.
        seconds: recorded per subject and activity.
        seed: of everything random; the same arguments give the same arrays.
        licence: from the manifest.
        citation: from the manifest.

    Raises:
        TinykitError: the options make no sense.
    """
    check_window(window, step, 1.0)
    check_sampling(RATE, decimate)
    channels = len(IMU_CHANNELS) if gyroscope else 3
    key = {"window": window, "step": step, "seconds": seconds, "seed": seed}
    key |= {"decimate": decimate, "channels": channels}

    def make() -> Arrays:
        recordings = [
            resampled(record(subject, k, round(seconds * RATE), seed), decimate, channels)
            for subject in range(1, SUBJECTS + 1)
            for k in range(len(LABELS))
        ]
        return windows_of(recordings, len(LABELS), window, step, 1.0)

    arrays = cached("synthetic_gait", key, make)
    return Dataset(
        name="synthetic_gait",
        task="har",
        rate=RATE // decimate,
        labels=LABELS,
        x=arrays["x"],
        y=arrays["y"],
        split=subject_split(arrays["subject"], validation=VALIDATION_SUBJECTS, test=TEST_SUBJECTS),
        subject=arrays["subject"],
        channels=IMU_CHANNELS[:channels],
        scale=IMU_SCALE[:channels],
        synthetic=True,
        licence=licence,
        citation=citation,
    )


def rotation(pitch: Real, roll: Real) -> Real:
    """Rotations (..., 3, 3) by `pitch` about y, then `roll` about x, rad."""
    cp, sp, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    zero = np.zeros_like(cp)
    rows = ((cp, zero, sp), (sr * sp, cr, -sr * cp), (-cr * sp, sr, cr * cp))
    return np.stack([np.stack(r, axis=-1) for r in rows], axis=-2)


def person(subject: int, seed: int) -> Person:
    """The subject's own way to move and to wear the sensor."""
    rng = np.random.default_rng([seed, subject])
    pitch, roll = rng.normal(0, 0.10, 2)
    return Person(
        cadence=float(rng.uniform(0.88, 1.12)),
        force=float(rng.uniform(0.7, 1.35)),
        impact=float(rng.uniform(0.7, 1.3)),
        slouch=float(rng.normal(0, 0.10)),
        mounting=rotation(np.array(pitch), np.array(roll)),
    )


def record(subject: int, activity: int, samples: int, seed: int) -> Recording:
    """One recording of one activity: x up, y left, z forward, as HAPT's phone at the waist."""
    who = person(subject, seed)
    rng = np.random.default_rng([seed, subject, activity])
    name = LABELS[activity]
    if name in _GAITS:
        acc, gyro = _walk(_GAITS[name], who, samples, rng)
    else:
        acc, gyro = _rest(*_POSTURES[name], who, samples, rng)
    acc = acc @ who.mounting.T + rng.normal(0, 0.004, (samples, 3))
    gyro = gyro @ who.mounting.T + rng.normal(0, 0.01, (samples, 3))
    label = np.full(samples, activity, np.int64)
    return Recording(imu_int16(acc, gyro), label, str(subject))


def _drift(samples: int, seconds: float, size: float, rng: np.random.Generator) -> Real:
    """A slow random curve (samples,) of standard deviation `size`, changing over `seconds`."""
    knots = max(4, round(samples / (seconds * RATE)) + 2)
    at = np.linspace(0, knots - 1, samples)
    return np.interp(at, np.arange(knots), rng.normal(0, size, knots))


def _walk(gait: Gait, who: Person, samples: int, rng: np.random.Generator) -> tuple[Real, Real]:
    cadence = gait.cadence * who.cadence * (1 + _drift(samples, 2.0, 0.04, rng))
    stride = np.cumsum(cadence) / RATE * np.pi + rng.uniform(0, 2 * np.pi)
    force = who.force * (1 + _drift(samples, 1.5, 0.12, rng))
    impact = gait.impact * who.impact
    up = gait.vertical * (np.cos(2 * stride) + impact * np.cos(4 * stride + 0.8))
    up += 0.3 * impact * gait.vertical * np.cos(6 * stride + 1.7)
    forward = gait.forward * (np.sin(2 * stride + 0.4) + 0.4 * np.sin(4 * stride))
    sideways = gait.sideways * (np.sin(stride) + 0.3 * np.sin(3 * stride + 0.5))
    moved = np.stack([up, sideways, forward], axis=1) * force[:, None]
    pitch = gait.lean + 0.5 * who.slouch + _drift(samples, 3.0, 0.03, rng)
    acc = moved + _gravity(pitch, _drift(samples, 3.0, 0.03, rng))
    waves = (np.sin(2 * stride + 0.9), np.sin(stride + 0.3), np.cos(stride))
    order = (gait.turn[2], gait.turn[0], gait.turn[1])  # yaw about x (up), pitch y, roll z
    gyro = np.stack([a * w for a, w in zip(order, (waves[2], waves[0], waves[1]), strict=True)], 1)
    return acc, gyro * force[:, None] ** 0.5


def _rest(
    pitch: float, roll: float, who: Person, samples: int, rng: np.random.Generator
) -> tuple[Real, Real]:
    lean = pitch + who.slouch + rng.normal(0, 0.06) + _drift(samples, 4.0, 0.015, rng)
    tilt = roll + rng.normal(0, 0.06) + _drift(samples, 4.0, 0.015, rng)
    acc = _gravity(lean, tilt)
    gyro = np.zeros((samples, 3))
    gyro[:, 1] = np.gradient(lean) * RATE
    gyro[:, 2] = np.gradient(tilt) * RATE
    return acc, gyro


def _gravity(pitch: Real, roll: Real) -> Real:
    """Gravity (n, 3) in g in the sensor, for a trunk at `pitch` (forward) and `roll` (n,)."""
    return np.stack(
        [np.cos(pitch) * np.cos(roll), np.cos(pitch) * np.sin(roll), -np.sin(pitch)], axis=1
    )
