# SPDX-License-Identifier: Apache-2.0
"""What is prepared once per machine: PlatformIO's core folder, QEMU's plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tinykit.errors import TinykitError


@contextmanager
def writing_cache() -> Iterator[None]:
    """Tell a user whose cache cannot be written how to have another."""
    try:
        yield
    except TinykitError as error:
        raise TinykitError(
            error.what,
            where=error.where,
            remedy="This is tinykit's cache; set $TINYKIT_CACHE to a folder that you may write to.",
        ) from error
