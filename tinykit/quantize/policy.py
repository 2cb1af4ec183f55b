# SPDX-License-Identifier: Apache-2.0
"""Which layer gets how many bits.

A policy is a default and exceptions by layer name. As is usual in the literature (QNN, PACT, LSQ),
the weights of the first and the last layer stay at 8 bits unless the recipe says otherwise, because
they are few and cost the most accuracy. The network's logits are always 8 bits wide. Where one bit
can go depends on the network: see `tinykit.quantize.one_bit`.

Text form: "w4a8", or with exceptions "w4a8,pw*=w2a8,dw1=w8a4"; the last match wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tinykit.errors import TinykitError
from tinykit.network.ops import Bits

WIDTHS: tuple[Bits, ...] = (8, 4, 2)
"""What a search may choose from; a policy may besides ask for one bit."""
ONE: Bits = 1
ALIASES = {"int8": "w8a8"}
_FORM = re.compile(r"w(\d+)a(\d+)")


@dataclass(frozen=True)
class LayerBits:
    """Bits of a layer's weights and of its output."""

    weights: Bits
    activations: Bits

    def __str__(self) -> str:
        return f"w{self.weights}a{self.activations}"


@dataclass(frozen=True)
class Policy:
    """Bits of every layer.

    Attributes:
        default: of layers that no rule names.
        rules: (glob over layer names, bits); the last that matches wins.
        edges: least bits of the weights of the first and last layer, unless a rule names them.
    """

    default: LayerBits
    rules: tuple[tuple[str, LayerBits], ...] = ()
    edges: Bits = 8

    def __str__(self) -> str:
        return ",".join([str(self.default), *(f"{glob}={bits}" for glob, bits in self.rules)])

    def assign(self, layers: Sequence[str], exits: Sequence[str] = ()) -> dict[str, LayerBits]:
        """Bits of each weighted layer, in order; logits have 8 bits.

        Args:
            layers: names of the layers that have weights, first to last.
            exits: names of those that give logits before the last.

        Raises:
            TinykitError: a rule names no layer.
        """
        for glob, _ in self.rules:
            if not any(fnmatchcase(name, glob) for name in layers):
                raise TinykitError(
                    f"no layer is named {glob!r}.",
                    where="[quantization.layers]",
                    remedy=f"The layers are {', '.join(layers)}; * and ? match any letters.",
                )
        edges = (layers[0], layers[-1], *exits)
        assigned = {name: self._bits(name, edge=name in edges) for name in layers}
        for name in edges[1:]:
            assigned[name] = replace(assigned[name], activations=8)
        return assigned

    def _bits(self, name: str, *, edge: bool) -> LayerBits:
        for glob, bits in reversed(self.rules):
            if fnmatchcase(name, glob):
                return bits
        if edge:
            widest = max(self.default.weights, self.edges)
            return replace(self.default, weights=_width(widest, "edges", None))
        return self.default


def parse_policy(
    text: str,
    layers: Mapping[str, str] | None = None,
    *,
    edges: int = 8,
    where: str | None = "[quantization]",
) -> Policy:
    """Read a policy.

    Args:
        text: "w4a8", "int8", or with exceptions "w4a8,pw*=w2a8".
        layers: further exceptions, glob to bits, after those of `text`.
        edges: least bits of the first and last layer's weights.
        where: for errors.

    Raises:
        TinykitError: not of this form, or a width that is not 8, 4, 2 or 1.
    """
    head, *tail = [part.strip() for part in text.split(",")]
    rules: list[tuple[str, LayerBits]] = []
    for part in tail:
        glob, _, bits = part.partition("=")
        rules.append((glob.strip(), _layer_bits(bits.strip(), f"policy exception {part!r}", where)))
    for glob, bits in (layers or {}).items():
        rules.append((glob, _layer_bits(bits, f"layers.{glob!r}", where)))
    return Policy(_layer_bits(head, "policy", where), tuple(rules), _width(edges, "edges", where))


def _layer_bits(text: str, key: str, where: str | None) -> LayerBits:
    match = _FORM.fullmatch(ALIASES.get(text, text)) if isinstance(text, str) else None
    if match is None:
        raise TinykitError(
            f"{key} = {text!r} is not a policy.",
            where=where,
            remedy='Write bits of weights and activations, like "w8a8", "w4a8" or "w2a8".',
        )
    weights, activations = (int(group) for group in match.groups())
    return LayerBits(_width(weights, f"{key} = {text!r}", where), _width(activations, key, where))


def _width(bits: int, key: str, where: str | None) -> Bits:
    for width in (*WIDTHS, ONE):
        if bits == width:
            return width
    raise TinykitError(
        f"{key}: no kernel takes {bits}-bit integers.",
        where=where,
        remedy="Use 8, 4 or 2 bits, or 1.",
    )
