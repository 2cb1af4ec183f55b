# SPDX-License-Identifier: Apache-2.0
"""A complete PlatformIO project: builds without tinykit, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinykit import __version__
from tinykit.boards import Board, project_files
from tinykit.codegen.apps import SELF_TEST, App
from tinykit.codegen.budget import with_flash, within_flash
from tinykit.codegen.choice import lay_out_for
from tinykit.codegen.cost import CostModel, cost_model
from tinykit.codegen.exits import exits_at, inference_cost
from tinykit.codegen.isa import isa_of
from tinykit.codegen.layer import Layer, tensor_bytes
from tinykit.codegen.names import short_name
from tinykit.codegen.plan import Layout, MemoryPlan
from tinykit.codegen.render import banner, class_names, render_model
from tinykit.codegen.sizes import (
    Sizes,
    check_sizes,
    estimate_layers,
    fitting_vectors,
    is_wide,
    sources_of,
)
from tinykit.codegen.sources import source_closure
from tinykit.codegen.vectors import Vectors, make_vectors
from tinykit.emulators.scripts import render_emulation
from tinykit.errors import TinykitError
from tinykit.files import directory_atomic
from tinykit.frontends import Frontend
from tinykit.frontends.render import render_frontend
from tinykit.network import Network
from tinykit.templating import render_template

METADATA = "tinykit.json"
FORMAT = 1


@dataclass(frozen=True)
class Project:
    """A generated project.

    Attributes:
        directory: its folder.
        board: id of the board.
        metadata: the content of tinykit.json.
        plan: the memory plan.
        sizes: the estimate of flash and RAM.
        vectors: what the firmware tests itself with; may be fewer than were asked for.
        layers: the kernels that were chosen, in order.
    """

    directory: Path
    board: str
    metadata: dict[str, Any]
    plan: MemoryPlan
    sizes: Sizes
    vectors: Vectors
    layers: tuple[Layer, ...]


def generate(
    network: Network,
    board: Board,
    out: Path,
    *,
    vectors: Vectors | None = None,
    extra: Mapping[str, Any] | None = None,
    overwrite: bool = True,
    flash_budget: int | None = None,
    layout: Layout | None = None,
    app: App = SELF_TEST,
) -> Project:
    """Write the project of `network` for `board` to the folder `out`.

    Vectors and clips that the board's flash has no room for are left out, last first.

    Args:
        network: the Network.
        board: the board.
        out: the folder; appears whole or not at all.
        vectors: what the firmware tests itself with; none by default.
        extra: kept in tinykit.json under "extra"; must fit in JSON.
        overwrite: replace `out` if it is a generated project.
        flash_budget: bytes that the whole firmware may take; weights are stored wider where that
            saves instructions and fits. As few bytes as possible by default.
        layout: kernels and arena where they are known already; then the budget is a limit only.
        app: what the firmware does.

    Raises:
        DoesNotFitError: flash or RAM is too small; says by how many bytes.
        TinykitError: the network is none for `app`; `out` cannot be written or is not a generated
            project.
    """
    _check_target(out, overwrite)
    app.check(network, board)
    limited = with_flash(board, flash_budget)
    chosen = layout if layout is not None else lay_out_for(network, board)
    layers, plan = chosen.layers, chosen.plan
    wanted = vectors if vectors is not None and app.embeds else make_vectors(network)
    kept, sizes = fitting_vectors(network, limited, layers, plan, wanted, app)
    check_sizes(network, limited, sizes)
    if flash_budget is not None and layout is None:
        wide = within_flash(network, board, limited.flash_bytes, kept, app)
        layers, plan = wide.layers, wide.plan
        sizes = estimate_layers(network, board, layers, plan, kept, app)
        check_sizes(network, limited, sizes)
    metadata = _metadata(network, board, layers, plan, sizes, kept, app)
    metadata["embedded"]["left_out"] = {
        "vectors": len(wanted.features) - len(kept.features),
        "clips": len(wanted.clips) - len(kept.clips),
    }
    if extra is not None:
        metadata["extra"] = dict(extra)
    files = _files(network, board, layers, plan, sizes, kept, metadata, app)
    with directory_atomic(out) as folder:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return Project(out, board.id, metadata, plan, sizes, kept, layers)


def _check_target(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    empty = out.is_dir() and not any(out.iterdir())
    if empty or (overwrite and (out / METADATA).is_file()):
        return
    raise TinykitError(
        "this exists and is not a generated project.",
        where=out,
        remedy="Choose another folder (--out), or remove it.",
    )


def _build_flags(layers: Sequence[Layer]) -> list[str]:
    return ["-DTK_WIDE_ACCUMULATORS"] if is_wide(layers) else []


def _files(
    network: Network,
    board: Board,
    layers: Sequence[Layer],
    plan: MemoryPlan,
    sizes: Sizes,
    vectors: Vectors,
    metadata: dict[str, Any],
    app: App,
) -> dict[str, bytes]:
    """All files of the project by relative path."""
    frontend = app.frontend(network)
    own = render_model(network, layers, plan, isa_of(board)) | app.files(network, board, vectors)
    if frontend is not None:
        own |= render_frontend(frontend)
    names = sources_of(network, layers, app)
    page = _pages(network, board, layers, plan, sizes, frontend, app)
    files = {f"src/{name}": text.encode() for name, text in own.items()}
    files |= {name: text.encode() for name, text in page.items()}
    files |= project_files(board, baud=app.baud)
    emulation = render_emulation(board, {**metadata, "network": network.digest}, ready=app.ready)
    files |= {f"emulation/{name}": text.encode() for name, text in emulation.items()}
    # The port's C may include headers of the firmware that nothing else does.
    port = [text.decode() for name, text in files.items() if name.startswith("src/port/")]
    files = source_closure(names, [*own.values(), *port]) | files
    files[METADATA] = (json.dumps(metadata, indent=2, sort_keys=True) + "\n").encode()
    return dict(sorted(files.items()))


def _pages(
    network: Network,
    board: Board,
    layers: Sequence[Layer],
    plan: MemoryPlan,
    sizes: Sizes,
    frontend: Frontend | None,
    app: App,
) -> dict[str, str]:
    context = {
        "banner": banner(network),
        "name": short_name(network.name),
        "board": board,
        "build_flags": _build_flags(layers),
        "layers": len(layers),
        "macs": sum(layer.macs for layer in layers),
        "frontend": "" if frontend is None else frontend.kind,
        "app": app.as_dict(),
        "sizes": {
            "flash": sizes.flash,
            "ram": sizes.ram,
            "vectors": sizes.flash_parts["vectors"],
        },
        "arena": plan.size,
        "picture": plan.picture(),
    }
    names = ("platformio.ini", "README.md")
    return {name: render_template(f"{name}.j2", **context) for name in names}


def _layer_metadata(
    network: Network, layer: Layer, plan: MemoryPlan, model: CostModel | None
) -> dict[str, Any]:
    x, y = network.tensor(layer.inputs[0]), network.tensor(layer.op.output)
    parts, ace = layer.parts or (layer,), network.ace_by_op()
    return {
        "index": layer.index,
        "name": layer.op.name,
        "op": " + ".join(type(part.op).__name__ for part in parts),
        "kernel": layer.function,
        "input": {"tensor": x.name, "shape": list(x.shape), "bits": x.bits},
        "output": {"tensor": y.name, "shape": list(y.shape), "bits": y.bits},
        "weight_bits": layer.weight_bits,
        "macs": layer.macs,
        "ace": sum(ace.get(part.op.name, 0) for part in parts),
        "predicted": None if model is None else _rounded(model.predict(layer)),
        "weight_bytes": layer.weight_bytes,
        "table_bytes": layer.table_bytes,
        "scratch_bytes": layer.scratch_bytes,
        "output_bytes": tensor_bytes(y),
        "arena_offset": plan.offset(y.name),
    }


def _rounded(instructions: float | None) -> int | None:
    return None if instructions is None else round(instructions)


def _predicted(
    network: Network, layers: Sequence[Layer], model: CostModel | None
) -> dict[str, Any] | None:
    """What an inference will take, and of which core the model is; None where there is none."""
    if model is None:
        return None
    instructions = _rounded(inference_cost(network, layers, model))
    return {"instructions": instructions, "core": model.name, "same_core": model.exact}


def _metadata(
    network: Network,
    board: Board,
    layers: Sequence[Layer],
    plan: MemoryPlan,
    sizes: Sizes,
    vectors: Vectors,
    app: App,
) -> dict[str, Any]:
    """The content of tinykit.json."""
    model = cost_model(board)
    return {
        "format": FORMAT,
        "tinykit": __version__,
        "network": {
            "name": network.name,
            "digest": network.digest,
            "macs": sum(layer.macs for layer in layers),
            "ace": network.ace(),
            "classes": class_names(network),
        },
        "board": board.id,
        "isa": isa_of(board),
        "app": app.as_dict(),
        "frontend": None if network.frontend is None else dict(network.frontend),
        "arena": {
            "bytes": plan.size,
            "lower_bound": plan.lower_bound,
            "buffers": [
                {
                    "name": b.name,
                    "size": b.size,
                    "offset": plan.offsets[b.name],
                    "first": b.first,
                    "last": b.last,
                }
                for b in plan.buffers
            ],
        },
        "estimate": sizes.as_dict(),
        "predicted": _predicted(network, layers, model),
        "symbols": {
            "begin": "tk_mark_begin",
            "layer": "tk_mark_layer",
            "frontend_begin": "tk_mark_frontend_begin",
            "frontend_end": "tk_mark_frontend_end",
            "timestamp": "tk_mark_timestamp",
        },
        "layers": [_layer_metadata(network, layer, plan, model) for layer in layers],
        **_adaptive(network, layers),
        "embedded": _embedded(vectors, layers),
    }


def _adaptive(network: Network, layers: Sequence[Layer]) -> dict[str, Any]:
    """Exits and modes; nothing of a network without."""
    if not network.exits:
        return {}
    return {
        "exits": [
            {"tensor": one.exit.tensor, "head": one.head, "last": one.last}
            for one in exits_at(network, layers)
        ],
        "modes": [asdict(mode) for mode in network.operating_modes],
    }


def _embedded(vectors: Vectors, layers: Sequence[Layer]) -> dict[str, Any]:
    """What the firmware carries and must answer."""
    return {
        "vectors": [{"scores": scores} for scores in vectors.scores.tolist()],
        "layer_crcs": [f"{vectors.layer_crcs[layer.op.name]:08x}" for layer in layers]
        if vectors.layer_crcs
        else [],
        "clips": [
            {
                "name": vectors.clip_names[i] if i < len(vectors.clip_names) else f"clip {i}",
                "features_crc": f"{crc:08x}",
                "scores": vectors.clip_scores[i].tolist(),
            }
            for i, crc in enumerate(vectors.clip_feature_crcs)
        ],
    }
