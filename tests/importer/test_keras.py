# SPDX-License-Identifier: Apache-2.0
"""What Keras saved goes all the way, and a file that is not to be trusted is refused unread."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinykit.errors import TinykitError
from tinykit.importer.options import Options
from tinykit.importer.run import import_run
from tinykit.models.keras_to_tflite import check_config, keras_to_tflite
from tinykit.network.tflite_oracle import run_foreign
from tinykit.runs import open_run
from tinykit.verify import verify


def test_a_saved_model_goes_all_the_way(models: Path, tmp_path: Path) -> None:
    name = "mobile.keras"
    np.save(tmp_path / "data.npy", np.random.default_rng(0).normal(0, 1, (30, 16, 16, 3)))
    options = Options(data=tmp_path / "data.npy", weights=4)
    directory, imported = import_run(models / "keras" / name, tmp_path / "run", options=options)
    assert verify(open_run(directory), []).exact
    assert imported.network.metadata["source"] == name
    report = imported.quantization
    assert report is not None
    assert [stage["stage"] for stage in report["stages"]] == ["float", "int8", "w4"]
    assert report["stages"][1]["held_out"]["sqnr_db"] > 15


def test_a_saved_model_is_what_the_converter_makes_of_it(models: Path) -> None:
    content = keras_to_tflite(models / "keras" / "mobile.h5")
    x = np.random.default_rng(0).normal(0, 1, (5, 16, 16, 3)).astype(np.float32)
    want = run_foreign((models / "float" / "mobile.tflite").read_bytes(), x)
    assert np.allclose(run_foreign(content, x), want, atol=1e-5)


def rewritten(source: Path, path: Path, change: dict[str, bytes]) -> Path:
    """A copy of an archive with other members."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change.get(name, old.read(name)))
    return path


def config(source: Path) -> dict[str, object]:
    with zipfile.ZipFile(source) as archive:
        found: dict[str, object] = json.loads(archive.read("config.json"))
    return found


def test_code_in_a_saved_model_is_refused_and_not_run(models: Path) -> None:
    with pytest.raises(TinykitError, match="holds code"):
        keras_to_tflite(models / "keras" / "lambda.keras")


def test_modules_outside_keras_are_not_imported(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n")
    source = models / "keras" / "conv_1d.keras"
    text = json.dumps(config(source)).replace("keras.layers", "trap")
    path = rewritten(source, tmp_path / "trap.keras", {"config.json": text.encode()})
    with pytest.raises(TinykitError, match="comes from the module trap"):
        keras_to_tflite(path)
    assert not (tmp_path / "sprung").exists()


def test_broken_files_are_refused(models: Path, tmp_path: Path) -> None:
    source = models / "keras" / "conv_1d.keras"
    whole = source.read_bytes()
    files: dict[str, bytes] = {
        "cut.keras": whole[: len(whole) // 2],
        "empty.keras": b"",
        "text.h5": b"no HDF5 at all",
        "tflite.keras": (models / "mobile.tflite").read_bytes(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TinykitError, match="is no Keras model") as caught:
            keras_to_tflite(tmp_path / name)
        assert caught.value.remedy
    for name, text in (("deep.keras", b"[" * 100000), ("no.keras", b"{")):
        path = rewritten(source, tmp_path / name, {"config.json": text})
        with pytest.raises(TinykitError, match="is no Keras model"):
            keras_to_tflite(path)
    with pytest.raises(TinykitError, match="is not there"):
        keras_to_tflite(tmp_path / "missing.keras")


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_an_archive_that_unpacks_to_too_much_is_refused(
    models: Path, tmp_path: Path, member: str
) -> None:
    path = tmp_path / "bomb.keras"
    source = models / "keras" / "conv_1d.keras"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.getinfo(member).file_size = (1 << 31) - 1
    with pytest.raises(TinykitError, match="too large"):
        keras_to_tflite(path)


@pytest.mark.parametrize(
    "part",
    [
        {"class_name": "Lambda", "config": {"name": "mine"}},
        {"layers": [{"class_name": "__lambda__", "config": {"value": "..."}}]},
        {"class_name": "TFSMLayer", "module": "keras.layers"},
        {"config": {"activation": {"class_name": "function", "module": "os", "config": "system"}}},
        {"module": ["keras"]},
    ],
)
def test_configurations_with_code_are_refused(part: dict[str, object]) -> None:
    with pytest.raises(TinykitError):
        check_config({"class_name": "Functional", "module": "keras", "config": {"layers": [part]}})


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tinykit", "import", *words], capture_output=True, text=True
    )


def test_the_command_reports_and_refuses(models: Path, tmp_path: Path) -> None:
    path, out = str(models / "float" / "mobile.tflite"), str(tmp_path / "run")
    np.save(tmp_path / "data.npy", np.random.default_rng(0).normal(0, 1, (30, 16, 16, 3)))
    done = command(path, "--out", out)
    assert done.returncode == 1
    assert "computes in floats" in done.stderr
    assert "--data" in done.stderr
    assert "Traceback" not in done.stderr
    words = ["--data", str(tmp_path / "data.npy"), "--weights", "4", "--max-drop", "100"]
    done = command(path, "--out", out, *words)
    assert done.returncode == 0, done.stderr
    for word in ("What it costs", "held out (6)", "w4", "moves output by", "nearest"):
        assert word in done.stdout
    done = command(path, "--out", out, *words, "--json")
    document = json.loads(done.stdout)["quantization"]
    assert document == json.loads((tmp_path / "run" / "import.json").read_text())["quantization"]
    assert {layer["bits"] for layer in document["layers"]} == {4}
    done = command(path, "--out", out, "--data", str(tmp_path / "none.npy"), "--json")
    assert done.returncode == 1
    assert set(json.loads(done.stdout)) == {"error", "where", "remedy"}
