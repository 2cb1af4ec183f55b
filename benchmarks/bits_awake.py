# SPDX-License-Identifier: Apache-2.0
"""How many instructions a core executes for a hop of comparators' bits, against one of samples.

    python benchmarks/bits_awake.py RUN        a run whose front end is analog

Lets Renode drive the inputs of an nRF52840 with three of the run's recordings, once with a window
every 25 hops and once every 5, and takes the counts between inferences of one and the same capture.
The front end on samples is counted in a self-test.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from tinykit.boards import load_board
from tinykit.codegen.bit_stream import BitStream, hop_micros
from tinykit.emulators import Session
from tinykit.emulators.levels import levels_of
from tinykit.emulators.renode import Renode
from tinykit.replay_bits import bits_of, hear, joined
from tinykit.runs import Run, open_run
from tinykit.workflow import build_firmware, generate_firmware, run_firmware

BOARD = "nrf52840dk"
CLIPS = 3


def between(run: Run, hop: int, folder: Path) -> dict[tuple[int, int], int]:
    """Instructions from the end of an inference to the begin of the next, by their hops."""
    app = BitStream(hop, 1, 50, 25)
    firmware = generate_firmware(run, load_board(BOARD), folder / str(hop), app=app)
    elf = build_firmware(firmware).elf
    analog = app.analog(run.network)
    clips = list(run.samples().first(CLIPS).x)
    heard = hear(run.network, app, bits_of(analog, joined(clips, analog.rate)))
    levels = levels_of(heard.bits, hop_micros(analog))
    with Session(Renode().boot(elf, firmware.board, sensed=levels), BOARD, 300.0) as session:
        asleep = 0
        while asleep < len(heard.captures):
            asleep += session.next_record()["t"] == "asleep"
        marks = session.marks()
    begins = [i for i, mark in enumerate(marks) if mark.kind == "begin"]
    ends = [i - 1 for i in begins[1:]]
    counts = [marks[b].count - marks[e].count for e, b in zip(ends, begins[1:], strict=True)]
    return dict(zip(zip(heard.ends, heard.ends[1:], strict=False), counts, strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path)
    run = open_run(parser.parse_args().run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wide, narrow = between(run, 25, folder), between(run, 5, folder)
        firmware = generate_firmware(run, load_board(BOARD), folder / "test", clips=1)
        # Without its run, in which the result would be kept.
        tested = run_firmware(replace(firmware, run=None), build_firmware(firmware))
    of_windows = [count for (a, b), count in narrow.items() if b - a == 5]
    of_hops = [
        (count - sum(of_windows) / len(of_windows)) / 20
        for (a, b), count in wide.items()
        if b - a == 25
    ]
    hop = sum(of_hops) / len(of_hops)
    print(f"a hop of bits:       {hop:10,.0f} instructions")
    print(f"a window, to report: {sum(of_windows) / len(of_windows) - 5 * hop:10,.0f}")
    if tested.measurement.hop is not None:
        print(f"a hop of samples:    {tested.measurement.hop.mean:10,.0f}")


if __name__ == "__main__":
    main()
