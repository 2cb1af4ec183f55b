# SPDX-License-Identifier: Apache-2.0
"""The generated C on this machine: compiled with the host's gcc and fed many samples at once."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.exits import NETWORK_SOURCES, walk_of
from tinykit.codegen.isa import Isa
from tinykit.codegen.layer import Layer, tensor_bytes
from tinykit.codegen.objects import compile_c, object_files
from tinykit.codegen.plan import lay_out
from tinykit.codegen.render import render_model
from tinykit.codegen.variants import ROWS
from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.frontends import Frontend, from_config
from tinykit.frontends.render import c_sources, render_frontend
from tinykit.network import Network
from tinykit.network.packing import unpack_activations
from tinykit.resources import resource_dir

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
Int64Array = NDArray[np.int64]
Samples = NDArray[Any]

WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")

Task = Literal["features", "layers", "clips", "mode"]

# Samples a run of the program; bounds the memory that pipes and layer outputs take.
_CHUNK = 256


class HostModel:
    """One Network as a program of this machine; use as a context manager, or `close` it.

    Args:
        network: the Network.
        isa: whose kernels to take; portable C stands in for instructions that are missing here.
        sanitize: stop at any bad memory access or undefined behaviour; several times slower.

    Raises:
        TinykitError: there is no gcc, or the generated C does not compile.
    """

    def __init__(self, network: Network, *, isa: Isa = "riscv", sanitize: bool = False) -> None:
        self.network = network
        layout = lay_out(network, isa)
        self.layers, self.plan = layout.layers, layout.plan
        self.frontend = None if network.frontend is None else from_config(network.frontend)
        self._classes = int(np.prod(network.tensor(network.output).shape))
        self._layer_bytes = sum(
            tensor_bytes(network.tensor(layer.op.output)) for layer in self.layers
        )
        self._folder = tempfile.TemporaryDirectory(prefix="tinykit-host-")
        self._program = _build(self, Path(self._folder.name), isa, sanitize=sanitize)

    def close(self) -> None:
        """Remove the program."""
        self._folder.cleanup()

    def sources(self) -> list[Path]:
        """The hand-written C that the program is made of, without its main()."""
        return host_sources(self.network, self.layers, self.frontend)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def invoke(self, features: Int8Array) -> Int8Array:
        """Scores, int8 (n, classes), of features int8 (n, *input shape)."""
        data = self._run("features", self._checked(features).tobytes())
        return np.frombuffer(data, np.int8).reshape(len(features), self._classes)

    def invoke_mode(self, features: Int8Array, mode: int) -> tuple[Int8Array, Int64Array]:
        """As `invoke`, in a mode by its number, and the exit that each took, int64 (n,).

        Raises:
            TinykitError: the Network has no exits, or no such mode.
        """
        data = self._run("mode", self._checked(features).tobytes(), str(mode))
        rows = np.frombuffer(data, np.int8).reshape(len(features), self._classes + 1)
        return rows[:, 1:], rows[:, 0].view(np.uint8).astype(np.int64)

    def invoke_layers(self, features: Int8Array) -> dict[str, Int8Array]:
        """Output tensors by name, int8 (n, *shape), of all layers that execute code."""
        parts = [self._layers(chunk) for chunk in _chunks(self._checked(features))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _layers(self, features: Int8Array) -> dict[str, Int8Array]:
        raw = np.frombuffer(self._run("layers", features.tobytes()), np.uint8)
        raw = raw.reshape(len(features), self._layer_bytes + self._classes)
        outputs: dict[str, Int8Array] = {}
        at = 0
        for layer in self.layers:
            tensor = self.network.tensor(layer.op.output)
            packed = raw[:, at : at + tensor_bytes(tensor)]
            shape = (len(features), *tensor.shape)
            outputs[tensor.name] = unpack_activations(packed, shape, tensor.bits)
            at += packed.shape[1]
        return outputs

    def invoke_clips(self, clips: Int16Array) -> tuple[Int8Array, Int8Array]:
        """Features and scores of recordings, streamed through the C front end.

        Args:
            clips: int16 (n, samples) or (n, samples, channels).

        Returns:
            int8 (n, *input shape) and int8 (n, classes).

        Raises:
            TinykitError: the Network has no front end.
        """
        if self.frontend is None:
            raise TinykitError(
                "the network has no front end, so it takes features and no recordings.",
                where=self.network.name,
                remedy="Train it with a recipe that names a front end.",
            )
        shape = self.network.tensor(self.network.input).shape
        inputs = int(np.prod(shape))
        raw = np.concatenate([self._listen(chunk) for chunk in _chunks(clips)])
        return raw[:, :inputs].reshape(len(clips), *shape), raw[:, inputs:]

    def _listen(self, clips: Int16Array) -> Int8Array:
        """Features and scores of each clip, one row."""
        length = np.array([clips.shape[1]], "<u4").tobytes()
        content = np.ascontiguousarray(clips, "<i2")
        data = self._run("clips", b"".join(length + clip.tobytes() for clip in content))
        width = int(np.prod(self.network.tensor(self.network.input).shape)) + self._classes
        return np.frombuffer(data, np.int8).reshape(len(clips), width)

    def _checked(self, features: Int8Array) -> Int8Array:
        shape = self.network.tensor(self.network.input).shape
        if features.dtype != np.int8 or features.shape[1:] != shape:
            raise TinykitError(
                f"the features are {features.dtype} {features.shape}.",
                where=f"network {self.network.name}",
                remedy=f"Give int8 (n, {', '.join(map(str, shape))}).",
            )
        return np.ascontiguousarray(features)

    def _run(self, task: Task, data: bytes, *options: str) -> bytes:
        command = [str(self._program), task, *options]
        done = subprocess.run(command, input=data, capture_output=True)
        if done.returncode != 0:
            raise TinykitError(
                f"the generated C failed on this machine: {done.stderr.decode(errors='replace')}",
                where=self.network.name,
                remedy="Report it with the network file.",
            )
        return done.stdout


def _chunks(samples: Samples) -> Iterator[Samples]:
    """`samples` in parts of at most _CHUNK; one empty part if there are none."""
    for start in range(0, max(len(samples), 1), _CHUNK):
        yield samples[start : start + _CHUNK]


def host_sources(
    network: Network, layers: Sequence[Layer], frontend: Frontend | None
) -> list[Path]:
    """The hand-written C that a model and its front end need."""
    source = resource_dir("firmware") / "src"
    names = {*NETWORK_SOURCES, walk_of(network), *(s for one in layers for s in one.sources)}
    if frontend is not None:
        names |= {f"frontends/{name}" for name in c_sources(frontend)}
    return [source / name for name in sorted(names) if name.endswith(".c")]


def _build(model: HostModel, folder: Path, isa: Isa, *, sanitize: bool) -> Path:
    files = render_model(model.network, model.layers, model.plan, isa)
    if model.frontend is not None:
        files |= render_frontend(model.frontend)
    for name, content in files.items():
        write_atomic(folder / name, content)
    flags = [*WARNINGS, *host_flags(isa), "-O2", *(SANITIZE if sanitize else ())]
    if any(layer.scaling is not None and layer.scaling.wide for layer in model.layers):
        flags.append("-DTK_WIDE_ACCUMULATORS")
    fixed = object_files(host_sources(model.network, model.layers, model.frontend), flags)
    own = [folder / name for name in files if name.endswith(".c")]
    own.append(resource_dir("firmware") / "host" / "runner.c")
    if model.frontend is not None:
        flags.append("-DTK_HOST_FRONTEND")
    program = folder / "runner"
    compile_c([*own, *fixed], program, [*flags, f"-I{folder}"])
    return program


def host_flags(isa: Isa) -> list[str]:
    """Flags that make this machine's compiler build the kernels of `isa`."""
    thumb = [f"-DTK_ROWS={ROWS['thumb']}", "-DTK_THUMB1=1"]
    return {"dsp": ["-DTK_EMULATE_DSP"], "thumb": thumb}.get(isa, [])
