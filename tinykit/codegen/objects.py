# SPDX-License-Identifier: Apache-2.0
"""Hand-written C compiled for this machine, once for each content and set of flags.

An object is found by what its source, the headers and the flags are; and behind that, since most
sources ignore most macros, by what the preprocessor makes of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
        A file in tinykit's cache for each source; several sources never share one.

    Raises:
        TinykitError: there is no gcc, it refuses a file, or the cache cannot be written.
    """
    notes = cache_root() / "objects" / _digest(_surroundings(), *(flag.encode() for flag in flags))
    if not notes.exists():
        _drop_stale(notes.parent)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda source: _object(source, flags, notes), sources))


def _object(source: Path, flags: Sequence[str], notes: Path) -> Path:
    """The object of a source, whose name a file in `notes` has where that was asked before."""
    note = notes / f"{source.stem}-{_digest(source.read_bytes())}"
    objects = cache_root() / "objects" / "compiled"
    if note.exists():
        found = objects / note.read_text()
        if found.exists():
            return found
    found = _compiled(source, flags, objects)
    with writing_cache():
        write_atomic(note, found.name)
    return found


def _compiled(source: Path, flags: Sequence[str], objects: Path) -> Path:
    """The object of a source, compiled only if none was made of the same preprocessed text."""
    with tempfile.TemporaryDirectory(prefix="tinykit-") as folder:
        text, aside = Path(folder) / "text.i", Path(folder) / "text.o"
        compile_c([source], text, [*flags, "-E"])
        rest = [flag for flag in flags if not flag.startswith("-D")]
        parts = (_compiler(), text.read_bytes(), *(flag.encode() for flag in rest))
        found = objects / f"{source.stem}-{_digest(*parts)}.o"
        if not found.exists():
            compile_c([source], aside, [*flags, "-c"])
            with writing_cache():
                write_atomic(found, aside.read_bytes())
    return found


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
def _compiler() -> bytes:
    return subprocess.run([_gcc(), "--version"], capture_output=True).stdout


@cache
def _surroundings() -> bytes:
    """What an object depends on besides its source and flags: the compiler and all headers."""
    headers = sorted(resource_dir("firmware").rglob("*.h"))
    return _compiler() + b"".join(_digest(path.read_bytes()).encode() for path in headers)


def _drop_stale(root: Path) -> None:
    """Remove what nobody has made for long; it is made again when it is needed."""
    oldest = time.time() - _STALE_DAYS * 24 * 3600
    for path in root.rglob("*"):
        # Another process may take a file away in between.
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
