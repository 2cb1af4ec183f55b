# SPDX-License-Identifier: Apache-2.0
"""`import tinykit.network` must stay light, for every command begins with it."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("tensorflow", "keras", "tflite", "flatbuffers", "tflite_runtime", "scipy", "rich")


def test_the_import_loads_nothing_heavy() -> None:
    script = (
        "import json, sys\n"
        "import tinykit.network\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert json.loads(done.stdout) == []
