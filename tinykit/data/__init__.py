# SPDX-License-Identifier: Apache-2.0
"""Recordings in, `Dataset` out; nothing here knows of models or boards."""

from __future__ import annotations

from tinykit.data.catalogue import NAMES, load_dataset
from tinykit.data.dataset import Dataset

__all__ = ["NAMES", "Dataset", "load_dataset"]
