# SPDX-License-Identifier: Apache-2.0
"""Manifests are whole, packs are checked against them, and nothing unchecked is downloaded."""

from __future__ import annotations

import http.server
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tinykit.data import NAMES, fetch, verify
from tinykit.data.manifests import Download, load_manifest, manifest_names, read_manifest
from tinykit.data.verify import require_good_packs, sha256_of, verify_packs
from tinykit.errors import TinykitError
from tinykit.resources import resource_dir


def test_every_set_has_a_manifest_and_every_manifest_a_set() -> None:
    assert set(manifest_names()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_manifests_validate(name: str) -> None:
    manifest = load_manifest(name)
    assert manifest.title
    assert manifest.synthetic == name.startswith("synthetic_")
    if manifest.synthetic:
        assert "ynthetic" in manifest.title
    for download in manifest.downloads:
        assert download.sha256 or download.sha256_source.startswith("not known")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('task = "har"', 'task = "dog"', "task must be"),
        ("rate = 50", 'rate = "fast"', "rate must be Hz"),
        ("rate = 50", "rate = 50\nspeed = 3", "keys differ.*speed"),
        ('units = "g, rad/s"', "", "keys differ.*units"),
        ("synthetic = false", "synthetic = 0", "synthetic must be"),
        ('url = "https:', 'url = "http:', "must be https"),
        ('sha256 = "4ac4', 'sha256 = "4AC4', "no SHA-256"),
        ('folder = "hapt"', 'folder = "../hapt"', "plain name"),
        ('npz" = "4c', 'npz" = "', "not a SHA-256"),
        ("[packs]", "[packs", "cannot be read"),
        ("train = 5965", "trian = 5965", "clips must count"),
    ],
)
def test_bad_manifests_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (resource_dir("datasets") / "hapt.toml").read_text()
    assert old in text
    (tmp_path / "hapt.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(TinykitError, match=message):
        read_manifest(tmp_path / "hapt.toml")


def test_packs_are_read_once_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "cache"))
    pack = tmp_path / "a.bin"
    pack.write_bytes(b"recordings")
    manifest = replace(load_manifest("hapt"), packs={"a.bin": sha256_of(pack), "b.bin": "0" * 64})
    assert [c.state for c in verify_packs(manifest, tmp_path)] == ["ok", "missing"]
    require_good_packs(manifest, tmp_path)

    def unread(path: Path) -> str:
        raise AssertionError(f"{path} is read again")

    with monkeypatch.context() as patch:
        patch.setattr(verify, "sha256_of", unread)
        require_good_packs(manifest, tmp_path)
        with pytest.raises(AssertionError):
            verify_packs(manifest, tmp_path, again=True)
    pack.write_bytes(b"recordingz!")
    with pytest.raises(TinykitError, match=r"a\.bin: differs from the SHA-256"):
        require_good_packs(manifest, tmp_path)
    (tmp_path / "cache" / "verified.json").write_text("[broken")
    assert verify_packs(manifest, tmp_path)[0].state == "different"


def test_what_has_no_known_checksum_is_not_downloaded() -> None:
    for name in ("motionsense", "wisdm_watch"):
        with pytest.raises(TinykitError, match=r"SHA-256 is not known.*TINYKIT_DATA"):
            fetch.fetch(name)
    with pytest.raises(TinykitError, match="has no download"):
        fetch.fetch("synthetic_gait")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served on the loopback interface."""
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *a: _Quiet(*a, directory=str(folder))
    ) as http_server:
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{http_server.server_address[1]}"
        http_server.shutdown()
        thread.join()


def test_downloads_are_checked_and_unpacked(
    tmp_path: Path, server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = server
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with zipfile.ZipFile(folder / "inner.zip", "w") as inner:
        inner.writestr("UCI HAR Dataset/test/y_test.txt", "1\n")
    with zipfile.ZipFile(folder / "outer.zip", "w") as outer:
        outer.write(folder / "inner.zip", "inner.zip")
    good = Download(f"{url}/outer.zip", sha256_of(folder / "outer.zip"), "the test", "set")
    manifest = load_manifest("uci_har_test")
    bad = replace(good, sha256="0" * 64)
    gone = replace(good, url=f"{url}/gone.zip")
    for download, message in ((bad, "differs from the SHA-256"), (gone, "404")):
        faulty = replace(manifest, downloads=(download,))
        monkeypatch.setattr(fetch, "load_manifest", lambda _, m=faulty: m)
        with pytest.raises(TinykitError, match=message):
            fetch.fetch("uci_har_test")
    assert not (tmp_path / "cache" / "datasets" / "set").exists()
    whole = replace(manifest, downloads=(good,))
    monkeypatch.setattr(fetch, "load_manifest", lambda _: whole)
    root = fetch.fetch("uci_har_test")
    assert (root / "set" / "UCI HAR Dataset" / "test" / "y_test.txt").read_text() == "1\n"
    (folder / "outer.zip").unlink()
    assert fetch.fetch("uci_har_test") == root


def test_archives_cannot_write_outside(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "x", "../outside")
    (tmp_path / "in").mkdir()
    with pytest.raises(TinykitError, match="cannot be unpacked"):
        fetch.unpack(tmp_path / "evil.tar.gz", tmp_path / "in")
    assert not (tmp_path / "outside").exists()
    with pytest.raises(TinykitError, match="cannot be unpacked"):
        fetch.unpack(tmp_path / "x", tmp_path / "in")
