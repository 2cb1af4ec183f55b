# SPDX-License-Identifier: Apache-2.0
"""The cores that are measured, each by an emulated board with enough memory for every case."""

from __future__ import annotations

from collections.abc import Iterable

from tinykit.boards import Board, load_board
from tinykit.suggest import one_of

CORES = {
    "m0": "microbit",
    "m3": "mps2_an385",
    "m4": "mps2_an386",
    "m7": "mps2_an500",
    "m33": "mps2_an505",
    "m55": "mps3_an547",
    "rv32imc": "virt_rv32imc",
    "rv32imac_zbb": "virt_rv32imac_zbb",
}
"""Board id by core."""
# 16 KiB of RAM hold few of the cases.
_ON_REQUEST = frozenset({"m0"})
DEFAULT = tuple(name for name in CORES if name not in _ON_REQUEST)


def cores(names: Iterable[str] = ()) -> dict[str, Board]:
    """The boards of the cores called `names`, in the order of `CORES`; by default all large ones.

    Raises:
        TinykitError: there is no such core.
    """
    wanted = {one_of(name, CORES, what="core", where="--core") for name in names} or set(DEFAULT)
    return {name: load_board(board) for name, board in CORES.items() if name in wanted}
