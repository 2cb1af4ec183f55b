# SPDX-License-Identifier: Apache-2.0
"""Small networks for the benchmark's tasks, and their firmware compiled for this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinykit.boards import load_board
from tinykit.codegen import generate
from tinykit.codegen.hostlib import SANITIZE, WARNINGS
from tinykit.codegen.mlperf import TASKS, Mlperf
from tinykit.network import Network
from tinykit.network.sample import Builder


def keyword_spotter() -> Network:
    """490 int8 features, 12 probabilities."""
    builder = Builder(np.random.default_rng(1), (49, 10, 1), name="spotter")
    builder.conv(8, (10, 4), stride=(2, 2)).depthwise((3, 3)).conv(8, (1, 1)).mean()
    return builder.dense(12, relu=False).softmax().build()


def classifier() -> Network:
    """8x8 coloured pixels, 10 probabilities."""
    builder = Builder(np.random.default_rng(2), (8, 8, 3), name="classifier")
    return builder.conv(8, (3, 3)).mean().dense(10, relu=False).softmax().build()


def person_detector() -> Network:
    """12x12 coloured pixels, two scores that are no probabilities and may be negative."""
    builder = Builder(np.random.default_rng(3), (12, 12, 3), name="detector")
    return builder.conv(8, (3, 3), stride=(2, 2)).mean().dense(2, relu=False).build()


def autoencoder() -> Network:
    """40 values, and what is left of them after a bottleneck."""
    builder = Builder(np.random.default_rng(4), (40,), name="autoencoder")
    return builder.dense(16).dense(4).dense(16).dense(40, relu=False).build()


NETWORKS = {
    "kws01": keyword_spotter,
    "ic01": classifier,
    "vww01": person_detector,
    "ad01": autoencoder,
}


def compile_project(project: Path, program: Path) -> Path:
    """The C of a project for the board `host`, under ASan and UBSan."""
    sources = sorted(str(path) for path in (project / "src").rglob("*.c"))
    includes = [f"-I{project / name}" for name in ("include", "src", "src/port")]
    subprocess.run(
        ["gcc", "-O1", *WARNINGS, *SANITIZE, *includes, *sources, "-o", str(program)], check=True
    )
    return program


def make_device(task: str, folder: Path, *, energy: bool = False) -> Path:
    """A program that speaks the protocol on stdin and stdout."""
    app = Mlperf(TASKS[task], energy=energy)
    project = generate(NETWORKS[task](), load_board("host"), folder / task, app=app)
    return compile_project(project.directory, folder / f"{task}.elf")


def talk(program: Path, sent: bytes) -> list[list[str]]:
    """Send all of it; the lines of each answer up to its "m-ready", what it says at start first.

    The program must end by itself, with status 0, as its input does.
    """
    done = subprocess.run([program], input=sent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    *answers, rest = done.stdout.decode("latin-1").split("m-ready\r\n")
    assert rest == ""
    return [answer.split("\r\n")[:-1] for answer in answers]


def commands(program: Path, *texts: str) -> list[list[str]]:
    """The answer to each command."""
    sent = "".join(f"{text}%" for text in texts).encode("latin-1")
    return talk(program, sent)[1:]


def loading(data: bytes, step: int = 31) -> Sequence[str]:
    """The commands that load an input, as the benchmark's runner sends them."""
    pieces = (data[at : at + step].hex() for at in range(0, len(data), step))
    return [f"db load {len(data)}", *(f"db {piece}" for piece in pieces)]
