# SPDX-License-Identifier: Apache-2.0
"""What exits and modes add to the flash of a firmware.

    python benchmarks/exit_flash.py RUN [--modes 24]

Prints the exact flash of the self-testing firmware of a run's network, with and without its exits.
Where the run has fewer modes than asked for, modes with a threshold for each class are added: no
mode takes more flash than one of those.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from tinykit.boards import load_board
from tinykit.codegen import estimate_size
from tinykit.codegen.vectors import blank_vectors
from tinykit.network import Mode, Network, without_exits

BOARDS = ("mps2_an386", "virt_rv32imc")
VECTORS = 4


def with_modes(network: Network, count: int) -> Network:
    """`network` with at least `count` modes."""
    rows = (tuple(range(1, len(network.labels) + 1)),) * len(network.exits)
    added = (Mode(f"added{i}", rows) for i in range(len(network.modes), count))
    return replace(network, modes=(*network.modes, *added))


def main() -> None:
    """Print one line a board."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, help="folder with network.tkn")
    parser.add_argument("--modes", type=int, default=24, help="at least so many (24)")
    options = parser.parse_args()
    network = with_modes(Network.load(options.run / "network.tkn"), options.modes)
    vectors = blank_vectors(network, VECTORS, 0)
    for board in map(load_board, BOARDS):
        whole = estimate_size(network, board, vectors).flash
        plain = estimate_size(without_exits(network), board, vectors).flash
        print(f"{board.id}: {plain} without, {whole} with, {100 * (whole / plain - 1):.2f} % more")


if __name__ == "__main__":
    main()
