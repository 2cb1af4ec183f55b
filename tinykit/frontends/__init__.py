# SPDX-License-Identifier: Apache-2.0
"""From int16 recordings to int8 features, in integers the device computes bit for bit.

`mfcc`, `logmel` and the binary `analog` for sound, `imu` for inertial windows. Training, the
interpreter and the firmware all see the output of `integer`; `reference` is the float twin it is
held against.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.frontends import checks
from tinykit.frontends.analog import Analog
from tinykit.frontends.fixed import FloatArray, Int8Array, Int16Array
from tinykit.frontends.imu import Imu
from tinykit.frontends.logmel import LogMel
from tinykit.frontends.mfcc import Mfcc

__all__ = ["KINDS", "Analog", "Frontend", "Imu", "LogMel", "Mfcc", "analog_of", "from_config"]


class Frontend(Protocol):
    """What every front end offers; real feature = `scale * (int8 - zero_point)`.

    `output_bits` are those of a feature, which comes as int8 all the same; `calibrated` names the
    settings that `calibrate` finds.
    """

    @property
    def kind(self) -> str: ...
    @property
    def rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def input_length(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def output_shape(self) -> tuple[int, int, int]: ...
    @property
    def scale(self) -> float: ...
    @property
    def zero_point(self) -> int: ...
    @property
    def output_bits(self) -> int: ...
    @property
    def calibrated(self) -> tuple[str, ...]: ...
    @property
    def c_state_bytes(self) -> int: ...
    def integer(self, x: Int16Array) -> Int8Array: ...
    def reference(self, x: Int16Array) -> FloatArray: ...
    def calibrate(self, x_train: Int16Array) -> Self: ...
    def to_config(self) -> dict[str, object]: ...
    def c_tables(self) -> dict[str, NDArray[np.generic]]: ...
    def c_constants(self) -> dict[str, int]: ...


KINDS: dict[str, type[Mfcc] | type[LogMel] | type[Imu] | type[Analog]] = {
    cls.kind: cls for cls in (Mfcc, LogMel, Imu, Analog)
}


def from_config(config: Mapping[str, object]) -> Frontend:
    """The front end that `to_config` described; fields left out take their defaults.

    Raises:
        TinykitError: an unknown kind or field, or a value out of range.
    """
    kind = config.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise checks.fault(str(kind), "kind", kind, f"one of {', '.join(KINDS)}")
    cls = KINDS[kind]
    return cls(**checks.arguments(kind, cls, config))


def analog_of(config: Mapping[str, object] | None, where: str | Path) -> Analog:
    """The analog front end that a network or a run has.

    Args:
        config: of a Network's front end; None where it has none.
        where: the network or run, for the error.

    Raises:
        TinykitError: it has another front end, or none.
    """
    made = None if config is None else from_config(config)
    if not isinstance(made, Analog):
        raise TinykitError(
            f"it has {'no front end' if made is None else f'the front end {made.kind}'}, and so no "
            "analog parts.",
            where=where,
            remedy="Name a run whose recipe has the front end analog.",
        )
    return made
