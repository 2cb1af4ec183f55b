# SPDX-License-Identifier: Apache-2.0
"""The manifests in `datasets/`: where a set comes from, its checksums, licence and split."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tinykit.errors import TinykitError
from tinykit.resources import resource_dir

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PARTS = {"train", "validation", "test"}
_TASKS = {"kws", "har", "kws or har"}
_TEXTS = ("title", "task", "units", "licence", "citation", "homepage", "split", "layout")


@dataclass(frozen=True)
class Download:
    """One file to fetch: `sha256` empty if not known for sure, and then it is not fetched.

    `bytes` is 0 if not known; `sha256_source` says who vouches for the checksum, or why there is
    none; `folder` is where it is unpacked.
    """

    url: str
    sha256: str
    sha256_source: str
    folder: str
    bytes: int = 0


@dataclass(frozen=True)
class Manifest:
    """What is known of a data set without opening it; see `datasets/*.toml`.

    `clips` counts the clips of each part with the loader's default options, from the packs;
    `packs` is the SHA-256 of each file, by its path below $TINYKIT_DATA.
    """

    name: str
    title: str
    task: str
    rate: int
    units: str
    labels: tuple[str, ...]
    synthetic: bool
    licence: str
    citation: str
    homepage: str
    split: str
    layout: str
    clips: dict[str, int]
    downloads: tuple[Download, ...]
    packs: dict[str, str]


@lru_cache
def load_manifest(name: str) -> Manifest:
    """The manifest `datasets/<name>.toml`.

    Raises:
        TinykitError: there is none, or it is not valid.
    """
    path = resource_dir("datasets") / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(manifest_names())
        raise TinykitError(f"there is no data set {name!r}.", remedy=f"Known are: {known}.")
    return read_manifest(path)


def manifest_names() -> tuple[str, ...]:
    """The names of all manifests, sorted."""
    return tuple(sorted(p.stem for p in resource_dir("datasets").glob("*.toml")))


def read_manifest(path: Path) -> Manifest:
    """Read and check one manifest file.

    Raises:
        TinykitError: it is not TOML, a key is missing, unknown or of the wrong kind, or a
            checksum is not a SHA-256.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TinykitError(f"cannot be read: {error}.", where=path) from error
    downloads = tuple(_download(d, path) for d in table.pop("download", []))
    packs = table.pop("packs", {})
    for file, digest in packs.items():
        _require(_is_sha256(digest), f"packs.{file!r} is not a SHA-256", path)
    wanted = {*_TEXTS, "rate", "labels", "synthetic", "clips"}
    _require(table.keys() == wanted, f"its keys differ: {sorted(table.keys() ^ wanted)}", path)
    for key in _TEXTS:
        _require(isinstance(table[key], str), f"{key} must be text", path)
    _require(table["task"] in _TASKS, f"task must be one of {sorted(_TASKS)}", path)
    _require(type(table["rate"]) is int and table["rate"] >= 0, "rate must be Hz", path)
    _require(type(table["synthetic"]) is bool, "synthetic must be true or false", path)
    labels, clips = table["labels"], table["clips"]
    _require(_texts(labels) and len(set(labels)) == len(labels), "labels must be names", path)
    _require(
        clips.keys() <= _PARTS and all(type(n) is int and n >= 0 for n in clips.values()),
        "clips must count train, validation and test",
        path,
    )
    table["labels"] = tuple(labels)
    return Manifest(name=path.stem, downloads=downloads, packs=packs, **table)


def _download(table: dict[str, Any], path: Path) -> Download:
    needed = {"url", "sha256", "sha256_source", "folder"}
    _require(
        needed <= table.keys() <= needed | {"bytes"},
        f"a download needs {sorted(needed)} and may have bytes",
        path,
    )
    _require(all(isinstance(table[k], str) for k in needed), "a download has text values", path)
    _require(table["url"].startswith("https://"), "a download's url must be https", path)
    _require(not table["sha256"] or _is_sha256(table["sha256"]), "a download has no SHA-256", path)
    _require(bool(table["sha256_source"]), "sha256_source must say where it is from", path)
    _require(
        re.fullmatch(r"[\w.-]+", table["folder"]) is not None and table["folder"][0] != ".",
        "a download's folder must be one plain name",
        path,
    )
    return Download(**table)


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) and v for v in value)


def _require(holds: bool, what: str, path: Path) -> None:
    if not holds:
        raise TinykitError(f"is not a valid data set manifest: {what}.", where=path)
