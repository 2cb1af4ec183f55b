# SPDX-License-Identifier: Apache-2.0
"""Which hand-written files a project needs: those it names and all that they include."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from tinykit.resources import resource_dir

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def included(text: str) -> list[str]:
    """Names in `#include "..."`, in order."""
    return _INCLUDE.findall(text)


def source_closure(names: Iterable[str], texts: Iterable[str] = ()) -> dict[str, bytes]:
    """Files of the firmware by their path in a project.

    Args:
        names: paths below firmware/src, such as "kernels/dense.c".
        texts: further C whose includes of the firmware's headers count too.

    Returns:
        "src/<name>" and "include/tinykit/<header>" to content.
    """
    firmware = resource_dir("firmware")
    files: dict[str, bytes] = {}
    waiting = [(f"src/{name}", firmware / "src" / name) for name in names]
    waiting += [
        (f"include/{name}", firmware / "include" / name)
        for text in texts
        for name in included(text)
        if name.startswith("tinykit/")
    ]
    while waiting:
        target, path = waiting.pop()
        if target in files:
            continue
        files[target] = path.read_bytes()
        waiting += _includes(target, path, firmware)
    return dict(sorted(files.items()))


def _includes(target: str, path: Path, firmware: Path) -> list[tuple[str, Path]]:
    found = []
    for name in included(path.read_text(encoding="utf-8")):
        if name.startswith("tinykit/"):
            found.append((f"include/{name}", firmware / "include" / name))
        else:
            beside = posixpath.normpath(f"{posixpath.dirname(target)}/{name}")
            found.append((beside, path.parent / name))
    return found
