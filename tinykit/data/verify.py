# SPDX-License-Identifier: Apache-2.0
"""Check the packs under $TINYKIT_DATA against their manifests: once, and again when they change."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tinykit.data.manifests import Manifest
from tinykit.data.places import cache_root
from tinykit.errors import TinykitError
from tinykit.files import write_atomic


@dataclass(frozen=True)
class Check:
    """One file of a manifest: its path, and `ok`, `missing` or `different`."""

    path: Path
    state: str


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        TinykitError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise TinykitError(f"cannot read: {error.strerror or error}.", where=path) from error


def verify_packs(manifest: Manifest, root: Path, *, again: bool = False) -> list[Check]:
    """Compare every pack of `manifest` under `root` with its SHA-256.

    A file whose size and time of change are those of the last good check is not read again.

    Args:
        manifest: of the set.
        root: folder that the manifest's paths are relative to.
        again: read every file, whatever was found before.
    """
    seen = {} if again else _remembered()
    checks = []
    for name, digest in sorted(manifest.packs.items()):
        path = root / name
        if not path.is_file():
            checks.append(Check(path, "missing"))
            continue
        status = path.stat()
        mark = [status.st_size, status.st_mtime_ns, digest]
        good = seen.get(str(path.resolve())) == mark or sha256_of(path) == digest
        if good:
            seen[str(path.resolve())] = mark
        checks.append(Check(path, "ok" if good else "different"))
    _remember(seen)
    return checks


def require_good_packs(manifest: Manifest, root: Path) -> None:
    """Refuse packs whose content is not what the manifest lists; missing ones are not looked at.

    Raises:
        TinykitError: naming the first damaged file.
    """
    for check in verify_packs(manifest, root):
        if check.state == "different":
            raise TinykitError(
                f"differs from the SHA-256 in the manifest of {manifest.name}: it is damaged or "
                "another version.",
                where=check.path,
                remedy="Copy it again.",
            )


def _memory() -> Path:
    return cache_root() / "verified.json"


def _remembered() -> dict[str, list[object]]:
    try:
        found = json.loads(_memory().read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(seen: dict[str, list[object]]) -> None:
    if seen == _remembered():
        return
    try:
        write_atomic(_memory(), json.dumps({**_remembered(), **seen}, indent=1, sort_keys=True))
    except TinykitError:
        return  # a read-only cache costs time, nothing else
