# SPDX-License-Identifier: Apache-2.0
"""Quantizers, quantisation-aware training, and export to a Network.

TensorFlow is imported when a training starts, not before.
"""

from __future__ import annotations

from tinykit.quantize.policy import LayerBits, Policy, parse_policy

__all__ = ["LayerBits", "Policy", "parse_policy"]
