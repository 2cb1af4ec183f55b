# SPDX-License-Identifier: Apache-2.0
"""From a recipe to a run folder: features, float training, QAT, export, figures."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.models import Blueprint, blueprint, with_exits
from tinykit.progress import notice
from tinykit.recipe import MotionAugment, Quantization, Recipe, SpeechAugment, Training

if TYPE_CHECKING:
    from tinykit.data import Dataset
    from tinykit.frontends import Frontend
    from tinykit.network import Network
    from tinykit.quantize.bank import Ear, Features
    from tinykit.quantize.loop import Fit, History, Material
    from tinykit.quantize.qat import Schemes

Part = Literal["train", "validation", "test"]
_CALIBRATION_CLIPS = 512
# Keeps the stages' random streams apart.
_FLOAT, _QAT, _TEACHER, _BITS = 0, 1_000_003, 2_000_003, 3_000_003
TEACHER = "teacher.keras"
# Ternary and binary weights start far from the float network and need this many times the epochs.
_NARROW = 3


def train(
    recipe: Recipe,
    run: Path,
    *,
    resume: bool = False,
    threads: int | None = None,
    data_root: Path | None = None,
) -> dict[str, Any]:
    """Train, quantise and export; fills the run folder and returns its metrics.

    Writes recipe.toml, model.keras (the float model), network.tkn, metrics.json and samples.npz;
    checkpoints lie in checkpoints/ until the folder is deleted.

    Args:
        recipe: what to do.
        run: folder.
        resume: go on where an interrupted training of the same recipe stopped.
        threads: of TensorFlow; all cores by default. Counts only before TensorFlow has started.
        data_root: folder of the data sets.

    Raises:
        TinykitError: bad data or recipe, an unwritable folder, or interrupted (exit status 130).
    """
    start = time.perf_counter()
    start_tensorflow(threads)
    _claim(recipe, run, resume)
    dataset = recipe.load_dataset(data_root)
    work = Work.prepare(recipe, run, dataset, resume)
    float_model, float_history, float_seconds = work.float_stage()
    network, qat = work.quantized_stage(float_model)
    network.save(run / "network.tkn")
    metrics = {
        **work.about(),
        "float": {**float_history, "seconds": float_seconds, **work.float_figures(float_model)},
        "quantized": {**qat, **work.network_figures(network)},
        "network": _network_summary(network),
        "seconds": time.perf_counter() - start,
    }
    write_atomic(run / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    _keep_samples(run, dataset)
    return metrics


def evaluate(run: Path, part: Part = "test", *, data_root: Path | None = None) -> dict[str, Any]:
    """Accuracy of a run's Network on a part of its data set, by the integer interpreter.

    Needs no TensorFlow. Of a network with modes also what each does.

    Args:
        run: folder that `train` filled.
        part: of the split.
        data_root: folder of the data sets.

    Raises:
        TinykitError: no network or recipe there, or no such data.
    """
    from tinykit.frontends import from_config
    from tinykit.network import exit_logits
    from tinykit.quantize.metrics import classification
    from tinykit.runs import open_run

    network = open_run(run).network
    dataset = Recipe.load(run / "recipe.toml").load_dataset(data_root).part(part)
    if network.frontend is None:
        raise TinykitError("the network has no front end.", where=run)
    logits = exit_logits(network, from_config(network.frontend).integer(dataset.x))
    figures = {
        "data": dataset.name,
        "synthetic": dataset.synthetic,
        "part": part,
        **classification(logits[-1], dataset.y, network.labels),
    }
    if network.modes:
        from tinykit.adaptive import evaluate_modes

        figures["modes"] = evaluate_modes(network, logits, dataset.y)
    return figures


@dataclass(frozen=True)
class Work:
    """What all stages of a training share.

    Attributes:
        recipe: what to do.
        run: folder.
        dataset, frontend, features, blueprint: what the recipe comes to.
        ear: what the features come from: the front end, or its envelopes if thresholds are learned.
        resume: go on from checkpoints.
    """

    recipe: Recipe
    run: Path
    dataset: Dataset
    frontend: Frontend
    ear: Ear
    features: Features
    blueprint: Blueprint
    resume: bool

    @classmethod
    def prepare(cls, recipe: Recipe, run: Path, dataset: Dataset, resume: bool) -> Work:
        """Make the front end, the features and the architecture.

        Raises:
            TinykitError: a part of the split is empty, or a setting cannot be.
        """
        from tinykit.quantize.bank import make_features

        for part in ("train", "validation", "test"):
            if len(dataset.part(part)) == 0:
                raise TinykitError(
                    f"data set {dataset.name} has no {part} part.",
                    where=recipe.name,
                    remedy="Choose another data set, or add speakers or subjects.",
                )
        frontend = make_frontend(recipe, dataset)
        ear = ear_of(recipe, frontend)
        # The bank is drawn with a seed of its own, so that all seeds of a recipe share it.
        features = make_features(dataset, ear, recipe.augment, seed=0)
        plan = architecture(recipe, frontend, dataset)
        return cls(recipe, run, dataset, frontend, ear, features, plan, resume)

    def material(self) -> Material:
        from tinykit.quantize.loop import Material

        f = self.features
        return Material(
            f.train, f.train_y, f.validation, f.validation_y, f.scale, len(self.dataset.labels)
        )

    def augment(self) -> Any:
        from tinykit.frontends import Imu
        from tinykit.quantize import augment

        settings = self.recipe.augment
        if isinstance(settings, SpeechAugment):
            # The mean of a mel coefficient is 0; of an envelope nothing is what silence gives.
            heard = self.ear is not self.frontend
            return augment.speech(settings, float(self._silence().max()) if heard else 0.0)
        if isinstance(settings, MotionAugment) and isinstance(self.frontend, Imu):
            return augment.motion(settings, self.frontend)
        return None

    def float_stage(self) -> tuple[Any, dict[str, Any], float]:
        """The float model, its history and the seconds it took; writes model.keras."""
        from tinykit.models.keras_model import build, stock
        from tinykit.quantize import loop

        start = time.perf_counter()
        settings = self.recipe.training
        if settings.init_from:
            source = Path(settings.init_from)
            model = load_float(source, self.blueprint)
            history: dict[str, Any] = _float_history(source)
        else:
            model = build(self.blueprint, seed=self.recipe.seed, fused=True)
            teacher = self._teacher()
            trained = loop.fit(
                model,
                self.material(),
                self.fit("float", settings, self.recipe.seed + _FLOAT),
                checkpoint=self.run / "checkpoints" / "float.npz",
                resume=self.resume,
                augment=self.augment(),
                teacher=teacher,
            )
            history = _history(trained)
            model = stock(model, self.blueprint)
        save_float(model, self.run)
        return model, history, time.perf_counter() - start

    def _teacher(self) -> Any:
        """The larger float model to follow, trained first or taken from another run; or None."""
        from tinykit.models.keras_model import build, stock
        from tinykit.quantize import loop

        settings = self.recipe.training
        if not settings.distill:
            return None
        if settings.teacher:
            return load_float(Path(settings.teacher) / TEACHER)
        options = {**self.recipe.model.options, **settings.teacher_model}
        plan = blueprint(
            self.recipe.model.name, self.blueprint.input_shape, len(self.dataset.labels), options
        )
        model = build(plan, seed=self.recipe.seed, fused=True)
        own = replace(settings, epochs=settings.teacher_epochs, distill=0.0)
        loop.fit(
            model,
            self.material(),
            self.fit("teacher", own, self.recipe.seed + _TEACHER, plan),
            checkpoint=self.run / "checkpoints" / "teacher.npz",
            resume=self.resume,
            augment=self.augment(),
        )
        model = stock(model, plan)
        save_float(model, self.run, TEACHER)
        return model

    def quantized_stage(self, float_model: Any) -> tuple[Network, dict[str, Any]]:
        """The Network after QAT, and what is to be said about it."""
        from tinykit.network import interpret
        from tinykit.quantize import loop
        from tinykit.quantize.metrics import agreement

        start = time.perf_counter()
        how = self.recipe.quantization
        policy = how.parsed()
        model, history = self.quantized(
            float_model, self.run / "checkpoints" / f"qat-{_file_name(str(policy))}.npz"
        )
        network = self.export(model)
        fake = loop.logits(model, self.features.validation, self.features.scale)
        steps = np.rint(fake / network.tensor(network.output).scale).astype(np.int8)
        given = self.features_of(network)
        return network, {
            "policy": str(policy),
            "schemes": asdict(self._schemes()),
            **_history(history),
            "seconds": time.perf_counter() - start,
            "fake_quantized_against_integers": agreement(
                steps, interpret(network, given.validation)
            ),
        }

    def quantized(
        self, float_model: Any, checkpoint: Path | None, *, untrained: bool = False
    ) -> tuple[Any, History]:
        """The QatModel after training from a float model, which may be an untrained one."""
        from tinykit.quantize import loop
        from tinykit.quantize.qat import QatModel

        how = self.recipe.quantization
        model = QatModel(self.blueprint, how.parsed(), self._schemes(), self.features.scale)
        model.load(float_model)
        if model.thresholds and self.recipe.task == "kws":
            model.keep_silent(self._silence())
        teacher = float_model if how.distill and not untrained else None
        if not untrained and any(part.bits.weights <= 2 for part in model.parts):
            how = replace(how, epochs=_NARROW * how.epochs, freeze=_NARROW * how.freeze)
        if any(part.bits.weights == 1 for part in model.parts):
            if how.binary_epochs and not untrained:
                self._wide_weights(model, how, checkpoint, teacher)
            # A sign does not feel how large a weight is, and decay only makes it change more often.
            how = replace(how, weight_decay=0.0)
        model.calibrate(self.calibration(), untrained=untrained)
        history = loop.fit(
            model,
            self.material(),
            self.fit("qat", how, self.recipe.seed + _QAT),
            checkpoint=checkpoint,
            resume=self.resume,
            augment=self.augment(),
            teacher=teacher,
        )
        return model, history

    def _wide_weights(
        self, model: Any, how: Quantization, checkpoint: Path | None, teacher: Any
    ) -> None:
        """The first of two stages: values have one bit, weights do not yet (arXiv:2003.11535)."""
        from tinykit.quantize import loop

        model.keep_weights(True)
        model.calibrate(self.calibration())
        first = replace(how, epochs=how.binary_epochs, freeze=0)
        aside = None if checkpoint is None else checkpoint.with_stem(f"{checkpoint.stem}-first")
        loop.fit(
            model,
            self.material(),
            self.fit("bits", first, self.recipe.seed + _BITS),
            checkpoint=aside,
            resume=self.resume,
            augment=self.augment(),
            teacher=teacher,
        )
        model.keep_weights(False)

    def _silence(self) -> NDArray[np.float32]:
        """Features of a clip of zeros, (1, *shape), in reals."""
        clip = np.zeros((1, self.frontend.input_length), np.int16)
        return self.ear.integer(clip).astype(np.float32) * np.float32(self.features.scale)

    def _schemes(self) -> Schemes:
        from tinykit.quantize.qat import Schemes

        how = self.recipe.quantization
        return Schemes(how.weights, how.activations, how.granularity)

    def export(self, model: Any) -> Network:
        """The Network of a trained QatModel; thresholds that it learned are in its front end."""
        from tinykit.frontends.analog import Envelopes
        from tinykit.quantize.bits_input import bits_only
        from tinykit.quantize.export import export_network

        network = export_network(
            model,
            name=self.recipe.name,
            labels=self.dataset.labels,
            frontend=None if isinstance(self.ear, Envelopes) else self.frontend.to_config(),
            metadata={
                "task": self.recipe.task,
                "data": self.dataset.name,
                "synthetic": self.dataset.synthetic,
                "channels": list(self.dataset.channels),
                "scale": [float(one) for one in self.dataset.scale],
                "policy": str(self.recipe.quantization.parsed()),
                "seed": self.recipe.seed,
            },
        )
        if not isinstance(self.ear, Envelopes):
            return network
        thresholds, rest = bits_only(network)
        return replace(rest, frontend=self.ear.with_thresholds(thresholds).to_config())

    def features_of(self, network: Network) -> Features:
        """What the Network's own front end gives: the features, or bits where it learned them.

        Bits are those of the validation and test parts only.
        """
        from tinykit.frontends import from_config
        from tinykit.quantize.bank import heard

        if self.ear is self.frontend or network.frontend is None:
            return self.features
        parts = heard(self.dataset, from_config(network.frontend), ("validation", "test"))
        return replace(self.features, validation=parts["validation"], test=parts["test"])

    def calibration(self) -> NDArray[np.float32]:
        """Training features, variants mixed, in reals."""
        bank = self.features.train
        flat = bank.reshape(-1, *bank.shape[2:])
        rows = np.random.default_rng(self.recipe.seed).integers(len(flat), size=_CALIBRATION_CLIPS)
        return flat[rows].astype(np.float32) * np.float32(self.features.scale)

    def fit(
        self,
        name: str,
        settings: Training | Quantization,
        seed: int,
        plan: Blueprint | None = None,
    ) -> Fit:
        """Settings of a stage; `plan` is what it trains where that is not the run's own."""
        from tinykit.quantize.loop import Fit

        exits, count = self.recipe.exits, len((plan or self.blueprint).exits)
        early: dict[str, Any] = {
            "exit_weights": exits.weights_of(count),
            "exit_distill": exits.distillation if count else 0.0,
            "exit_temperature": exits.temperature if count else 2.0,
        }
        known = {f.name for f in fields(Fit)}
        given = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name in known}
        return Fit(name=name, seed=seed, **given, **early)

    def about(self) -> dict[str, Any]:
        """What the figures were made with."""
        return {
            "recipe": self.recipe.name,
            "seed": self.recipe.seed,
            "data": {
                "name": self.dataset.name,
                "synthetic": self.dataset.synthetic,
                "counts": self.dataset.counts().tolist(),
                "labels": list(self.dataset.labels),
                "licence": self.dataset.licence,
            },
            "frontend": {"kind": self.frontend.kind, "shape": list(self.frontend.output_shape)},
            "model": {
                "name": self.blueprint.name,
                "parameters": self.blueprint.parameters(),
            },
            "versions": _versions(),
        }

    def float_figures(self, model: Any) -> dict[str, Any]:
        """Figures of the float model on validation and test."""
        from tinykit.quantize.loop import logits
        from tinykit.quantize.metrics import classification

        f, labels = self.features, self.dataset.labels
        return {
            "validation": classification(
                logits(model, f.validation, f.scale), f.validation_y, labels
            ),
            "test": classification(logits(model, f.test, f.scale), f.test_y, labels),
        }

    def network_figures(self, network: Network) -> dict[str, Any]:
        """Figures of the Network, by the integer interpreter, on validation and test."""
        from tinykit.network import exit_logits, interpret
        from tinykit.quantize.metrics import classification

        f, labels = self.features_of(network), self.dataset.labels
        *early, last = exit_logits(network, f.validation)
        figures = {
            "validation": classification(last, f.validation_y, labels),
            "test": classification(interpret(network, f.test), f.test_y, labels),
        }
        return figures | self._exit_figures(network, early)

    def _exit_figures(self, network: Network, logits: list[NDArray[np.int8]]) -> dict[str, Any]:
        """Of each exit, what it would reach if all left there; on validation only."""
        from tinykit.quantize.metrics import classification

        found = []
        for one, scores in zip(network.exits, logits, strict=True):
            figures = classification(scores, self.features.validation_y, self.dataset.labels)
            kept = {key: figures[key] for key in ("accuracy", "macro_f1")}
            found.append({"exit": one.tensor, **kept})
        return {"exits": found} if found else {}


