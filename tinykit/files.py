# SPDX-License-Identifier: Apache-2.0
"""Outputs appear whole or not at all: written aside, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinykit.errors import TinykitError


def _unwritable(path: Path, error: OSError) -> TinykitError:
    return TinykitError(
        f"cannot write: {error.strerror or error}.",
        where=path,
        remedy="Choose an output folder you may write to (--out).",
    )


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` to `path` so that a reader never sees half of it.

    Raises:
        TinykitError: the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def directory_atomic(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; it replaces `path` when the block ends without error.

    Raises:
        TinykitError: the parent folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield aside
        aside.chmod(0o755)
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.replace(old)
        aside.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
