# SPDX-License-Identifier: Apache-2.0
"""What quantization costs: a model's answers beside those of the model that it was made from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.importer.representative import Inputs
from tinykit.network import Network, interpret

Floats = NDArray[Any]


@dataclass(frozen=True)
class Figures:
    """One model on one set of inputs.

    Attributes:
        inputs: how many.
        accuracy: percent of right classes; None without labels.
        agreement: percent of inputs with the class that the first model gives; None where there is
            one output only.
        sqnr_db: power of the first model's outputs over that of the difference, in decibels; None
            where there is no difference.
    """

    inputs: int
    accuracy: float | None
    agreement: float | None
    sqnr_db: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def drop(self, first: Figures) -> float:
        """Points lost to the first model: of accuracy, or of agreement where there are no labels.

        Raises:
            TinykitError: there is one output only, and no label.
        """
        if self.accuracy is not None and first.accuracy is not None:
            return first.accuracy - self.accuracy
        if self.agreement is None:
            raise TinykitError(
                "one output has no class that could change.",
                where="--max-drop",
                remedy="Leave --max-drop out, and judge by the SQNR of the output.",
            )
        return 100.0 - self.agreement


def scores(network: Network, inputs: Inputs) -> Floats:
    """The reals of a Network's outputs: float64 (n, outputs)."""
    result = network.tensor(network.output)
    levels = interpret(network, inputs.integers(network.tensor(network.input)))
    return (levels.astype(np.float64) - result.zero_point) * result.scale


def compare(first: Floats, outputs: Floats, y: NDArray[np.int64] | None) -> Figures:
    """Hold outputs (n, outputs) against those of the first model, and against the classes (n,)."""
    reference, found = first.reshape(len(first), -1), outputs.reshape(len(first), -1)
    chosen = found.argmax(axis=1)
    several = found.shape[1] > 1
    return Figures(
        len(found),
        percent(chosen == y) if y is not None and several else None,
        percent(chosen == reference.argmax(axis=1)) if several else None,
        sqnr(reference, found),
    )


def percent(right: NDArray[np.bool_]) -> float:
    """Share of what is true."""
    return 100.0 * float(np.mean(right))


def sqnr(reference: Floats, values: Floats) -> float | None:
    """Signal to quantization noise ratio in decibels; None where either is 0."""
    noise = float(np.square(values.astype(np.float64) - reference).mean())
    signal = float(np.square(reference.astype(np.float64)).mean())
    return 10 * float(np.log10(signal / noise)) if noise > 0 and signal > 0 else None


def check_classes(inputs: Inputs, outputs: int) -> None:
    """Refuse classes that the model does not have.

    Raises:
        TinykitError: names the first.
    """
    if inputs.y is None:
        return
    bad = (inputs.y < 0) | (inputs.y >= outputs)
    if bad.any():
        at = int(np.argmax(bad))
        raise TinykitError(
            f"input {at} has the class {inputs.y[at]}, but the model has {outputs} outputs.",
            where=inputs.source,
            remedy=f"Classes are whole numbers from 0 to {outputs - 1}.",
        )
