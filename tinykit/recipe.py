# SPDX-License-Identifier: Apache-2.0
"""A recipe: everything that decides what a training makes, in one TOML file.

Unknown keys and values that cannot be are refused before anything starts. What a recipe leaves out
takes the defaults below; `to_toml` writes them all, so that a run folder says the whole of it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args, get_origin, get_type_hints

import tomli_w

from tinykit.errors import TinykitError
from tinykit.models.registry import check_parameters
from tinykit.quantize.policy import Policy, parse_policy
from tinykit.quantize.schemes import ACTIVATION_SCHEMES, GRANULARITIES, WEIGHT_SCHEMES
from tinykit.suggest import one_of

if TYPE_CHECKING:
    from tinykit.data import Dataset

Task = Literal["kws", "har"]


@dataclass(frozen=True)
class Named:
    """A thing by name with options of its own: a data set, a front end, a model."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """Float training.

    Attributes:
        epochs: passes over the training part.
        batch: clips a step.
        learning_rate: at its highest; it warms up, then falls to zero as a half cosine.
        warmup: epochs of rising learning rate.
        weight_decay: of AdamW, on kernels only.
        label_smoothing: share of the target spread over all classes.
        mixup: alpha of the beta distribution (Zhang et al., arXiv:1710.09412); 0 for none.
        patience: epochs without a better validation accuracy after which training stops.
        settle: share of the epochs before the best on validation is looked for: with few subjects
            validating, a lucky epoch at a high learning rate is worth little.
        init_from: run folder whose float model is taken instead of training one; "" for none.
        distill: share of the loss that follows a larger float model, the teacher.
        teacher_model: the teacher's parameters where they differ from the model's; it is trained
            first, with the same settings.
        teacher_epochs: passes of the teacher's training.
        teacher: run folder whose teacher is taken instead of training one; "" for none.
        temperature: of the distillation (Hinton et al., arXiv:1503.02531).
    """

    epochs: int = 60
    batch: int = 128
    learning_rate: float = 2e-3
    warmup: float = 2.0
    weight_decay: float = 1e-3
    label_smoothing: float = 0.0
    mixup: float = 0.0
    patience: int = 1000
    settle: float = 0.0
    init_from: str = ""
    distill: float = 0.0
    teacher_model: Mapping[str, Any] = field(default_factory=dict)
    teacher_epochs: int = 60
    teacher: str = ""
    temperature: float = 2.0


@dataclass(frozen=True)
class Quantization:
    """Quantisation-aware training.

    Attributes:
        policy: bits of weights and activations, see `tinykit.quantize.policy`.
        layers: exceptions, layer name or glob to bits.
        edges: least bits of the weights of the first and last layer.
        weights, activations: schemes.
        granularity: weight scales per "channel" or per "tensor".
        epochs: passes over the training part; the last `freeze` with batch statistics frozen.
            Both are tripled where a policy has weights of 2 bits or 1. With weights of one bit
            there is no weight decay.
        binary_epochs: passes of a stage before, in which activations have one bit and weights that
            will have one do not yet; only where a policy has 1-bit weights.
        distill: share of the loss that follows the float model's logits.
        others: as in `Training`.
    """

    policy: str = "w8a8"
    layers: Mapping[str, str] = field(default_factory=dict)
    edges: int = 8
    weights: str = "lsq"
    activations: str = "lsq"
    granularity: str = "channel"
    epochs: int = 12
    freeze: int = 4
    binary_epochs: int = 0
    batch: int = 128
    learning_rate: float = 5e-4
    warmup: float = 0.5
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    distill: float = 0.5
    temperature: float = 2.0
    patience: int = 1000
    settle: float = 0.5

    def parsed(self) -> Policy:
        """The policy.

        Raises:
            TinykitError: it is none.
        """
        return parse_policy(self.policy, self.layers, edges=self.edges)


@dataclass(frozen=True)
class Exits:
    """Early exits, trained jointly with the rest (Teerapittayanon et al., arXiv:1709.01686).

    Attributes:
        after: layers of the model after which a mean and a dense layer give logits.
        weights: of the exits' losses, that of the end being 1; the last entry repeats.
        distillation: share of these losses that follows what the end says of the same clip.
        temperature: of that.
    """

    after: tuple[str, ...] = ()
    weights: tuple[float, ...] = (0.5,)
    distillation: float = 0.5
    temperature: float = 2.0

    def weights_of(self, count: int) -> tuple[float, ...]:
        """One weight for each of so many exits."""
        given = self.weights[:count]
        return given + self.weights[-1:] * (count - len(given))


@dataclass(frozen=True)
class SpeechAugment:
    """Augmentation of sound. The first group is done once, to `bank` variants of every clip.

    Attributes:
        bank: variants of each clip; an epoch sees one of them. 0 trains on the clips as they are.
        shift_ms: clips move by up to so much to either side.
        noise: share of the variants that get background noise.
        snr_db: least and largest ratio of clip to noise.
        gain_db: clips get louder or softer by up to so much.
        speed: clips get faster or slower by up to this share.
        units: an analog front end's parts stray, each few clips those of another unit, as a
            multiple of `tinykit.frontends.analog.Tolerances`; 0 for exact parts.
        frame_shift: whole frames by which features move in each step.
        time_masks, time_width: masks along time in each step and their greatest width, frames
            (SpecAugment, Park et al., arXiv:1904.08779).
        frequency_masks, frequency_width: masks along the coefficients.
    """

    bank: int = 10
    shift_ms: float = 100.0
    noise: float = 0.8
    snr_db: tuple[float, float] = (5.0, 30.0)
    gain_db: float = 6.0
    speed: float = 0.12
    units: float = 0.0
    frame_shift: int = 1
    time_masks: int = 1
    time_width: int = 8
    frequency_masks: int = 1
    frequency_width: int = 2


@dataclass(frozen=True)
class MotionAugment:
    """Augmentation of inertial windows, in each step.

    Attributes:
        rotation_deg: standard deviation of the angle by which a window turns in space.
        half_turns: share of the windows turned by half about one of the device's axes, as a phone
            that lies the other way round in the pocket.
        scale: standard deviation of a factor around 1, per window and sensor.
        jitter: standard deviation of noise on each sample, in spreads of the channel.
        warp: windows get faster or slower by up to this share (the rest repeats the last sample).
        drop: share of the windows that lose one sensor's triple of channels.
    """

    rotation_deg: float = 10.0
    half_turns: float = 0.0
    scale: float = 0.1
    jitter: float = 0.03
    warp: float = 0.0
    drop: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """All that was asked of a training.

    Attributes:
        name: of the recipe.
        task: keyword spotting or activity recognition.
        seed: of weights, order and augmentation.
        data: data set and loader options.
        frontend: kind of front end and its settings.
        model: architecture and its parameters.
    """

    name: str
    task: Task
    data: Named
    frontend: Named
    model: Named
    seed: int = 0
    augment: SpeechAugment | MotionAugment = field(default_factory=SpeechAugment)
    training: Training = field(default_factory=Training)
    quantization: Quantization = field(default_factory=Quantization)
    exits: Exits = field(default_factory=Exits)

    @classmethod
    def load(cls, source: str | Path) -> Self:
        """A packaged recipe by name, or a file.

        Raises:
            TinykitError: there is none, it is not TOML, or a key or value cannot be.
        """
        path = Path(source)
        if path.suffix == ".toml" or path.is_file():
            return cls.parse(_read(path), where=str(path))
        name = one_of(str(source), recipe_names(), what="recipe")
        text = (resources.files("tinykit") / "recipes" / f"{name}.toml").read_text()
        return cls.parse(text, where=f"{name}.toml")

    @classmethod
    def parse(cls, text: str, *, where: str) -> Self:
        """A recipe from TOML text; `where` is named in errors.

        Raises:
            TinykitError: as `load`.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise TinykitError(f"is not TOML: {error}.", where=where) from error
        return cls.from_table(table, where=where)

    @classmethod
    def from_table(cls, table: Mapping[str, Any], *, where: str = "recipe") -> Self:
        """A recipe from a parsed TOML table.

        Raises:
            TinykitError: as `load`.
        """
        sections = {f.name for f in fields(cls)}
        for key in table:
            one_of(key, sections, what="recipe key", where=where)
        for key in ("name", "task", "data", "frontend", "model"):
            if key not in table:
                raise TinykitError(f"has no {key}.", where=where, remedy="Add it.")
        task = one_of(str(table["task"]), get_args(Task), what="task", where=where)
        augment = SpeechAugment if task == "kws" else MotionAugment
        recipe = cls(
            name=_text(table["name"], "name", where),
            task=task,  # type: ignore[arg-type]
            seed=_seed(table.get("seed", 0), where),
            data=_named(table["data"], "data", where),
            frontend=_named(table["frontend"], "frontend", where),
            model=_named(table["model"], "model", where),
            augment=_section(augment, table.get("augment", {}), "augment", where),
            training=_section(Training, table.get("training", {}), "training", where),
            quantization=_section(
                Quantization, table.get("quantization", {}), "quantization", where
            ),
            exits=_section(Exits, table.get("exits", {}), "exits", where),
        )
        recipe.check(where)
        return recipe

    def check(self, where: str) -> None:
        """Refuse names and policies that do not exist.

        Raises:
            TinykitError: names the key and what is known.
        """
        from tinykit.data import NAMES
        from tinykit.frontends import KINDS

        one_of(self.data.name, NAMES, what="data set", where=f"{where}: [data]")
        one_of(self.frontend.name, KINDS, what="front end", where=f"{where}: [frontend]")
        check_parameters(self.model.name, self.model.options, where=f"{where}: [model]")
        larger = {**self.model.options, **self.training.teacher_model}
        check_parameters(self.model.name, larger, where=f"{where}: [training] teacher_model")
        if not self.exits.weights or self.exits.distillation > 1:
            raise TinykitError(
                "weights is empty, or distillation above 1.", where=f"{where}: [exits]"
            )
        how = self.quantization
        at = f"{where}: [quantization]"
        parse_policy(how.policy, how.layers, edges=how.edges, where=at)
        one_of(how.weights, WEIGHT_SCHEMES, what="weight quantization", where=at)
        one_of(how.activations, ACTIVATION_SCHEMES, what="activation quantization", where=at)
        one_of(how.granularity, GRANULARITIES, what="granularity", where=at)

    def override(
        self,
        *,
        seed: int | None = None,
        policy: str | None = None,
        data: str | None = None,
        init_from: str | None = None,
        teacher: str | None = None,
        epochs: int | None = None,
    ) -> Self:
        """The recipe with what a command line asks for changed.

        Args:
            seed: of weights, order and augmentation.
            policy: replaces the policy and its exceptions.
            data: name of another data set, with its loader's defaults, or a folder of recordings.
            init_from: run folder whose float model is taken.
            teacher: run folder whose teacher is taken.
            epochs: of float training.

        Raises:
            TinykitError: as `load`.
        """
        from tinykit.data import NAMES

        recipe = self
        if seed is not None:
            recipe = replace(recipe, seed=_seed(seed, "--seed"))
        if policy is not None:
            quantization = replace(recipe.quantization, policy=policy, layers={})
            recipe = replace(recipe, quantization=quantization)
        if data is not None and data != recipe.data.name:
            named = Named(data)
            if data not in NAMES and Path(data).is_dir():
                named = Named("folder", {"root": data})
            recipe = replace(recipe, data=named)
        if init_from is not None:
            recipe = replace(recipe, training=replace(recipe.training, init_from=init_from))
        if teacher is not None:
            recipe = replace(recipe, training=replace(recipe.training, teacher=teacher))
        if epochs is not None:
            recipe = replace(recipe, training=replace(recipe.training, epochs=epochs))
        recipe.check("command line")
        return recipe

    def load_dataset(self, root: Path | None = None) -> Dataset:
        """The recipe's data set.

        Raises:
            TinykitError: it is not there, or is of the other task.
        """
        from tinykit.data import load_dataset

        options = dict(self.data.options)
        own = options.pop("root", None)
        dataset = load_dataset(self.data.name, root=Path(own) if own else root, **options)
        if dataset.task != self.task:
            raise TinykitError(
                f"data set {dataset.name} is for {dataset.task}, the recipe is for {self.task}.",
                where=self.name,
                remedy="Choose a data set or a recipe of the same task.",
            )
        return dataset

    def to_table(self) -> dict[str, Any]:
        """All keys with their values, as TOML would give them."""
        table: dict[str, Any] = {"name": self.name, "task": self.task, "seed": self.seed}
        for key in ("data", "frontend", "model"):
            named: Named = getattr(self, key)
            table[key] = {"name": named.name, **_plain(named.options)}
        sections = ["augment", "training", "quantization", *["exits"] * (self.exits != Exits())]
        for key in sections:
            section = getattr(self, key)
            table[key] = _plain({f.name: getattr(section, f.name) for f in fields(section)})
        return table

    def to_toml(self) -> str:
        """The same as TOML text; `parse` gives the same recipe back."""
        return tomli_w.dumps(self.to_table())


