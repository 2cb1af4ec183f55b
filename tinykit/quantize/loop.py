# SPDX-License-Identifier: Apache-2.0
"""The training loop: one traced function for many steps, a checkpoint an epoch.

Order, augmentation and dropout depend on seed and step alone, so a training that was interrupted
goes on as if it had not been.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.progress import progress
from tinykit.quantize.adamw import AdamW, warm_cosine
from tinykit.quantize.augment import Augment

# Clips per evaluation step, and training steps per call of the traced function.
_EVAL_BATCH = 512
_STEPS = 16
_CLIP_NORM = 5.0
_UNDECAYED = ("gamma", "beta", "bias", "log_step", "alpha", "choice", "threshold")
INTERRUPTED = 130


@dataclass(frozen=True)
class Fit:
    """One stage of training; fields as in `tinykit.recipe.Training`.

    Attributes:
        name: of the stage, for progress and checkpoint.
        freeze: epochs at the end in which a QatModel keeps its batch statistics.
        exit_weights: of the losses of a model's exits, beside that of its end, which counts 1.
        exit_distill: share of these losses that follows what the end says of the same clip.
        exit_temperature: of that.
    """

    name: str
    epochs: int
    batch: int
    learning_rate: float
    warmup: float
    weight_decay: float
    label_smoothing: float = 0.0
    mixup: float = 0.0
    patience: int = 1000
    settle: float = 0.0
    distill: float = 0.0
    temperature: float = 2.0
    freeze: int = 0
    seed: int = 0
    exit_weights: tuple[float, ...] = ()
    exit_distill: float = 0.0
    exit_temperature: float = 2.0


@dataclass(frozen=True)
class Material:
    """What is trained on: int8 features (variants, n, *shape) or (n, *shape), classes, scale."""

    train: NDArray[np.int8]
    train_y: NDArray[np.int64]
    validation: NDArray[np.int8]
    validation_y: NDArray[np.int64]
    scale: float
    classes: int


@dataclass
class History:
    """One entry an epoch, and where the best was."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    finished: bool = False

    def note(self, entry: dict[str, float], *, settled: bool) -> bool:
        """Add an epoch; True if it is the best so far (accuracy, then loss).

        Until training has `settled`, every epoch replaces the one before; so does one that was
        not validated.
        """
        self.epochs.append(entry)
        if "validation_accuracy" not in entry:
            self.best_epoch = len(self.epochs) - 1
            return True
        accuracy, loss = entry["validation_accuracy"], entry["validation_loss"]
        better = (accuracy, -loss) > (self.best_accuracy, -self.best_loss) or not settled
        if better:
            self.best_epoch = len(self.epochs) - 1
            self.best_accuracy, self.best_loss = accuracy, loss
        return better


def fit(
    model: Any,
    material: Material,
    settings: Fit,
    *,
    checkpoint: Path | None,
    resume: bool = False,
    augment: Augment | None = None,
    teacher: Any = None,
) -> History:
    """Train `model` and leave it with the weights that were best on validation.

    Args:
        model: Keras model from reals to logits, or to a list of them with those of the end last,
            built; a QatModel has its `live` switched.
        material: features and classes.
        settings: of this stage.
        checkpoint: file that is written after every epoch; None for none.
        resume: go on from the checkpoint, if there is one for the same settings.
        augment: in-graph augmentation.
        teacher: Keras model whose logits are followed, for `settings.distill`.

    Raises:
        TinykitError: interrupted by Ctrl-C (exit status 130), or the checkpoint is of other
            settings.
    """
    trainer = _Trainer(model, material, settings, augment, teacher)
    saved = None if checkpoint is None else _Checkpoint(checkpoint, settings)
    history, best = History(), _values(model)
    if resume and saved is not None:
        history, best = saved.load(trainer, history, best)
    try:
        with progress() as bar:
            task = bar.add_task(settings.name, total=settings.epochs, note="")
            bar.advance(task, len(history.epochs))
            while not history.finished:
                entry = trainer.epoch(len(history.epochs))
                settled = len(history.epochs) >= settings.settle * settings.epochs
                if history.note(entry, settled=settled):
                    best = _values(model)
                waited = len(history.epochs) - 1 - history.best_epoch
                done = len(history.epochs) >= settings.epochs or waited >= settings.patience
                history.finished = done
                if saved is not None:
                    saved.save(trainer, history, best)
                bar.update(task, advance=1, note=_note(history))
    except KeyboardInterrupt as stop:
        raise TinykitError(
            f"interrupted in epoch {len(history.epochs) + 1} of {settings.name}.",
            where=None if checkpoint is None else checkpoint.parent,
            remedy="Run the same command with --resume to go on.",
            exit_code=INTERRUPTED,
        ) from stop
    _assign(model, best)
    if hasattr(model, "live"):
        model.live = False
    return history


