# SPDX-License-Identifier: Apache-2.0
"""Every run x every board x every emulator: is it bit-exact, and what does an inference cost?

    python benchmarks/exactness.py runs/kws-* runs/har_hapt-* --emulators qemu renode

Prints a table, one row a run, and writes everything to --out as JSON after each run. Exit status 4
if anything differs in a single bit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tinykit.boards import list_boards, load_board
from tinykit.files import write_atomic
from tinykit.runs import open_run
from tinykit.verify import verify
from tinykit.workflow import BoardResult


def main() -> int:
    """Verify each run on each board."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument("--boards", nargs="+", default=[b.id for b in list_boards()])
    parser.add_argument("--emulators", nargs="+", default=["qemu"])
    parser.add_argument("--clips", type=int, default=1, help="recordings streamed to each board")
    parser.add_argument("--out", type=Path, default=Path("exactness.json"))
    options = parser.parse_args()
    boards = [load_board(name) for name in options.boards]
    found: dict[str, Any] = {}
    exact = True
    for path in options.runs:
        results: list[BoardResult] = []
        agreement = verify(
            open_run(path),
            boards,
            emulators=options.emulators,
            clips=options.clips,
            on_result=results.append,
        )
        exact &= agreement.exact
        found[path.name] = {**agreement.as_dict(), "boards": [r.as_dict() for r in results]}
        write_atomic(options.out, json.dumps(found, indent=1) + "\n")
        print(f"{path.name}: {'bit-exact' if agreement.exact else 'DIFFERS'}", flush=True)
        for row in agreement.rows:
            state = {True: "equal", False: "DIFFERS", None: "did not run"}[row.exact]
            print(f"  {row.executor:<42} {row.inputs:>4} inputs  {state}  {row.detail}", flush=True)
        _check_counts(path.name, results)
    return 0 if exact else 4


def _check_counts(run: str, results: list[BoardResult]) -> None:
    """Say whether emulators counted the same instructions for the same firmware.

    Raises:
        SystemExit: they did not.
    """
    counts: dict[str, dict[str, int]] = {}
    for result in results:
        if result.measurement.inference is not None:
            total = result.as_dict()["instructions"]["inference"]
            counts.setdefault(result.firmware.board.id, {})[result.emulator] = total
    for board, by_emulator in counts.items():
        print(f"  {board:<20} instructions {by_emulator}", flush=True)
        if len(set(by_emulator.values())) > 1:
            raise SystemExit(f"{run} on {board}: emulators count differently: {by_emulator}")


if __name__ == "__main__":
    sys.exit(main())
