# SPDX-License-Identifier: Apache-2.0
"""Boards: what each is, what it adds to a project, and how PlatformIO builds and flashes it."""

from tinykit.boards.board import Board, Estimates, list_boards, load_board, read_board
from tinykit.boards.project import manifest, project_files

__all__ = [
    "Board",
    "Estimates",
    "list_boards",
    "load_board",
    "manifest",
    "project_files",
    "read_board",
]
