# SPDX-License-Identifier: Apache-2.0
"""Early exits: logits inside a Network that may be returned, and the modes that say when.

The rule is that of Daghero et al. (arXiv:2209.00839): an inference leaves at an exit if its score
margin, the greatest logit less the next, is large enough. On integer logits of one scale that needs
no softmax, only an integer threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tinykit.network.network import Network
    from tinykit.network.ops import Op

NEVER = 255
"""The threshold at which no inference leaves; 0 is the one at which all do."""


@dataclass(frozen=True)
class Exit:
    """Logits that may be returned right after they were made.

    Attributes:
        tensor: (classes,), made by a layer that nothing else reads, of the output's width.
    """

    tensor: str


@dataclass(frozen=True)
class Expected:
    """What a mode did on validation data.

    Attributes:
        accuracy, macro_f1: 0 to 1.
        instructions: mean of an inference, predicted for `board`.
        shares: of the inferences, by exit and last those that ran to the end; they add up to 1.
        board: id of the board.
    """

    accuracy: float
    macro_f1: float
    instructions: float
    shares: tuple[float, ...]
    board: str


@dataclass(frozen=True)
class Mode:
    """An operating point: at which margins inferences leave.

    Attributes:
        name: unique in its Network.
        thresholds: for each exit one integer, or one for each class that may be its greatest. An
            inference leaves where its margin is not below it; 0 always, NEVER at no margin.
        expected: what is known of it, or None.
    """

    name: str
    thresholds: tuple[tuple[int, ...], ...]
    expected: Expected | None = None

    def is_open(self, exit_: int) -> bool:
        """Whether any inference may leave at an exit; where none may, its head need not run."""
        return any(one != NEVER for one in self.thresholds[exit_])


def full_mode(exits: int, name: str = "full") -> Mode:
    """The mode that leaves at none of so many exits."""
    return Mode(name, ((NEVER,),) * exits)


def margins(logits: NDArray[np.int8]) -> NDArray[np.int64]:
    """The greatest logit less the next, 0 where two are equal: (..., classes) to int64 (...)."""
    ordered = np.sort(logits.astype(np.int64), axis=-1)
    result: NDArray[np.int64] = ordered[..., -1] - ordered[..., -2]
    return result


def leaves(
    best: NDArray[np.int64], margin: NDArray[np.int64], thresholds: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Whether inferences leave at an exit that names the class `best` by `margin`, each (n,)."""
    least = np.asarray(thresholds, np.int64)
    if len(least) > 1:
        least = least[best]
    return np.asarray((least != NEVER) & (margin >= least))


def first_left(
    best: NDArray[np.int64], margin: NDArray[np.int64], thresholds: tuple[tuple[int, ...], ...]
) -> NDArray[np.int64]:
    """As `taken`, of classes and margins that are known: int64 (exits, n) each."""
    result = np.full(best.shape[1], len(best), np.int64)
    for index in reversed(range(len(best))):
        result[leaves(best[index], margin[index], thresholds[index])] = index
    return result


def taken(logits: NDArray[np.int8], mode: Mode) -> NDArray[np.int64]:
    """The exit that each inference takes.

    Args:
        logits: int8 (exits + 1, n, classes): of each exit and, last, of the output.
        mode: the mode.

    Returns:
        int64 (n,): the first exit that lets it go; the number of exits where it runs to the end.
    """
    early = logits[:-1]
    # Of equal logits the first counts, as everywhere.
    return first_left(early.argmax(axis=-1), margins(early), mode.thresholds)


@dataclass(frozen=True)
class Heads:
    """Which layers only exits need."""

    network: Network

    @cached_property
    def _readers(self) -> Mapping[str, list[Op]]:
        found: dict[str, list[Op]] = {}
        for op in self.network.ops:
            for name in op.inputs:
                found.setdefault(name, []).append(op)
        return found

    def of(self, exit_: Exit) -> frozenset[str]:
        """Names of the layers that nothing but this exit needs."""
        needed = {one.tensor for one in self.network.exits} | {self.network.output}
        needed.discard(exit_.tensor)
        own: set[str] = set()
        for op in reversed(self.network.ops):
            readers = self._readers.get(op.output, [])
            read = bool(readers) and all(reader.name in own for reader in readers)
            if op.output not in needed and (read or op.output == exit_.tensor):
                own.add(op.name)
        return frozenset(own)


def without_exits(network: Network) -> Network:
    """The same network with no exits, modes, or layers that only exits need."""
    if not network.exits:
        return network
    heads = Heads(network)
    dropped = frozenset[str]().union(*(heads.of(one) for one in network.exits))
    ops = tuple(op for op in network.ops if op.name not in dropped)
    kept = {network.input, *(op.output for op in ops)}
    return replace(
        network,
        tensors=tuple(one for one in network.tensors if one.name in kept),
        ops=ops,
        exits=(),
        modes=(),
    )
