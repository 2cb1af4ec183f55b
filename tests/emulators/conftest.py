# SPDX-License-Identifier: Apache-2.0
"""One small firmware per board, built when the first test asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from smoke import build_smoke

from tinykit.boards import load_board
from tinykit.boards.platformio import BuildResult

Firmware = Callable[..., BuildResult]


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    """`firmware("hifive1", SMOKE_HANG="1")`: the build, cached."""
    built: dict[tuple[str, ...], BuildResult] = {}

    def get(board_id: str, **defines: str) -> BuildResult:
        key = (board_id, *defines)
        if key not in built:
            folder: Path = tmp_path_factory.mktemp("-".join(key))
            built[key] = build_smoke(load_board(board_id), folder, **defines)
        return built[key]

    return get
