# SPDX-License-Identifier: Apache-2.0
"""The commands as a user types them, good and bad."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from tinykit.boards.platformio import environment
from tinykit.runs import Run

Tinykit = Callable[..., Result]


def _write_wav(path: Path, x: np.ndarray, rate: int = 16000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(channels)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(x.astype("<i2").tobytes())
    return path


def test_every_command_explains_itself_with_an_example(tinykit: Tinykit) -> None:
    listed = tinykit("--help").output
    for command in [
        "train",
        "evaluate",
        "fits",
        "generate",
        "build",
        "run",
        "flash",
        "verify",
        "predict",
        "mlperf",
        "bench",
        "report",
        "boards",
        "datasets",
        "doctor",
        "demo",
    ]:
        assert command in listed
        assert "Example: tinykit" in " ".join(tinykit(command, "--help").output.split())


def test_generate_build_run_report(motion_run: Run, tinykit: Tinykit) -> None:
    run = motion_run.directory
    made = json.loads(tinykit("generate", run, "-b", "mps2_an386", "--json").output)
    assert made["network"]["digest"] == motion_run.network.digest
    built = json.loads(tinykit("build", made["project"], "--json").output)
    assert built["flash"] == built["estimate"]["flash"]
    measured = json.loads(tinykit("run", made["project"], "-e", "qemu", "--json").stdout)
    assert measured["exact"]
    assert measured["instructions"]["inference"] > 10_000
    layers = [layer["instructions"] for layer in measured["instructions"]["layers"]]
    assert abs(sum(layers) - measured["instructions"]["inference"]) < len(layers)
    assert measured["flash"]["total"] == built["flash"]
    assert 0 < measured["ram"]["stack_used"] <= measured["ram"]["stack_reserved"]
    assert measured["estimates"]["source"]
    told = tinykit("run", made["project"], "-e", "qemu").output
    assert "bit-exact" in told
    assert "estimates:" in told
    shown = json.loads(tinykit("report", run, "--json").output)
    assert "synthetic" in Path(shown["html"]).read_text().lower()


def test_flash_buys_fewer_instructions(motion_run: Run, tinykit: Tinykit, tmp_path: Path) -> None:
    common = ("generate", motion_run.directory, "-b", "mps2_an386", "--out", tmp_path / "p")
    least = json.loads(tinykit(*common, "--json").output)
    more = least["estimate"]["flash"] + 20_000
    wide = json.loads(tinykit(*common, "--flash", more, "--json").output)
    assert wide["predicted"]["instructions"] < least["predicted"]["instructions"]
    assert least["estimate"]["flash"] < wide["estimate"]["flash"] <= more
    assert f"{wide['predicted']['instructions']:,}" in tinykit(*common, "--flash", more).output
    assert "of flash are missing" in tinykit(*common, "--flash", 4000, status=3).stderr


def test_the_project_builds_elsewhere_to_the_same_bytes(motion_run: Run, tmp_path: Path) -> None:
    """`pio run` alone, in two other places."""
    from tinykit.boards import load_board
    from tinykit.workflow import generate_firmware

    project = generate_firmware(motion_run, load_board("virt_rv32imc")).directory
    images = []
    for place in ("here", "a longer name for there"):
        copy = tmp_path / place
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".pio"))
        subprocess.run(
            [sys.executable, "-m", "platformio", "run", "-d", str(copy)],
            env={"PATH": str(Path("/usr/bin")), "HOME": str(tmp_path), **environment()},
            check=True,
            capture_output=True,
        )
        images.append((copy / ".pio/build/virt_rv32imc/firmware.elf").read_bytes())
    assert images[0] == images[1]


def test_generating_twice_gives_the_same_tree(motion_run: Run, tinykit: Tinykit) -> None:
    def tree(name: str) -> dict[str, bytes]:
        out = motion_run.directory / name
        tinykit("generate", motion_run.directory, "-b", "microbit", "--out", out)
        return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}

    assert tree("one") == tree("two")


def test_predict_a_sound_in_python_and_on_a_board(
    speech_run: Run, tinykit: Tinykit, tmp_path: Path
) -> None:
    clip = speech_run.samples().x[0]
    long = _write_wav(tmp_path / "long.wav", np.concatenate([clip, clip]))
    words = ("predict", speech_run.directory, long, "-b", "mps2_an386", "-e", "qemu", "--json")
    found = json.loads(tinykit(*words).output)
    assert [one["start"] for one in found] == [0.0, 0.5, 1.0]
    assert all(one["agrees"] for one in found)
    assert found[0]["scores"] == found[2]["scores"]


def test_predict_takes_other_rates_stereo_and_short_sounds(
    speech_run: Run, tinykit: Tinykit, tmp_path: Path
) -> None:
    clip = speech_run.samples().x[0]
    _write_wav(tmp_path / "fast.wav", np.repeat(clip, 2), rate=32000)
    _write_wav(tmp_path / "stereo.wav", np.repeat(clip, 2), channels=2)
    _write_wav(tmp_path / "short.wav", clip[:4000])
    done = tinykit("predict", speech_run.directory, tmp_path, "--json")
    found = {Path(one["source"]).name: one for one in json.loads(done.stdout)}
    assert set(found) == {"fast.wav", "stereo.wav", "short.wav"}
    alone = _write_wav(tmp_path / "same.wav", clip)
    same = json.loads(tinykit("predict", speech_run.directory, alone, "--json").stdout)
    assert found["stereo.wav"]["scores"] == same[0]["scores"]


def test_predict_a_csv(motion_run: Run, tinykit: Tinykit, tmp_path: Path) -> None:
    meta = motion_run.network.metadata
    x = motion_run.samples().x[0] * np.array(meta["scale"])
    path = tmp_path / "walk.csv"
    header = ",".join(meta["channels"])
    np.savetxt(path, x, delimiter=",", header=header, comments="", fmt="%.9f")
    found = json.loads(tinykit("predict", motion_run.directory, path, "--json").stdout)
    assert len(found) == 1
    assert found[0]["label"] in motion_run.network.labels


BROKEN_CSV = {
    "a gap": ("1,2,3,4,5,6\n1,,3,4,5,6\n", "line 2"),
    "text": ("1,2,3,4,5,6\n1,2,3,x,5,6\n", "line 2"),
    "too few": ("1,2,3,4,5,6\n" * 5, "needs 128"),
}


@pytest.mark.parametrize("fault", BROKEN_CSV)
def test_a_broken_csv_is_refused(
    fault: str, motion_run: Run, tinykit: Tinykit, tmp_path: Path
) -> None:
    text, place = BROKEN_CSV[fault]
    path = tmp_path / "broken.csv"
    path.write_text(text)
    done = tinykit("predict", motion_run.directory, path, status=1)
    assert "broken.csv" in done.output
    assert place in " ".join(done.output.split())


def test_bad_recordings_are_refused(speech_run: Run, tinykit: Tinykit, tmp_path: Path) -> None:
    good = _write_wav(tmp_path / "good.wav", speech_run.samples().x[0])
    cut = tmp_path / "cut.wav"
    cut.write_bytes(good.read_bytes()[:5000])
    empty = tmp_path / "empty"
    empty.mkdir()
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"this is not a recording at all, only text")
    for path in (cut, empty, noise, tmp_path / "absent.wav"):
        done = tinykit("predict", speech_run.directory, path, status=1)
        assert done.stderr.startswith("error:")
        assert "Traceback" not in done.output


def test_a_flipped_byte_in_the_network_is_refused(
    make_run: Callable[..., Run], tinykit: Tinykit
) -> None:
    path = make_run("har").directory / "network.tkn"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    done = tinykit("generate", path.parent, "-b", "host", "--json", status=1)
    assert json.loads(done.stdout)["error"]
    assert not (path.parent / "firmware").exists()


def test_what_cannot_fit_is_refused_with_the_missing_bytes(
    make_run: Callable[..., Run], tinykit: Tinykit
) -> None:
    from tests.end_to_end.conftest import attach_frontend
    from tinykit.network.sample import ds_cnn

    run = make_run("kws")
    attach_frontend(ds_cnn(), "kws").save(run.directory / "network.tkn")
    done = tinykit("generate", run.directory, "-b", "stm32vldiscovery", status=3)
    assert "bytes" in done.stderr
    assert "Traceback" not in done.output
    assert not (run.directory / "firmware").exists()


def test_unknown_things_are_named(motion_run: Run, tinykit: Tinykit, tmp_path: Path) -> None:
    run = motion_run.directory
    assert "no_such" in tinykit("generate", run, "-b", "no_such", status=1).stderr
    assert "--board" in tinykit("run", run, status=1).stderr
    assert "no trained network" in tinykit("report", tmp_path, status=1).stderr
    bits = tinykit("train", "kws_demo", "--policy", "w3a8", "--out", tmp_path / "r", status=1)
    assert "8, 4 or 2" in " ".join(bits.stderr.split())
    assert not (tmp_path / "r").exists()


def test_flash_shows_the_command(motion_run: Run, tinykit: Tinykit) -> None:
    for board, program in (("stm32f405", "openocd"), ("nrf52840dk", "JLinkExe")):
        done = tinykit("flash", motion_run.directory, "-b", board, "--dry-run")
        assert done.output.startswith(program)
        assert "firmware.elf" in done.output or "upload.jlink" in done.output
    assert "emulator" in tinykit("flash", motion_run.directory, "-b", "host", status=1).stderr
