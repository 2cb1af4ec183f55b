# SPDX-License-Identifier: Apache-2.0
"""Download a public data set: never without a checksum that is known beforehand."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from tinykit.data.manifests import Download, load_manifest
from tinykit.data.places import download_root
from tinykit.errors import TinykitError
from tinykit.files import directory_atomic
from tinykit.progress import notice, progress


def fetch(name: str) -> Path:
    """Download and unpack a data set unless that was done before.

    Returns:
        The folder to give as `root` to `load_dataset`, which looks there by itself.

    Raises:
        TinykitError: the set has no download, its checksum is not known, the server cannot be
            reached, or what came differs from the checksum.
    """
    manifest = load_manifest(name)
    if not manifest.downloads:
        raise TinykitError(f"{name} has no download.", remedy=f"It {manifest.layout}.")
    for download in manifest.downloads:
        target = download_root() / download.folder
        if target.is_dir():
            continue
        _require_checksum(name, download, manifest.layout)
        archive = _retrieve(download)
        notice(f"{name}: unpacking into {target}")
        with directory_atomic(target) as aside:
            unpack(archive, aside)
        archive.unlink(missing_ok=True)
    return download_root()


def _require_checksum(name: str, download: Download, layout: str) -> None:
    if not download.sha256:
        raise TinykitError(
            f"{name} is not downloaded: its SHA-256 is {download.sha256_source}.",
            where=download.url,
            remedy=f"Download it yourself, put it under a folder as {layout}, and set "
            "TINYKIT_DATA to that folder.",
        )


class _Bar:
    """What pooch drives while it downloads: `total`, `update`, `reset`, `close`."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task
        self._total = 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, value: int) -> None:
        self._total = value
        self._bar.update(self._task, total=value)

    def update(self, count: int) -> None:
        self._bar.advance(self._task, count)

    def reset(self) -> None:
        self._bar.reset(self._task)

    def close(self) -> None:
        self._bar.stop_task(self._task)


def _retrieve(download: Download) -> Path:
    import pooch
    import requests

    file = download.url.rsplit("/", 1)[1]
    with progress() as bar:
        task = bar.add_task(f"downloading {file}", total=download.bytes or None, note="bytes")
        downloader = pooch.HTTPDownloader(progressbar=_Bar(bar, task), timeout=30)
        try:
            found = pooch.retrieve(
                url=download.url,
                known_hash=f"sha256:{download.sha256}",
                fname=file,
                path=download_root() / ".archives",
                downloader=downloader,
            )
        except ValueError as error:  # what pooch raises when the hash differs
            raise TinykitError(
                "what came differs from the SHA-256 in the manifest; it was thrown away.",
                where=download.url,
                remedy="Try again later, or place the files yourself and set TINYKIT_DATA.",
            ) from error
        except (requests.RequestException, OSError) as error:
            raise TinykitError(
                f"cannot be downloaded: {error}.",
                where=download.url,
                remedy="Check the connection, or place the files yourself and set TINYKIT_DATA.",
            ) from error
    return Path(found)


def _harmless(archive: tarfile.TarFile, folder: Path) -> list[tarfile.TarInfo]:
    """All members, which must be files and folders that land inside `folder`.

    Debian 12's Python 3.11.2 does not have tarfile's own filters yet.
    """
    root = folder.resolve()
    members = archive.getmembers()
    for member in members:
        place = (root / member.name).resolve()
        if not (member.isfile() or member.isdir()) or not place.is_relative_to(root):
            raise tarfile.ExtractError(f"{member.name!r} would not land inside the folder")
    return members


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip or .tar.gz into `folder`, and .zip files found at its top (UCI nests them).

    Raises:
        TinykitError: it is no such archive, or a member would land outside `folder`.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)  # drops absolute paths and `..` by itself
        else:
            with tarfile.open(archive) as packed_tar:
                packed_tar.extractall(folder, members=_harmless(packed_tar, folder))
        for inner in sorted(folder.glob("*.zip")):
            with zipfile.ZipFile(inner) as packed:
                packed.extractall(folder)
            inner.unlink()
    except (zipfile.BadZipFile, tarfile.TarError, OSError) as error:
        raise TinykitError(f"cannot be unpacked: {error}.", where=archive) from error
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)
