# SPDX-License-Identifier: Apache-2.0
"""What the code of a firmware takes, from a table that benchmarks/code_sizes.py measured.

The table has, for every kind of core among the boards, each function and each constant with its
bytes and what it refers to. As the linker does, we keep what can be reached from what a project
names. Bytes are those of objects with the most that alignment can add, so never too few.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tinykit.boards import Board
from tinykit.codegen.isa import isa_of

TABLE = Path(__file__).with_name("code_sizes.json")
# Where the linker starts, besides what the project names.
_ENTRIES = (".vectors", "tk_reset", "_start", "main", "tk_mark_begin", "tk_mark_layer", "memcpy")


@dataclass(frozen=True)
class Code:
    """What the code of a project depends on.

    Attributes:
        functions: those that model.c names.
        layers: calls in model.c.
        main: the group of its main.c.
        frontend: its kind, or "" for none.
        wide: it is built with TK_WIDE_ACCUMULATORS.
    """

    functions: frozenset[str]
    layers: int
    main: str
    frontend: str
    wide: bool


def flags_key(cflags: Iterable[str]) -> str:
    """The name of a kind of core in the table."""
    return " ".join(cflags)


@cache
def _table() -> Mapping[str, Any]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def _cores(board: Board) -> list[Mapping[str, Any]]:
    """The entry of the board's flags, else all for which the same kernels are chosen."""
    isa, exact = isa_of(board), _table().get(flags_key(board.cflags))
    if exact is not None and exact["isa"] == isa:
        return [exact]
    return [core for core in _table().values() if core["isa"] == isa]


def params_bytes(board: Board, params_type: str) -> int:
    """sizeof a params struct.

    Raises:
        KeyError: the table is older than the struct.
    """
    return max(core["params"][params_type] for core in _cores(board))


def code_bytes(board: Board, code: Code) -> tuple[int, int]:
    """Bytes of flash, and of RAM for variables, of all code but the project's own data.

    A core or a port that the table lacks is taken for the largest that it has.

    Raises:
        KeyError: the table is older than a kernel.
    """
    found = [
        _reachable(core, port, code)
        for core in _cores(board)
        for port in _ports(core["groups"], board.port)
    ]
    return max(flash for flash, _ in found), max(ram for _, ram in found)


def _ports(groups: Mapping[str, Any], wanted: str) -> list[str]:
    named = f"port {wanted}"
    return [named] if named in groups else [name for name in groups if name.startswith("port ")]


def _reachable(core: Mapping[str, Any], port: str, code: Code) -> tuple[int, int]:
    """Bytes of flash and RAM that the linker keeps."""
    groups = core["groups"]
    if code.main not in groups:
        raise KeyError(f"{TABLE.name} lacks {code.main}: run benchmarks/code_sizes.py")
    used = [*(["wide"] if code.wide else []), port, code.main, "common"]
    if code.frontend:
        used.append(f"frontend {code.frontend}")
    nodes = ChainMap(*(groups[name] for name in used))
    missing = sorted(code.functions - nodes.keys())
    if missing:
        raise KeyError(f"{TABLE.name} lacks {', '.join(missing)}: run benchmarks/code_sizes.py")
    kept: set[str] = set()
    waiting = [*code.functions, *(name for name in _ENTRIES if name in nodes)]
    while waiting:
        name = waiting.pop()
        if name not in kept and name in nodes:
            kept.add(name)
            waiting += nodes[name][2:]
    base, layer = core["model"]
    flash = sum(nodes[name][0] for name in kept) + base + layer * code.layers
    return flash, sum(nodes[name][1] for name in kept)
