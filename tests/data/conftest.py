# SPDX-License-Identifier: Apache-2.0
"""A cache of the tests' own, and tiny sets in the layouts of the real ones."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000
TINY_WORDS = ("yes", "no", "up", "down", "left", "right", "stop", "go", "on", "cat", "bed")
NOISE = "_background_noise_"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing is read from, or left in, the user's cache."""
    patch = pytest.MonkeyPatch()
    cache = tmp_path_factory.mktemp("cache")
    patch.setenv("TINYKIT_CACHE", str(cache))
    yield cache
    patch.undo()
    shutil.rmtree(cache, ignore_errors=True)  # decoded sets are large, and pytest keeps folders


def wav(samples: np.ndarray, rate: int = RATE, bits: int = 16, tag: int = 1) -> bytes:
    """A wav file: `samples` (n,) or (n, channels) as integers of `bits`, or float32 for tag 3."""
    table = samples.reshape(len(samples), -1)
    if tag == 3:
        body = table.astype("<f4").tobytes()
    elif bits == 24:
        body = b"".join(int(v).to_bytes(3, "little", signed=True) for v in table.ravel())
    else:
        body = table.astype({8: "u1", 16: "<i2", 32: "<i4"}[bits]).tobytes()
    frame = table.shape[1] * bits // 8
    form = struct.pack("<HHIIHH", tag, table.shape[1], rate, rate * frame, frame, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.fixture(name="wav")
def wav_maker() -> Callable[..., bytes]:
    return wav


def flac(samples: np.ndarray) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, RATE, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def tiny_clips() -> dict[str, dict[str, np.ndarray]]:
    """Clips by word and stem: 40 speakers a core word, as many as its turn for the others."""
    rng = np.random.default_rng(0)
    clips: dict[str, dict[str, np.ndarray]] = {}
    for k, word in enumerate(TINY_WORDS):
        speakers = 40 if k < 8 else 12 * (k - 7)
        clips[word] = {
            f"{s * 7919:08x}_nohash_{s % 2}": rng.integers(-9, 9, 16000 - 300 * (s % 3)).astype(
                "<i2"
            )
            for s in range(1, speakers + 1)
        }
    clips[NOISE] = {n: rng.integers(-3000, 3000, 180000).astype("<i2") for n in ("tap", "street")}
    return clips


@pytest.fixture(scope="session")
def speech_packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech Commands as one tar of FLAC files per word."""
    root = tmp_path_factory.mktemp("packs")
    (root / "speech_commands").mkdir()
    for word, members in tiny_clips().items():
        with tarfile.open(root / "speech_commands" / f"{word}.tar", "w") as tar:
            for stem, samples in members.items():
                data = flac(samples)
                info = tarfile.TarInfo(f"{stem}.flac")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return root


@pytest.fixture(scope="session")
def speech_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips as the official archive unpacks: a folder of wav files per word."""
    root = tmp_path_factory.mktemp("folders")
    for word, members in tiny_clips().items():
        folder = root / "speech_commands_v0.02" / word
        folder.mkdir(parents=True)
        for stem, samples in members.items():
            (folder / f"{stem}.wav").write_bytes(wav(samples))
    return root


def walk(seed: int, n: int, columns: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-800, 800, (n, columns))


@pytest.fixture(scope="session")
def hapt_packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HAPT in the packed form: 30 recordings of 700 samples, an activity and then none."""
    root = tmp_path_factory.mktemp("hapt")
    (root / "har").mkdir()
    n, people = 700, 30
    label = np.zeros((people, n), np.int8)
    label[:, 50:400] = (np.arange(people)[:, None] % 6) + 1
    label[:, 400:500] = 7
    np.savez(
        root / "har" / "hapt_raw.npz",
        acc=walk(1, n * people, 3).astype(np.int16),
        gyro=walk(2, n * people, 3).astype(np.int16),
        acc_scale_g=1 / 720,
        gyro_scale_rad_s=1 / 3274,
        rec_offset=np.arange(0, n * people + 1, n),
        rec_subject=np.arange(1, people + 1),
        label=label.ravel(),
    )
    return root


@pytest.fixture(scope="session")
def hapt_official(tmp_path_factory: pytest.TempPathFactory, hapt_packed: Path) -> Path:
    """The same recordings as text files, as the UCI archive has them."""
    raw = tmp_path_factory.mktemp("uci") / "HAPT Data Set" / "RawData"
    raw.mkdir(parents=True)
    segments = []
    with np.load(hapt_packed / "har" / "hapt_raw.npz") as data:
        for k, subject in enumerate(data["rec_subject"].tolist()):
            rows = slice(data["rec_offset"][k], data["rec_offset"][k + 1])
            tail = f"_exp{k + 1:02d}_user{subject:02d}.txt"
            np.savetxt(raw / f"acc{tail}", data["acc"][rows] * data["acc_scale_g"])
            np.savetxt(raw / f"gyro{tail}", data["gyro"][rows] * data["gyro_scale_rad_s"])
            segments.append((k + 1, subject, k % 6 + 1, 51, 400))
            segments.append((k + 1, subject, 7, 401, 500))
    np.savetxt(raw / "labels.txt", segments, fmt="%d")
    return raw.parent.parent


@pytest.fixture(scope="session")
def motionsense_packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("motionsense")
    (root / "har").mkdir()
    n, trials = 300, 48
    np.savez(
        root / "har" / "motionsense.npz",
        gravity=walk(3, n * trials, 3).astype(np.int16),
        gravity_scale_g=1 / 1024,
        user_acc=walk(4, n * trials, 3).astype(np.int16),
        user_acc_scale_g=1 / 2048,
        rotation_rate=walk(5, n * trials, 3).astype(np.int16),
        rotation_rate_scale_rad_s=1 / 1024,
        trial_offset=np.arange(0, n * trials + 1, n),
        trial_subject=np.arange(trials) % 24 + 1,
        trial_activity=(np.arange(trials) // 24) * 3 + np.arange(trials) % 3,
    )
    return root


@pytest.fixture(scope="session")
def motionsense_official(
    tmp_path_factory: pytest.TempPathFactory, motionsense_packed: Path
) -> Path:
    root = tmp_path_factory.mktemp("motionsense_csv")
    codes = ("dws", "ups", "wlk", "jog", "sit", "std")
    names = ["", "attitude.roll"]
    for sensor in ("gravity", "rotationRate", "userAcceleration"):
        names += [f"{sensor}.{a}" for a in "xyz"]
    with np.load(motionsense_packed / "har" / "motionsense.npz") as data:
        parts = [
            data[k] * data[f"{k}_scale_{unit}"]
            for k, unit in (("gravity", "g"), ("rotation_rate", "rad_s"), ("user_acc", "g"))
        ]
        offset = data["trial_offset"]
        for k, subject in enumerate(data["trial_subject"].tolist()):
            table = np.concatenate([p[offset[k] : offset[k + 1]] for p in parts], axis=1)
            folder = root / "A_DeviceMotion_data" / f"{codes[data['trial_activity'][k]]}_{k}"
            folder.mkdir(parents=True, exist_ok=True)
            lines = [",".join(names)]
            lines += [f"{i},0.5," + ",".join(map(repr, r)) for i, r in enumerate(table.tolist())]
            (folder / f"sub_{subject}.csv").write_text("\n".join(lines) + "\n")
    return root


WATCHES = (1600, 1602, 1604, 1605)


@pytest.fixture(scope="session")
def wisdm_packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four subjects, two activities of 450 samples each, the second with a gap after 220."""
    root = tmp_path_factory.mktemp("wisdm")
    (root / "har").mkdir()
    n = 900 * len(WATCHES)
    starts = [900 * k + s for k in range(len(WATCHES)) for s in (0, 450, 670)]
    np.savez(
        root / "har" / "wisdm2019_watch_accel.npz",
        acc=walk(6, n, 3).astype(np.int16),
        acc_scale_m_s2=1 / 1024,
        label=np.tile(np.repeat([0, 12], 450), len(WATCHES)).astype(np.int8),
        subject=np.array(WATCHES, np.int16),
        subject_offset=np.arange(0, n + 1, 900),
        segment_start=np.array(starts),
    )
    return root


@pytest.fixture(scope="session")
def wisdm_official(tmp_path_factory: pytest.TempPathFactory, wisdm_packed: Path) -> Path:
    root = tmp_path_factory.mktemp("wisdm_txt")
    folder = root / "wisdm-dataset" / "raw" / "watch" / "accel"
    folder.mkdir(parents=True)
    with np.load(wisdm_packed / "har" / "wisdm2019_watch_accel.npz") as data:
        acc = (data["acc"] * data["acc_scale_m_s2"]).tolist()
        for k, subject in enumerate(WATCHES):
            lines = []
            for i in range(900):
                code = "A" if i < 450 else "M"
                time = 50_000_000 * i + (2_000_000_000 if i >= 670 else 0) + 10**14
                x, y, z = acc[900 * k + i]
                lines.append(f"{subject},{code},{time},{x!r},{y!r},{z!r};")
            (folder / f"data_{subject}_accel_watch.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def uci_packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("uci_npz")
    (root / "har").mkdir()
    sensors = [f"{s}_{a}" for s in ("body_acc", "body_gyro", "total_acc") for a in "xyz"]
    np.savez(
        root / "har" / "uci_har_test.npz",
        X=(walk(7, 12 * 9, 128).reshape(12, 9, 128) / 1000).astype(np.float32),
        channels=np.array(sensors),
        y=np.tile(np.arange(1, 7), 2).astype(np.int8),
        subject=np.repeat([2, 4], 6).astype(np.int16),
    )
    return root


@pytest.fixture(scope="session")
def uci_official(tmp_path_factory: pytest.TempPathFactory, uci_packed: Path) -> Path:
    root = tmp_path_factory.mktemp("uci_txt")
    test = root / "UCI HAR Dataset" / "test"
    (test / "Inertial Signals").mkdir(parents=True)
    with np.load(uci_packed / "har" / "uci_har_test.npz") as data:
        for k, name in enumerate(data["channels"].tolist()):
            np.savetxt(test / "Inertial Signals" / f"{name}_test.txt", data["X"][:, k])
        np.savetxt(test / "y_test.txt", data["y"], fmt="%d")
        np.savetxt(test / "subject_test.txt", data["subject"], fmt="%d")
    return root


def pytest_report_header() -> str:
    """Say which real recordings take part, so that their absence is seen."""
    return (
        f"TINYKIT_DATA: {os.environ.get('TINYKIT_DATA') or 'not set, tiny and synthetic sets only'}"
    )
