# SPDX-License-Identifier: Apache-2.0
"""A user's own recordings, good and bad, sound and motion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinykit.data import load_dataset, read_csv
from tinykit.data.dataset import IMU_CHANNELS
from tinykit.data.motion import read_motion
from tinykit.data.splits import split_of_subjects
from tinykit.errors import TinykitError

Wav = Callable[..., bytes]
HEADER = "time," + ",".join(IMU_CHANNELS)


@pytest.fixture
def sounds(tmp_path: Path, wav: Wav) -> Path:
    rng = np.random.default_rng(0)
    for label in ("clap", "whistle"):
        (tmp_path / label).mkdir()
        for person in ("ann", "bob", "cem", "dee"):
            for take in range(2):
                samples = rng.integers(-99, 99, 8000 if take else 20000).astype(np.int16)
                (tmp_path / label / f"{person}_{take}.wav").write_bytes(wav(samples))
    return tmp_path


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("run", "walk"):
        (tmp_path / label).mkdir()
        for person in ("ann", "bob", "cem"):
            table = rng.normal(0, 1, (300, 6)).round(4).tolist()
            lines = [HEADER] + [f"{i * 20}," + ",".join(map(str, r)) for i, r in enumerate(table)]
            (tmp_path / label / f"{person}_1.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_sounds(sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = load_dataset("folder", root=sounds)
    assert data.labels == ("clap", "whistle")
    assert data.x.shape == (16, 16000)
    assert data.crossing() == ()
    assert (data.counts().sum(axis=1) > 0).all()
    assert set(data.subject.tolist()) == {"ann", "bob", "cem", "dee"}
    said = " ".join(capsys.readouterr().err.split())
    assert "8 files cut at the end" in said
    assert "8 files filled up with zeros" in said


def test_background_noise_becomes_a_class(sounds: Path, wav: Wav) -> None:
    (sounds / "_background_noise_").mkdir()
    hiss = np.random.default_rng(1).integers(-500, 500, 200000).astype(np.int16)
    (sounds / "_background_noise_" / "hiss.wav").write_bytes(wav(hiss))
    data = load_dataset("folder", root=sounds)
    assert data.labels == ("clap", "whistle", "silence")
    assert (data.counts()[:, 2] > 0).all()
    assert data.crossing() == ()
    assert len(data.noise) == 1


def test_motion(motion: Path) -> None:
    data = load_dataset("folder", root=motion)
    assert (data.task, data.labels, data.rate) == ("har", ("run", "walk"), 50)
    assert data.x.shape == (6 * 3, 128, 6)
    assert data.crossing() == ()
    first = read_csv(motion / "run" / "ann_1.csv", IMU_CHANNELS)
    rows = data.select((data.subject == "ann") & (data.y == 0))
    np.testing.assert_array_equal(rows.x[0][:, 0], np.rint(first[:128, 0] / data.scale[0]))
    np.testing.assert_array_equal(rows.x[0][:, 5], np.rint(first[:128, 5] / data.scale[5]))


def test_acceleration_may_be_in_metres(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("acc_x,gyro_x\n9.80665,0.5\n500,-1e9\n")
    steps = read_motion(tmp_path / "a.csv", ("acc_x", "gyro_x"), "m/s2")
    assert steps.tolist() == [[4096, 500], [32767, -32768]]
    with pytest.raises(TinykitError, match="acc_unit"):
        read_motion(tmp_path / "a.csv", ("acc_x", "gyro_x"), "furlongs")
    (tmp_path / "t.csv").write_text("temperature\n21\n")
    with pytest.raises(TinykitError, match="unit of channel 'temperature'"):
        read_motion(tmp_path / "t.csv", ("temperature",))


def test_subjects_file(motion: Path) -> None:
    lines = ["file,subject,split"]
    for label in ("run", "walk"):
        lines += [f"{label}/ann_1.csv,X,test", f"{label}/bob_1.csv,Y,train"]
        lines += [f"{label}/cem_1.csv,Z,validation"]
    (motion / "subjects.csv").write_text("\n".join(lines))
    data = load_dataset("folder", root=motion)
    assert set(data.part("test").subject.tolist()) == {"X"}
    assert set(data.part("validation").subject.tolist()) == {"Z"}
    (motion / "subjects.csv").write_text("\n".join([*lines, "run/bob_1.csv,Y,test"]))
    with pytest.raises(TinykitError, match=r"line 8: split 'test'"):
        load_dataset("folder", root=motion)
    (motion / "subjects.csv").write_text("name,who\n")
    with pytest.raises(TinykitError, match="needs the columns"):
        load_dataset("folder", root=motion)


@pytest.mark.parametrize("people", [3, 4, 7, 40])
def test_every_part_has_somebody_and_more_people_move_nobody_far(people: int) -> None:
    names = [f"p{i}" for i in range(people)]
    split = split_of_subjects(names, where="here")
    assert set(split.values()) == {0, 1, 2}
    assert sum(p == 0 for p in split.values()) >= people / 3
    assert split_of_subjects(reversed(names), where="here") == split


def test_too_few_people(sounds: Path) -> None:
    for path in sounds.glob("*/[bcd]*.wav"):
        path.unlink()
    with pytest.raises(TinykitError, match="1 subject is too few"):
        load_dataset("folder", root=sounds)


def test_folders_without_recordings(tmp_path: Path, wav: Wav) -> None:
    with pytest.raises(TinykitError, match="no such folder"):
        load_dataset("folder")
    with pytest.raises(TinykitError, match=r"holds no recordings.*one folder per label"):
        load_dataset("folder", root=tmp_path)
    (tmp_path / "yes").mkdir()
    (tmp_path / "no").mkdir()
    with pytest.raises(TinykitError, match="holds no recordings"):
        load_dataset("folder", root=tmp_path)
    (tmp_path / "yes" / "a_1.wav").write_bytes(wav(np.zeros(10, np.int16)))
    with pytest.raises(TinykitError, match=r"no: is an empty label folder"):
        load_dataset("folder", root=tmp_path)
    (tmp_path / "no").rmdir()
    with pytest.raises(TinykitError, match="one label only"):
        load_dataset("folder", root=tmp_path)
    (tmp_path / "yes" / "a_1.csv").write_text("1,2,3\n")
    with pytest.raises(TinykitError, match="wav and CSV"):
        load_dataset("folder", root=tmp_path)


def test_a_bad_file_is_named(sounds: Path) -> None:
    (sounds / "clap" / "ann_0.wav").write_bytes(b"RIFF")
    with pytest.raises(TinykitError, match=r"clap/ann_0\.wav: not a wav file"):
        load_dataset("folder", root=sounds)


def test_short_recordings_are_left_out_with_a_notice(
    motion: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (motion / "run" / "ann_2.csv").write_text(HEADER + "\n" + "0,1,1,1,1,1,1\n" * 5)
    assert len(load_dataset("folder", root=motion)) == 18
    assert "5 samples, shorter" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(TinykitError, match="as long as a window of 1000"):
        load_dataset("folder", root=motion, window=1000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,,6\n", r"line 2, column 2 \(acc_y\) is empty"),
        ("1,,3\n4,5,6\n", r"line 1, column 2 \(acc_y\) is empty"),
        ("1,2,3\n\n4,5,six\n", r"line 3, column 3 \(acc_z\) is 'six', not a number"),
        ("1,2,3\n4,nan,6\n", r"line 2, column 2 \(acc_y\) is 'nan', not finite"),
        ("1,2,3\n4,5\n", "line 2 has 2 columns, not 3"),
        ("1,2\n", "has 2 columns, not the 3"),
        ("", "holds no samples"),
        ("acc_x,acc_y,acc_z\n", "holds no samples"),
        ("acc_x,acc_y\n1,2\n", "has no column 'acc_z'"),
        ("t;acc_x;acc_y;acc_z\n0;1,5;2;3\n", r"line 2, column 2 \(acc_x\) is '1,5'"),
    ],
)
def test_csv_faults_name_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(TinykitError, match=message) as caught:
        read_csv(path, ("acc_x", "acc_y", "acc_z"))
    assert caught.value.where == str(path)


def test_csv_columns_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\ufefft\tacc_z\tacc_x\n0\t1\t2e0\n1\t3\t-4\n", encoding="utf-8")
    assert read_csv(path, ("acc_x", "acc_z")).tolist() == [[2.0, 1.0], [-4.0, 3.0]]
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(TinykitError, match="not a text file"):
        read_csv(path, ("acc_x",))
