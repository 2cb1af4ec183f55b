# SPDX-License-Identifier: Apache-2.0
"""Firmware that speaks the serial protocol of MLPerf Tiny, for one of its four tasks.

Formats of inputs and results follow the benchmark's reference submissions; the tasks and their
quality targets are in Banbury et al., "MLPerf Tiny Benchmark", arXiv:2106.07597.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from tinykit.boards import Board
from tinykit.boards.project import BAUD
from tinykit.codegen.datum import Datum
from tinykit.codegen.render import banner
from tinykit.codegen.vectors import Vectors
from tinykit.errors import TinykitError
from tinykit.frontends import Frontend
from tinykit.network import Network
from tinykit.network.ops import Tensor
from tinykit.templating import render_template

ENERGY_BAUD: Final = 9600
_PROTOCOL: Final = ("buffer", "decimal", "say", "serve", "words")


@dataclass(frozen=True)
class Task:
    """What differs between the benchmark's tasks.

    Attributes:
        name: as the firmware and the runner call it.
        title: for people.
        input: how a value of the input comes: as int8, as uint8 that is int8 plus 128, or as a
            little-endian single, which the device quantizes.
        result: "scores", one real a class; or "error", the mean squared difference between the
            output and the input.
        baud: of the serial line in performance mode, as the reference's.
    """

    name: str
    title: str
    input: Literal["int8", "uint8", "float32"]
    result: Literal["scores", "error"]
    baud: int = BAUD

    @property
    def value_bytes(self) -> int:
        """Bytes of one value of an input."""
        return 4 if self.input == "float32" else 1


TASKS: Final = {
    task.name: task
    for task in (
        Task("kws01", "keyword spotting", "int8", "scores"),
        Task("ic01", "image classification", "uint8", "scores"),
        Task("vww01", "visual wake words", "uint8", "scores"),
        Task("ad01", "anomaly detection", "float32", "error", baud=921600),
    )
}


def find_task(name: str) -> Task:
    """The task called `name`.

    Raises:
        TinykitError: there is none.
    """
    if name not in TASKS:
        raise TinykitError(
            f"there is no task {name!r}.",
            where="--task",
            remedy=f"Choose one of {', '.join(TASKS)}.",
        )
    return TASKS[name]


def input_bytes(task: Task, network: Network) -> int:
    """Bytes that one input of `network` has on the serial line."""
    return math.prod(network.tensor(network.input).shape) * task.value_bytes


@dataclass(frozen=True)
class Mlperf:
    """Speaks the benchmark's protocol, and carries no vectors.

    Attributes:
        task: which one.
        energy: timestamps are pulses on a pin, and the line runs at 9600 baud.
    """

    task: Task
    energy: bool = False

    name = "mlperf"
    embeds = False
    ready = "m-ready"

    @property
    def variant(self) -> tuple[str, ...]:
        """Such as mlperf, kws01, energy."""
        return (self.name, self.task.name, *(["energy"] if self.energy else []))

    @property
    def sources(self) -> tuple[str, ...]:
        """The protocol, and what the task's ends need."""
        own = {"int8": ("integers",), "uint8": ("integers", "pixels"), "float32": ("anomaly",)}
        return tuple(f"mlperf/{name}.c" for name in (*_PROTOCOL, *own[self.task.input]))

    @property
    def baud(self) -> int:
        """Of the serial line, as in the reference submissions."""
        return ENERGY_BAUD if self.energy else self.task.baud

    def check(self, network: Network, board: Board) -> None:
        """Refuse a network whose ends do not suit the task.

        Raises:
            TinykitError: says which end.
        """
        source, result = network.tensor(network.input), network.tensor(network.output)
        for what, tensor in (("input", source), ("output", result)):
            if tensor.bits != 8:
                raise _unfit(
                    self.task, network, f"its {what} has {tensor.bits} bits", "Give it 8 bits."
                )
        if self.task.result == "error" and math.prod(source.shape) != math.prod(result.shape):
            raise _unfit(
                self.task,
                network,
                f"it gives {math.prod(result.shape)} values for {math.prod(source.shape)}",
                "An anomaly detector here is an autoencoder: its output is like its input.",
            )

    def frontend(self, network: Network) -> Frontend | None:
        """None: the benchmark sends features."""

    def files(self, network: Network, board: Board, vectors: Vectors) -> dict[str, str]:
        """main.c."""
        return {"main.c": render_main(self, network)}

    def main_variant(self, network: Network, vectors: Vectors | None) -> str:
        """By the task."""
        return f"{self.name} {self.task.name}"

    def main_data(self, network: Network, board: Board) -> list[Datum]:
        """The input as it came, its integers where those are not the same, and the outputs."""
        values = math.prod(network.tensor(network.input).shape)
        outputs = math.prod(network.tensor(network.output).shape)
        singles = self.task.input == "float32"
        data = [Datum("loaded", "float" if singles else "uint8_t", values, zero=True)]
        data += [Datum("features", "int8_t", values, zero=True)] if singles else []
        return [*data, Datum("outputs", "int8_t", outputs, zero=True)]

    def tables(self, network: Network) -> dict[str, list[Datum]]:
        """None."""
        return {}

    def as_dict(self) -> dict[str, Any]:
        """For tinykit.json."""
        mode = "energy" if self.energy else "performance"
        return {"name": self.name, "task": self.task.name, "mode": mode, "baud": self.baud}


def render_main(app: Mlperf, network: Network) -> str:
    """main.c for a network that `app.check` accepts."""
    return render_template(
        "mlperf_main.c.j2",
        banner=banner(network),
        task=app.task,
        energy=app.energy,
        input=_scale(network.tensor(network.input)),
        output=_scale(network.tensor(network.output)),
    )


def _scale(tensor: Tensor) -> dict[str, Any]:
    """A tensor's scale as the single that the benchmark's runtime would use."""
    scale = np.float32(tensor.scale)
    return {
        "scale": f"{tensor.scale:.9g}",
        "scale_literal": f"{float(scale).hex()}f",
        "zero_point": f"({tensor.zero_point})" if tensor.zero_point < 0 else tensor.zero_point,
    }


def _unfit(task: Task, network: Network, why: str, remedy: str) -> TinykitError:
    return TinykitError(
        f"it cannot serve {task.title} ({task.name}): {why}.",
        where=f"network {network.name}",
        remedy=remedy,
    )
