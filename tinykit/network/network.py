# SPDX-License-Identifier: Apache-2.0
"""The Network: the one artefact between training and everything that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tinykit.network import shapes
from tinykit.network.exits import Exit, Mode, full_mode
from tinykit.network.ops import Op, Tensor, Weighted


@dataclass(frozen=True, eq=False)
class Network:
    """An integer-only network, valid by construction.

    Attributes:
        name: of the network.
        tensors: every activation, the input's included.
        ops: in an order in which every input is ready before it is read.
        input, output: names of the tensors that enter and leave.
        labels: one a class, in the order of the output.
        frontend: configuration of the front end that makes the input, or None.
        metadata: whatever training wants to keep; must fit in JSON.
        rounding: how requantisation rounds; "double" is TFLite's reference kernels.
        exits: logits that may be returned early, as their layers run; the output is the last.
        modes: at which margins to leave; the first, in which firmware starts, runs to the end.

    Raises:
        TinykitError: something does not fit together; says which layer, and what to do.
    """

    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    input: str
    output: str
    labels: tuple[str, ...]
    frontend: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    rounding: Literal["double"] = "double"
    exits: tuple[Exit, ...] = ()
    modes: tuple[Mode, ...] = ()

    def __post_init__(self) -> None:
        self.validate()

    def validate(self) -> None:
        """Check all that every later stage relies on.

        Raises:
            TinykitError: see `tinykit.network.validate`.
        """
        from tinykit.network.validate import validate

        validate(self)

    @cached_property
    def _by_name(self) -> dict[str, Tensor]:
        return {tensor.name: tensor for tensor in self.tensors}

    def tensor(self, name: str) -> Tensor:
        """The tensor called `name`.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    def op(self, name: str) -> Op:
        """The operator called `name`.

        Raises:
            KeyError: there is none.
        """
        for op in self.ops:
            if op.name == name:
                return op
        raise KeyError(name)

    def mode(self, name: str) -> Mode:
        """The mode called `name`.

        Raises:
            KeyError: there is none.
        """
        for mode in self.operating_modes:
            if mode.name == name:
                return mode
        raise KeyError(name)

    @property
    def operating_modes(self) -> tuple[Mode, ...]:
        """The modes; running to the end where there are exits and no modes."""
        return self.modes or ((full_mode(len(self.exits)),) if self.exits else ())

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the canonical content: the same network, the same digest."""
        from tinykit.network.store import content_digest

        return content_digest(self)

    def macs_by_op(self) -> dict[str, int]:
        """Multiply-accumulates of one inference, by operator."""
        return {op.name: shapes.macs(op, self.tensor(op.output).shape) for op in self.ops}

    def macs(self) -> int:
        """Multiply-accumulates of one inference, those on padding included."""
        return sum(self.macs_by_op().values())

    def ace_by_op(self) -> dict[str, int]:
        """Arithmetic computation effort by operator (Zhang et al., arXiv:2112.00133, section 3.1).

        That is multiply-accumulates * bits of a weight * bits of an input, padding included.
        """
        return {
            op.name: macs * op.weight_bits * self.tensor(op.inputs[0]).bits
            for op, macs in zip(self.ops, self.macs_by_op().values(), strict=True)
            if isinstance(op, Weighted)
        }

    def ace(self) -> int:
        """Arithmetic computation effort of one inference."""
        return sum(self.ace_by_op().values())

    def parameter_bytes(self) -> int:
        """Bytes of all weights, packed at their width, and biases."""
        return sum(shapes.parameter_bytes(op) for op in self.ops)

    def save(self, path: Path) -> None:
        """Write the network to one file; the same network gives the same bytes.

        Raises:
            TinykitError: the file cannot be written.
        """
        from tinykit.network.store import save

        save(self, path)

    @classmethod
    def load(cls, path: Path) -> Network:
        """Read a file that `save` wrote.

        Raises:
            TinykitError: the file is missing, damaged, of another version, or no network.
        """
        from tinykit.network.store import load

        return load(path)
