# SPDX-License-Identifier: Apache-2.0
"""Thresholds that training finds on envelopes become comparators' levels; nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinykit.errors import TinykitError
from tinykit.frontends import Analog, from_config
from tinykit.frontends.analog import Envelopes
from tinykit.network import interpret
from tinykit.quantize import loop
from tinykit.quantize.pipeline import Work, ear_of, make_frontend
from tinykit.recipe import Named, Recipe


def recipe() -> Recipe:
    """kws_analog on synthetic words, small."""
    base = Recipe.load("kws_analog")
    return replace(
        base,
        data=Named("synthetic_speech"),
        frontend=replace(base.frontend, options={**base.frontend.options, "filters": 8}),
        model=replace(base.model, options={"width": 32, "blocks": 1, "one_bit_input": True}),
        augment=replace(base.augment, bank=0),
    )


def test_the_exported_network_hears_bits_as_training_heard_envelopes(tmp_path: Path) -> None:
    from tinykit.models.keras_model import build
    from tinykit.quantize.qat import QatModel

    small = recipe()
    work = Work.prepare(small, tmp_path, small.load_dataset(None), resume=False)
    assert isinstance(work.ear, Envelopes)
    model = QatModel(
        work.blueprint, small.quantization.parsed(), work._schemes(), work.features.scale
    )
    model.load(build(work.blueprint, seed=0))
    model.keep_silent(work._silence())
    model.calibrate(work.calibration())
    network = work.export(model)
    assert network.tensor(network.input).bits == 1
    front = from_config(network.frontend or {})
    assert isinstance(front, Analog)
    assert front.levels != work.frontend.levels
    # Silence fires no bit.
    assert np.all(front.integer(np.zeros((1, front.input_length), np.int16)) == -1)
    heard = work.features.validation[:60]
    bits = work.features_of(network).validation[:60]
    fake = loop.logits(model, heard, work.features.scale)
    steps = np.rint(fake / network.tensor(network.output).scale)
    # The integer bank differs from the floats of the envelopes in a bit of some thousand.
    same = np.all(steps == interpret(network, bits), axis=1)
    assert same.mean() > 0.6
    assert np.abs(steps - interpret(network, bits)).mean() < 1.0


def test_units_stray_only_where_thresholds_are_learned() -> None:
    plain = replace(recipe(), model=Named("ds_cnn"))
    frontend = make_frontend(plain, plain.load_dataset(None))
    with pytest.raises(TinykitError, match=r"\[augment\] units"):
        ear_of(plain, frontend)