def architecture(recipe: Recipe, frontend: Frontend, dataset: Dataset) -> Blueprint:
    """What a recipe trains on the features of a front end.

    Raises:
        TinykitError: the model's options leave nothing, or there can be no such exit.
    """
    plan = blueprint(
        recipe.model.name, frontend.output_shape, len(dataset.labels), recipe.model.options
    )
    try:
        return with_exits(plan, recipe.exits.after)
    except ValueError as error:
        raise TinykitError(f"{error}.", where=f"{recipe.name}: [exits] after") from error


def make_frontend(recipe: Recipe, dataset: Dataset) -> Frontend:
    """The recipe's front end for a data set, calibrated on its training part.

    Raises:
        TinykitError: a setting that the front end does not have, or cannot be.
    """
    from tinykit.frontends import from_config
    from tinykit.quantize.bank import calibrated

    shape: dict[str, Any] = {"rate": dataset.rate, "input_length": int(dataset.x.shape[1])}
    if recipe.task == "har":
        shape["channels"] = int(dataset.x.shape[2])
    frontend = from_config({"kind": recipe.frontend.name, **shape, **recipe.frontend.options})
    return calibrated(frontend, dataset.part("train"))


def ear_of(recipe: Recipe, frontend: Frontend) -> Ear:
    """What a recipe's training hears.

    A network whose first layer compares learns the thresholds of comparators from their envelopes.

    Raises:
        TinykitError: units are to stray, but no thresholds of an analog front end are learned.
    """
    from tinykit.frontends.analog import Analog, Envelopes

    units = recipe.augment.units if isinstance(recipe.augment, SpeechAugment) else 0.0
    if isinstance(frontend, Analog) and recipe.model.options.get("one_bit_input", False):
        return Envelopes(frontend, units)
    if units:
        raise TinykitError(
            "units can stray only where an analog front end's thresholds are learned.",
            where=f"{recipe.name}: [augment] units",
            remedy='Take the front end "analog" and one_bit_input = true, or leave it out.',
        )
    return frontend


