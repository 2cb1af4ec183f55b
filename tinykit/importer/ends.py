# SPDX-License-Identifier: Apache-2.0
"""Between a Network's int8 and the type that the model's own file has at its ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.network.ops import Int8Array


def as_in_file(values: Int8Array, end: Mapping[str, Any]) -> NDArray[Any]:
    """Integers of a Network's input or output as the file takes or gives them.

    Args:
        values: int8.
        end: the Network's `metadata["input"]` or `["output"]`, with the file's dtype, and the scale
            and zero point of the int8.

    Returns:
        int8, uint8 or float32, the shape of `values`.
    """
    if end["dtype"] == "uint8":
        return (values.astype(np.int16) + 128).astype(np.uint8)
    if end["dtype"] == "float32":
        # TFLite's DEQUANTIZE multiplies in float64, and its QUANTIZE gives these integers again.
        centred = values.astype(np.float64) - end["zero_point"]
        return (centred * end["scale"]).astype(np.float32)
    return values
