# SPDX-License-Identifier: Apache-2.0
"""Network architectures; nothing here knows how they will be quantised."""

from __future__ import annotations

from tinykit.models.blueprint import Blueprint, with_exits
from tinykit.models.registry import MODELS, blueprint, check_parameters

__all__ = ["MODELS", "Blueprint", "blueprint", "check_parameters", "with_exits"]