def save_float(model: Any, run: Path, name: str = "model.keras") -> None:
    """Write a float model to the run folder, whole or not at all."""
    aside = run / f".partial-{name}"
    model.save(aside)
    aside.replace(run / name)


def load_float(run: Path, expected: Blueprint | None = None) -> Any:
    """The float model of a run folder.

    Raises:
        TinykitError: there is none, or it is not of the `expected` architecture.
    """
    import keras

    path = run if run.suffix == ".keras" else run / "model.keras"
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError) as error:
        raise TinykitError(
            "there is no float model here.",
            where=path,
            remedy="Name a run folder that `tinykit train` finished.",
        ) from error
    if expected is not None and not _matches(model, expected):
        raise TinykitError(
            f"the float model is not a {expected.name} of this recipe's shape.",
            where=path,
            remedy="Start from a run with the same model, front end and labels.",
        )
    return model


def _matches(model: Any, expected: Blueprint) -> bool:
    from tinykit.models.keras_model import build

    def shapes(one: Any) -> list[tuple[str, list[tuple[int, ...]]]]:
        return [
            (layer.name, [tuple(weight.shape) for weight in layer.weights])
            for layer in one.layers
            if layer.weights
        ]

    return shapes(model) == shapes(build(expected, seed=0))


def _history(history: History) -> dict[str, Any]:
    return {"epochs": history.epochs, "best_epoch": history.best_epoch}


