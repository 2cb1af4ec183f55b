# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def models(shared_folder: Path) -> Path:
    """The folder of all models; made once, by whichever process of the test run comes first."""
    folder = shared_folder / "converted"
    done = folder / "done"
    with (shared_folder / "converted.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir(exist_ok=True)
            made = subprocess.run(
                [sys.executable, "-m", "tests.importer.models", str(folder)],
                capture_output=True,
                text=True,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
            assert made.returncode == 0, made.stderr[-3000:]
            done.touch()
    return folder
