# SPDX-License-Identifier: Apache-2.0
"""Every set, real, synthetic or tiny: who is in which part, and that both layouts load alike."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tinykit.data import NAMES, Dataset, dataset_infos, load_dataset
from tinykit.data.manifests import load_manifest
from tinykit.errors import TinykitError

HERE = tuple(i.name for i in dataset_infos() if i.present)
LAYOUTS = {
    "speech_commands": ("speech_packs", "speech_folders"),
    "hapt": ("hapt_packed", "hapt_official"),
    "motionsense": ("motionsense_packed", "motionsense_official"),
    "wisdm_watch": ("wisdm_packed", "wisdm_official"),
    "uci_har_test": ("uci_packed", "uci_official"),
}
TINY = [(name, layout) for name, layouts in LAYOUTS.items() for layout in layouts]


@lru_cache(maxsize=2)
def here(name: str) -> Dataset:
    return load_dataset(name)


def tiny(name: str, root: Path) -> Dataset:
    return import_module(f"tinykit.data.{name}").load(root)


def check_parts(data: Dataset) -> None:
    """No speaker or subject crosses, and every class is in every part that there is."""
    assert data.crossing() == ()
    counts = data.counts()
    present = counts.sum(axis=1) > 0
    assert present[2]
    assert (counts[present] > 0).all(), counts
    assert data.x.dtype == np.int16
    assert data.subject.dtype.kind == "U"
    for number, part in enumerate(("train", "validation", "test")):
        assert len(data.part(part)) == counts[number].sum()


def test_the_synthetic_sets_are_always_here() -> None:
    assert {"synthetic_speech", "synthetic_gait"} <= set(HERE)


@pytest.mark.parametrize("name", HERE)
def test_no_subject_crosses(name: str) -> None:
    check_parts(here(name))


@pytest.mark.parametrize("name", HERE)
def test_sets_are_as_their_manifests_say(name: str) -> None:
    data, manifest = here(name), load_manifest(name)
    assert data.labels == manifest.labels
    assert data.rate == manifest.rate
    assert data.task == manifest.task
    assert data.synthetic == manifest.synthetic
    assert (data.licence, data.citation) == (manifest.licence, manifest.citation)
    info = next(i for i in dataset_infos() if i.name == name)
    if info.clips:
        assert data.counts().sum(axis=1).tolist() == list(manifest.clips.values())


@pytest.mark.parametrize(("name", "layout"), [t for t in TINY if t[0] != "motionsense"])
def test_no_subject_crosses_in_tiny_sets(
    name: str, layout: str, request: pytest.FixtureRequest
) -> None:
    data = tiny(name, request.getfixturevalue(layout))
    assert data.crossing() == ()
    assert data.counts()[2].sum() > 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_both_layouts_load_alike(name: str, request: pytest.FixtureRequest) -> None:
    a, b = (tiny(name, request.getfixturevalue(layout)) for layout in LAYOUTS[name])
    order_a = np.lexsort((*a.x.reshape(len(a), -1)[:, :40].T, a.y))
    order_b = np.lexsort((*b.x.reshape(len(b), -1)[:, :40].T, b.y))
    assert len(a) == len(b) > 0
    # Text keeps a reading to 1e-18 or so: a tie may round the other way, by one step.
    assert np.abs(a.x[order_a].astype(int) - b.x[order_b]).max() <= (0 if a.task == "kws" else 1)
    for field in ("y", "split", "subject"):
        np.testing.assert_array_equal(getattr(a, field)[order_a], getattr(b, field)[order_b])
    assert a.crossing() == b.crossing() == ()


def test_held_out_subjects_are_the_ones_listed(
    hapt_packed: Path, motionsense_packed: Path, wisdm_packed: Path
) -> None:
    for name, root, total in (
        ("hapt", hapt_packed, (17, 4, 9)),
        ("motionsense", motionsense_packed, (16, 3, 5)),
        ("wisdm_watch", wisdm_packed, (2, 1, 1)),
    ):
        data = tiny(name, root)
        people = [len(set(data.part(p).subject)) for p in ("train", "validation", "test")]
        assert tuple(people) == total, name


def test_other_subjects_may_validate_but_not_test_ones(hapt_packed: Path) -> None:
    load = import_module("tinykit.data.hapt").load
    data = load(hapt_packed, validation_subjects=[1, 3])
    assert set(data.part("validation").subject.tolist()) == {"1", "3"}
    assert data.crossing() == ()
    with pytest.raises(TinykitError, match="subject 2 tests and cannot validate"):
        load(hapt_packed, validation_subjects=[1, 2])


def test_windows_hold_one_activity(hapt_packed: Path) -> None:
    data = tiny("hapt", hapt_packed)
    # 350 samples from 50 on: starts 64, 128, 192, 256 are inside; 0 misses 50 of 128.
    assert len(data) == 30 * 4
    assert set(data.y.tolist()) == set(range(6))


def test_windows_do_not_span_gaps(wisdm_packed: Path) -> None:
    data = tiny("wisdm_watch", wisdm_packed)
    # Of 450, 220 and 230 samples: three, one and one windows of 200.
    assert len(data) == 4 * 5


def digest(data: Dataset) -> str:
    joined = hashlib.sha256()
    for array in (data.x, data.y, data.split, *data.noise):
        joined.update(np.ascontiguousarray(array).tobytes())
    joined.update("\n".join(data.subject.tolist()).encode())
    return joined.hexdigest()


# On every machine, or results made with these sets could not be compared.
DIGESTS = {
    "synthetic_speech": "6ae95ad466c4781ce662248c750dba6cfb428c50e70b80ff2ca6644efd4ef83d",
    "synthetic_gait": "30e5dd76df0e632ca64122080342ca9df96a77b524938cc6f025635eb3b3febf",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_synthetic_sets_are_the_same_each_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = digest(here(name))
    assert first == DIGESTS[name]
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path))
    assert digest(load_dataset(name)) == first
    assert digest(load_dataset(name)) == first, "from the cache"
    assert digest(load_dataset(name, seed=1)) != first


def test_synthetic_speech_fills_every_class_evenly() -> None:
    counts = here("synthetic_speech").counts()
    assert (counts[:, :9] == counts[:, :1]).all()
    assert (counts[:, 9] >= counts[:, 0]).all()
    assert (counts[:, 9] <= 1.5 * counts[:, 0]).all()
    assert len(set(here("synthetic_speech").subject) - {"near-silence"}) >= 12


def test_a_cache_that_is_damaged_or_read_only_costs_time_only(
    hapt_packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "cache"))
    first = digest(tiny("hapt", hapt_packed))
    (entry,) = (tmp_path / "cache" / "decoded").iterdir()
    (entry / "x.npy").write_bytes(b"\x93NUMPY cut short")
    assert digest(tiny("hapt", hapt_packed)) == first
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TINYKIT_CACHE", str(tmp_path / "file"))
    assert digest(tiny("hapt", hapt_packed)) == first


def test_missing_sets_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TinykitError, match="--fetch speech_commands"):
        load_dataset("speech_commands", root=tmp_path)
    with pytest.raises(TinykitError, match="Set TINYKIT_DATA"):
        load_dataset("motionsense", root=tmp_path)
    with pytest.raises(TinykitError, match=r"no data set 'speach'.*speech_commands"):
        load_dataset("speach")
    with pytest.raises(TinykitError, match=r"no option 'windw'.*window"):
        load_dataset("hapt", windw=3)


def test_windows_that_make_no_sense_are_refused(hapt_packed: Path) -> None:
    load = import_module("tinykit.data.hapt").load
    for options in ({"purity": 0.2}, {"window": 0}, {"step": 0}):
        with pytest.raises(TinykitError, match="cannot be used"):
            load(hapt_packed, **options)


def test_packs_that_differ_from_the_manifest_are_refused(
    hapt_packed: Path, speech_packs: Path
) -> None:
    for name, root in (("hapt", hapt_packed), ("speech_commands", speech_packs)):
        with pytest.raises(TinykitError, match="differs from the SHA-256"):
            load_dataset(name, root=root)


def test_infos_name_every_set_once() -> None:
    infos = dataset_infos()
    assert tuple(i.name for i in infos) == NAMES
    assert all(i.licence and i.split and i.layout for i in infos)
