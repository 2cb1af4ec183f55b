# SPDX-License-Identifier: Apache-2.0
"""Architectures: shapes and sizes, and parameters that cannot be."""

from __future__ import annotations

import pytest

from tinykit.errors import TinykitError
from tinykit.models import blueprint
from tinykit.models.blueprint import Blueprint, Conv, Linear, Pool, same_padding
from tinykit.models.ds_cnn import ds_cnn, ds_cnn_small


def test_ds_cnn_is_the_network_of_mlperf_tiny() -> None:
    plan = ds_cnn((49, 10, 1), 12)
    shapes = plan.shapes()
    assert shapes["conv"] == shapes["pw4"] == (25, 5, 64)
    # The reference has 23,756 weights and biases once batch normalisation is folded
    # (40 x 64 + 4 x (9 x 64 + 64 x 64) + 64 x 12, and a bias for every output channel).
    assert plan.parameters() == 2560 + 64 + 4 * (576 + 64 + 4096 + 64) + 768 + 12


def test_the_small_one_has_activations_for_16_kib() -> None:
    shapes = ds_cnn_small((49, 10, 1), 10).shapes()
    largest = max(int(s[0] * s[1] * s[2]) for s in shapes.values() if len(s) == 3)
    assert 2 * largest <= 6000


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("head", ["global", "flatten"])
def test_har_cnn_shapes(separable: bool, head: str) -> None:
    options = {"widths": [4, 8], "kernels": [5], "separable": separable, "head": head}
    plan = blueprint("har_cnn", (32, 1, 6), 5, options)
    assert plan.shapes()["pool2"] == (8, 1, 8)
    assert plan.shapes()["dense"] == (5,)
    names = [layer.name for layer in plan.weighted()]
    assert names == (["conv1", "dw2", "pw2", "dense"] if separable else ["conv1", "conv2", "dense"])


def test_gmp_has_the_parameters_of_the_model_zoo_less_its_normalisations() -> None:
    plan = blueprint("gmp", (24, 1, 3), 4, {})
    assert plan.shapes()["axes"] == (24, 3, 1)
    assert plan.parameters() == 1528 - 4 - 64


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [(49, 10, 2, (4, 5)), (10, 4, 2, (1, 1)), (25, 3, 1, (1, 1)), (5, 1, 1, (0, 0))],
)
def test_same_padding_is_tensorflows(
    size: int, kernel: int, stride: int, pads: tuple[int, int]
) -> None:
    assert same_padding(size, kernel, stride) == pads


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("ds_cmm", {}, ["model 'ds_cmm'", "Did you mean 'ds_cnn'"]),
        ("ds_cnn", {"widht": 3}, ["'widht'", "Did you mean 'width'"]),
        ("ds_cnn", {"width": "wide"}, ["width = 'wide'", "width = 64"]),
        ("ds_cnn", {"dropout": 1.5}, ["dropout = 1.5"]),
        ("har_cnn", {"widths": [0]}, ["widths = [0]"]),
        ("har_cnn", {"pooling": "median"}, ["pooling = 'median'", '"max"']),
        ("har_cnn", {"separable": 1}, ["separable = 1", "false"]),
    ],
)
def test_what_cannot_be_is_refused(name: str, options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(TinykitError) as caught:
        blueprint(name, (49, 10, 1), 10, options)
    for word in words:
        assert word in str(caught.value)


def test_pools_that_leave_nothing_are_refused() -> None:
    with pytest.raises(TinykitError, match="leaves nothing"):
        blueprint("har_cnn", (4, 1, 3), 3, {"widths": [2, 2, 2]})


def test_a_blueprint_ends_in_logits_and_names_its_layers_once() -> None:
    with pytest.raises(ValueError, match="logits"):
        Blueprint("x", (4, 4, 1), (Conv("a", 2, (3, 3)),))
    with pytest.raises(ValueError, match="share a name"):
        Blueprint("x", (4, 4, 1), (Pool("a", "max", (2, 2)), Linear("a", 2)))


def test_a_list_of_pools_may_be_empty_where_it_names_blocks() -> None:
    few = blueprint("bnn_1d", (16, 4, 1), 3, {"blocks": 2, "pools": []})
    assert not any(layer.name.startswith("pool") for layer in few.layers)
    with pytest.raises(TinykitError, match="is not a value"):
        blueprint("har_cnn", (16, 1, 4), 3, {"widths": []})
