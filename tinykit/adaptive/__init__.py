# SPDX-License-Identifier: Apache-2.0
"""Operating modes of networks with exits: chosen on validation data, measured on test data."""

from tinykit.adaptive.tune import Metric, evaluate_modes, tune, tune_run

__all__ = ["Metric", "evaluate_modes", "tune", "tune_run"]
