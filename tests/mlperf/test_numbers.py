# SPDX-License-Identifier: Apache-2.0
"""Three decimals by integers alone, against Python's formatting of the same single."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tinykit.codegen.hostlib import SANITIZE, WARNINGS
from tinykit.mlperf.expected import decimal, dequantize, quantize
from tinykit.network.ops import Tensor
from tinykit.resources import resource_dir

# Reads pairs of words: (bits, 1000) for a single, else (bits of a scale, steps).
MAIN = """
#include <stdio.h>
#include "tinykit/mlperf.h"
#include "tinykit/network.h"
#include "tinykit/port.h"

const tk_network tk_model = {0};

int main(void)
{
    unsigned bits;
    int steps;
    while (scanf("%x %d", &bits, &steps) == 2) {
        if (steps == 1000) {
            tk_mlperf_say_single(bits);
        } else {
            tk_mlperf_say_scaled(bits, steps);
        }
        tk_port_putc('\\n');
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def printer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("printer")
    firmware = resource_dir("firmware")
    (folder / "main.c").write_text(MAIN)
    names = ("src/mlperf/decimal.c", "src/mlperf/say.c", "src/record.c", "src/crc.c")
    sources = [folder / "main.c", firmware / "ports/host/host.c", *(firmware / n for n in names)]
    program = folder / "printer"
    command = ["gcc", *WARNINGS, *SANITIZE, f"-I{firmware / 'include'}", *map(str, sources)]
    subprocess.run([*command, "-o", str(program)], check=True)
    return program


def _printed(program: Path, pairs: list[tuple[int, int]]) -> list[str]:
    text = "".join(f"{bits:x} {steps}\n" for bits, steps in pairs)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    return done.stdout.split()


def _bits(x: object) -> int:
    return int(np.float32(x).view(np.uint32))


def test_singles(printer: Path) -> None:
    rng = np.random.default_rng(0)
    edges = [0.0, -0.0, 1.0, -1.0, 0.0005, 0.0015, 0.9995, 0.99951, 999.9995, -0.0004, 1e-45, 1e-38]
    edges += [2.0**24 - 1, 2.0**31, 2.0**32 - 256, 2.0**32, -(2.0**32), 3e38, 2.0**-36, 0.00048828]
    # Halfway between two thousandths: eighths of a thousandth are exact in binary.
    ties = [k / 16 for k in range(33)] + [-k / 16 for k in range(33)]
    drawn = rng.uniform(-10, 10, 3000).tolist() + (10.0 ** rng.uniform(-8, 9, 3000)).tolist()
    values = [np.float32(x) for x in (*edges, *ties, *drawn)]
    assert _printed(printer, [(_bits(x), 1000) for x in values]) == [decimal(x) for x in values]


def test_no_numbers(printer: Path) -> None:
    bits = [0x7FC00000, 0xFFC00001, 0x7F800000, 0xFF800000]
    assert _printed(printer, [(one, 1000) for one in bits]) == ["nan", "nan", "inf", "-inf"]


def test_integers_times_a_scale(printer: Path) -> None:
    """For every step an int8 can be away from its zero point, as the product of two singles."""
    rng = np.random.default_rng(1)
    steps = np.arange(-255, 256)
    for scale in (1 / 256, 1.0, 0.1, 3.7e5, 1e-7, *rng.uniform(1e-3, 1, 20)):
        single = np.float32(scale)
        want = [decimal(np.float32(n) * single) for n in steps]
        got = _printed(printer, [(_bits(single), int(n)) for n in steps])
        # There is no negative zero among integers.
        assert got == ["0.000" if n == 0 else text for n, text in zip(steps, want, strict=True)]


def test_a_tie_goes_to_the_even_digit() -> None:
    """As C prints 0.0625: sixteen steps of a softmax's output."""
    tensor = Tensor("p", (3,), 8, 1 / 256, -128)
    texts = [decimal(x) for x in dequantize(np.array([-112, -128, 127], np.int8), tensor)]
    assert texts == ["0.062", "0.000", "0.996"]


def test_singles_to_integers() -> None:
    tensor = Tensor("x", (9,), 8, 0.5, 3)
    x = np.array([0, 0.25, -0.25, 0.2499999, 1e30, -1e30, np.nan, np.inf, -np.inf], np.float32)
    assert quantize(x, tensor).tolist() == [3, 4, 2, 3, 127, -128, -128, 127, -128]
