# SPDX-License-Identifier: Apache-2.0
"""From any model to integers, as asked: calibrate, quantize, narrow, and say what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.importer.calibrate import Method, calibrate
from tinykit.importer.compare import check_classes, compare, scores
from tinykit.importer.float_run import FloatModel
from tinykit.importer.graph import Graph
from tinykit.importer.keep import sensitivities
from tinykit.importer.lower import Imported, lower, with_weight_bits
from tinykit.importer.narrowing import Layers, Narrowing
from tinykit.importer.options import OnStep, Options, silent
from tinykit.importer.ptq import needs_calibration, quantize, refuse_without_data
from tinykit.importer.real_graph import CHANNEL_AXIS
from tinykit.importer.report import layer_rows, stage_rows, weight_bytes
from tinykit.importer.representative import (
    LEAST_TO_HOLD_OUT,
    Expected,
    Inputs,
    held_out,
    load_inputs,
)


@dataclass(frozen=True)
class Quantized:
    """What came of it.

    Attributes:
        imported: the Network, with the report as its `quantization`.
        graph: the same, as a graph for `write_tflite`; None where the model is as it came.
    """

    imported: Imported
    graph: Graph | None


def quantize_model(
    graph: Graph,
    options: Options,
    *,
    labels: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    on_step: OnStep = silent,
) -> Quantized:
    """Quantize a model that was trained elsewhere.

    Args:
        graph: float, of dynamic range, or int8.
        options: what is asked.
        labels, metadata: see `lower`.
        on_step: told of progress.

    Raises:
        TinykitError: an option or the data is wrong, the model is not supported, a float model
            comes without data, or no choice of layers keeps within `max_drop`.
    """
    options.check()
    floats = needs_calibration(graph)
    if floats and options.data is None:
        raise refuse_without_data(graph)
    if not floats and options.calibration is not None:
        raise TinykitError(
            "is of int8 already, so its ranges are not measured.",
            where=graph.source,
            remedy="Leave --calibration out.",
        )
    # Names all that is not supported, before anything is run.
    eight = None if floats else lower(graph, labels=labels, metadata=metadata)
    if eight is not None and options == Options():
        return Quantized(eight, None)
    return _Work(graph, options, floats, on_step).done(eight, labels, dict(metadata or {}))


class _Work:
    """One model being quantized."""

    def __init__(self, graph: Graph, options: Options, floats: bool, on_step: OnStep) -> None:
        self.source = graph
        self.options = options
        self.floats = floats
        self.on_step = on_step
        self.given = FloatModel(graph)
        expected = expected_inputs(graph, self.given)
        self.data: Inputs | None = None
        self.held: Inputs | None = None
        if options.data is not None:
            self.data, self.held = held_out(load_inputs(options.data, expected))
        self.test = None if options.test is None else load_inputs(options.test, expected)
        self.whole = self._calibrated(self.data) if floats and self.data is not None else graph
        self.narrowing = Narrowing(
            self.given,
            None if floats else graph,
            self.whole,
            None if self.data is None else self.data.x,
            options.weights,
            options.rounding,
        )

    def _calibrated(self, data: Inputs) -> Graph:
        """The model in 8 bits."""
        method = cast(Method, self.options.calibration or "minmax")
        total = len(data.x) * (1 if method == "minmax" else 2)
        done = 0

        def tick(count: int) -> None:
            nonlocal done
            done += count
            self.on_step("calibrate", done, total)

        return quantize(self.given.graph, calibrate(self.given, data.x, method, tick=tick))

    def done(
        self, eight: Imported | None, labels: Sequence[str], metadata: dict[str, Any]
    ) -> Quantized:
        """The Network and the report; `eight` is what an int8 model was lowered to."""
        if eight is None:
            eight = lower(self.whole, labels=labels, metadata=metadata)
        for inputs in (self.data, self.held, self.test):
            if inputs is not None:
                check_classes(inputs, len(eight.network.labels))
        narrow = self.options.weights < 8
        graph, layers, sensitivity = self._narrow(eight) if narrow else (self.whole, {}, {})
        last = eight
        if layers:
            bits = {name: layer.bits for name, layer in layers.items()}
            last = with_weight_bits(lower(graph, labels=labels, metadata=metadata), bits)
        rows = layer_rows(self.given.graph, graph, last, layers, sensitivity)
        stages = stage_rows(
            rows,
            given_bytes=weight_bytes(self.source, self.given.graph) if self.floats else None,
            narrow_bits=self.options.weights if layers else None,
        )
        self._judge(stages, eight, last)
        report = {"options": self._asked(), "stages": stages, "layers": rows}
        changed = self.floats or bool(layers)
        return Quantized(replace(last, quantization=report), graph if changed else None)

    def _narrow(self, eight: Imported) -> tuple[Graph, Layers, dict[str, float]]:
        """The graph with narrow weights in all layers but those that keep 8 bits."""
        names = [node.name for node in self.given.graph.nodes if node.kind in CHANNEL_AXIS]
        kept = {_layer_called(one, names) for one in self.options.keep_8}
        graph, layers = self._narrowed(set(names) - kept)
        limit = self.options.max_drop
        if limit is None:
            return graph, layers, {}
        if self.data is None or self.held is None:
            raise TinykitError(
                f"cannot be judged on fewer than {LEAST_TO_HOLD_OUT} inputs, a fifth of which "
                "is held out.",
                where="--max-drop",
                remedy="Give more inputs with --data, a hundred or more.",
            )
        sensitivity = self._sensitivities(layers, self.data)
        order = sorted(sensitivity, key=lambda name: -sensitivity[name])
        first = self._first(eight, self.held)
        drop = 0.0
        for count in range(len(order) + 1):
            if count:
                graph, layers = self._narrowed(set(order[count:]))
            found = scores(lower(graph).network, self.held)
            before, after = (compare(first, one, self.held.y) for one in (first, found))
            drop = after.drop(before)
            if drop <= limit:
                return graph, layers, sensitivity
        raise TinykitError(
            f"loses {drop:.2f} points on {len(first)} inputs even with all layers at 8 bits.",
            where=self.source.source,
            remedy="Allow more with --max-drop, give more --data, or try another --calibration.",
        )

    def _narrowed(self, names: set[str]) -> tuple[Graph, Layers]:
        what = f"{self.options.weights}-bit weights"
        return self.narrowing.run(names, lambda done, total: self.on_step(what, done, total))

    def _sensitivities(self, layers: Layers, data: Inputs) -> dict[str, float]:
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            self.on_step("sensitivities", done, len(layers))

        return sensitivities(self.whole, layers, data, tick)

    def _first(self, eight: Imported, inputs: Inputs) -> NDArray[Any]:
        """What the given model says: reals (n, outputs)."""
        if self.floats:
            return self.given.run(inputs.x).reshape(len(inputs.x), -1)
        return scores(eight.network, inputs)

    def _judge(self, stages: list[dict[str, Any]], eight: Imported, last: Imported) -> None:
        """Add to each stage its figures on what was held out, and on the test inputs."""
        for part, inputs in (("held_out", self.held), ("test", self.test)):
            if inputs is None:
                continue
            first = self._first(eight, inputs)
            for stage in stages:
                network = {"float": None, "int8": eight.network}.get(stage["stage"], last.network)
                found = first if network is None else scores(network, inputs)
                stage[part] = compare(first, found, inputs.y).as_dict()

    def _asked(self) -> dict[str, Any]:
        options = self.options
        return {
            "data": None if options.data is None else options.data.name,
            "calibrated_on": 0 if self.data is None else len(self.data.x),
            "calibration": (options.calibration or "minmax") if self.floats else None,
            "weights": options.weights,
            "rounding": options.rounding if options.weights < 8 else None,
            "keep_8": list(options.keep_8),
            "max_drop": options.max_drop,
            "test": None if options.test is None else options.test.name,
        }


def expected_inputs(graph: Graph, model: FloatModel) -> Expected:
    """What inputs of a model look like: of its own type, or reals.

    Args:
        graph: as it was read.
        model: made of it.
    """
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.quantization is None:
        return Expected(model.input_shape, tensor.dtype)
    scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zero_point[0]
    return Expected(model.input_shape, tensor.dtype, float(scale), int(zero_point))


def _layer_called(wanted: str, names: Sequence[str]) -> str:
    """A layer by its name or its number."""
    for name in names:
        if wanted.strip() in (name, name.split(" ")[0]):
            return name
    raise TinykitError(
        f"there is no layer {wanted[:80]!r} with weights.",
        where="--keep-8",
        remedy=f"There are {', '.join(names[:40])}; the number alone will do.",
    )
