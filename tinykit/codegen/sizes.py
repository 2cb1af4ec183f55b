# SPDX-License-Identifier: Apache-2.0
"""How much flash and RAM a firmware takes, known before it is built.

All that generated C defines is counted, the hand-written C is in a table of compiled objects
(`tinykit.codegen.code_sizes`), and what the linker makes of both is computed
(`tinykit.codegen.linker`). For the boards and the compiler that the table was measured with the
sizes are those of the ELF file, to the byte; tests build firmware and compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinykit.boards import Board
from tinykit.codegen.apps import SELF_TEST, App
from tinykit.codegen.choice import lay_out_for
from tinykit.codegen.code_sizes import Firmware, link_for
from tinykit.codegen.datum import Datum
from tinykit.codegen.exits import NETWORK_SOURCES, walk_of
from tinykit.codegen.layer import Layer
from tinykit.codegen.plan import MemoryPlan
from tinykit.codegen.render import model_data, model_functions
from tinykit.codegen.vectors import Vectors, vectors_data
from tinykit.errors import DoesNotFitError
from tinykit.frontends import Frontend
from tinykit.frontends.render import c_sources
from tinykit.network import Network

# What every firmware has, below firmware/src.
BASE_SOURCES = ("crc.c", "record.c", *NETWORK_SOURCES)


@dataclass(frozen=True)
class Sizes:
    """Bytes, by what they are for.

    Attributes:
        flash_parts: weights, tables (bias, multiplier, shift, params, layers, names), frontend,
            vectors, code (with its constants and texts, and all that alignment adds).
        ram_parts: arena, frontend, buffers, stack, other.
        board: id of the board.
        exact: whether they are those of a build, to the byte; else the board is none of tinykit's
            and they are those of the most similar one.
    """

    flash_parts: dict[str, int]
    ram_parts: dict[str, int]
    board: str = field(default="")
    exact: bool = True

    @property
    def flash(self) -> int:
        """Bytes of flash in all."""
        return sum(self.flash_parts.values())

    @property
    def ram(self) -> int:
        """Bytes of RAM in all, the stack's reserve included."""
        return sum(self.ram_parts.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "flash": self.flash,
            "flash_parts": self.flash_parts,
            "ram": self.ram,
            "ram_parts": self.ram_parts,
            "exact": self.exact,
        }


def sources_of(network: Network, layers: Sequence[Layer], app: App) -> frozenset[str]:
    """The hand-written files below firmware/src that a firmware consists of."""
    names = {
        *BASE_SOURCES,
        walk_of(network),
        *app.sources,
        *(name for layer in layers for name in layer.sources),
    }
    frontend = app.frontend(network)
    if frontend is not None:
        names |= {f"frontends/{name}" for name in c_sources(frontend)}
    return frozenset(names)


def is_wide(layers: Sequence[Layer]) -> bool:
    """Whether a firmware is built with TK_WIDE_ACCUMULATORS."""
    return any(layer.scaling is not None and layer.scaling.wide for layer in layers)