def logits(model: Any, x: NDArray[np.int8], scale: float) -> NDArray[np.float32]:
    """Logits (n, classes) of int8 features (n, *shape), as in deployment; of the end."""

    @tf.function(input_signature=[tf.TensorSpec([None, *x.shape[1:]], tf.int8)], autograph=False)
    def run(part: Any) -> Any:
        return _ends(model(tf.cast(part, tf.float32) * scale, training=False))[-1]

    parts = [x[i : i + _EVAL_BATCH] for i in range(0, len(x), _EVAL_BATCH)]
    if not parts:
        parts = [x]
    return np.concatenate([np.asarray(run(tf.constant(part))) for part in parts])


def _ends(result: Any) -> list[Any]:
    """The logits of all exits and, last, of the end."""
    return list(result) if isinstance(result, list | tuple) else [result]


def _note(history: History) -> str:
    last = history.epochs[-1]
    if "validation_accuracy" not in last:
        return f"loss {last['loss']:.3f}"
    return (
        f"loss {last['loss']:.3f}  validation {100 * last['validation_accuracy']:.2f} %"
        f"  best {100 * history.best_accuracy:.2f} %"
    )


class _Trainer:
    """Optimiser, traced functions and data of one stage."""

    def __init__(
        self,
        model: Any,
        material: Material,
        settings: Fit,
        augment: Augment | None,
        teacher: Any,
    ) -> None:
        self.model, self.settings, self.material = model, settings, material
        self.augment = augment
        bank = material.train
        self.count = len(material.train_y)
        shape = bank.shape[-3:]
        self.variants = bank.size // (self.count * int(np.prod(shape)))
        self.bank = tf.constant(bank.reshape(-1, *shape))
        self.y = tf.constant(material.train_y)
        self.lead = self._lead(teacher)
        self.batch = min(settings.batch, self.count)
        self.steps = self.count // self.batch
        self.optimizer = self._optimizer()
        self.functions: dict[bool, Callable[..., Any]] = {}
        signature = [tf.TensorSpec([None, *shape], tf.int8), tf.TensorSpec([None], tf.int64)]
        self.evaluate = tf.function(self._evaluate, signature, autograph=False)

    def _optimizer(self) -> AdamW:
        return AdamW(
            self.model.trainable_variables,
            warm_cosine(
                self.settings.learning_rate,
                warmup=int(self.steps * self.settings.warmup),
                total=self.steps * self.settings.epochs,
            ),
            decay=self.settings.weight_decay,
            # Gains, biases and steps have their own scale.
            decays=lambda variable: not any(word in variable.name for word in _UNDECAYED),
            clip=_CLIP_NORM,
        )

    def _lead(self, teacher: Any) -> Any:
        """What the teacher says of every variant, softened: (variants * n, classes), or None.

        Asked once: a teacher that hears each step's masked features would cost more than the
        student's own step, and what it says of the whole clip is the better lesson.
        """
        if teacher is None or not self.settings.distill:
            return None
        scores = logits(teacher, np.asarray(self.bank), self.material.scale)
        return tf.nn.softmax(tf.constant(scores) / self.settings.temperature)

    def variables(self) -> list[Any]:
        """Everything that a checkpoint must hold."""
        return [*self.model.variables, *self.optimizer.variables]

    def epoch(self, index: int) -> dict[str, float]:
        """One pass over the training clips, then validation; the entry for the history."""
        start = time.perf_counter()
        live = index < self.settings.epochs - self.settings.freeze
        if hasattr(self.model, "live"):
            self.model.live = live
        rows = self._order(index)
        loss = right = 0.0
        for first in range(0, len(rows), _STEPS):
            part = rows[first : first + _STEPS]
            seed = [self.settings.seed, index * len(rows) + first]
            sums = self._function(live)(tf.constant(part), tf.constant(seed, tf.int32))
            loss, right = loss + float(sums[0]), right + float(sums[1])
        # Where the last epoch is taken whatever it is, validating would only take time.
        validation = self._validate() if self.settings.settle < 1 else {}
        return {
            "epoch": index,
            "loss": loss / len(rows),
            "train_accuracy": right / rows.size,
            **validation,
            "learning_rate": float(self.optimizer.learning_rate),
            "seconds": time.perf_counter() - start,
        }

    def _order(self, index: int) -> NDArray[np.int64]:
        """Rows of the bank (steps, batch): each clip once, in one of its variants."""
        rng = np.random.default_rng([self.settings.seed, index])
        clips = rng.permutation(self.count)[: self.steps * self.batch]
        variant = rng.integers(self.variants, size=len(clips))
        return (clips + variant * self.count).reshape(self.steps, self.batch)

    def _function(self, live: bool) -> Callable[..., Any]:
        """The traced steps; `live` only makes a QatModel trace anew."""
        if live not in self.functions:
            signature = [
                tf.TensorSpec([None, self.batch], tf.int64),
                tf.TensorSpec([2], tf.int32),
            ]
            self.functions[live] = tf.function(self._steps, signature, autograph=False)
        return self.functions[live]

    def _steps(self, rows: Any, seed: Any) -> Any:
        def one(step: Any, loss: Any, right: Any) -> Any:
            one_loss, one_right = self._step(rows[step], seed + tf.stack([0, step]))
            return step + 1, loss + one_loss, right + one_right

        start = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
        count = tf.shape(rows)[0]
        return tf.while_loop(lambda step, *_: step < count, one, start, parallel_iterations=1)[1:]

    def _step(self, rows: Any, seed: Any) -> tuple[Any, Any]:
        x = tf.cast(tf.gather(self.bank, rows), tf.float32) * self.material.scale
        y = tf.gather(self.y, rows % self.count)
        target = self._targets(y, rows)
        seeds = tf.random.experimental.stateless_split(seed, 2)
        if self.augment is not None:
            x = self.augment(x, seeds[0])
        if self.settings.mixup:
            x, target = self._mix(x, target, seeds[1])
        with tf.GradientTape() as tape:
            *early, scores = _ends(self.model(x, training=True))
            loss = self._loss(scores, target)
            for weight, logits_ in zip(self.settings.exit_weights, early, strict=True):
                loss += weight * self._exit_loss(logits_, scores, target)
            total = tf.add_n([loss, *self.model.losses]) if self.model.losses else loss
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(total, variables))
        hit = tf.reduce_sum(tf.cast(tf.argmax(scores, 1) == y, tf.float32))
        return loss, hit

    def _targets(self, y: Any, rows: Any) -> Any:
        """Smoothed classes, and beside them what the teacher says: (batch, classes or twice)."""
        smooth = self.settings.label_smoothing
        own = tf.one_hot(y, self.material.classes) * (1.0 - smooth)
        own += smooth / self.material.classes
        return own if self.lead is None else tf.concat([own, tf.gather(self.lead, rows)], axis=1)

    def _mix(self, x: Any, target: Any, seed: Any) -> tuple[Any, Any]:
        """Mixup: each clip blended with another of the batch by a beta-distributed share."""
        alpha = self.settings.mixup
        two = tf.random.experimental.stateless_split(seed, 2)
        each = [tf.shape(x)[0], 1, 1, 1]
        # A beta variate is a ratio of gamma variates.
        one = tf.random.stateless_gamma(each, two[0], alpha)
        other = tf.random.stateless_gamma(each, two[1], alpha)
        share = one / (one + other + 1e-9)
        share = tf.maximum(share, 1.0 - share)
        flat = share[:, :, 0, 0]
        return (
            share * x + (1.0 - share) * tf.reverse(x, [0]),
            flat * target + (1.0 - flat) * tf.reverse(target, [0]),
        )

    def _loss(self, scores: Any, target: Any) -> Any:
        share, heat = self.settings.distill, self.settings.temperature
        lead = None if self.lead is None else target[:, self.material.classes :]
        return self._following(scores, target, lead, share, heat)

    def _exit_loss(self, scores: Any, last: Any, target: Any) -> Any:
        """Cross entropy with the classes and, softened, with what the end says: its own teacher
        (Phuong and Lampert, Distillation-based training for multi-exit architectures, 2019).
        """
        share, heat = self.settings.exit_distill, self.settings.exit_temperature
        lead = tf.stop_gradient(tf.nn.softmax(last / heat))
        return self._following(scores, target, lead, share, heat)

    def _following(self, scores: Any, target: Any, lead: Any, share: float, heat: float) -> Any:
        """Cross entropy with the classes, and by a share with a `lead` that may be None."""
        own_target = target[:, : self.material.classes]
        own = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(own_target, scores))
        if lead is None:
            return own
        followed = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(lead, scores / heat))
        return (1.0 - share) * own + share * heat * heat * followed

    def _evaluate(self, x: Any, y: Any) -> Any:
        """Summed loss of the end, and how many were right at each exit and at the end."""
        real = tf.cast(x, tf.float32) * self.material.scale
        ends = _ends(self.model(real, training=False))
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y, ends[-1]))
        hits = [tf.cast(tf.argmax(one, 1) == y, tf.float32) for one in ends]
        return loss, tf.stack([tf.reduce_sum(one) for one in hits])

    def _validate(self) -> dict[str, float]:
        x, y = self.material.validation, self.material.validation_y
        loss, right = 0.0, np.zeros(1 + len(self.settings.exit_weights))
        for first in range(0, len(y), _EVAL_BATCH):
            part = slice(first, first + _EVAL_BATCH)
            sums = self.evaluate(tf.constant(x[part]), tf.constant(y[part]))
            loss, right = loss + float(sums[0]), right + np.asarray(sums[1], np.float64)
        *early, last = (right / max(len(y), 1)).tolist()
        entry = {"validation_loss": loss / max(len(y), 1), "validation_accuracy": last}
        return entry | {f"validation_accuracy_exit{i}": one for i, one in enumerate(early)}


