# SPDX-License-Identifier: Apache-2.0
"""Hand-written C is compiled once for each content, set of flags and state of the headers."""

import os
import time
from pathlib import Path

import pytest

from tinykit.codegen import objects
from tinykit.codegen.objects import object_files
from tinykit.errors import TinykitError
from tinykit.resources import resource_dir

SOURCE = resource_dir("firmware") / "src" / "crc.c"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_second_time_nothing_is_compiled(cache, monkeypatch):
    first = object_files([SOURCE], ["-O2"])
    monkeypatch.setattr(objects, "compile_c", None)
    assert object_files([SOURCE], ["-O2"]) == first
    assert first[0].is_relative_to(cache)


@pytest.mark.parametrize("what", ["flags", "source", "headers"])
def test_what_an_object_depends_on_makes_another(what, cache, tmp_path, monkeypatch):
    copy = tmp_path / "crc.c"
    copy.write_text(SOURCE.read_text())
    first = object_files([copy], ["-O2"])
    flags = ["-O1"] if what == "flags" else ["-O2"]
    if what == "source":
        copy.write_text(copy.read_text() + "\nextern int further;\n")
    if what == "headers":
        monkeypatch.setattr(objects, "_surroundings", lambda: b"others")
    second = object_files([copy], flags)
    assert second != first
    assert second[0].exists()


def test_bad_c_is_refused_and_leaves_nothing(cache, tmp_path):
    (tmp_path / "bad.c").write_text("int x = ;\n")
    with pytest.raises(TinykitError, match="gcc refuses"):
        object_files([tmp_path / "bad.c"], [])
    assert not list(cache.rglob("*.o"))


def test_objects_of_long_ago_go(cache):
    old = object_files([SOURCE], ["-O1"])[0]
    ago = time.time() - 40 * 24 * 3600
    os.utime(old.parent, (ago, ago))
    object_files([SOURCE], ["-O2"])
    assert not old.exists()


def test_a_cache_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(TinykitError, match="cannot write") as error:
        object_files([SOURCE], ["-O2"])
    assert "TINYKIT_CACHE" in str(error.value.remedy)
