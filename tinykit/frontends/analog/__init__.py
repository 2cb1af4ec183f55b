# SPDX-License-Identifier: Apache-2.0
"""The analog binary front end: filters as parts, one manufactured unit, comparators, integers."""

from __future__ import annotations

from tinykit.frontends.analog.bank import Bank
from tinykit.frontends.analog.comparator import Comparator, latched
from tinykit.frontends.analog.envelopes import Envelopes
from tinykit.frontends.analog.frontend import Analog
from tinykit.frontends.analog.ideal import mel_peaks
from tinykit.frontends.analog.mfb import Mfb, design, exact
from tinykit.frontends.analog.netlist import render_netlist
from tinykit.frontends.analog.response import Response
from tinykit.frontends.analog.thresholds import Dac, Dividers, divide
from tinykit.frontends.analog.unit import Tolerances, Unit, nominal_unit, sample_unit

__all__ = [
    "Analog",
    "Bank",
    "Comparator",
    "Dac",
    "Dividers",
    "Envelopes",
    "Mfb",
    "Response",
    "Tolerances",
    "Unit",
    "design",
    "divide",
    "exact",
    "latched",
    "mel_peaks",
    "nominal_unit",
    "render_netlist",
    "sample_unit",
]
