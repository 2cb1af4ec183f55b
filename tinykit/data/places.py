# SPDX-License-Identifier: Apache-2.0
"""Where data lies: $TINYKIT_DATA, what pooch downloaded, and the cache of decoded arrays."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """$TINYKIT_CACHE, or `tinykit` in the user's cache folder."""
    if own := os.environ.get("TINYKIT_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tinykit"


def download_root() -> Path:
    """Where `tinykit.data.fetch` keeps and unpacks downloads."""
    return cache_root() / "datasets"


def search_roots(root: Path | None = None) -> tuple[Path, ...]:
    """The folders to look for data in: `root` alone if given, else $TINYKIT_DATA and downloads."""
    if root is not None:
        return (root,)
    own = os.environ.get("TINYKIT_DATA")
    return ((Path(own).expanduser(),) if own else ()) + (download_root(),)
