# SPDX-License-Identifier: Apache-2.0
"""Firmware that sleeps until a comparator is high, and classifies windows of their bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tinykit.boards import Board
from tinykit.boards.project import Port
from tinykit.codegen.datum import Datum
from tinykit.codegen.render import banner
from tinykit.codegen.stream import ImuStream, SensorStream
from tinykit.codegen.vectors import Vectors
from tinykit.errors import TinykitError
from tinykit.frontends import Analog, analog_of
from tinykit.network import Network
from tinykit.network.packing import packed_bytes
from tinykit.sensors import COMPARATORS, SENSORS
from tinykit.streaming import Capturing, Majority
from tinykit.templating import render_template

SOURCES: Final = ("gpio", "uart")
# As in tinykit/comparators.h.
MOST_LINES: Final = 32
# Rows that may wait while an inference runs.
_DEPTH: Final = 64


@dataclass(frozen=True)
class BitStream(SensorStream):
    """Prints a record for each window, and one before it sleeps.

    Attributes:
        hop: rows from the start of a window to the start of the next.
        smooth: how many decisions of a capture a majority is of; 1 smooths nothing.
        silence: empty rows after which it sleeps, once a window is complete.
        lead: rows of silence that the first window of a capture begins with.
        bus: where rows come from: "gpio", or "uart" where an emulator has no inputs.
    """

    hop: int
    smooth: int
    silence: int
    lead: int
    bus: str = SOURCES[0]

    @property
    def sources(self) -> tuple[str, ...]:
        """Captures and votes, and the source of rows."""
        own = ("stream/capture.c", "stream/window.c", "stream/majority.c", "packing.c")
        return (*own, f"sensors/comparators_{self.bus}.c", "sensors/status.c")

    @property
    def variant(self) -> tuple[str, ...]:
        """Such as stream, comparators."""
        return self.name, COMPARATORS

    def check(self, network: Network, board: Board) -> None:
        """Refuse a network that takes no bits, and a board without as many inputs.

        Raises:
            TinykitError: says which.
        """
        filters = self.analog(network).filters
        lines = Port(board).lines if self.bus == "gpio" else MOST_LINES
        if filters > lines:
            raise TinykitError(
                f"tinykit's port has {lines} inputs for {filters} comparators.",
                where=board.name,
                remedy="Choose nrf52840dk and at most 16 filters, or implement tinykit/lines.h in "
                "its port and say `lines` in port.toml; for emulators, use --bus uart.",
            )
        self.capturing(network)
        Majority(self.smooth)
        if network.tensor(network.output).bits == 1:
            raise TinykitError(
                f"{network.output} has one bit.",
                where=f"network {network.name}",
                remedy="Give its output 2 bits or more.",
            )

    def frontend(self, network: Network) -> None:
        """None: it is a circuit."""

    def analog(self, network: Network) -> Analog:
        """The network's front end.

        Raises:
            TinykitError: it has another, or none.
        """
        return analog_of(network.frontend, f"network {network.name}")

    def capturing(self, network: Network) -> Capturing:
        """How its rows become windows.

        Raises:
            TinykitError: a number is out of range.
        """
        return Capturing(self.analog(network).rows, self.hop, self.silence, self.lead)

    def files(self, network: Network, board: Board, vectors: Vectors) -> dict[str, str]:
        """main.c, and its numbers in bits.c."""
        analog = self.analog(network)
        row_bytes = packed_bytes(analog.filters, 1)
        context = {
            "banner": banner(network),
            "board": board.id,
            "app": self,
            "capture": self.capturing(network),
            "lines": analog.filters,
            "micros": hop_micros(analog),
            "row_bytes": row_bytes,
            "ring_bytes": analog.rows * row_bytes,
            "depth": _DEPTH,
            # One runs in its first mode, to its end.
            "exits": False,
        }
        return {
            "main.c": render_template("bits_main.c.j2", **context),
            "bits.c": render_template("bits.c.j2", **context),
        }

    def main_variant(self, network: Network, vectors: Vectors | None) -> str:
        """The same wherever rows come from."""
        return f"{self.name} bits"

    def tables(self, network: Network) -> dict[str, list[Datum]]:
        """The ring, the votes and the queue, and the struct that names them."""
        analog = self.analog(network)
        row_bytes = packed_bytes(analog.filters, 1)
        return {
            "bits.c": [
                Datum("ring", "int8_t", analog.rows * row_bytes, zero=True),
                Datum("votes", "uint8_t", self.smooth, zero=True),
                Datum("queue", "uint8_t", _DEPTH * row_bytes, zero=True),
                Datum("tk_bits", "tk_bits_format", None),
            ]
        }

    def as_dict(self) -> dict[str, Any]:
        """For tinykit.json."""
        return {
            "name": self.name,
            "sensor": COMPARATORS,
            "hop": self.hop,
            "smooth": self.smooth,
            "silence": self.silence,
            "lead": self.lead,
            "bus": self.bus,
        }


def hop_micros(analog: Analog) -> int:
    """Microseconds that a row stands for, rounded."""
    return round(analog.hop / analog.rate * 1e6)


def stream_of(description: dict[str, Any]) -> ImuStream | BitStream:
    """The app of a project, from its `as_dict`."""
    hop, smooth, bus = int(description["hop"]), int(description["smooth"]), description["bus"]
    if description["sensor"] == COMPARATORS:
        return BitStream(hop, smooth, int(description["silence"]), int(description["lead"]), bus)
    sensor = SENSORS[description["sensor"]]
    return ImuStream(sensor, hop, smooth, bus, description["mode"])
