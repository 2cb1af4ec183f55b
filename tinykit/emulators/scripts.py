# SPDX-License-Identifier: Apache-2.0
"""What a project needs to be run by Renode alone: platform, script and test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinykit.boards import Board
from tinykit.templating import render_template


def render_script(board: Board) -> str:
    """The Renode script of a board that Renode runs; it loads `$elf`."""
    return render_template("board.resc.j2", board=board)


def render_emulation(board: Board, meta: Mapping[str, Any], *, ready: str = "") -> dict[str, str]:
    """Files for a project's folder `emulation/`, by name; none if Renode cannot run the board.

    Args:
        board: the board.
        meta: at least "network", the first 16 hex digits of the Network's digest.
        ready: the line to wait for; by default, the self-test's records up to its verdict.
    """
    if not board.renode:
        return {}
    platform = board.directory / f"{board.id}.repl"
    network = str(meta["network"])[:16]
    return {
        f"{board.id}.repl": platform.read_text(encoding="utf-8"),
        f"{board.id}.resc": render_script(board),
        f"{board.id}.robot": render_template(
            "board.robot.j2", board=board, meta={"network": network}, ready=ready
        ),
    }
