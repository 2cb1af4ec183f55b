# SPDX-License-Identifier: Apache-2.0
"""Exact figures of networks and single layers on every kind of core, beside those of others."""

from tinykit.bench.anchors import Anchor, Book, Goal, Verdict, load_anchors
from tinykit.bench.cases import ALL, Case, cases
from tinykit.bench.compare import Change, changes, default_baseline, regressions
from tinykit.bench.cores import CORES, cores
from tinykit.bench.measure import measure_case
from tinykit.bench.result import FIGURES, Figures, Result, load, save
from tinykit.bench.runner import plan, run, save_baseline

__all__ = [
    "ALL",
    "CORES",
    "FIGURES",
    "Anchor",
    "Book",
    "Case",
    "Change",
    "Figures",
    "Goal",
    "Result",
    "Verdict",
    "cases",
    "changes",
    "cores",
    "default_baseline",
    "load",
    "load_anchors",
    "measure_case",
    "plan",
    "regressions",
    "run",
    "save",
    "save_baseline",
]
