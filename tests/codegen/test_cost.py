# SPDX-License-Identifier: Apache-2.0
"""The model of cost: turns of loops, instructions before they are counted, and what it chooses."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tinykit.bench import cases, measure_case
from tinykit.bench.cores import CORES
from tinykit.bench.measure import one_vector
from tinykit.boards import Board, load_board
from tinykit.boards.platformio import build
from tinykit.codegen import generate
from tinykit.codegen.binary import KNOWN_WORDS
from tinykit.codegen.choice import Cheapest, lay_out_for, storage_of
from tinykit.codegen.cost import CostModel, cost_model, fitted_cores
from tinykit.codegen.counts import Core, counts_of
from tinykit.codegen.isa import isa_of
from tinykit.codegen.kernels import choose_kernels, first_of
from tinykit.codegen.layer import Layer
from tinykit.codegen.project import METADATA
from tinykit.errors import DoesNotFitError
from tinykit.network import Network
from tinykit.network.ops import AvgPool2D, Sub
from tinykit.network.sample import (
    Builder,
    ds_cnn,
    har_cnn,
    random_binary_network,
    random_imported_network,
    random_network,
    resnet8,
)
from tinykit.workflow import Firmware, run_firmware

M4, RISCV = load_board("mps2_an386"), load_board("virt_rv32imc")
SEEN = tuple(CORES)


def _model(board: Board) -> CostModel:
    model = cost_model(board)
    assert model is not None
    return model


# --- Turns ----------------------------------------------------------------------------------------


def _borders_by_hand(layer: Layer) -> int:
    """Runs of a convolution that reach outside, each slot of each group looked at."""
    f = layer.fields
    pixels, found = f["out_height"] * f["out_width"], 0
    for group in range(0, pixels, f["group"]):
        for slot in range(f["group"]):
            row, col = divmod(min(group + slot, pixels - 1), f["out_width"])
            for i in range(f["kernel_height"]):
                y = row * f["stride_height"] - f["pad_top"] + i * f["dilation_height"]
                for j in range(f["runs"]):
                    x = col * f["stride_width"] - f["pad_left"] + j * f["dilation_width"]
                    inside = 0 <= y < f["in_height"]
                    inside &= 0 <= x <= f["in_width"] - f["run_pixels"]
                    found += not inside
    return found


@pytest.mark.parametrize("seed", range(12))
def test_borders(seed):
    rng = np.random.default_rng(seed)
    builder = Builder(rng, (int(rng.integers(3, 9)), int(rng.integers(3, 9)), 8))
    step = (2, 1) if seed % 3 == 0 else (1, 1)
    dilation = (1, 2) if seed % 3 == 1 else (1, 1)
    builder.conv(3, (3, 3), stride=step, dilation=dilation)
    layer = choose_kernels(builder.dense(3).build(), "dsp")[0]
    assert not layer.fields["padded_height"]
    counts = counts_of(layer, Core("dsp"))
    assert counts["border"]["runs"] == _borders_by_hand(layer)
    groups = -(-layer.fields["out_height"] * layer.fields["out_width"] // 4)
    assert counts["tk_conv2d"]["groups"] == groups
    assert counts["tk_dsp_multiply4_w8"]["channels"] == 3 * groups


def test_blocks_of_a_dense_layer():
    network = Builder(np.random.default_rng(0), (64,)).dense(10, relu=False).build()
    counts = counts_of(choose_kernels(network, "dsp")[0], Core("dsp"))
    assert counts["tk_dsp_multiply1_w8"]["words"] == 5 * 16
    plain = counts_of(choose_kernels(network, "riscv")[0], Core("riscv"))
    assert plain["tk_plain_multiply1_w8"]["turns"] == 3 * 16
    assert plain["tk_plain_expand1_a8"]["turns"] == 64


def test_a_pooled_convolution_is_the_sum_of_its_strips():
    builder = Builder(np.random.default_rng(1), (8, 8, 4))
    network = builder.conv(8, (3, 3)).pool(AvgPool2D, (2, 2)).dense(3).build()
    pooled = frozenset({"avgpool1"})
    whole = choose_kernels(network, "riscv", pooled=pooled)[0]
    assert whole.parts
    joined = counts_of(whole, Core("riscv"))
    apart: dict[str, int] = {}
    for layer in choose_kernels(network, "riscv")[:2]:
        for piece, loops in counts_of(layer, Core("riscv")).items():
            apart[piece] = max(loops.values())
    # Rows of eight pixels make whole groups, so that nothing but the calls differs.
    assert set(joined) - set(apart) == {"tk_conv2d_pool"}
    for piece, most in apart.items():
        assert max(joined[piece].values()) == most


# --- Coefficients ---------------------------------------------------------------------------------


def test_every_benchmarked_core_was_fitted():
    known = {load_board(board).core for board in CORES.values()}
    assert set(fitted_cores()) == known


def test_coefficients_are_instructions():
    for board in CORES.values():
        model = _model(load_board(board))
        assert model.exact
        for loops in model.coefficients.values():
            assert all(value > 0 for value in loops.values())


@pytest.mark.parametrize("core", SEEN)
def test_whatever_can_run_has_a_prediction(core):
    """All ways to run layers of any shape and width."""
    board = load_board(CORES[core])
    model, lost = _model(board), set()
    chooser = Cheapest(model)
    networks = [random_network(np.random.default_rng(seed)) for seed in range(40)]
    networks += [random_binary_network(np.random.default_rng(seed)) for seed in range(12)]
    networks += [random_imported_network(np.random.default_rng(seed)) for seed in range(40)]
    networks += [har_cnn(policy) for policy in ("w8a8", "w4a4", "w2a2", "w2a8")]
    for network in networks:
        chooser.seen = {}
        layers = choose_kernels(network, isa_of(board), chooser)
        for layer in (*layers, *(one for ways in chooser.seen.values() for one in ways)):
            counts = counts_of(layer, model.core)
            lost |= set(counts) - set(model.coefficients)
            assert model.predict(layer) or lost
    assert not lost


def test_other_boards_use_the_closest_core():
    other = replace(M4, core="cortex-m4")
    model = _model(other)
    assert (model.name, model.exact) == ("cortex-m4f", False)
    fe310 = _model(load_board("hifive1"))
    assert (fe310.name, fe310.exact) == ("rv32imc", False)
    assert _model(load_board("stm32vldiscovery")).exact
    assert cost_model(load_board("host")) is None


def test_an_unknown_piece_has_no_prediction():
    model = _model(M4)
    layers = lay_out_for(har_cnn(), M4).layers
    lost = {k: v for k, v in model.coefficients.items() if k != "tk_dsp_expand4_a8"}
    poorer = replace(model, coefficients=lost)
    assert poorer.predict(layers[0]) is None
    assert poorer.total(layers) is None
    assert model.total(layers) == pytest.approx(sum(model.predict(layer) for layer in layers))


@pytest.mark.parametrize("core", ["m4", "rv32imc"])
@pytest.mark.parametrize("name", ["kws-w8a8", "har-w4a4"])
def test_prediction_of_networks_it_has_not_seen(core, name):
    """The emulator confirms it within a tenth: the whole inference, and each layer that counts."""
    result = measure_case(cases([name])[0], core, load_board(CORES[core]))
    assert result.exact
    assert result.figures is not None
    assert result.predicted == pytest.approx(result.figures.instructions, rel=0.1)
    for layer in result.layers:
        if layer["instructions"] > result.figures.instructions / 50:
            assert layer["predicted"] == pytest.approx(layer["instructions"], rel=0.1)


@pytest.mark.parametrize("board", [M4, RISCV])
def test_prediction_of_operators_without_weights(board, tmp_path):
    """The emulator confirms it within a tenth; what data decide averages out."""
    builder = Builder(np.random.default_rng(2), (12, 10, 8)).lookup().pad((1, 1, 2, 0, 0, 0))
    builder.multiply(builder.constant((1, 1, 8))).add(builder.constant((14, 12, 1)), kind=Sub)
    builder.prelu(builder.constant((1, 1, 8))).concat(builder.keep(), 2).transpose((1, 0, 2))
    builder.slice((0, 1, 0), (1, 2, 1), (11, 6, 16)).resize(11, 12).softmax().reduce([0, 1])
    network = builder.lstm(6).dense(5, relu=False).build()
    project, instructions = _run(network, board, tmp_path / "p")
    assert project.metadata["predicted"]["instructions"] == pytest.approx(instructions, rel=0.1)


# --- Choice ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("board", [M4, RISCV, load_board("mps3_an547"), load_board("microbit")])
def test_chosen_are_the_cheapest_of_the_narrowest(board):
    model = _model(board)
    for policy in ("w8a8", "w4a4", "w2a8"):
        network = resnet8(policy)
        chooser = Cheapest(model)
        for layer in choose_kernels(network, isa_of(board), chooser):
            if layer.matmul is None:
                continue
            ways = chooser.seen[layer.op.name]
            least = min(storage_of(way) for way in ways)
            narrow = [way for way in ways if storage_of(way) == least]
            assert storage_of(layer) == least
            assert model.predict(layer) == min(model.predict(way) for way in narrow)
            assert model.predict(layer) <= model.predict(first_of(narrow))


def test_without_a_model_the_first_is_taken():
    network = har_cnn("w4a4")
    board = load_board("host")
    chosen = [layer.matmul for layer in lay_out_for(network, board).layers if layer.matmul]
    parts = [p for one in choose_kernels(network, isa_of(board)) for p in one.parts or (one,)]
    assert [m.variant.multiply for m in chosen] == [
        p.matmul.variant.multiply for p in parts if p.matmul and not p.parts
    ][: len(chosen)]


# --- Flash for speed ------------------------------------------------------------------------------


def _storage(layers: tuple[Layer, ...]) -> list[int]:
    parts = [part for layer in layers for part in layer.parts or (layer,)]
    return [storage_of(part) for part in parts if part.matmul is not None]


def _run(network: Network, board: Board, folder, **options):
    """A project, and its exact instructions under QEMU."""
    project = generate(network, board, folder, vectors=one_vector(network), **options)
    result = run_firmware(
        Firmware(folder, board, project.metadata, None), build(folder, board), emulator="qemu"
    )
    assert result.exact
    return project, round(result.measurement.inference.mean)


def test_flash_buys_speed(tmp_path):
    """With room for it the keyword spotter's weights lie as pairs of halves, and it stays exact."""
    network = ds_cnn(64, "w8a8", classes=12)
    small, before = _run(network, M4, tmp_path / "small")
    large, after = _run(network, M4, tmp_path / "large", flash_budget=1_000_000)
    assert set(_storage(small.layers)) == {8}
    assert 16 in _storage(large.layers)
    assert after < 0.97 * before
    assert large.sizes.flash > small.sizes.flash
    assert large.plan.size <= small.plan.size
    saved = (
        small.metadata["predicted"]["instructions"] - large.metadata["predicted"]["instructions"]
    )
    assert before - after == pytest.approx(saved, rel=0.1)


