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


@pytest.mark.parametrize("what", ["flags", "source"])
def test_what_an_object_depends_on_makes_another(what, cache, tmp_path):
    copy = tmp_path / "crc.c"
    copy.write_text(SOURCE.read_text())
    first = object_files([copy], ["-O2"])
    if what == "source":
        copy.write_text(copy.read_text() + "\nextern int further;\n")
    second = object_files([copy], ["-O1"] if what == "flags" else ["-O2"])
    assert second != first
    assert second[0].exists()


def test_another_header_is_read(cache, tmp_path, monkeypatch):
    source = tmp_path / "reads.c"
    source.write_text('#include "own.h"\nint x = WIDTH;\n')
    found = []
    for width in (1, 2):
        (tmp_path / "own.h").write_text(f"#define WIDTH {width}\n")
        monkeypatch.setattr(objects, "_surroundings", lambda width=width: bytes([width]))
        found += object_files([source], ["-O2"])
    assert found[0] != found[1]


def test_only_macros_that_a_source_reads_make_another(cache, tmp_path):
    reads = tmp_path / "reads.c"
    reads.write_text("int x = WIDTH;\n")
    one, other = (object_files([SOURCE, reads], [f"-DWIDTH={width}"]) for width in (1, 2))
    assert one[0] == other[0]
    assert one[1] != other[1]


def test_an_object_that_is_gone_is_made_again(cache):
    found = object_files([SOURCE], ["-O2"])
    found[0].unlink()
    assert object_files([SOURCE], ["-O2"]) == found
    assert found[0].exists()


def test_bad_c_is_refused_and_leaves_nothing(cache, tmp_path):
    (tmp_path / "bad.c").write_text("int x = ;\n")
    with pytest.raises(TinykitError, match="gcc refuses"):
        object_files([tmp_path / "bad.c"], [])
    assert not list(cache.rglob("*.o"))


def test_objects_of_long_ago_go(cache):
    old = object_files([SOURCE], ["-O1"])[0]
    ago = time.time() - 40 * 24 * 3600
    os.utime(old, (ago, ago))
    kept = object_files([SOURCE], ["-O2"])[0]
    assert not old.exists()
    assert kept.exists()


def test_a_cache_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(TinykitError, match="cannot write") as error:
        object_files([SOURCE], ["-O2"])
    assert "TINYKIT_CACHE" in str(error.value.remedy)
