# SPDX-License-Identifier: Apache-2.0
"""Layers of operators that see many values at once without weights: Mean and Softmax."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen import overlap
from tinykit.codegen.layer import Layer
from tinykit.network.ops import Mean, Softmax, Tensor
from tinykit.network.shapes import Shape

Int64Array = NDArray[np.int64]

_INT32_LIMIT = 1 << 31
# What a line may reach at the ends of the sums, so that nothing leaves 32 bits.
_REACH = 1 << 29


def softmax_layer(index: int, op: Softmax, x: Tensor) -> Layer:
    """The Layer of a softmax of `x`."""
    return Layer(
        index=index,
        op=op,
        kind="softmax",
        function="tk_softmax",
        params_type="tk_softmax_params",
        sources=("kernels/softmax.c",),
        fields={
            "distances": len(op.exponentials),
            "pixels": math.prod(x.shape[:-1]),
            "channels": x.shape[-1],
        },
        arrays={"exponentials": op.exponentials},
        # A value is read for the last time before it is written.
        overlap=overlap.ELEMENTWISE,
    )


def mean_layer(index: int, op: Mean, x: Tensor) -> Layer:
    """The Layer of a mean of `x`."""
    loops = _loops(x.shape, op.axes)
    count = math.prod(x.shape[axis] for axis in op.axes)
    stairs = _Stairs.of(op, count)
    line = stairs.line()
    words = (
        loops["lines"] == loops["output_step"] == 1
        and loops["outputs"] % 4 == loops["group_step"] % 4 == loops["tap_step"] % 4 == 0
    )
    name = "mean_words" if words else "mean"
    fields = {"factor": 0, "offset": 0, "left": 0, "shift": 1} if line is None else line
    return Layer(
        index=index,
        op=op,
        kind="mean",
        function=f"tk_{name}",
        params_type="tk_mean_params",
        sources=(f"kernels/{name}.c", "kernels/mean_body.h", "kernels/product.h"),
        fields=loops | fields | {"low": stairs.first, "range": len(stairs.steps)},
        arrays={"steps": stairs.steps.astype(np.int32)} if line is None else {},
        # The first value of a mean lies where the mean goes or behind it, and no later mean has it.
        overlap=overlap.ELEMENTWISE,
    )


def _loops(shape: Shape, axes: tuple[int, ...]) -> dict[str, int]:
    """Counts and steps: of the axes that stay and of those that go, neighbours taken together."""
    levels: list[tuple[int, int, bool]] = []
    for axis in reversed(range(len(shape))):
        side, goes = shape[axis], axis in axes
        if side == 1:
            continue
        if levels and levels[-1][2] == goes:
            levels[-1] = (levels[-1][0] * side, *levels[-1][1:])
        else:
            levels.append((side, math.prod(shape[axis + 1 :]), goes))
    none = [(1, 0, False)] * 2
    (outputs, output_step, _), (groups, group_step, _) = (
        [level for level in levels if not level[2]] + none
    )[:2]
    (taps, tap_step, _), (lines, line_step, _) = ([level for level in levels if level[2]] + none)[
        :2
    ]
    return {
        "groups": groups,
        "group_step": group_step,
        "outputs": outputs,
        "output_step": output_step,
        "lines": lines,
        "line_step": line_step,
        "taps": taps,
        "tap_step": tap_step,
    }


@dataclass(frozen=True)
class _Stairs:
    """A staircase over sums of `count` values of 8 bits.

    Attributes:
        first: the output below all steps.
        steps: (k,) int64, the sums at which the output grows by one, ascending; each within what
            sums reach, and above the least of them.
        count: values.
    """

    first: int
    steps: Int64Array
    count: int

    @classmethod
    def of(cls, op: Mean, count: int) -> _Stairs:
        """That of `op`, whose means are of `count` values."""
        steps = op.steps.astype(np.int64)
        always = int((steps <= -128 * count).sum())
        return cls(op.first + always, steps[always:][steps[always:] <= 127 * count], count)

    def line(self) -> dict[str, int] | None:
        """Members of a `tk_mean_params` that give the same outputs; None if none were found.

        A factor does if some offset fits all steps. The room for the offset is concave in the
        factor, but for rounding, so that the best factor is found by cutting to thirds.
        """
        reach = 128 * self.count
        if not len(self.steps):
            return {"factor": 0, "offset": 0, "left": 0, "shift": 1}
        left = 30 - (reach - 1).bit_length()
        span = int(self.steps[-1] - self.steps[0])
        slope = max(len(self.steps) - 1, 1) / max(span, 1)
        shift = min(30, math.floor(math.log2(_REACH / (2 * reach * slope))))
        if left < 0 or shift < 0:
            return None
        low, high = 1, min(_INT32_LIMIT - 1, math.ceil(2 * slope * 2.0 ** (shift + 32 - left)))
        while high - low > 2:
            third = (high - low) // 3
            one, two = low + third, high - third
            if self._room(one, left, shift) < self._room(two, left, shift):
                low = one
            else:
                high = two
        factor = max(range(low, high + 1), key=lambda f: self._room(f, left, shift))
        least, most = self._offsets(factor, left, shift)
        offset = (least + most) // 2
        largest = (reach << left) * factor >> 32
        if least > most or abs(offset) + largest + 1 >= _INT32_LIMIT:
            return None
        return {"factor": factor, "offset": offset, "left": left, "shift": shift}

    def _room(self, factor: int, left: int, shift: int) -> int:
        least, most = self._offsets(factor, left, shift)
        return most - least

    def _offsets(self, factor: int, left: int, shift: int) -> tuple[int, int]:
        """The least and the greatest offset that fit; none does where they are swapped."""
        wanted = np.arange(1, len(self.steps) + 1) << shift
        at, before = ((sums << left) * factor >> 32 for sums in (self.steps, self.steps - 1))
        return int((wanted - at).max()), int((wanted - 1 - before).min())
