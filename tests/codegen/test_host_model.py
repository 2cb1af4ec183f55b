# SPDX-License-Identifier: Apache-2.0
"""Generated C on this machine equals the interpreter, layer by layer, under the sanitizers."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from framed import with_frontend

from tinykit.codegen import HostModel, hostlib, objects, plan_memory
from tinykit.codegen.isa import ISAS, Isa
from tinykit.errors import TinykitError
from tinykit.frontends import Analog, Imu
from tinykit.network import Network, interpret, interpret_all
from tinykit.network.sample import (
    POLICIES,
    Builder,
    ds_cnn,
    har_cnn,
    random_binary_network,
    random_imported_network,
    random_input,
    random_network,
    resnet8,
)


def check(network: Network, isa: Isa, *, sanitize: bool = True) -> None:
    x = random_input(np.random.default_rng(3), network.tensor(network.input), 3)
    want = interpret_all(network, x)
    with HostModel(network, isa=isa, sanitize=sanitize) as model:
        for name, got in model.invoke_layers(x).items():
            np.testing.assert_array_equal(got, want[name], err_msg=name)
        np.testing.assert_array_equal(model.invoke(x), want[network.output])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("policy", POLICIES)
def test_keyword_spotter(policy, isa):
    check(ds_cnn(16, policy, blocks=2), isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("policy", ["w8a8", "mixed"])
def test_activity_recogniser(policy, isa):
    check(har_cnn(policy, widths=(8, 12)), isa)


@pytest.mark.parametrize("policy", POLICIES)
def test_residual_stacks(policy):
    check(resnet8(policy), ISAS[list(POLICIES).index(policy) % len(ISAS)])


@pytest.mark.parametrize("isa", ["dsp", "riscv"])
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_sums_that_share_their_inputs(bits, isa):
    """Tensors that are added twice, to themselves, and as the last thing of all."""
    builder = Builder(np.random.default_rng(bits), (5, 3, 4), bits=bits)
    whole = builder.keep()
    builder.conv(4, (3, 3), bits=bits, relu=False).add(whole).add(whole)
    first = builder.add(builder.keep()).dense(6, bits=bits).keep()
    check(builder.dense(6, bits=bits).add(first, relu=False).build(), isa)


@pytest.mark.parametrize("seed", range(12))
def test_random_network(seed):
    check(random_network(np.random.default_rng(seed)), ISAS[seed % len(ISAS)])


@pytest.mark.parametrize("seed", range(24))
def test_random_network_of_imported_operators(seed):
    check(random_imported_network(np.random.default_rng(seed)), ISAS[seed % len(ISAS)])


@pytest.mark.parametrize("isa", ISAS)
def test_layers_that_read_constants(isa):
    """What a convolution reads past its input is there; a constant may have another shape."""
    builder = Builder(np.random.default_rng(5), (4, 4, 3))
    whole = builder.keep()
    builder.back_to(builder.constant((5, 3, 3))).conv(4, (3, 3))
    first = builder.mean().dense(6).keep()
    builder.back_to(builder.constant((1, 2, 3))).flatten()
    second = builder.dense(6).keep()
    builder.back_to(whole).dense(6).add(first).multiply(second)
    check(builder.build(), isa)


@pytest.mark.parametrize(("seed", "isa"), [(0, "dsp"), (1, "riscv"), (2, "thumb"), (3, "mve")])
def test_random_network_of_one_bit_values(seed, isa):
    check(random_binary_network(np.random.default_rng(seed)), isa)


def test_recordings_pass_through_the_front_end():
    network = with_frontend(har_cnn("w4a8", widths=(4,)), Imu())
    rng = np.random.default_rng(1)
    clips = rng.integers(-32768, 32768, (4, 128, 6)).astype(np.int16)
    with HostModel(network, sanitize=True) as model:
        assert model.frontend is not None
        features, scores = model.invoke_clips(clips)
        np.testing.assert_array_equal(features, model.frontend.integer(clips))
        np.testing.assert_array_equal(scores, interpret(network, features))


@pytest.mark.parametrize("bits", [1, 8])
def test_bits_of_a_circuit_are_an_input_of_one_bit_or_of_eight(bits: int):
    frontend = Analog(filters=16, input_length=3200, threshold="adaptive")
    rng = np.random.default_rng(2)
    builder = Builder(rng, frontend.output_shape, bits=bits, symmetric=True)
    builder.conv(8, (5, 1), stride=(2, 1), weight_bits=bits, bits=bits)
    network = with_frontend(builder.dense(3, weight_bits=bits).build(), frontend)
    clips = rng.normal(0, 2000, (4, 3200)).astype(np.int16)
    with HostModel(network, sanitize=True) as model:
        features, scores = model.invoke_clips(clips)
    np.testing.assert_array_equal(features, frontend.integer(clips))
    np.testing.assert_array_equal(scores, interpret(network, features))


def test_any_number_of_samples():
    network = with_frontend(har_cnn("w2a4", widths=(2,)), Imu())
    x = random_input(np.random.default_rng(0), network.tensor("input"), 300)
    want = interpret_all(network, x)
    with HostModel(network) as model:
        np.testing.assert_array_equal(model.invoke(x), want[network.output])
        for name, got in model.invoke_layers(x).items():
            np.testing.assert_array_equal(got, want[name])
        assert model.invoke(x[:0]).shape == (0, 6)
        assert all(len(got) == 0 for got in model.invoke_layers(x[:0]).values())
        features, scores = model.invoke_clips(np.zeros((0, 128, 6), np.int16))
        assert features.shape == (0, 128, 1, 6)
        assert scores.shape == (0, 6)


def test_features_of_the_wrong_shape_are_refused():
    with HostModel(har_cnn(widths=(2,))) as model:
        with pytest.raises(TinykitError, match="features are int16"):
            model.invoke(np.zeros((1, 128, 1, 6), np.int16))
        with pytest.raises(TinykitError, match="no front end"):
            model.invoke_clips(np.zeros((1, 128, 6), np.int16))
        assert model.plan.size == plan_memory(model.network).size


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr(objects.shutil, "which", lambda name: None)
    with pytest.raises(TinykitError, match="no gcc"):
        HostModel(har_cnn(widths=(2,)))


@pytest.mark.parametrize("flags", [(), ("-DTK_EMULATE_DSP",), ("-DTK_WIDE_ACCUMULATORS",)])
def test_firmware_compiles_without_a_warning(flags):
    from tinykit.resources import resource_dir

    firmware = resource_dir("firmware")
    sources = [*(firmware / "src").glob("*.c"), *(firmware / "src" / "kernels").glob("*.c")]
    subprocess.run(
        ["gcc", *hostlib.WARNINGS, *flags, "-fsyntax-only", f"-I{firmware / 'include'}"]
        + [str(path) for path in sources],
        check=True,
    )
