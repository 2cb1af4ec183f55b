# SPDX-License-Identifier: Apache-2.0
"""Turn a misspelt name into an error that says which name was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from tinykit.errors import TinykitError


def one_of(name: str, known: Iterable[str], *, what: str, where: str | Path | None = None) -> str:
    """`name`, if it is among `known`.

    Args:
        name: as the user wrote it.
        known: the names there are.
        what: what kind of name it is, e.g. "model".
        where: the file or section it stands in.

    Raises:
        TinykitError: it is not; the error names the nearest and all others.
    """
    names = sorted(known)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    raise TinykitError(
        f"there is no {what} {name!r}.", where=where, remedy=f"{meant}Known: {', '.join(names)}."
    )
