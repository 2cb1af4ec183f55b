# SPDX-License-Identifier: Apache-2.0
"""Recordings in, `Dataset` out; nothing here knows of models or boards."""

from __future__ import annotations

from tinykit.data.audio import read_wav
from tinykit.data.catalogue import (
    NAMES,
    DatasetInfo,
    dataset_infos,
    load_dataset,
    verify_dataset,
)
from tinykit.data.csvfile import read_csv
from tinykit.data.dataset import Dataset
from tinykit.data.motion import read_motion

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetInfo",
    "dataset_infos",
    "load_dataset",
    "read_csv",
    "read_motion",
    "read_wav",
    "verify_dataset",
]
