# SPDX-License-Identifier: Apache-2.0
"""A recording sensed by an emulated board's sensor: its firmware's decisions against Python's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.bit_stream import BitStream, stream_of
from tinykit.codegen.stream import ImuStream
from tinykit.emulators import NO_PROGRESS_SECONDS, Session
from tinykit.emulators.renode import Renode
from tinykit.emulators.resd import Recording
from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.sensors import as_sensed
from tinykit.streaming import Decision
from tinykit.workflow import Firmware, is_project, open_firmware

if TYPE_CHECKING:
    from tinykit.emulators.records import Record
    from tinykit.network import Network

# What the platform descriptions of boards hold: Renode up to 1.16 models it so.
RENODE_SENSOR: Final = "lsm6dso"
RENODE_BUS: Final = "spi"


@dataclass(frozen=True)
class Replay:
    """A recording through a firmware.

    Attributes:
        labels: names of the classes.
        seconds: from the first sample to the end of each window, by the sensor's clock.
        expected: Python's decisions.
        board: the firmware's, as many.
        captures: of comparators, rows of each capture from what woke the firmware to its sleep; as
            Python has them, and as the firmware.
    """

    labels: tuple[str, ...]
    seconds: tuple[float, ...]
    expected: tuple[Decision, ...]
    board: tuple[Decision, ...]
    captures: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    @property
    def agree(self) -> int:
        """How many decisions are the same in class, majority, scores and features."""
        return sum(a == b for a, b in zip(self.expected, self.board, strict=True))

    @property
    def exact(self) -> bool:
        """Whether all are, and the captures."""
        return self.agree == len(self.expected) and self.captures[0] == self.captures[1]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "labels": list(self.labels),
            "agree": self.agree,
            "exact": self.exact,
            **({"captures": list(self.captures[1])} if self.captures[0] else {}),
            "decisions": [
                {"seconds": at, **asdict(one)}
                for at, one in zip(self.seconds, self.board, strict=True)
            ],
        }


def expect(
    network: Network, app: ImuStream, samples: NDArray[np.int16], scale: Sequence[float]
) -> tuple[NDArray[np.int16], tuple[Decision, ...]]:
    """What the sensor gives for a recording, and what the firmware must decide.

    Args:
        network: the network.
        app: the firmware.
        samples: int16 (n, channels) in steps of `scale`, g and rad/s.
        scale: a step of each channel.

    Raises:
        TinykitError: the recording is shorter than a window, or lacks channels.
    """
    frontend = app.frontend(network)
    if len(samples) < frontend.rows or samples.shape[1] < frontend.channels:
        raise TinykitError(
            f"the recording is {samples.shape[0]} samples of {samples.shape[1]} channels; a window "
            f"takes {frontend.rows} of {frontend.channels}.",
            where="recording",
            remedy="Take more seconds.",
        )
    sensed = as_sensed(samples[:, : frontend.channels], scale, app.sensor)
    return sensed, tuple(app.twin(network).push(sensed))


def replay(
    firmware: Firmware,
    elf: Path,
    samples: NDArray[np.int16],
    scale: Sequence[float],
    *,
    timeout: float = NO_PROGRESS_SECONDS,
    out: Path | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Replay:
    """Let Renode's model of the sensor sense a recording, and the firmware decide.

    Args:
        firmware: a project of the app `stream`, in its run's folder.
        elf: its build.
        samples: int16 (n, channels) in steps of `scale`, g and rad/s.
        scale: a step of each channel.
        timeout: wall seconds without output after which the firmware counts as hung.
        out: where to keep what the sensor senses, as a file of Renode's RESD format.
        tick: called after each decision.

    Raises:
        TinykitError: the project is of another app or has no run; Renode is missing; the firmware
            crashes, hangs or reports an error.
    """
    app, network = app_of(firmware), firmware.network
    if not isinstance(app, ImuStream) or app.bus != RENODE_BUS or app.sensor.id != RENODE_SENSOR:
        raise TinykitError(
            "Renode has no such inertial sensor on that bus.",
            where=firmware.directory,
            remedy=f"Generate with --sensor {RENODE_SENSOR} --bus {RENODE_BUS}.",
        )
    sensed, expected = expect(network, app, samples, scale)
    frontend = app.frontend(network)
    hertz = app.sensor.rate_for(frontend.rate)[1]
    recording = Recording(sensed, app.sensor.scale, hertz)
    if out is not None:
        write_atomic(out, recording.resd())
    transport = Renode().boot(elf, firmware.board, sensed=recording)
    found: list[Decision] = []
    with Session(transport, firmware.board.id, timeout) as session:
        while len(found) < len(expected):
            record = session.next_record()
            if record["t"] == "decision":
                found.append(decision_of(record))
                tick()
    ends = (frontend.rows + i * app.hop for i in range(len(expected)))
    return Replay(
        tuple(network.labels), tuple(round(end / hertz, 3) for end in ends), expected, tuple(found)
    )


def decision_of(record: Record) -> Decision:
    """What a record of a window says."""
    return Decision(
        record["i"],
        record["class"],
        record["smoothed"],
        tuple(record["scores"]),
        int(record["features"], 16),
        record.get("exit"),
    )


def open_stream(project: Path) -> Firmware:
    """A project that `replay` can run.

    Raises:
        TinykitError: it is none.
    """
    if not is_project(project):
        raise TinykitError(
            "this is no generated project.",
            where=project,
            remedy="Name the folder that `tinykit generate RUN --board nrf52840dk --app stream` "
            "wrote.",
        )
    firmware = open_firmware(project, None)
    app_of(firmware)
    # Raises where there is nothing to compare with.
    _ = firmware.network
    return firmware


def app_of(firmware: Firmware) -> ImuStream | BitStream:
    """What a project does.

    Raises:
        TinykitError: it reads no sensor.
    """
    description = firmware.metadata.get("app", {})
    if description.get("name") != ImuStream.name:
        raise TinykitError(
            "this firmware reads no sensor.",
            where=firmware.directory,
            remedy="Generate it with --app stream.",
        )
    return stream_of(description)
