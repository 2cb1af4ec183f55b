# SPDX-License-Identifier: Apache-2.0
"""The data sets by name: find them, load them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinykit.data.dataset import Dataset
from tinykit.data.places import search_roots
from tinykit.errors import TinykitError

NAMES = (
    "speech_commands",
    "hapt",
    "motionsense",
    "wisdm_watch",
    "uci_har_test",
    "folder",
    "synthetic_speech",
    "synthetic_gait",
)


def load_dataset(name: str, *, root: Path | None = None, **options: Any) -> Dataset:
    """Load a data set by name.

    Args:
        name: one of `NAMES`.
        root: where the data lies; else $TINYKIT_DATA, then what `tinykit datasets --fetch` keeps.
        options: of the loader (`window=...`, `words=...`), see its module.

    Raises:
        TinykitError: no such set or option, the data is not there, or it is damaged.
    """
    if name not in NAMES:
        raise TinykitError(
            f"there is no data set {name!r}.", remedy=f"Known are: {', '.join(NAMES)}."
        )
    module = importlib.import_module(f"tinykit.data.{name}")
    load: Callable[..., Dataset] = module.load
    places = search_roots(root)
    for place in places:
        if module.find(place) is not None:
            return load(place, **options)
    raise TinykitError(
        f"the recordings of {name} are not here (looked in {', '.join(map(str, places))}).",
        remedy="Set TINYKIT_DATA to the folder that holds them.",
    )
