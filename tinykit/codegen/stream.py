# SPDX-License-Identifier: Apache-2.0
"""Firmware that reads an inertial sensor and classifies sliding windows of what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tinykit import __version__
from tinykit.boards import Board
from tinykit.boards.project import BAUD, Port
from tinykit.codegen.datum import Datum
from tinykit.codegen.render import banner
from tinykit.codegen.vectors import Vectors
from tinykit.errors import TinykitError
from tinykit.frontends import Imu
from tinykit.network import Network
from tinykit.sensors import Sensor, frontend_for
from tinykit.streaming import Stream
from tinykit.templating import render_template

BUSES: Final = ("spi", "i2c")
# Samples that the sensor gathers while the core sleeps, unless the hop is shorter.
_GATHERED = 8


class SensorStream:
    """What firmware that classifies windows of a sensor's data has in common."""

    name = "stream"
    embeds = False
    baud = BAUD

    @cached_property
    def ready(self) -> str:
        """A part of the record before the first sample."""
        return '"t":"ready"'

    def main_data(self, network: Network, board: Board) -> list[Datum]:
        """Texts of the first record."""
        texts = {"board": board.id, "digest": network.digest[:16], "tool": __version__}
        return [Datum(name, "char", len(text.encode()) + 1) for name, text in texts.items()]


@dataclass(frozen=True)
class ImuStream(SensorStream):
    """Prints a record for each window.

    Attributes:
        sensor: what it reads.
        hop: samples from the start of a window to the start of the next; windows overlap where it
            is less than their length.
        smooth: how many decisions a majority is of; 1 smooths nothing.
        bus: how the sensor is wired: "spi" or "i2c".
        mode: in which a network with exits runs, by its name; "" for the first, which runs to the
            end.
    """

    sensor: Sensor
    hop: int
    smooth: int = 1
    bus: str = BUSES[0]
    mode: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """Windows and votes, the driver and its bus."""
        sensors = ("lsm6dsx", "bus", f"bus_{self.bus}", "status")
        own = ("stream/window.c", "stream/majority.c")
        return (*own, *(f"sensors/{name}.c" for name in sensors))

    @property
    def device(self) -> int:
        """The sensor's address, or the number of its chip select."""
        return self.sensor.device if self.bus == "i2c" else 0

    @property
    def variant(self) -> tuple[str, ...]:
        """Such as stream, lsm6dso."""
        return self.name, self.sensor.id

    def check(self, network: Network, board: Board) -> None:
        """Refuse a network that takes no inertial windows, and a board without the bus.

        Raises:
            TinykitError: says which.
        """
        if self.bus not in Port(board).buses:
            raise TinykitError(
                f"tinykit's port has no {self.bus.upper()} for it.",
                where=board.name,
                remedy=f"Choose nrf52840dk, or implement tk_port_{self.bus}_transfer and "
                "tk_port_sleep of tinykit/sensor.h in its port, and name the bus in port.toml.",
            )
        frontend = self.frontend(network)
        self.sensor.rate_for(frontend.rate)
        self.twin(network)
        for tensor in (network.tensor(network.input), network.tensor(network.output)):
            if tensor.bits == 1:
                raise TinykitError(
                    f"{tensor.name} has one bit.",
                    where=f"network {network.name}",
                    remedy="Give its ends 2 bits or more.",
                )

    def frontend(self, network: Network) -> Imu:
        """The network's own, in the sensor's steps."""
        return frontend_for(network, self.sensor)

    def twin(self, network: Network) -> Stream:
        """What decides as the firmware does.

        Raises:
            TinykitError: a number is out of range, or the network has no such mode.
        """
        frontend = self.frontend(network)
        return Stream(network, frontend, hop=self.hop, smooth=self.smooth, mode=self.mode)

    def files(self, network: Network, board: Board, vectors: Vectors) -> dict[str, str]:
        """main.c, and its numbers in stream.c."""
        frontend = self.frontend(network)
        rate, hertz = self.sensor.rate_for(frontend.rate)
        context = {
            "banner": banner(network),
            "board": board.id,
            "app": self,
            "frontend": frontend,
            "rate": rate,
            "hertz": hertz,
            "wait": min(1_000_000, math.floor(min(self.hop, _GATHERED) / hertz * 1e6)),
            "ring_bytes": frontend.rows * frontend.channels,
            "exits": bool(network.exits),
            "mode": self.twin(network).mode_number,
        }
        return {
            "main.c": render_template("stream_main.c.j2", **context),
            "stream.c": render_template("stream.c.j2", **context),
        }

    def main_variant(self, network: Network, vectors: Vectors | None) -> str:
        """By the bus and exits."""
        return " ".join([self.name, self.bus, *["exits"] * bool(network.exits)])

    def tables(self, network: Network) -> dict[str, list[Datum]]:
        """The ring and the votes, and the struct that names them."""
        frontend = self.frontend(network)
        ring = Datum("ring", "int8_t", frontend.rows * frontend.channels, zero=True)
        votes = Datum("votes", "uint8_t", self.smooth, zero=True)
        return {"stream.c": [ring, votes, Datum("tk_stream", "tk_stream_format", None)]}

    def as_dict(self) -> dict[str, Any]:
        """For tinykit.json."""
        return {
            "name": self.name,
            "sensor": self.sensor.id,
            "hop": self.hop,
            "smooth": self.smooth,
            "bus": self.bus,
            "mode": self.mode,
        }
