# SPDX-License-Identifier: Apache-2.0
"""What exits and modes promise: called by `tinykit.network.validate`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tinykit.network.exits import NEVER, Exit, Mode
from tinykit.network.ops import Constant, Reshape
from tinykit.network.validate import fail

if TYPE_CHECKING:
    from tinykit.network.network import Network

# What a byte in the firmware numbers.
MAX_EXITS = 255
MAX_MODES = 255


def check_exits(network: Network) -> None:
    """Check exits, their order, and modes.

    Raises:
        TinykitError: names the network, the exit or mode, what is wrong and what to do.
    """
    made = {op.output: index for index, op in enumerate(network.ops)}
    for one in network.exits:
        _check_exit(network, one, made)
    places = [made[one.tensor] for one in network.exits]
    if sorted(set(places)) != places:
        raise fail(
            network,
            "its exits are not in the order of their layers, or one comes twice.",
            remedy="List each exit once, as the layers run.",
        )
    if network.exits and len(network.labels) < 2:
        raise fail(
            network,
            "has exits, but one class only.",
            remedy="Remove the exits: a margin needs two.",
        )
    if network.modes and not network.exits:
        raise fail(network, "has modes, but no exits.", remedy="Remove the modes.")
    if len(network.exits) > MAX_EXITS or len(network.modes) > MAX_MODES:
        raise fail(
            network,
            f"has {len(network.exits)} exits and {len(network.modes)} modes.",
            remedy=f"Keep at most {MAX_EXITS} exits and {MAX_MODES} modes.",
        )
    _check_modes(network)


def _check_exit(network: Network, one: Exit, made: dict[str, int]) -> None:
    place = f"exit {one.tensor}"
    if one.tensor not in made:
        raise fail(network, "no layer makes it.", place=place, remedy="Name a layer's output.")
    read = any(one.tensor in op.inputs for op in network.ops)
    if read or one.tensor == network.output:
        raise fail(
            network,
            "it is the output, or read by a layer.",
            place=place,
            remedy="Give the exit logits of its own.",
        )
    if isinstance(network.ops[made[one.tensor]], Reshape | Constant):
        raise fail(
            network,
            "no layer computes it.",
            place=place,
            remedy="End the exit in the layer that computes its logits.",
        )
    logits, result = network.tensor(one.tensor), network.tensor(network.output)
    if (logits.shape, logits.bits) != (result.shape, result.bits):
        raise fail(
            network,
            f"its logits are {logits.shape} of {logits.bits} bits, "
            f"the output is {result.shape} of {result.bits}.",
            place=place,
            remedy="Give both the same shape and width.",
        )


def _check_modes(network: Network) -> None:
    names = [mode.name for mode in network.modes]
    first = network.modes[:1]
    if any(mode.is_open(i) for mode in first for i in range(len(mode.thresholds))):
        raise fail(
            network,
            "its first mode, which firmware starts in, may leave at an exit.",
            place=f"mode {names[0]}",
            remedy="Put a mode first that runs to the end: all its thresholds are 255.",
        )
    for mode in network.modes:
        place = f"mode {mode.name}"
        if not isinstance(mode.name, str) or not mode.name or names.count(mode.name) > 1:
            raise fail(
                network, "it has no name of its own.", place=place, remedy="Name each mode once."
            )
        sizes = {len(one) for one in mode.thresholds}
        if len(mode.thresholds) != len(network.exits) or not sizes <= {1, len(network.labels)}:
            raise fail(
                network,
                f"it has {[len(one) for one in mode.thresholds]} thresholds "
                f"for {len(network.exits)} exits.",
                place=place,
                remedy="Give each exit one threshold, or one a class.",
            )
        known = all(
            type(one) is int and 0 <= one <= NEVER for row in mode.thresholds for one in row
        )
        if not known:
            raise fail(
                network,
                "a threshold is no integer of 0 to 255.",
                place=place,
                remedy="0 always leaves, 255 never does.",
            )
        _check_expected(network, mode, place)


def _check_expected(network: Network, mode: Mode, place: str) -> None:
    known = mode.expected
    if known is None:
        return
    parts = (known.accuracy, known.macro_f1, *known.shares)
    sound = (
        len(known.shares) == len(network.exits) + 1
        and all(isinstance(one, float) and 0 <= one <= 1 for one in parts)
        and math.isclose(sum(known.shares), 1, abs_tol=1e-6)
        and isinstance(known.instructions, float)
        and math.isfinite(known.instructions)
        and isinstance(known.board, str)
    )
    if not sound:
        raise fail(
            network,
            "what is expected of it cannot be.",
            place=place,
            remedy="Shares and scores are real numbers of 0 to 1; shares, one an exit and one for "
            "the end, add up to 1.",
        )
