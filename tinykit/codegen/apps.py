# SPDX-License-Identifier: Apache-2.0
"""What a generated firmware does: its `main.c`, and what that brings along.

The self-test is the one that every command builds unless another is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from tinykit import __version__
from tinykit.boards import Board
from tinykit.boards.project import BAUD
from tinykit.codegen.datum import Datum
from tinykit.codegen.render import banner
from tinykit.codegen.vectors import Vectors, vectors_context
from tinykit.frontends import Frontend, from_config
from tinykit.network import Network
from tinykit.templating import render_template


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

    def check(self, network: Network, board: Board) -> None:
        """Refuse a network or a board that it cannot serve.

        Raises:
            TinykitError: says why.
        """

    def frontend(self, network: Network) -> Frontend | None:
        """The front end that the firmware needs."""

    def files(self, network: Network, board: Board, vectors: Vectors) -> dict[str, str]:
        """Rendered C by name, `main.c` among it."""

    def main_variant(self, network: Network, vectors: Vectors | None) -> str:
        """The name of its main.c in the table of code sizes: one for each code that it may have."""

    def main_data(self, network: Network, board: Board) -> list[Datum]:
        """What its main.c defines, as far as the sizes depend on network and board."""

    def tables(self, network: Network) -> dict[str, list[Datum]]:
        """What other files of its own define, by their names."""

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

    def check(self, network: Network, board: Board) -> None:
        """Every network will do."""

    def frontend(self, network: Network) -> Frontend | None:
        """The network's own."""
        return None if network.frontend is None else from_config(network.frontend)

    def files(self, network: Network, board: Board, vectors: Vectors) -> dict[str, str]:
        """main.c and its vectors."""
        context = {
            "banner": banner(network),
            "board": board.id,
            "frontend": network.frontend is not None,
            "exits": bool(network.exits),
            **vectors_context(vectors),
        }
        names = ("main.c", "vectors.c")
        return {name: render_template(f"{name}.j2", **context) for name in names}

    def main_variant(self, network: Network, vectors: Vectors | None) -> str:
        """By front end, exits, vectors and recordings."""
        parts = ["selftest", *["frontend"] * (network.frontend is not None)]
        parts += ["exits"] * bool(network.exits)
        if vectors is not None:
            parts += ["vectors"] * bool(len(vectors.features)) + ["clips"] * bool(
                len(vectors.clips)
            )
        return " ".join(parts)

    def main_data(self, network: Network, board: Board) -> list[Datum]:
        """Texts of the first record."""
        texts = {"board": board.id, "digest": network.digest[:16], "tool": __version__}
        return [Datum(name, "char", len(text.encode()) + 1) for name, text in texts.items()]

    def tables(self, network: Network) -> dict[str, list[Datum]]:
        """None but its vectors."""
        return {}

    def as_dict(self) -> dict[str, Any]:
        """For tinykit.json."""
        return {"name": self.name}


SELF_TEST: Final = SelfTest()