@dataclass(frozen=True)
class _Checkpoint:
    """Weights, optimiser state, best weights and history in one .npz; never pickled."""

    path: Path
    settings: Fit

    def save(self, trainer: _Trainer, history: History, best: list[NDArray[Any]]) -> None:
        now = [np.asarray(variable) for variable in trainer.variables()]
        meta = {"settings": asdict(self.settings), "history": asdict(history)}
        buffer = io.BytesIO()
        np.savez(
            buffer,
            meta=np.frombuffer(json.dumps(meta).encode(), np.uint8),
            **{f"now{i}": value for i, value in enumerate(now)},
            **{f"best{i}": value for i, value in enumerate(best)},
        )
        write_atomic(self.path, buffer.getvalue())

    def load(
        self, trainer: _Trainer, history: History, best: list[NDArray[Any]]
    ) -> tuple[History, list[NDArray[Any]]]:
        if not self.path.exists():
            return history, best
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                meta = json.loads(archive["meta"].tobytes())
                targets = trainer.variables()
                now = [archive[f"now{i}"] for i in range(len(targets))]
                best = [archive[f"best{i}"] for i in range(len(best))]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise self._unusable("cannot be read") from error
        same = all(value.shape == tuple(t.shape) for value, t in zip(now, targets, strict=True))
        if meta["settings"] != json.loads(json.dumps(asdict(self.settings))) or not same:
            raise self._unusable("is of another recipe")
        for variable, value in zip(targets, now, strict=True):
            variable.assign(value)
        return History(**meta["history"]), best

    def _unusable(self, what: str) -> TinykitError:
        return TinykitError(
            f"the checkpoint {what}.",
            where=self.path,
            remedy="Train without --resume, or into another folder.",
        )


def _values(model: Any) -> list[NDArray[Any]]:
    return [np.array(variable) for variable in model.variables]


def _assign(model: Any, values: list[NDArray[Any]]) -> None:
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
