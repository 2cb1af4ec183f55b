# SPDX-License-Identifier: Apache-2.0
"""Quantization schemes by name; a new one is a file with a `Quantizer` and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tinykit.suggest import one_of

if TYPE_CHECKING:
    from tinykit.quantize.quantizer import Quantizer

# Module and class; the modules import TensorFlow, this one does not.
_CLASSES = {
    "lsq": ("lsq", "Lsq"),
    # Chooses its width; a recipe cannot ask for it, as no Network comes of it.
    "mixed": ("mixed", "Mixed"),
    "minmax": ("minmax", "MinMax"),
    "pact": ("pact", "Pact"),
}
WEIGHT_SCHEMES = ("lsq", "minmax")
ACTIVATION_SCHEMES = ("lsq", "minmax", "pact")
GRANULARITIES = ("channel", "tensor")


def scheme(name: str) -> type[Quantizer]:
    """The Quantizer class `name`.

    Raises:
        TinykitError: there is none.
    """
    module, cls = _CLASSES[one_of(name, _CLASSES, what="quantization scheme")]
    found: type[Quantizer] = getattr(import_module(f"tinykit.quantize.{module}"), cls)
    return found
