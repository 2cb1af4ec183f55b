# SPDX-License-Identifier: Apache-2.0
"""Hand-written C compiled for this machine, once for each content and set of flags."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from tinykit.boards.cache import writing_cache
from tinykit.data.places import cache_root
from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.resources import resource_dir

# Objects of other versions of the compiler or the headers go after so many days.
_STALE_DAYS = 30


def compile_c(sources: Sequence[Path], output: Path, flags: Sequence[str]) -> None:
    """Compile with the host's gcc, and link unless `flags` say not to; firmware headers are found.

    Raises:
        TinykitError: there is no gcc, or it refuses.
    """
    include = resource_dir("firmware") / "include"
    done = subprocess.run(
        [_gcc(), *flags, f"-I{include}", *map(str, sources), "-o", str(output)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise TinykitError(
            f"gcc refuses the generated C: {done.stderr.strip()}",
            remedy="Report it with the network file.",
        )


def object_files(sources: Sequence[Path], flags: Sequence[str]) -> list[Path]:
    """Objects of hand-written C, compiled where the cache lacks them.

    Args:
        sources: files of the firmware that include no generated header.
        flags: for the compiler; none names a file that changes.

    Returns:
        A file in tinykit's cache for each source.

    Raises:
        TinykitError: there is no gcc, it refuses a file, or the cache cannot be written.
    """
    folder = cache_root() / "objects" / _digest(_surroundings(), *(flag.encode() for flag in flags))
    known = {source: _place(folder, source) for source in sources}
    lacking = [source for source, place in known.items() if not place.exists()]
    if lacking:
        _drop_stale(folder)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda source: _compile(source, known[source], flags), lacking))
    return list(known.values())


def _place(folder: Path, source: Path) -> Path:
    return folder / f"{source.stem}-{_digest(source.read_bytes())}.o"


def _compile(source: Path, place: Path, flags: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="tinykit-") as folder:
        aside = Path(folder) / place.name
        compile_c([source], aside, [*flags, "-c"])
        with writing_cache():
            write_atomic(place, aside.read_bytes())


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:20]


def _gcc() -> str:
    gcc = shutil.which("gcc")
    if gcc is None:
        raise TinykitError("there is no gcc.", remedy="Run: apt-get install gcc libc6-dev")
    return gcc


@cache
def _surroundings() -> bytes:
    """What an object depends on besides its source and flags: the compiler and all headers."""
    said = subprocess.run([_gcc(), "--version"], capture_output=True).stdout
    headers = sorted(resource_dir("firmware").rglob("*.h"))
    return said + b"".join(_digest(path.read_bytes()).encode() for path in headers)


def _drop_stale(folder: Path) -> None:
    """Remove objects that nobody has added to for long; each is made again when it is needed."""
    oldest = time.time() - _STALE_DAYS * 24 * 3600
    for other in folder.parent.glob("*"):
        if other != folder and other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)