def _float_history(source: Path) -> dict[str, Any]:
    """The float curves of the run that the model came from, where it kept them."""
    try:
        metrics = json.loads((source / "metrics.json").read_text())["float"]
        return {key: metrics[key] for key in ("epochs", "best_epoch")} | {"from": str(source)}
    except (OSError, ValueError, KeyError):
        return {"epochs": [], "best_epoch": -1, "from": str(source)}


def _network_summary(network: Network) -> dict[str, Any]:
    return {"digest": network.digest, "macs": network.macs(), "ace": network.ace()}


def _keep_samples(run: Path, dataset: Dataset) -> None:
    from tinykit.runs import save_samples

    save_samples(run, dataset)


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)[:80]


def _claim(recipe: Recipe, run: Path, resume: bool) -> None:
    """Write recipe.toml; refuse to resume another recipe's run.

    Raises:
        TinykitError: the folder holds another recipe, or cannot be written.
    """
    path, text = run / "recipe.toml", recipe.to_toml()
    if resume and path.exists() and path.read_text() != text:
        raise TinykitError(
            "the run was made with another recipe.",
            where=path,
            remedy="Train without --resume, or into another folder.",
        )
    if resume and not path.exists():
        notice(f"nothing to resume in {run}; training from the start")
    write_atomic(path, text)


@contextmanager
def _stderr_off() -> Iterator[None]:
    """Drop what native libraries write to stderr: TensorFlow's loading logs heed no setting."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def start_tensorflow(threads: int | None) -> None:
    """Load TensorFlow quietly, repeatable, with so many threads (all cores by default)."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _stderr_off():
        import tensorflow as tf

    # Each stage traces functions of its own; TensorFlow warns that this costs time, and it does.
    tf.get_logger().setLevel("ERROR")
    try:
        if threads not in (None, tf.config.threading.get_intra_op_parallelism_threads()):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
    except RuntimeError:
        notice("TensorFlow has started already; the number of threads stays as it is")


def _versions() -> dict[str, str]:
    import keras
    import tensorflow as tf

    from tinykit import __version__

    return {
        "tinykit": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
