# SPDX-License-Identifier: Apache-2.0
"""Exits in firmware: the same exit and scores as the interpreter, in every mode, on every core."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinykit.boards import load_board
from tinykit.boards.elf import read_sizes
from tinykit.boards.platformio import build
from tinykit.codegen import HostModel, estimate_size, generate, make_vectors
from tinykit.codegen.exits import ExitCosts, exits_at, thresholds_of
from tinykit.codegen.hostlib import WARNINGS
from tinykit.codegen.isa import ISAS, Isa
from tinykit.codegen.plan import lay_out
from tinykit.codegen.render import render_model
from tinykit.errors import TinykitError
from tinykit.network import (
    NEVER,
    Expected,
    Mode,
    Network,
    interpret,
    interpret_all,
    run_adaptive,
    without_exits,
)
from tinykit.network.sample import Builder, adaptive_cnn, har_cnn, random_input
from tinykit.resources import resource_dir


def narrow_logits() -> Network:
    """Exits and output of 4 bits, and one threshold an exit."""
    builder = Builder(np.random.default_rng(5), (16, 1, 4), name="narrow").conv(8, (3, 1))
    builder.exit(6, bits=4).conv(8, (3, 1), stride=(2, 1)).exit(6, bits=4)
    network = builder.mean().dense(6, bits=4, relu=False).build()
    modes = [Mode(f"m{a}_{b}", ((a,), (b,))) for a in (NEVER, 0, 3) for b in (NEVER, 0, 2)]
    return replace(network, modes=tuple(modes))


def inputs(network: Network, count: int = 30) -> np.ndarray:
    return random_input(np.random.default_rng(3), network.tensor(network.input), count)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("which", ["w8a8", "mixed", "narrow"])
def test_exit_and_scores_are_the_interpreters(which: str, isa: Isa) -> None:
    network = narrow_logits() if which == "narrow" else adaptive_cnn(which)
    x, seen = inputs(network), set()
    with HostModel(network, isa=isa, sanitize=True) as model:
        for index, mode in enumerate(network.modes):
            scores, left = model.invoke_mode(x, index)
            want, where = run_adaptive(network, x, mode)
            np.testing.assert_array_equal(left, where, err_msg=mode.name)
            np.testing.assert_array_equal(scores, want, err_msg=mode.name)
            seen |= set(left.tolist())
        # An observer sees all layers, heads included, and then the output.
        layers, want_all = model.invoke_layers(x), interpret_all(network, x)
        assert {one.tensor for one in network.exits} <= layers.keys()
        for name, got in layers.items():
            np.testing.assert_array_equal(got, want_all[name], err_msg=name)
        with pytest.raises(TinykitError, match="no such mode"):
            model.invoke_mode(x, len(network.modes))
    assert seen == {0, 1, 2}


def test_exits_without_modes_run_to_the_end() -> None:
    network = adaptive_cnn(modes=0)
    with HostModel(network) as model:
        scores, left = model.invoke_mode(inputs(network), 0)
    np.testing.assert_array_equal(scores, interpret(network, inputs(network)))
    assert (left == 2).all()


def test_heads_lie_where_they_can_be_left_out() -> None:
    network = adaptive_cnn()
    layers = lay_out(network, "dsp").layers
    for one in exits_at(network, layers):
        names = [layer.kind for layer in layers[one.head : one.last + 1]]
        assert names == ["avgpool2d", "dense"]
        assert layers[one.last].op.output == one.exit.tensor


def test_thresholds_are_one_an_exit_where_no_class_differs() -> None:
    same = replace(adaptive_cnn(), modes=adaptive_cnn().modes[::2])
    held = thresholds_of(same)
    assert held.table.tolist()[0] == [NEVER, NEVER]
    assert (held.table.shape, held.rows.size) == ((3, 2), 0)


def test_rows_that_modes_share_are_there_once() -> None:
    modes = (
        Mode("full", ((NEVER,), (NEVER,))),
        Mode("a", ((1, 2, 3, 4, 5, 6), (NEVER,))),
        Mode("b", ((7,), (1, 2, 3, 4, 5, 6))),
    )
    held = thresholds_of(replace(adaptive_cnn(), modes=modes))
    assert held.table.tolist() == [[NEVER, NEVER], [0, NEVER], [1, 0]]
    assert held.rows.tolist() == [[1, 2, 3, 4, 5, 6], [7] * 6]
    many = tuple(Mode(f"m{i}", ((i, 0, 0, 0, 0, 0), (i, 1, 0, 0, 0, 0))) for i in range(128))
    with pytest.raises(TinykitError, match="256 different thresholds"):
        thresholds_of(replace(adaptive_cnn(), modes=(modes[0], *many)))


def test_the_cost_of_each_exit_by_hand() -> None:
    costs = ExitCosts(np.array([10.0, 30.0, 60.0]), np.array([3.0, 4.0]), np.array([0.5, 0.5]))
    assert costs.by_exit(Mode("m", ((1,), (1,)))).tolist() == [13, 37, 67]
    assert costs.by_exit(Mode("m", ((NEVER,), (1,)))).tolist()[1:] == [34.5, 64.5]
    assert costs.by_exit(Mode("m", ((NEVER,), (NEVER,)))).tolist()[2] == 61


def test_the_header_says_what_to_expect_of_each_mode() -> None:
    network = adaptive_cnn()
    known = Expected(0.9312, 0.91, 12345.6, (0.5, 0.25, 0.25), "mps2_an386")
    network = replace(network, modes=(network.modes[0], Mode("m 1", ((1,), (2,)), known)))
    layout = lay_out(network, "dsp")
    header = render_model(network, layout.layers, layout.plan, "dsp")["model.h"]
    assert (
        "// m 1: accuracy 93.12 %, macro F1 91.00 %, 12346 instructions; exits 50 25 25 %\n"
        "#define TK_MODE_M_1 1\n"
    ) in header
    assert "#define TK_MODEL_MODES 2\n" in header


def test_a_network_without_exits_has_nothing_of_them() -> None:
    layout = lay_out(har_cnn(), "dsp")
    for text in render_model(har_cnn(), layout.layers, layout.plan, "dsp").values():
        assert "exit" not in text.lower().replace("next", "")


POLICY = """
#include <stdio.h>
#include "model.h"
{own}
int main(void)
{{
    for (uint32_t percent = 0; percent <= 120; percent += 20) {{
        (void)tk_follow_battery(percent);
        printf("%u ", (unsigned)tk_mode());
    }}
    printf("%d %u", (int)tk_set_mode(TK_MODEL_MODES), (unsigned)tk_mode());
    return 0;
}}
"""
OWN = "uint32_t tk_mode_policy(uint32_t p) { return p > 50 ? TK_MODE_FULL : TK_MODE_FASTEST; }"


@pytest.mark.parametrize(("own", "said"), [("", "5 4 3 2 1 0 0 -1 0"), (OWN, "1 1 1 0 0 0 0 -1 0")])
def test_the_battery_policy_and_one_of_the_applications_own(
    own: str, said: str, tmp_path: Path
) -> None:
    network = adaptive_cnn()
    with HostModel(network) as model:
        sources = model.sources()
        files = render_model(network, model.layers, model.plan, "riscv")
    for name, text in {**files, "main.c": POLICY.format(own=own)}.items():
        (tmp_path / name).write_text(text)
    firmware = resource_dir("firmware")
    command = ["gcc", *WARNINGS, f"-I{firmware / 'include'}", "main.c", "model.c", *sources]
    subprocess.run([*map(str, command), "-o", "policy"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "policy"], capture_output=True, text=True, check=True)
    assert done.stdout == said


@pytest.mark.parametrize("policy", ["w8a8", "mixed"])
@pytest.mark.parametrize("board_id", ["mps2_an386", "virt_rv32imc", "microbit"])
def test_flash_and_ram_are_known_to_the_byte(board_id: str, policy: str, tmp_path: Path) -> None:
    network, board = adaptive_cnn(policy), load_board(board_id)
    vectors = make_vectors(network, inputs(network, 2 if policy == "mixed" else 0))
    said = estimate_size(network, board, vectors)
    generate(network, board, tmp_path / "p", vectors=vectors)
    built = build(tmp_path / "p", board)
    assert (said.flash, said.ram, said.exact) == (built.flash, built.ram, True)
    assert "exits" in read_sizes(built.elf).symbols
    assert said.flash > estimate_size(without_exits(network), board, vectors).flash
