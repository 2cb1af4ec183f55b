# SPDX-License-Identifier: Apache-2.0
"""A recording heard by simulated comparators: an emulated board's decisions against Python's.

The bits drive the inputs of a board in Renode, hop by hop in its own time, or go over the serial
line of any emulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinykit.boards import Board
from tinykit.codegen.bit_stream import BitStream, hop_micros
from tinykit.emulators import NO_PROGRESS_SECONDS, Session, Transport, select
from tinykit.emulators.levels import Levels, levels_of
from tinykit.emulators.records import Record
from tinykit.emulators.renode import Renode
from tinykit.errors import TinykitError
from tinykit.frontends import Analog
from tinykit.network import Network
from tinykit.network.packing import pack_bits
from tinykit.replay import Replay, app_of, decision_of
from tinykit.streaming import Capture, Decision
from tinykit.workflow import Firmware


@dataclass(frozen=True, eq=False)
class Heard:
    """What a firmware gets, and what it must make of it.

    Attributes:
        bits: bool (hops, filters), with as much silence at the end as puts it to sleep.
        decisions: of the windows.
        ends: the hop after which each window is complete.
        captures: hops of each capture.
    """

    bits: NDArray[np.bool_]
    decisions: tuple[Decision, ...]
    ends: tuple[int, ...]
    captures: tuple[int, ...]


def joined(clips: Sequence[NDArray[np.int16]], gap: int) -> NDArray[np.int16]:
    """Recordings one after another, int16 (samples,), each followed by `gap` samples of nothing."""
    silence = np.zeros(gap, np.int16)
    return np.concatenate([part for clip in clips for part in (clip, silence)])


def bits_of(analog: Analog, samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    """What the simulated comparators make of a recording of any length.

    Args:
        analog: the front end.
        samples: int16 (n,), at least a hop.

    Returns:
        bool (hops, filters).

    Raises:
        TinykitError: it is shorter than a hop.
    """
    if len(samples) < analog.hop:
        raise TinykitError(
            f"the recording has {len(samples)} samples; a hop takes {analog.hop}.",
            where="recording",
            remedy="Take a longer one.",
        )
    longer = replace(analog, input_length=len(samples))
    return longer.bits(samples[None])[0]


def hear(network: Network, app: BitStream, bits: NDArray[np.bool_]) -> Heard:
    """What the firmware must make of bits, bool (hops, filters)."""
    capturing = app.capturing(network)
    rest = np.zeros((capturing.rows + capturing.silence, bits.shape[1]), np.bool_)
    every = np.concatenate([bits, rest])
    capture = Capture(network, capturing, smooth=app.smooth)
    found = capture.push(every)
    return Heard(
        every,
        tuple(decision for _, decision in found),
        tuple(end for end, _ in found),
        tuple(capture.ended),
    )


def replay_bits(
    firmware: Firmware,
    elf: Path,
    bits: NDArray[np.bool_],
    *,
    emulator: str = "auto",
    timeout: float = NO_PROGRESS_SECONDS,
    tick: Callable[[], None] = lambda: None,
) -> Replay:
    """Let an emulated board take bits, and decide.

    Args:
        firmware: a project of the app `stream` for comparators, in its run's folder.
        elf: its build.
        bits: bool (hops, filters).
        emulator: for bits over the serial line; inputs are Renode's business.
        timeout: wall seconds without output after which the firmware counts as hung.
        tick: called after each decision.

    Raises:
        TinykitError: the project is of another app or has no run; there is no emulator; the
            firmware crashes, hangs or reports an error.
    """
    app, network = app_of(firmware), firmware.network
    if not isinstance(app, BitStream):
        raise TinykitError(
            "this firmware reads no comparators.",
            where=firmware.directory,
            remedy="Generate it with --sensor comparators.",
        )
    heard = hear(network, app, bits)
    micros = hop_micros(app.analog(network))
    transport = _boot(app, firmware.board, elf, levels_of(heard.bits, micros), emulator)
    found: list[Decision] = []
    slept: list[int] = []
    with Session(transport, firmware.board.id, timeout) as session:
        for record in _records(session, app, heard):
            if record["t"] == "decision":
                found.append(decision_of(record))
                tick()
            elif record["t"] == "asleep":
                slept.append(record["rows"])
            if len(slept) == len(heard.captures):
                break
    if len(found) != len(heard.decisions):
        raise TinykitError(
            f"the firmware made {len(found)} decisions; Python makes {len(heard.decisions)}.",
            where=firmware.directory,
            remedy="The firmware and this tinykit differ: generate and build it again.",
        )
    return Replay(
        tuple(network.labels),
        tuple(round(end * micros / 1e6, 3) for end in heard.ends),
        heard.decisions,
        tuple(found),
        (heard.captures, tuple(slept)),
    )


def _boot(app: BitStream, board: Board, elf: Path, levels: Levels, emulator: str) -> Transport:
    if app.bus != "gpio":
        return select(emulator, board).boot(elf, board)
    if emulator not in ("auto", Renode.name):
        raise TinykitError(
            f"{emulator} has no inputs to drive.",
            where="--emulator",
            remedy="Leave it out, or generate with --bus uart.",
        )
    return Renode().boot(elf, board, sensed=levels)


def _records(session: Session, app: BitStream, heard: Heard) -> Iterator[Record]:
    """All that the firmware says."""
    if app.bus == "uart":
        rows = pack_bits(np.where(heard.bits, 1, -1), 1)
        yield from session.feed(row.tobytes() for row in rows)
        return
    while True:
        yield session.next_record()
