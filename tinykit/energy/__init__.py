# SPDX-License-Identifier: Apache-2.0
"""Estimates of average power: a digital front end against an analog one, from figures of parts."""

from __future__ import annotations

from tinykit.energy.model import Setup, acquisition, lifetimes, powers, sensitivities
from tinykit.energy.parts import Figure, OpAmp, Parts, load_parts

__all__ = [
    "Figure",
    "OpAmp",
    "Parts",
    "Setup",
    "acquisition",
    "lifetimes",
    "load_parts",
    "powers",
    "sensitivities",
]
