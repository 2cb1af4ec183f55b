# SPDX-License-Identifier: Apache-2.0
"""What a generated firmware does: its `main.c`, and what that brings along.

The self-test is the one that every command builds unless another is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tinykit.boards import Board
from tinykit.boards.project import BAUD
from tinykit.codegen.render import banner
from tinykit.codegen.vectors import Vectors, vectors_context
from tinykit.frontends import Frontend, from_config
from tinykit.network import Network
from tinykit.templating import render_template

# Classes up to which the compiler unrolls loops over them.
FEW = 4


class App(Protocol):
    """A kind of main.c."""

    @property
    def name(self) -> str:
        """One word, for users."""

    @property
    def variant(self) -> tuple[str, ...]:
        """Words that tell its projects from those of the self-test."""

    @property
    def embeds(self) -> bool:
        """Whether the firmware carries vectors and recordings, and prints records of them."""

    @property
    def sources(self) -> tuple[str, ...]:
        """C of the firmware that its main.c needs, by paths below firmware/src."""

    @property
    def baud(self) -> int:
        """Of the serial line."""

    @property
    def ready(self) -> str:
        """A line that the firmware sends once it takes commands; empty for the self-test's end."""

    def check(self, network: Network) -> None:
        """Refuse a network that it cannot serve.

        Raises:
            TinykitError: says why.
        """

    def frontend(self, network: Network) -> Frontend | None:
        """The front end that the firmware needs."""

    def files(self, network: Network, board: Board, vectors: Vectors) -> dict[str, str]:
        """Rendered C by name, `main.c` among it."""

    def code_group(self, network: Network, vectors: Vectors | None) -> str:
        """The name of its main.c in the table of code sizes."""

    def buffer_bytes(self, network: Network) -> int:
        """RAM that its main.c takes for data."""

    def as_dict(self) -> dict[str, Any]:
        """For tinykit.json."""


@dataclass(frozen=True)
class SelfTest:
    """Tests itself with embedded vectors at boot, reports records, then takes commands."""

    name = "selftest"
    variant = ()
    embeds = True
    sources = ()
    baud = BAUD
    ready = ""

    def check(self, network: Network) -> None:
        """Every network will do."""

    def frontend(self, network: Network) -> Frontend | None:
        """The network's own."""
        return None if network.frontend is None else from_config(network.frontend)

    def files(self, network: Network, board: Board, vectors: Vectors) -> dict[str, str]:
        """main.c and its vectors."""
        context = selftest_context(
            banner(network),
            board.id,
            network.tensor(network.input).bits,
            vectors,
            frontend=network.frontend is not None,
        )
        names = ("main.c", "vectors.h", "vectors.c")
        return {name: render_template(f"{name}.j2", **context) for name in names}

    def code_group(self, network: Network, vectors: Vectors | None) -> str:
        """By front end, recordings, and whether there are few classes."""
        frontend = self.frontend(network)
        clips = frontend is not None and vectors is not None and len(vectors.clips) > 0
        classes = math.prod(network.tensor(network.output).shape)
        return main_group("" if frontend is None else frontend.kind, clips, classes <= FEW)

    def buffer_bytes(self, network: Network) -> int:
        """Features before they are packed, and samples of one push."""
        total = 0
        source, frontend = network.tensor(network.input), self.frontend(network)
        if source.bits != 8:
            total += -(-math.prod(source.shape) // 4) * 4
        if frontend is not None:
            constants = frontend.c_constants()
            total += 2 * constants["chunk"] * constants["channels"]
        return total

    def as_dict(self) -> dict[str, Any]:
        """For tinykit.json."""
        return {"name": self.name}


SELF_TEST: Final = SelfTest()


def selftest_context(
    banner_line: str, board: str, input_bits: int, vectors: Vectors, *, frontend: bool
) -> Mapping[str, Any]:
    """What the self-test's templates need."""
    return {
        "banner": banner_line,
        "board": board,
        "frontend": frontend,
        "model": {"input": {"bits": input_bits}},
        **vectors_context(vectors),
    }


def main_group(frontend: str, clips: bool, few: bool) -> str:
    """The name of what the self-test's main.c adds to a firmware.

    Args:
        frontend: its kind, or "" for none.
        clips: the firmware tests itself with recordings.
        few: there are at most FEW classes.
    """
    parts = ["main", frontend or "alone", *["clips"] * clips, "few" if few else "many"]
    return " ".join(parts)
