# SPDX-License-Identifier: Apache-2.0
"""Inertial sensors that firmware can read: their units and rates, and front ends in their steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tinykit.data.dataset import IMU_CHANNELS, IMU_SCALE
from tinykit.errors import TinykitError
from tinykit.frontends import Imu, from_config
from tinykit.network import Network
from tinykit.suggest import one_of

# How far a sensor's rate may be from the one that a network was trained at.
RATE_TOLERANCE: Final = 0.05


@dataclass(frozen=True)
class Sensor:
    """A sensor behind the driver firmware/src/sensors/lsm6dsx.c.

    Attributes:
        id: as the command line calls it.
        title: for people, with the parts that are the same to the driver.
        identity: what its register WHO_AM_I holds.
        device: its address on I2C.
        rates: samples a second, by the number that its registers hold.
        scale: what a step of each channel is: g, then rad/s. The driver sets +-8 g, of which a
            step is 1/4096 g, and +-2000 deg/s, of which one is 0.07 deg/s.
    """

    id: str
    title: str
    identity: int
    device: int = 0x6A
    rates: tuple[tuple[int, float], ...] = (
        *((1, 12.5), (2, 26.0), (3, 52.0), (4, 104.0), (5, 208.0)),
        *((6, 416.0), (7, 833.0), (8, 1666.0), (9, 3332.0), (10, 6667.0)),
    )
    scale: tuple[float, ...] = (1 / 4096,) * 3 + (math.radians(0.07),) * 3

    def rate_for(self, rate: float) -> tuple[int, float]:
        """The register's number, and the rate in Hz, closest to `rate`.

        Raises:
            TinykitError: none is close enough.
        """
        number, found = min(self.rates, key=lambda one: abs(one[1] - rate))
        if abs(found / rate - 1) > RATE_TOLERANCE:
            raise TinykitError(
                f"the network takes {rate:g} samples a second, and the {self.id} gives none near.",
                where="--sensor",
                remedy=f"Train for {', '.join(f'{one:g}' for _, one in self.rates[:6])} Hz or so: "
                "`decimate` in the recipe's [data].",
            )
        return number, found


SENSORS: Final = {
    sensor.id: sensor
    for sensor in (
        Sensor("lsm6dso", "LSM6DSO, LSM6DSOX", 0x6C),
        Sensor("lsm6dsr", "LSM6DSR, ISM330DHCX", 0x6B),
    )
}

#: What the command line calls the comparators of an analog front end.
COMPARATORS: Final = "comparators"


def find_sensor(name: str) -> Sensor | None:
    """The inertial sensor called `name`; None for comparators.

    Raises:
        TinykitError: there is none.
    """
    return SENSORS.get(one_of(name, (*SENSORS, COMPARATORS), what="sensor", where="--sensor"))


def frontend_for(network: Network, sensor: Sensor) -> Imu:
    """The network's front end for samples in the sensor's steps instead of its data set's.

    A network that does not say the channels and steps of its data set has those of `Dataset`.

    Only its constants change, so that the conversion of units costs nothing: with r data steps in
    one of the sensor's, (r v - centre) / spread = (v - centre / r) / (spread / r).

    Raises:
        TinykitError: the network has no front end of kind imu, or takes other channels than the
            sensor gives.
    """
    frontend = from_config(network.frontend) if network.frontend is not None else None
    count = 0 if frontend is None else frontend.channels
    given = tuple(network.metadata.get("channels", IMU_CHANNELS[:count]))
    if not isinstance(frontend, Imu) or count not in (3, 6) or given != IMU_CHANNELS[:count]:
        raise TinykitError(
            "it does not take acceleration and angular rate as an inertial sensor gives them.",
            where=f"network {network.name}",
            remedy="Train on inertial recordings, with a front end of kind imu.",
        )
    own = network.metadata.get("scale", IMU_SCALE)
    ratio = [sensed / step for sensed, step in zip(sensor.scale, own, strict=False)]
    centre, spread = frontend.centre or (0.0,) * count, frontend.spread or (4096.0,) * count
    return replace(
        frontend,
        centre=tuple(round(c / r, 6) for c, r in zip(centre, ratio, strict=False)),
        spread=tuple(round(s / r, 6) for s, r in zip(spread, ratio, strict=False)),
    )


def as_sensed(
    samples: NDArray[np.int16], scale: Sequence[float], sensor: Sensor
) -> NDArray[np.int16]:
    """What the sensor would have given for a recording.

    Args:
        samples: int16 (n, channels) in steps of `scale`, g and rad/s.
        scale: a step of each channel.
        sensor: the sensor.

    Returns:
        int16 (n, channels) in the sensor's steps, rounded to even, saturating.
    """
    ratio = np.asarray(scale) / np.asarray(sensor.scale[: samples.shape[1]])
    return np.clip(np.rint(samples * ratio), -32768, 32767).astype(np.int16)
