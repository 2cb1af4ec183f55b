# SPDX-License-Identifier: Apache-2.0
"""Made-up results, for what is done with them."""

from __future__ import annotations

from typing import Any

from tinykit.bench import Figures, Result


def figures(**changed: int) -> Figures:
    """Some figures, some of them other ones."""
    values = {
        "instructions": 1000,
        "macs": 500,
        "flash": 4000,
        "vector_bytes": 64,
        "arena": 256,
        "ram": 300,
        "stack": 96,
    }
    return Figures(**{**values, **changed})


def result(case: str = "dense-w8a8", core: str = "m4", **members: Any) -> Result:
    """An exact result; `members` replace what it says."""
    given: dict[str, Any] = {
        "counted": "dense0",
        "board": "mps2_an386",
        "network": "n",
        "tools": "t",
        "figures": figures(),
        **members,
    }
    return Result(case, core, **given)
