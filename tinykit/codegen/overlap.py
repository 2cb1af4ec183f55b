# SPDX-License-Identifier: Apache-2.0
"""How far a layer's output may lie over its input.

A convolution needs a row or two of input behind the pixel it writes. So its output may overlap
its input, shifted by those rows, and a network needs one feature map and a few rows instead of two
maps. Let d be the output's address less the input's. Kernels that go forward through their pixels
allow every d <= -forward; those that can also go backward allow every d >= backward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Overlap:
    """Allowed distances d = output - input in bytes, beyond those without any overlap.

    Attributes:
        forward: every d <= -forward is allowed; infinity where none is, minus infinity where all.
        backward: every d >= backward is allowed, computing the last pixels first; infinity: none.
        same: d = 0 is allowed whatever the others say.
    """

    forward: float = math.inf
    backward: float = math.inf
    same: bool = False


NONE = Overlap()
ANYWHERE = Overlap(forward=-math.inf)
IN_PLACE = Overlap(same=True)
# Reads an element before it writes it, from the first to the last.
ELEMENTWISE = Overlap(forward=0)


@dataclass(frozen=True)
class Reach:
    """What each output pixel reads: byte addresses from `low` up to but not including `high`."""

    low: IntArray
    high: IntArray


def reach(
    input_size: tuple[int, int],
    output_size: tuple[int, int],
    extent: tuple[int, int],
    stride: tuple[int, int],
    before: tuple[int, int],
    pixel_bytes: int,
) -> Reach:
    """The bytes that each output pixel of a window op sees, in the order of the pixels.

    Args:
        input_size, output_size: (height, width) in pixels.
        extent: (height, width) that a window spans.
        stride, before: (height, width); `before` is the padding above and left.
        pixel_bytes: of an input pixel.
    """
    starts = [np.arange(output_size[i]) * stride[i] - before[i] for i in (0, 1)]
    first = [np.maximum(start, 0) for start in starts]
    last = [np.minimum(starts[i] + extent[i], input_size[i]) - 1 for i in (0, 1)]
    low = (first[0][:, None] * input_size[1] + first[1][None, :]) * pixel_bytes
    high = (last[0][:, None] * input_size[1] + last[1][None, :] + 1) * pixel_bytes
    return Reach(low.reshape(-1), high.reshape(-1))


def windowed(seen: Reach, out_pixel_bytes: int, group: int, *, backward: bool) -> Overlap:
    """For a kernel that reads all that a group of pixels sees before it writes the group.

    Args:
        seen: what each output pixel reads.
        out_pixel_bytes: of an output pixel.
        group: pixels in a group; 0 for a kernel that may write a pixel while it still reads it.
        backward: the kernel can start with the last group.
    """
    pixels = len(seen.low)
    starts = np.arange(0, pixels, max(group, 1))
    ends = np.minimum(starts + max(group, 1), pixels)
    # The least address that any group from a given one on reads, and the greatest up to it.
    least = np.minimum.accumulate(np.minimum.reduceat(seen.low, starts)[::-1])[::-1]
    most = np.maximum.accumulate(np.maximum.reduceat(seen.high, starts))
    own = 0 if group == 0 else 1
    ahead = ends[: len(ends) - own] * out_pixel_bytes - least[own:]
    behind = most[: len(most) - own] - starts[own:] * out_pixel_bytes
    return Overlap(forward=_largest(ahead), backward=_largest(behind) if backward else math.inf)


def _largest(values: NDArray[Any]) -> float:
    return float(values.max()) if values.size else -math.inf
