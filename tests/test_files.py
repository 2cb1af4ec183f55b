# SPDX-License-Identifier: Apache-2.0
"""Outputs appear whole or not at all, and errors say what, where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinykit.errors import DoesNotFitError, MismatchError, TinykitError
from tinykit.files import directory_atomic, write_atomic
from tinykit.resources import resource_dir


def test_write_atomic_replaces_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    write_atomic(target, "one")
    write_atomic(target, b"two")
    assert target.read_bytes() == b"two"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_write_below_a_file_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file, not a folder")
    with pytest.raises(TinykitError, match=r"plain.*cannot write.*--out"):
        write_atomic(tmp_path / "plain" / "x", "y")


def test_directory_appears_only_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "out"

    def fail_half_way() -> None:
        with directory_atomic(target) as aside:
            (aside / "half").write_text("x")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


def test_directory_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in ("first", "second"):
        with directory_atomic(target) as aside:
            (aside / name).write_text(name)
    assert [p.name for p in target.iterdir()] == ["second"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_directory_failure_keeps_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with directory_atomic(target) as aside:
        (aside / "kept").write_text("x")
    with pytest.raises(KeyboardInterrupt), directory_atomic(target):
        raise KeyboardInterrupt
    assert (target / "kept").read_text() == "x"


def test_errors_read_as_place_fact_remedy() -> None:
    error = TinykitError("weights are 3 bit.", where="recipe.toml", remedy="Use 8, 4 or 2.")
    assert str(error) == "recipe.toml: weights are 3 bit. Use 8, 4 or 2."
    assert error.as_dict()["remedy"] == "Use 8, 4 or 2."
    assert error.exit_code == 1
    assert DoesNotFitError("x").exit_code == 3
    assert MismatchError("x").exit_code == 4


def test_an_error_never_exits_with_success() -> None:
    with pytest.raises(ValueError, match="status 0"):
        TinykitError("x", exit_code=0)


@pytest.mark.parametrize("room", ["templates", "firmware", "boards", "datasets"])
def test_resources_are_found(room: str) -> None:
    assert any(resource_dir(room).iterdir())  # type: ignore[arg-type]