@pytest.mark.parametrize("policy", ["w4a8", "w2a8"])
def test_narrow_weights_widened(tmp_path, policy):
    network = har_cnn(policy)
    _, before = _run(network, M4, tmp_path / "small")
    large, after = _run(network, M4, tmp_path / "large", flash_budget=500_000)
    assert max(_storage(large.layers)) > int(policy[1])
    assert after < before


@pytest.mark.parametrize("board", [M4, RISCV, load_board("mps3_an547")])
def test_the_budget_is_kept(tmp_path, board):
    network = ds_cnn(32, "w4a8", blocks=3)
    least = generate(network, board, tmp_path / "p")
    seen = []
    for more in (0, 500, 2_000, 8_000, 100_000):
        project = generate(network, board, tmp_path / "p", flash_budget=least.sizes.flash + more)
        assert project.sizes.flash <= least.sizes.flash + more
        seen.append(project.metadata["predicted"]["instructions"])
    assert seen[0] <= least.metadata["predicted"]["instructions"]
    assert seen == sorted(seen, reverse=True)
    with pytest.raises(DoesNotFitError, match="of flash are missing"):
        generate(network, board, tmp_path / "q", flash_budget=least.sizes.flash - 2_000)


def test_tinykit_json_keeps_what_was_predicted(tmp_path):
    project = generate(har_cnn(), M4, tmp_path / "p")
    metadata = json.loads((tmp_path / "p" / METADATA).read_text())
    said = metadata["predicted"]
    assert said["core"] == "cortex-m4f"
    assert said["same_core"]
    assert sum(layer["predicted"] for layer in metadata["layers"]) == pytest.approx(
        said["instructions"], abs=len(project.layers)
    )
    other = generate(har_cnn(), load_board("host"), tmp_path / "q")
    assert other.metadata["predicted"] is None


@pytest.mark.parametrize("words", [words for words in KNOWN_WORDS if words > 1])
def test_rows_of_every_known_length_cost_something(words: int) -> None:
    """A fit with too few samples takes rows for calls, or the other way round."""
    for board in map(load_board, CORES.values()):
        model = cost_model(board)
        assert model is not None
        kind = "plain" if isa_of(board) == "riscv" else "chained"
        for output in ("bits", "values"):
            assert model.coefficients[f"tk_binary_{kind}_{output}_{words}"].get("rows", 0) > 0
