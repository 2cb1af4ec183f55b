# SPDX-License-Identifier: Apache-2.0
"""Which boards a network fits, and what it will take there, without a build.

The firmware that is counted is the one that `tinykit generate` would write. Layouts depend on a
board's instruction set and on the model of its core's cost only, so boards share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinykit.boards import Board
from tinykit.codegen.choice import lay_out_for
from tinykit.codegen.cost import cost_model
from tinykit.codegen.exits import inference_cost
from tinykit.codegen.isa import isa_of
from tinykit.codegen.plan import Layout
from tinykit.codegen.sizes import Sizes, fitting_vectors, missing
from tinykit.codegen.vectors import blank_vectors
from tinykit.emulators.measure import Estimate, estimate
from tinykit.errors import TinykitError
from tinykit.network import Network


@dataclass(frozen=True)
class Fit:
    """A network on a board.

    Attributes:
        board: the board.
        sizes: of flash and RAM, of the firmware with as many vectors as there is flash for.
        missing_flash, missing_ram: bytes that the board lacks; 0 where it has enough.
        instructions: of an inference, predicted; None where no core like this one was measured.
        same_core: whether the prediction is of the very core, and not of the closest one.
        estimate: time and energy of an inference; None without a prediction.
    """

    board: Board
    sizes: Sizes
    missing_flash: int
    missing_ram: int
    instructions: int | None
    same_core: bool
    estimate: Estimate | None

    @property
    def fits(self) -> bool:
        """Whether nothing is missing."""
        return not (self.missing_flash or self.missing_ram)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "board": self.board.id,
            "core": self.board.core,
            "fits": self.fits,
            "missing_flash": self.missing_flash,
            "missing_ram": self.missing_ram,
            **self.sizes.as_dict(),
            "flash_available": self.board.flash_bytes,
            "ram_available": self.board.ram_bytes,
            "arena": self.sizes.ram_parts["arena"],
            "stack": self.sizes.ram_parts["stack"],
            "predicted_instructions": self.instructions,
            "predicted_for_same_core": self.same_core,
            **({} if self.estimate is None else self.estimate.as_dict()),
        }


def microcontroller(board: Board) -> Board:
    """`board`, if it is one.

    Raises:
        TinykitError: it is the host, which has no limits to compare with.
    """
    if board.memory is None:
        raise TinykitError(
            "it is no microcontroller, so everything fits.",
            where=f"board {board.id}",
            remedy="`tinykit boards` lists the others.",
        )
    return board


def fit_boards(network: Network, boards: Sequence[Board], *, vectors: int, clips: int) -> list[Fit]:
    """What `network` takes on each of `boards`.

    Args:
        network: a valid Network.
        boards: microcontrollers; the host has no limits to compare with.
        vectors, clips: how many the firmware is to carry, where there is flash for them; without a
            front end there are no clips.

    Raises:
        TinykitError: a layer has no kernel or can overflow.
    """
    carried = blank_vectors(network, vectors, clips if network.frontend is not None else 0)
    layouts: dict[tuple[str, str], Layout] = {}
    found = []
    for board in boards:
        model = cost_model(board)
        key = (isa_of(board), "" if model is None else model.name)
        if key not in layouts:
            layouts[key] = lay_out_for(network, board)
        layers, plan = layouts[key].layers, layouts[key].plan
        _, sizes = fitting_vectors(network, board, layers, plan, carried)
        instructions = None if model is None else inference_cost(network, layers, model)
        flash, ram = missing(sizes, board)
        found.append(
            Fit(
                board=board,
                sizes=sizes,
                missing_flash=flash,
                missing_ram=ram,
                instructions=None if instructions is None else round(instructions),
                same_core=model is not None and model.exact,
                estimate=None if instructions is None else estimate(instructions, board),
            )
        )
    return found
