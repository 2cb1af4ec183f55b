# SPDX-License-Identifier: Apache-2.0
"""What a report says, as plain data; `report.json` is exactly this document.

A part that nobody measured is None, or empty, and named in `Report.missing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Missing:
    """A part that was not measured yet, and the command that measures it."""

    part: str
    what: str
    command: str


@dataclass(frozen=True)
class Data:
    """The data set behind the figures.

    Attributes:
        name, licence: of the set.
        synthetic: generated, not recorded: figures say nothing about the real world.
        labels: class names.
        counts: examples of train, validation and test, by class; empty if unknown.
    """

    name: str
    synthetic: bool
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...] = ()
    licence: str = ""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training part; losses as trained, accuracies from 0 to 1."""

    loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class Stage:
    """A stage of training.

    Attributes:
        name: "float" or "quantized".
        epochs: in order; empty where the stage was taken from another run that kept none.
        best_epoch: index of the epoch that was kept, or -1.
        seconds: wall clock of the stage, or None.
    """

    name: str
    epochs: tuple[Epoch, ...]
    best_epoch: int = -1
    seconds: float | None = None


@dataclass(frozen=True)
class PerClass:
    """Figures of one class, from 0 to 1; count is the number of its examples (the support)."""

    label: str
    count: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Figures:
    """A classifier on one part of the split; confusion[true][predicted] counts examples."""

    count: int
    accuracy: float
    macro_f1: float
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[PerClass, ...]


@dataclass(frozen=True)
class Split:
    """Figures on the validation and test part."""

    validation: Figures | None = None
    test: Figures | None = None


@dataclass(frozen=True)
class Operating:
    """A mode of a network with exits, on validation data.

    Attributes:
        name: of the mode.
        accuracy, macro_f1: 0 to 1.
        instructions: mean of an inference, predicted for `board`.
        shares: of the inferences, by exit and last those that ran to the end.
        board: id of the board.
    """

    name: str
    accuracy: float
    macro_f1: float
    instructions: float
    shares: tuple[float, ...]
    board: str


@dataclass(frozen=True)
class Spot:
    """A network or mode in a picture: what it costs and its score, percent."""

    name: str
    cost: float
    score: float


@dataclass(frozen=True)
class Cloud:
    """Spots of one kind; `joined` ones have a line along their front."""

    name: str
    points: tuple[Spot, ...]
    joined: bool = True


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        weight_bits: None for a layer without weights.
        macs: multiply-accumulates of an inference.
        ace: arithmetic computation effort, macs * weight bits * bits of the input
            (PokeBNN, arXiv:2112.00133).
        weight_bytes: packed weights.
        instructions: by board id, where measured on this very network.
    """

    name: str
    op: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weight_bits: int | None
    input_bits: int
    activation_bits: int
    macs: int
    ace: int
    weight_bytes: int
    parameter_bytes: int
    instructions: dict[str, int]


@dataclass(frozen=True)
class ArenaBuffer:
    """Bytes of the arena from layer `first` to layer `last`; the input is there from -1 on."""

    name: str
    offset: int
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """The static memory plan for one board.

    `layers` are the steps that `first` and `last` count, `occupied` the bytes in use at each.
    """

    board: str
    size: int
    lower_bound: int
    layers: tuple[str, ...]
    occupied: tuple[int, ...]
    buffers: tuple[ArenaBuffer, ...]


@dataclass(frozen=True)
class Flash:
    """Bytes of flash, in all and by part, and what the board has."""

    total: int
    capacity: int
    parts: dict[str, int]


@dataclass(frozen=True)
class Ram:
    """Bytes of RAM; stack_used is the high-water mark."""

    total: int
    capacity: int
    arena: int
    stack_used: int
    stack_reserved: int
    other: int


@dataclass(frozen=True)
class LayerCount:
    """Instructions of one executed layer."""

    name: str
    instructions: int


@dataclass(frozen=True)
class HopCount:
    """Instructions of one push of samples into the front end."""

    mean: float
    max: float


@dataclass(frozen=True)
class Instructions:
    """Exact counts under emulation; None where the emulator counts none."""

    inference: int | None
    layers: tuple[LayerCount, ...] = ()
    frontend_per_hop: HopCount | None = None
    frontend_per_clip: int | None = None


@dataclass(frozen=True)
class Estimates:
    """Models, not measurements; `source` says where the two factors come from."""

    latency_ms: float
    energy_uj: float
    cycles_per_instruction: float
    pj_per_cycle: float
    source: str


@dataclass(frozen=True)
class VectorCount:
    """Embedded test vectors, and how many of them came out as Python says."""

    count: int
    passed: int


@dataclass(frozen=True)
class Clip:
    """A recording that the board classified; `agrees` with Python in scores and class."""

    index: int
    label: str
    predicted: str
    agrees: bool


@dataclass(frozen=True)
class BoardResult:
    """What `tinykit run` measured on one board.

    Attributes:
        stale: measured on another network than this run's.
        differences: what did not equal Python's answer, in words.
    """

    board: str
    board_name: str
    core: str
    clock_hz: int
    emulator: str
    network: str
    flash: Flash
    ram: Ram
    instructions: Instructions
    estimates: Estimates | None
    vectors: VectorCount
    clips: tuple[Clip, ...]
    stale: bool
    emulator_version: str = ""
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """One executor against the reference interpreter; `exact` is None where it did not run."""

    executor: str
    core: str | None
    inputs: int
    compares: str
    exact: bool | None
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """What `tinykit verify` found; `stale`: for another network than this run's."""

    network: str
    inputs: int
    rows: tuple[Agreement, ...]
    stale: bool = False

    @property
    def exact(self) -> bool:
        """At least one executor besides the interpreter ran, and all that ran agreed."""
        verdicts = [row.exact for row in self.rows if row.exact is not None]
        others = [row for row in self.rows if row.exact and row.executor != "interpreter"]
        return bool(others) and not self.stale and all(verdicts)

    @property
    def compared(self) -> int:
        """How many executors ran."""
        return sum(row.exact is not None for row in self.rows)


@dataclass(frozen=True)
class Report:
    """A run on one page.

    Attributes:
        tinykit: version that wrote the report.
        name, task, digest, policy: of the network; task is "kws", "har" or "".
        metrics_stale: metrics.json tells of another network than network.tkn.
        recipe: recipe.toml as parsed.
        schemes: how weights and activations were quantised.
        modes: of a network with exits that was tuned, else empty.
        versions, seed: of the training.
        commands: that make this run again.
    """

    tinykit: str
    name: str
    task: str
    digest: str
    policy: str
    labels: tuple[str, ...]
    frontend: str
    parameters: int | None
    parameter_bytes: int
    macs: int
    synthetic: bool
    metrics_stale: bool
    data: Data | None
    recipe: dict[str, Any] | None
    schemes: dict[str, str]
    stages: tuple[Stage, ...]
    floating: Split
    integers: Split
    modes: tuple[Operating, ...]
    layers: tuple[Layer, ...]
    arena: Arena | None
    boards: tuple[BoardResult, ...]
    verification: Verification | None
    versions: dict[str, str]
    seed: int | None
    commands: tuple[str, ...]
    missing: tuple[Missing, ...]
    format: int = 1
