# SPDX-License-Identifier: Apache-2.0
"""The C of one front end: its tables, its state and a uniform way to call it."""

from __future__ import annotations

from collections.abc import Iterable

from tinykit.frontends import Frontend

_WIDTH = 96
#: Front ends that go by a power spectrum.
_SPECTRAL = ("mfcc", "logmel")


def table_lines(values: Iterable[int]) -> list[str]:
    """The numbers as the lines of a C array.

    >>> table_lines([1, -2, 3])
    ['1, -2, 3,']
    """
    lines = [""]
    for value in values:
        item = f"{value},"
        if len(lines[-1]) + 1 + len(item) > _WIDTH:
            lines.append("")
        lines[-1] += item if not lines[-1] else f" {item}"
    return lines


def _settings(frontend: Frontend) -> list[str]:
    """The front end's own settings, without the calibration, which the tables hold."""
    config = frontend.to_config()
    return [f"{name} = {value}" for name, value in config.items() if not isinstance(value, list)]


def render_frontend(frontend: Frontend) -> dict[str, str]:
    """`frontend.h` and `frontend.c`, by file name.

    They need the headers that `c_headers(frontend)` names and the sources of `c_sources`.
    """
    # Imported here, because tinykit.codegen as a whole imports this module.
    from tinykit.templating import render_template

    constants = frontend.c_constants()
    tables = {name: table.reshape(-1).tolist() for name, table in frontend.c_tables().items()}
    context = {
        "kind": frontend.kind,
        "constants": constants,
        "tables": tables,
        "lines": {name: table_lines(values) for name, values in tables.items()},
        "settings": _settings(frontend),
        "state_bytes": frontend.c_state_bytes,
        "rows_per_push": -(-constants["chunk"] // constants["hop"]),
    }
    names = ("frontend.h", "frontend.c")
    return {name: render_template(f"{name}.j2", **context) for name in names}


def c_sources(frontend: Frontend) -> tuple[str, ...]:
    """The files of `firmware/src/frontends` that this front end is made of."""
    own = (f"{frontend.kind}.c",)
    return (*own, "fft.c", "log2.c", "spectral.c") if frontend.kind in _SPECTRAL else own


def c_headers(frontend: Frontend) -> tuple[str, ...]:
    """The files of `firmware/include/tinykit` that this front end includes."""
    own = (f"{frontend.kind}.h", *(() if frontend.kind == "analog" else ("affine.h",)))
    shared = ("fft.h", "log2.h", "simd.h", "spectral.h")
    return (*own, *shared) if frontend.kind in _SPECTRAL else own
