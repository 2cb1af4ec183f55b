# SPDX-License-Identifier: Apache-2.0
"""What a search for activity recognition may choose, and the recipe of a choice.

Every choice gives a network that the kernels can run: what would leave no steps is repaired, not
refused, so a sampler never meets a hole. All parameters are drawn for every network, also those of
blocks that it does not have, because a space of one shape is what samplers learn best from.

One bit is not among the widths: kernels for it exist, quantisation-aware training does not yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tinykit.errors import TinykitError
from tinykit.models import Blueprint, blueprint
from tinykit.quantize.policy import WIDTHS
from tinykit.recipe import Named, Quantization, Recipe, Training
from tinykit.suggest import one_of

BLOCKS = 4
_WIDTHS = (4, 8, 12, 16, 24, 32, 48)
_KERNELS = (3, 5, 7, 9)
# How a block shortens the signal: by a pool after it or by the stride of its convolution.
_DOWN = {"none": (1, 1), "pool2": (2, 1), "pool4": (4, 1), "stride2": (1, 2), "stride4": (1, 4)}
_LEAST_STEPS = 2
# Spreads of a channel that the front end's 8 bits reach: fine steps for postures, or peaks whole.
_CLIPS = (0.125, 0.25, 0.5, 1.0, 2.0)
# Standard deviation of the angle by which training windows turn, degrees.
_ROTATIONS = (5.0, 10.0, 20.0, 30.0)
# Widths of the blocks, kernel, place among the decimations, gyroscope, bits.
_STARTS = (
    ((24, 32, 48), 7, 1, True, (8, 8)),
    ((16, 24, 32), 5, 1, True, (4, 8)),
    ((12, 16, 24), 5, 1, True, (4, 4)),
    ((8, 16), 5, 2, True, (4, 8)),
    ((8, 8), 3, 2, True, (4, 4)),
    ((4, 8), 3, 2, False, (4, 4)),
)


class Suggests(Protocol):
    """What of optuna.Trial is needed."""

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int) -> int: ...


@dataclass(frozen=True)
class Short:
    """The training of a trial: QAT from the first step, without a float stage.

    Attributes:
        steps: of training, whatever the size of the data set.
        batch: windows a step.
        learning_rate: at its highest.
    """

    steps: int = 300
    batch: int = 128
    learning_rate: float = 4e-3

    def quantization(self, base: Quantization, windows: int) -> Quantization:
        """`base` with this schedule for so many training windows."""
        epochs = max(2, round(self.steps * self.batch / max(windows, 1)))
        return replace(
            base,
            epochs=epochs,
            freeze=0,
            batch=self.batch,
            learning_rate=self.learning_rate,
            warmup=0.1 * epochs,
            weight_decay=1e-3,
            label_smoothing=0.1,
            distill=0.0,
            # The last epoch is taken: the rate is low there, and validating takes time.
            settle=1.0,
        )


@dataclass(frozen=True)
class Space:
    """The choices for one data set.

    Attributes:
        recipe: packaged recipe that settles all that is not chosen.
        rate: of the recordings, Hz.
        seconds: lengths of a window.
        decimations: samples that become one.
        gyroscope: whether there is one to leave out.
    """

    recipe: str
    rate: int
    seconds: tuple[float, ...]
    decimations: tuple[int, ...]
    gyroscope: bool

    def suggest(self, trial: Suggests) -> dict[str, Any]:
        """Draw all parameters."""
        pick = trial.suggest_categorical
        drawn: dict[str, Any] = {
            "seconds": pick("seconds", self.seconds),
            "decimate": pick("decimate", self.decimations),
            "gyroscope": pick("gyroscope", (True, False)) if self.gyroscope else False,
            "clip": pick("clip", _CLIPS),
            "rotation": pick("rotation", _ROTATIONS),
            "blocks": trial.suggest_int("blocks", 1, BLOCKS),
        }
        for block in range(1, BLOCKS + 1):
            drawn[f"width{block}"] = pick(f"width{block}", _WIDTHS)
            drawn[f"kernel{block}"] = pick(f"kernel{block}", _KERNELS)
            drawn[f"down{block}"] = pick(f"down{block}", tuple(_DOWN))
        return drawn | {
            "pooling": pick("pooling", ("max", "avg")),
            "separable": pick("separable", (False, True)),
            "head": pick("head", ("global", "flatten")),
            "weights": pick("weights", WIDTHS),
            "activations": pick("activations", WIDTHS),
            "edges": pick("edges", (8, 2)),
        }

    def starts(self) -> list[dict[str, Any]]:
        """Choices of several sizes to begin with: a guess is worth more than a random draw."""
        common: dict[str, Any] = {"seconds": self.seconds[-1], "clip": 0.25, "rotation": 20.0}
        common |= {"pooling": "max", "separable": False}
        return [
            {
                **common,
                "decimate": self.decimations[min(slower, len(self.decimations) - 1)],
                **({"gyroscope": gyroscope} if self.gyroscope else {}),
                "blocks": len(widths),
                **{f"width{i}": width for i, width in enumerate(widths, start=1)},
                **{f"kernel{i}": kernel for i in range(1, len(widths) + 1)},
                **{f"down{i}": "pool2" for i in range(1, len(widths) + 1)},
                "head": "global",
                "weights": bits[0],
                "activations": bits[1],
                "edges": 8 if bits[0] == 8 else 2,
            }
            for widths, kernel, slower, gyroscope, bits in _STARTS
        ]

    def base(self) -> Recipe:
        """The recipe that all networks share."""
        return Recipe.load(self.recipe)

    def to_recipe(self, drawn: Mapping[str, Any], *, name: str, seed: int) -> Recipe:
        """The recipe of a choice, with the long training of the base recipe.

        Raises:
            TinykitError: a parameter is missing or unknown to the recipe.
        """
        base = self.base()
        window = self.window(drawn)
        data = dict(base.data.options) | {
            "window": window,
            "step": max(window // 2, 1),
            "decimate": drawn["decimate"],
        }
        if self.gyroscope:
            data["gyroscope"] = drawn["gyroscope"]
        blocks = range(1, drawn["blocks"] + 1)
        model = {
            "widths": [drawn[f"width{i}"] for i in blocks],
            "kernels": [drawn[f"kernel{i}"] for i in blocks],
            **self._shortening(drawn, window),
            "pooling": drawn["pooling"],
            "separable": drawn["separable"],
            "head": drawn["head"],
            # Small networks underfit; dropout is for the wide ones.
            "dropout": 0.3 if drawn[f"width{drawn['blocks']}"] >= 32 else 0.0,
        }
        quantization = replace(
            base.quantization,
            policy=f"w{drawn['weights']}a{drawn['activations']}",
            edges=drawn["edges"],
        )
        recipe = replace(
            base,
            name=name,
            seed=seed,
            data=Named(base.data.name, data),
            frontend=Named("imu", dict(base.frontend.options) | {"clip": drawn["clip"]}),
            model=Named("har_cnn", model),
            augment=replace(base.augment, rotation_deg=drawn["rotation"]),
            quantization=quantization,
        )
        recipe.check(name)
        return recipe

    def window(self, drawn: Mapping[str, Any]) -> int:
        """Samples of a window."""
        return max(round(drawn["seconds"] * self.rate / drawn["decimate"]), 1)

    def blueprint(self, drawn: Mapping[str, Any], classes: int) -> Blueprint:
        """The architecture of a choice."""
        recipe = self.to_recipe(drawn, name="candidate", seed=0)
        channels = 6 if self.gyroscope and drawn["gyroscope"] else 3
        shape = (self.window(drawn), 1, channels)
        return blueprint("har_cnn", shape, classes, recipe.model.options)

    def _shortening(self, drawn: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """Pools and strides of all blocks; 1 where they would leave too few steps."""
        pools, strides = [], []
        for block in range(1, drawn["blocks"] + 1):
            pool, stride = _DOWN[drawn[f"down{block}"]]
            if steps // (pool * stride) < _LEAST_STEPS:
                pool = stride = 1
            steps = -(-steps // stride) // pool
            pools.append(pool)
            strides.append(stride)
        return {"pools": pools, "strides": strides}


SPACES = {
    "hapt": Space("har_hapt", 50, (1.28, 2.56, 5.12), (1, 2, 5), gyroscope=True),
    "motionsense": Space("har_motionsense", 50, (1.28, 2.56, 5.12), (1, 2, 5), gyroscope=True),
    "wisdm_watch": Space("har_wisdm", 20, (5.0, 10.0), (1, 2, 4), gyroscope=False),
    "synthetic_gait": Space("har_demo", 50, (1.28, 2.56), (2, 5), gyroscope=True),
}


def space_of(data: str) -> Space:
    """The space of a data set.

    Raises:
        TinykitError: there is none.
    """
    return SPACES[one_of(data, SPACES, what="data set to search on")]


def short_recipe(recipe: Recipe, short: Short, windows: int) -> Recipe:
    """A recipe with the training of a trial.

    Args:
        recipe: as `Space.to_recipe` makes it.
        short: the schedule.
        windows: that train.
    """
    training = replace(Training(), epochs=0)
    quantization = short.quantization(recipe.quantization, windows)
    return replace(recipe, training=training, quantization=quantization)


def weight_bytes(plan: Blueprint, recipe: Recipe) -> int:
    """Bytes of the weights at their widths, without what kernels fill up."""
    bits = recipe.quantization.parsed().assign([layer.name for layer in plan.weighted()])
    total = sum(count * bits[name].weights for name, count in plan.weights().items())
    return -(-total // 8)


def check_limit(memory: int) -> None:
    """Refuse a limit of bytes below any network.

    Raises:
        TinykitError: it leaves no room for a network.
    """
    if memory < 64:
        raise TinykitError(
            f"--most-memory {memory} leaves no room for a network.",
            remedy="Give 64 bytes or more of weights and arena.",
        )
