# SPDX-License-Identifier: Apache-2.0
"""Find the folders that travel with tinykit: templates, firmware, boards, datasets."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

Room = Literal["templates", "firmware", "boards", "datasets"]


def resource_dir(room: Room) -> Path:
    """The folder `room`: inside the installed package, or at the top of a checkout.

    A wheel holds the four folders under `tinykit/resources/` (see pyproject.toml); a checkout
    or an editable install has them beside the package.

    Raises:
        FileNotFoundError: neither place has it, so the installation is broken.
    """
    package = Path(str(resources.files("tinykit")))
    for candidate in (package / "resources" / room, package.parent / room):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"tinykit is installed without its folder {room!r}; reinstall it")