def recipe_names() -> tuple[str, ...]:
    """The packaged recipes, sorted."""
    folder = resources.files("tinykit") / "recipes"
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml")))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TinykitError(
            "cannot read the recipe.",
            where=path,
            remedy=f"Name a .toml file, or one of {', '.join(recipe_names())}.",
        ) from error


def _text(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise TinykitError(f"{key} = {value!r} is not a text.", where=where)
    return value


def _seed(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise TinykitError(
            f"seed = {value!r} is not a seed.", where=where, remedy="Use 0 to 2147483647."
        )
    return value


def _named(value: Any, key: str, where: str) -> Named:
    if not isinstance(value, Mapping) or "name" not in value:
        raise TinykitError(
            f"[{key}] has no name.", where=where, remedy=f'Write [{key}] and name = "...".'
        )
    options = {k: v for k, v in value.items() if k != "name"}
    return Named(_text(value["name"], f"{key}.name", where), options)


def _section(kind: type[Any], table: Any, key: str, where: str) -> Any:
    place = f"{where}: [{key}]"
    if not isinstance(table, Mapping):
        raise TinykitError(f"{key} must be a section.", where=where, remedy=f"Write [{key}].")
    defaults, hints = kind(), get_type_hints(kind)
    given = {}
    for name, value in table.items():
        one_of(name, hints, what=f"key in [{key}]", where=place)
        given[name] = _value(value, hints[name], name, getattr(defaults, name), place)
    return replace(defaults, **given)


def _value(value: Any, hint: Any, name: str, default: Any, place: str) -> Any:
    if get_origin(hint) is tuple and get_args(hint)[-1] is Ellipsis:
        kind = get_args(hint)[0]
        if isinstance(value, list) and kind is str and all(isinstance(v, str) for v in value):
            return tuple(value)
        if isinstance(value, list) and kind is float and all(_number(v) and v >= 0 for v in value):
            return tuple(float(v) for v in value)
    elif get_origin(hint) is tuple:
        wanted = len(get_args(hint))
        if isinstance(value, list) and len(value) == wanted and all(_number(v) for v in value):
            return tuple(float(v) for v in value)
    elif hint is str:
        if isinstance(value, str):
            return value
    elif hint is int:
        if _number(value) and not isinstance(value, float) and value >= 0:
            return value
    elif hint is float and _number(value) and value >= 0:
        return float(value)
    elif isinstance(default, Mapping) and isinstance(value, Mapping):
        return dict(value)
    raise TinykitError(
        f"{name} = {value!r} is not a value it can take.",
        where=place,
        remedy=f"The default is {default!r}; numbers must not be negative.",
    )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            plain[key] = _plain(value)
        else:
            plain[key] = list(value) if isinstance(value, tuple) else value
    return plain
