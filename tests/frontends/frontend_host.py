# SPDX-License-Identifier: Apache-2.0
"""Builds the C of a front end around `push.c` and runs clips through it, here or under QEMU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinykit.frontends import Frontend
from tinykit.frontends.render import c_sources, render_frontend

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Semihosting gives the program stdin and stdout; QEMU takes the vector table at address 0.
CORTEX_M4 = ("-mcpu=cortex-m4", "-mthumb", "--specs=rdimon.specs", "-nostartfiles", "-Wl,-e,start")
SECTIONS = ("-Wl,--section-start=.vectors=0", "-Wl,-Ttext=0x400", "-Wl,-Tdata=0x20000000")
QEMU = ("qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none")


def _build(frontend: Frontend, folder: Path, command: list[str], *extra: Path) -> Path:
    for name, text in render_frontend(frontend).items():
        (folder / name).write_text(text)
    program = folder / "push"
    sources = [FIRMWARE / "src/frontends" / name for name in c_sources(frontend)]
    sources += [folder / "frontend.c", HERE / "push.c", *extra]
    command += [*WARNINGS, "-O2", "-I", str(folder), "-I", str(FIRMWARE / "include")]
    subprocess.run([*command, *map(str, sources), "-o", str(program)], check=True)
    return program


def build(frontend: Frontend, folder: Path, *flags: str) -> Path:
    """The program for this machine, under the sanitizers."""
    return _build(frontend, folder, ["gcc", *SANITIZERS, *flags])


def build_cortex_m4(frontend: Frontend, folder: Path) -> Path:
    """The program for a Cortex-M4 with its DSP instructions."""
    command = ["arm-none-eabi-gcc", *CORTEX_M4, *SECTIONS]
    return _build(frontend, folder, command, HERE / "semihost.c")


def _run(
    command: list[str], frontend: Frontend, x: NDArray[np.int16], sizes: list[int]
) -> NDArray[np.int8]:
    head = np.array([len(sizes), *sizes], "<u4").tobytes()
    data = head + x.astype("<i2").tobytes()
    done = subprocess.run(command, input=data, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, np.int8).reshape(len(x), *frontend.output_shape)


def push(
    program: Path, frontend: Frontend, x: NDArray[np.int16], sizes: list[int]
) -> NDArray[np.int8]:
    """Features of the clips `x`, pushed in pieces of `sizes` samples, round and round."""
    return _run([str(program)], frontend, x, sizes)


def emulate(
    program: Path, frontend: Frontend, x: NDArray[np.int16], sizes: list[int]
) -> NDArray[np.int8]:
    """The same on QEMU's Cortex-M4."""
    command = [*QEMU, "-semihosting-config", "enable=on,target=native", "-kernel", str(program)]
    return _run(command, frontend, x, sizes)
