# SPDX-License-Identifier: Apache-2.0
"""The integer-only Network: operators, storage, reference interpreter and .tflite export."""

from tinykit.network.export_tflite import export_tflite, to_tflite
from tinykit.network.interpreter import interpret, interpret_all
from tinykit.network.network import Network
from tinykit.network.ops import (
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    MaxPool2D,
    Op,
    Requantize,
    Rescale,
    Reshape,
    Tensor,
    Threshold,
)
from tinykit.network.requantize import (
    add_rescale,
    fold_batch_norm,
    quantize_multiplier,
    requantize_from_scales,
)
from tinykit.network.summary import Row, summary
from tinykit.network.tflite_oracle import run_tflite

__all__ = [
    "Add",
    "AvgPool2D",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "MaxPool2D",
    "Network",
    "Op",
    "Requantize",
    "Rescale",
    "Reshape",
    "Row",
    "Tensor",
    "Threshold",
    "add_rescale",
    "export_tflite",
    "fold_batch_norm",
    "interpret",
    "interpret_all",
    "quantize_multiplier",
    "requantize_from_scales",
    "run_tflite",
    "summary",
    "to_tflite",
]
