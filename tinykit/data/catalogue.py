# SPDX-License-Identifier: Apache-2.0
"""The data sets by name: find them, load them, say what is here."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tinykit.data.dataset import Dataset
from tinykit.data.manifests import Manifest, load_manifest
from tinykit.data.places import search_roots
from tinykit.data.verify import Check, require_good_packs, verify_packs
from tinykit.errors import TinykitError

NAMES = (
    "speech_commands",
    "synthetic_speech",
    "hapt",
    "motionsense",
    "wisdm_watch",
    "uci_har_test",
    "synthetic_gait",
    "folder",
)


@dataclass(frozen=True)
class DatasetInfo:
    """One row of `tinykit datasets`.

    `where` is the folder or file that would be loaded, None if the set is not here; `clips` counts
    the clips of train, validation and test with default options, empty where that depends on the
    files; `fetchable` says that `tinykit.data.fetch.fetch` may download it.
    """

    name: str
    title: str
    task: str
    rate: int
    labels: tuple[str, ...]
    synthetic: bool
    present: bool
    where: Path | None
    clips: dict[str, int]
    fetchable: bool
    licence: str
    citation: str
    homepage: str
    split: str
    layout: str


def load_dataset(name: str, *, root: Path | None = None, **options: Any) -> Dataset:
    """Load a data set by name.

    Args:
        name: one of `NAMES`.
        root: folder that holds the data (for "folder": the recordings themselves); else
            $TINYKIT_DATA, then what `tinykit.data.fetch.fetch` downloaded.
        options: of the loader, e.g. `window=128`; see `load` in `tinykit/data/<name>.py`.

    Raises:
        TinykitError: no such set or option, the data is not here, or it is damaged.
    """
    module = _module(name)
    manifest = load_manifest(name)
    _check_options(name, module, options)
    if name == "folder":
        if root is None or not root.is_dir():
            raise TinykitError(
                "there is no such folder of recordings.",
                where=root,
                remedy="Name the folder that has one folder per label.",
            )
        return module.load(root, **options)
    place = place_of(name, root)
    require_good_packs(manifest, place)
    return module.load(place, licence=manifest.licence, citation=manifest.citation, **options)


def place_of(name: str, root: Path | None = None) -> Path:
    """The first folder of those that are looked in that holds a data set.

    Args:
        name: one of `NAMES` but "folder".
        root: as for `load_dataset`.

    Raises:
        TinykitError: there is no such set, or no such folder.
    """
    place = _place(_module(name), root)
    if place is None:
        raise _missing(load_manifest(name), root)
    return place


def dataset_infos() -> list[DatasetInfo]:
    """All data sets and whether they are here, in the order of `NAMES`; opens no recording."""
    return [_info(name) for name in NAMES]


def verify_dataset(name: str, *, root: Path | None = None) -> list[Check]:
    """Read every pack of a set again and compare it with its manifest.

    Returns:
        One `Check` per file; empty for a set without packs, or in the official archive's layout.

    Raises:
        TinykitError: no such set, or it is not here.
    """
    manifest = load_manifest(name)
    place = _place(_module(name), root)
    if place is None:
        raise _missing(manifest, root)
    if not any((place / file).is_file() for file in manifest.packs):
        return []
    return verify_packs(manifest, place, again=True)


def _module(name: str) -> ModuleType:
    if name not in NAMES:
        raise TinykitError(
            f"there is no data set {name!r}.", remedy=f"Known are: {', '.join(NAMES)}."
        )
    return importlib.import_module(f"tinykit.data.{name}")


def _place(module: ModuleType, root: Path | None) -> Path | None:
    return next((p for p in search_roots(root) if module.find(p) is not None), None)


def _check_options(name: str, module: ModuleType, options: dict[str, Any]) -> None:
    known = set(inspect.signature(module.load).parameters) - {"root", "licence", "citation"}
    for option in options:
        if option not in known:
            raise TinykitError(
                f"the data set {name} has no option {option!r}.",
                remedy=f"It has: {', '.join(sorted(known)) or 'none'}.",
            )


def _missing(manifest: Manifest, root: Path | None) -> TinykitError:
    looked = ", ".join(map(str, search_roots(root)))
    remedy = f"Set TINYKIT_DATA to a folder with {manifest.layout}"
    if any(d.sha256 for d in manifest.downloads):
        remedy += f", or download it: tinykit datasets --fetch {manifest.name}"
    return TinykitError(
        f"the recordings of {manifest.name} are not here (looked in {looked}).",
        remedy=f"{remedy}.",
    )


def _info(name: str) -> DatasetInfo:
    manifest = load_manifest(name)
    module = _module(name)
    place = None if name == "folder" else _place(module, None)
    where = None if place is None else module.find(place)
    packed = manifest.synthetic or (
        place is not None and any((place / f).is_file() for f in manifest.packs)
    )
    return DatasetInfo(
        name=name,
        title=manifest.title,
        task=manifest.task,
        rate=manifest.rate,
        labels=manifest.labels,
        synthetic=manifest.synthetic,
        present=where is not None,
        where=where,
        clips=manifest.clips if packed else {},
        fetchable=bool(manifest.downloads) and all(d.sha256 for d in manifest.downloads),
        licence=manifest.licence,
        citation=manifest.citation,
        homepage=manifest.homepage,
        split=manifest.split,
        layout=manifest.layout,
    )