def _frontend_data(frontend: Frontend) -> list[Datum]:
    """What frontend.c defines, as far as it depends on settings."""
    constants, tables = frontend.c_constants(), frontend.c_tables()
    pushes = -(-constants["chunk"] // constants["hop"])
    data = [
        Datum("pushed", "int16_t", constants["chunk"] * constants["channels"], zero=True),
        Datum("rows", "int8_t", pushes * constants["row_length"], zero=True),
    ]
    if frontend.kind == "analog":
        filters = constants["row_length"]
        return [
            *data,
            Datum("filters", "tk_analog_filter", filters),
            Datum("channels", "tk_analog_channel", filters, zero=True),
        ]
    data.append(Datum("affine", "tk_affine_column", tables["shift"].size))
    affine = ("offset", "multiplier", "shift")
    data += [
        Datum(name, f"{table.dtype.name}_t", table.size)
        for name, table in tables.items()
        if name not in affine
    ]
    if frontend.kind != "imu":
        data += [
            Datum("samples_held", "tk_fft_bin", constants["window"] // 2, zero=True),
            Datum("bins", "tk_fft_bin", constants["points"], zero=True),
            Datum("energies", "int16_t", constants["n_mels"], zero=True),
        ]
    return data


def _firmware(
    network: Network,
    board: Board,
    layers: Sequence[Layer],
    plan: MemoryPlan,
    vectors: Vectors | None,
    app: App,
) -> Firmware:
    data = {"main.c": app.main_data(network, board), "model.c": model_data(network, layers, plan)}
    data |= app.tables(network)
    frontend = app.frontend(network)
    if frontend is not None:
        data["frontend.c"] = _frontend_data(frontend)
    if vectors is not None and app.embeds:
        data["vectors.c"] = vectors_data(vectors)
    return Firmware(
        sources=sources_of(network, layers, app),
        main=app.main_variant(network, vectors),
        frontend="" if frontend is None else frontend.kind,
        data=data,
        functions=frozenset(model_functions(network, layers)),
        wide=is_wide(layers),
        baud=app.baud,
    )


def estimate_layers(
    network: Network,
    board: Board,
    layers: Sequence[Layer],
    plan: MemoryPlan,
    vectors: Vectors | None,
    app: App = SELF_TEST,
) -> Sizes:
    """`estimate_size` for layers and a plan that exist already."""
    firmware = _firmware(network, board, layers, plan, vectors, app)
    result = link_for(board, firmware)
    zero = {(file, one.name) for file, data in firmware.data.items() for one in data if one.zero}

    def total(file: str, *, zeros: bool) -> int:
        sizes: Mapping[str, int] = result.data.get(file, {})
        return sum(size for name, size in sizes.items() if ((file, name) in zero) == zeros)

    buffers = ("model.c", "main.c", *app.tables(network))
    weights = sum(layer.weight_bytes for layer in layers)
    flash = {
        "weights": weights,
        "tables": total("model.c", zeros=False) - weights - _unnamed(result.data, app, vectors),
        "frontend": total("frontend.c", zeros=False),
        "vectors": 0 if not _tests(app, vectors) else total("vectors.c", zeros=False),
    }
    ram = {
        "arena": plan.size,
        "frontend": total("frontend.c", zeros=True),
        "buffers": sum(total(name, zeros=True) for name in buffers) - plan.size,
    }
    flash["code"] = result.linked.text + result.linked.data - sum(flash.values())
    ram["other"] = result.linked.data + result.linked.bss - sum(ram.values())
    ram["stack"] = _stack_bytes(board)
    return Sizes(flash, ram, board.id, result.exact)


def _tests(app: App, vectors: Vectors | None) -> bool:
    """Whether the firmware has vectors or recordings."""
    return app.embeds and vectors is not None and bool(len(vectors.features) + len(vectors.clips))


def _unnamed(data: Mapping[str, Mapping[str, int]], app: App, vectors: Vectors | None) -> int:
    """Bytes of names that nothing prints, and the linker leaves out."""
    sizes = data["model.c"]
    named = app.embeds and vectors is not None and len(vectors.features) > 0
    return sizes["tk_model_class_names"] + (0 if named else sizes["tk_model_layer_names"])


def _stack_bytes(board: Board) -> int:
    """What the linker scripts reserve."""
    grain = 16 if board.arch == "riscv" else 8
    return -(-board.stack_bytes // grain) * grain


def estimate_size(
    network: Network, board: Board, vectors: Vectors | None = None, app: App = SELF_TEST
) -> Sizes:
    """Bytes of flash and RAM that a firmware takes.

    Args:
        network: a valid Network.
        board: what it is for.
        vectors: what it tests itself with; nothing by default.
        app: what the firmware does.

    Raises:
        TinykitError: a layer has no kernel.
    """
    layout = lay_out_for(network, board)
    return estimate_layers(network, board, layout.layers, layout.plan, vectors, app)


def missing(sizes: Sizes, board: Board) -> tuple[int, int]:
    """Bytes of flash and of RAM that the board lacks; 0 where it has enough or knows no limit."""
    flash = max(0, sizes.flash - board.flash_bytes) if board.flash_bytes else 0
    ram = max(0, sizes.ram - board.ram_bytes) if board.ram_bytes else 0
    return flash, ram


def fitting_vectors(
    network: Network,
    board: Board,
    layers: Sequence[Layer],
    plan: MemoryPlan,
    vectors: Vectors,
    app: App = SELF_TEST,
) -> tuple[Vectors, Sizes]:
    """As many clips and vectors as the flash holds, clips going first, and the sizes then."""
    kept = vectors
    while True:
        sizes = estimate_layers(network, board, layers, plan, kept, app)
        if not missing(sizes, board)[0]:
            return kept, sizes
        if len(kept.clips):
            kept = kept.first(len(kept.features), len(kept.clips) - 1)
        elif len(kept.features) > 1:
            kept = kept.first(len(kept.features) - 1, 0)
        else:
            return kept, sizes


def check_sizes(network: Network, board: Board, sizes: Sizes) -> None:
    """`check_fit` for sizes that are known already."""
    flash, ram = missing(sizes, board)
    lacks = []
    if flash:
        lacks.append(
            f"{flash} bytes of flash are missing ({sizes.flash} needed, {board.flash_bytes} there)"
        )
    if ram:
        lacks.append(
            f"{ram} bytes of RAM are missing ({sizes.ram} needed, {board.ram_bytes} there)"
        )
    if not lacks:
        return
    parts = sizes.ram_parts if ram else sizes.flash_parts
    largest = max(parts, key=lambda name: parts[name])
    remedies = {
        "arena": "narrower activations (w8a4, w4a4), fewer channels",
        "weights": "narrower weights (w4a8, w2a8), fewer channels",
        "vectors": "fewer embedded vectors and clips",
        "stack": "a smaller stack_bytes in board.toml",
    }
    remedy = remedies.get(largest, "a smaller front end or network")
    raise DoesNotFitError(
        f"it does not fit {board.name}: {' and '.join(lacks)}; "
        f"the largest part is {largest} with {parts[largest]} bytes.",
        where=f"network {network.name}",
        remedy=f"Try {remedy}, or a larger board.",
    )


def check_fit(network: Network, board: Board, vectors: Vectors | None = None) -> Sizes:
    """`size_of`, if the board has the room.

    Raises:
        DoesNotFitError: says how many bytes are missing and what to do.
    """
    sizes = estimate_size(network, board, vectors)
    check_sizes(network, board, sizes)
    return sizes
