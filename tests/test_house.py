# SPDX-License-Identifier: Apache-2.0
"""Rules of the house that a machine can check."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("*.py", "*.c", "*.h", "*.S", "*.ld", "*.j2")
HEAVY = ("tensorflow", "keras", "scipy", "soundfile", "matplotlib", "pooch", "tflite_runtime")


def _tracked(*patterns: str) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name]


def test_every_source_carries_its_licence() -> None:
    files = [path for path in _tracked(*SOURCES) if path.stat().st_size]
    assert len(files) > 50
    bare = [
        str(path.relative_to(ROOT))
        for path in files
        if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:400]
    ]
    assert bare == []


def test_no_file_is_half_merged() -> None:
    mark = re.compile(r"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
    texts = _tracked(*SOURCES, "*.md", "*.toml", "*.json")
    assert [path.name for path in texts if mark.search(path.read_text())] == []


def test_nothing_is_unpickled_or_evaluated() -> None:
    danger = re.compile(r"allow_pickle=True|\bpickle\.|\beval\(|\bexec\(|yaml\.load\(")
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in _tracked("tinykit/*.py")
        if (match := danger.search(path.read_text()))
    ]
    assert found == []


def test_commands_that_need_no_tensorflow_do_not_import_it() -> None:
    """`tinykit --help` and `tinykit boards` must load none of the heavy libraries."""
    script = (
        "import json, sys\n"
        "from typer.testing import CliRunner\n"
        "from tinykit.cli import app\n"
        "for words in (['--help'], ['boards', '--json']):\n"
        "    assert CliRunner().invoke(app, words).exit_code == 0, words\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    "room",
    ["network", "codegen", "boards", "emulators", "frontends", "data", "bench", "mlperf", "energy"],
)
def test_rooms_below_training_do_not_import_tensorflow(room: str) -> None:
    pattern = re.compile(r"^\s*(?:import|from)\s+(tensorflow|keras)\b", re.MULTILINE)
    for path in _tracked(f"tinykit/{room}/*.py"):
        assert not pattern.search(path.read_text()), path


def test_the_wheel_carries_its_resources(tmp_path: Path) -> None:
    """A wheel, unlike a checkout, must hold the top-level folders inside the package."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("tinykit-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for expected in (
        "tinykit/resources/templates/model.c.j2",
        "tinykit/resources/firmware/include/tinykit/port.h",
        "tinykit/resources/boards/host/board.toml",
        "tinykit/resources/datasets/speech_commands.toml",
        "tinykit/recipes/kws.toml",
        "tinykit/bench/anchors.toml",
        "tinykit/energy/parts.toml",
    ):
        assert expected in names
