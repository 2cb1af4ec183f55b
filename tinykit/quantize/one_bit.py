# SPDX-License-Identifier: Apache-2.0
"""Where one bit can go: a policy's bits of one fitted to a network.

One bit meets one bit: a layer that reads bits has weights of one bit, and gives bits only to such
layers. What a policy asks beyond that is widened to 8 bits: the output before a mean, an addition,
a concatenation, a depthwise or a wide last layer. Depthwise weights stay at 8 bits unless a rule
names them, as they are few and each output sums only some of them. Weights of one bit that meet
wider inputs are stored in two bits, which hold -1 and +1 and which there are kernels for.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from tinykit.errors import TinykitError
from tinykit.models.blueprint import (
    Blueprint,
    Conv,
    Depthwise,
    Drop,
    Flatten,
    Linear,
    Pool,
    Sign,
)
from tinykit.quantize.policy import LayerBits, Policy


def fitted(blueprint: Blueprint, policy: Policy) -> dict[str, LayerBits]:
    """Bits of each weighted layer, in order, as the network can have them.

    Raises:
        TinykitError: a rule names no layer, or gives wide weights to a layer that reads a Sign.
    """
    names = [layer.name for layer in blueprint.weighted()]
    bits = policy.assign(names, blueprint.exits)
    if all(1 not in (one.weights, one.activations) for one in bits.values()) and not any(
        isinstance(layer, Sign) for layer in blueprint.layers
    ):
        return bits
    named = {
        name for name in names for glob, _ in policy.rules if fnmatchcase(name, glob)
    }  # What a rule names is taken at its word.
    kinds = {layer.name: layer for layer in blueprint.layers}
    for name in names:
        if isinstance(kinds[name], Depthwise) and bits[name].weights == 1 and name not in named:
            bits[name] = replace(bits[name], weights=8)
    for layer in blueprint.layers:
        if isinstance(layer, Sign):
            for reader in _readers(blueprint, layer.name):
                bits = _reads_bits(blueprint, bits, reader, policy, named)
    # From the end, as what a layer gives depends on what its readers can be.
    for name in reversed(names):
        takers = _readers(blueprint, name)
        if bits[name].activations == 1 and not all(_takes_bits(kinds[t], bits) for t in takers):
            bits[name] = replace(bits[name], activations=8)
    return bits


def _readers(blueprint: Blueprint, name: str) -> list[str]:
    """Layers that read the output of `name`, seen through what only moves or picks values."""
    kinds = {layer.name: layer for layer in blueprint.layers}
    found = []
    for reader, sources in blueprint.sources().items():
        if name in sources:
            layer = kinds[reader]
            through = isinstance(layer, Drop | Flatten) or (
                isinstance(layer, Pool) and layer.kind == "max"
            )
            if isinstance(layer, Flatten) and blueprint.input_shapes()[reader][-1] % 8:
                # Pixels of bits that do not fill bytes cannot be flattened.
                through = False
            found += _readers(blueprint, reader) if through else [reader]
    return found


def _takes_bits(layer: object, bits: dict[str, LayerBits]) -> bool:
    return isinstance(layer, Conv | Linear) and bits[layer.name].weights == 1


def _reads_bits(
    blueprint: Blueprint,
    bits: dict[str, LayerBits],
    reader: str,
    policy: Policy,
    named: set[str],
) -> dict[str, LayerBits]:
    """The bits with weights of one bit for a layer that reads a Sign."""
    kinds = {layer.name: layer for layer in blueprint.layers}
    narrow = isinstance(kinds[reader], Conv | Linear) and (
        bits[reader].weights == 1 or (policy.default.weights == 1 and reader not in named)
    )
    if not narrow:
        raise TinykitError(
            "reads values of one bit, but has no weights of one bit.",
            where=f"layer {reader} of {blueprint.name}",
            remedy='Use the policy "w1a1" or "w1a8", without an exception for this layer.',
        )
    return bits | {reader: replace(bits[reader], weights=1)}
