# SPDX-License-Identifier: Apache-2.0
"""Streaming firmware on this machine, its sensor imitated by its registers or its lines."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinykit.boards import load_board
from tinykit.codegen.bit_stream import BitStream
from tinykit.codegen.plan import lay_out
from tinykit.codegen.render import render_model
from tinykit.codegen.sizes import sources_of
from tinykit.codegen.sources import source_closure
from tinykit.codegen.stream import ImuStream
from tinykit.codegen.vectors import make_vectors
from tinykit.emulators.records import decode
from tinykit.frontends.render import render_frontend
from tinykit.network import Network

ROOT = Path(__file__).parents[2]
FLAGS = (
    *("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)
FAKES = {"spi": "fake_lsm6dsx.c", "i2c": "fake_lsm6dsx.c", "gpio": "fake_lines.c"}
Records = list[dict[str, Any]]
Feed = Callable[..., tuple[Records, int]]


def build_stream(folder: Path, network: Network, app: ImuStream | BitStream) -> Path:
    """The firmware with an imitated sensor."""
    layout = lay_out(network, "riscv")
    files = render_model(network, layout.layers, layout.plan, "riscv")
    files |= app.files(network, load_board("host"), make_vectors(network))
    frontend = app.frontend(network)
    if frontend is not None:
        files |= render_frontend(frontend)
    for name, text in files.items():
        path = folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    extra = [ROOT / "firmware/ports/host/host.c"]
    extra += [Path(__file__).with_name(FAKES[app.bus])] if app.bus in FAKES else []
    texts = [*files.values(), *(path.read_text() for path in extra)]
    for name, data in source_closure(sources_of(network, layout.layers, app), texts).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    sources = [*sorted((folder / "src").rglob("*.c")), *extra]
    program = folder / "firmware"
    includes = [f"-I{folder / 'include'}", f"-I{folder / 'src'}"]
    # Without optimisation, as in a debugger: nothing may depend on what the compiler finds out.
    command = ["gcc", "-O0", *FLAGS, *includes, *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


Build = Callable[[Network, ImuStream | BitStream], Path]


def run_with(program: Path, data: bytes) -> tuple[Records, int]:
    """What the firmware says to its input, and its exit status."""
    done = subprocess.run([str(program)], input=data, capture_output=True, timeout=120)
    assert not done.stderr, done.stderr.decode()
    lines = done.stdout.replace(b">", b"").splitlines()
    return [decode(line) for line in lines if line], done.returncode


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """`build(network, app)` gives the firmware, built once."""
    built: dict[tuple[str, ImuStream | BitStream], Path] = {}

    def get(network: Network, app: ImuStream | BitStream) -> Path:
        key = network.digest, app
        if key not in built:
            built[key] = build_stream(tmp_path_factory.mktemp("stream"), network, app)
        return built[key]

    return get


@pytest.fixture(scope="session")
def feed(build: Build) -> Feed:
    """`feed(network, app, samples, flags)` gives the firmware's records and exit status."""

    def run(
        network: Network, app: ImuStream, samples: NDArray[np.int16], flags: int = 0
    ) -> tuple[Records, int]:
        data = np.array([flags, len(samples)], "<u4").tobytes() + samples.astype("<i2").tobytes()
        return run_with(build(network, app), data)

    return run
