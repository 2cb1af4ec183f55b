# SPDX-License-Identifier: Apache-2.0
"""What a measurement gives, and how it is kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tinykit import __version__
from tinykit.errors import TinykitError
from tinykit.files import write_atomic

FORMAT = 1
INFERENCE = "inference"
FIGURES = ("instructions", "flash", "arena", "stack")
"""The figures that are compared with a baseline."""


@dataclass(frozen=True)
class Figures:
    """Exact figures of one case on one core.

    Attributes:
        instructions: of one inference, or of the layer that the case is about.
        macs: multiply-accumulates of the same, padding included.
        flash: bytes of code, constants and initial values, without the embedded test vector.
        vector_bytes: bytes of that test vector, which `flash` leaves out.
        arena: bytes of the network's memory plan.
        ram: bytes of all variables, the arena among them, without the stack.
        stack: high-water mark of the stack in bytes; of the whole self-test.
    """

    instructions: int
    macs: int
    flash: int
    vector_bytes: int
    arena: int
    ram: int
    stack: int

    @property
    def per_mac(self) -> float:
        """Instructions for each multiply-accumulate."""
        return self.instructions / self.macs

    def of(self, name: str) -> float:
        """A figure by name; "per_mac" too."""
        return float(getattr(self, name))


@dataclass(frozen=True)
class Result:
    """One case on one core.

    Attributes:
        case, core: their names.
        counted: "inference", or the name of the layer that the case is about.
        board: id of the board.
        network: digest of the network.
        tools: digest of everything that decides what comes out; see `tinykit.bench.tools`.
        compiler: as it signed the firmware.
        figures: None where the firmware did not come to run.
        differences: where the board and the interpreter disagree; empty if bit-exact.
        kernels: the C functions that were counted, in order, each once.
        layers: for each layer that executes code, a record of its operator, shapes, bits, kernel
            and exact instructions; for models of cost.
        error: what, where, remedy and exit status where there are no figures.
    """

    case: str
    core: str
    counted: str
    board: str
    network: str
    tools: str = ""
    compiler: str = ""
    figures: Figures | None = None
    differences: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    layers: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, Any] | None = None

    @property
    def exact(self) -> bool:
        """Whether the firmware ran and agreed with the interpreter in every bit."""
        return self.figures is not None and not self.differences

    @property
    def is_network(self) -> bool:
        """Whether whole inferences were counted."""
        return self.counted == INFERENCE

    @property
    def predicted(self) -> int | None:
        """What the model of cost said of `figures.instructions`; None where it said nothing."""
        counted = [
            layer for layer in self.layers if self.is_network or layer.get("name") == self.counted
        ]
        parts = [layer.get("predicted") for layer in counted]
        return None if not parts or None in parts else sum(part for part in parts if part)

    @property
    def key(self) -> tuple[str, str]:
        """What makes two results comparable: the case and the core."""
        return self.case, self.core

    @property
    def exit_code(self) -> int:
        """Exit status that this result alone would give."""
        if self.error is not None:
            return int(self.error["exit_code"])
        return 0 if self.exact else 4

    def as_dict(self) -> dict[str, Any]:
        """For JSON; besides the members whether it is exact, what was predicted, and
        instructions per MAC."""
        document = {"exact": self.exact, "predicted": self.predicted, **asdict(self)}
        if self.figures is not None:
            document["figures"]["per_mac"] = round(self.figures.per_mac, 4)
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Result:
        """The reverse of `as_dict`.

        Raises:
            KeyError, TypeError: the document is another one.
        """
        values = {f.name: document[f.name] for f in fields(cls) if f.name in document}
        if values.get("figures") is not None:
            values["figures"] = Figures(
                **{f.name: int(document["figures"][f.name]) for f in fields(Figures)}
            )
        for name in ("differences", "kernels", "layers"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


def save(path: Path, results: Iterable[Result], *, brief: bool = False) -> None:
    """Write results, one a line, so that a version control's diff shows what changed.

    Args:
        path: the file.
        results: in the order in which they stand there.
        brief: leave out the records of single layers, the digest of the tools, which every commit
            changes, and what could not be measured.

    Raises:
        TinykitError: the file cannot be written.
    """
    lines = []
    for result in results:
        document = result.as_dict()
        if brief:
            if not result.exact:
                continue
            for name in ("layers", "tools", "predicted"):
                del document[name]
        lines.append(json.dumps(document))
    body = ",\n".join(lines)
    head = f'{{"format": {FORMAT}, "tinykit": {json.dumps(__version__)}, "results": [\n'
    write_atomic(path, f"{head}{body}\n]}}\n")


def load(path: Path) -> list[Result]:
    """Read what `save` wrote.

    Raises:
        TinykitError: the file is missing, broken, or of another format.
    """
    try:
        document = json.loads(path.read_text())
        if document["format"] != FORMAT:
            raise ValueError("another format")
        return [Result.from_dict(one) for one in document["results"]]
    except OSError as error:
        raise TinykitError(
            f"it cannot be read: {error.strerror}.",
            where=path,
            remedy="Name a file that `tinykit bench` wrote.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise TinykitError(
            "these are no results of a benchmark.",
            where=path,
            remedy="Measure again, or name a file that `tinykit bench` wrote.",
        ) from error


def by_key(results: Sequence[Result]) -> dict[tuple[str, str], Result]:
    """Results by case and core; of several, the last."""
    return {result.key: result for result in results}
