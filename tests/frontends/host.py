# SPDX-License-Identifier: Apache-2.0
"""Builds the C of a front end for this machine, under the sanitizers, and runs clips through it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinykit.frontends import Frontend
from tinykit.frontends.render import c_sources, render_frontend

ROOT = Path(__file__).parent.parent.parent
FIRMWARE = ROOT / "firmware"
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def build(frontend: Frontend, folder: Path, *flags: str, compiler: str = "gcc") -> Path:
    """The program of `push.c` around `frontend`."""
    for name, text in render_frontend(frontend).items():
        (folder / name).write_text(text)
    program = folder / "push"
    sources = [str(FIRMWARE / "src/frontends" / name) for name in c_sources(frontend)]
    command = [compiler, *WARNINGS, "-O2", *(flags or SANITIZERS), "-I", str(folder)]
    command += ["-I", str(FIRMWARE / "include"), *sources, str(folder / "frontend.c")]
    command += [str(Path(__file__).with_name("push.c")), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def push(
    program: Path, frontend: Frontend, x: NDArray[np.int16], sizes: list[int]
) -> NDArray[np.int8]:
    """Features of the clips `x`, pushed in pieces of `sizes` samples, round and round."""
    head = np.array([len(sizes), *sizes], "<u4").tobytes()
    done = subprocess.run([program], input=head + x.astype("<i2").tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, np.int8).reshape(len(x), *frontend.output_shape)
