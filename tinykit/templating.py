# SPDX-License-Identifier: Apache-2.0
"""The one Jinja environment: strict about names, exact about white space."""

from __future__ import annotations

from typing import Any

import jinja2

from tinykit.resources import resource_dir


def environment(*, autoescape: bool = False) -> jinja2.Environment:
    """Templates of the folder `templates/`.

    Args:
        autoescape: for HTML. C and ini files are none: names pass through codegen.names instead.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=autoescape,
    )


def render_template(name: str, /, **context: Any) -> str:
    """Render the template `name`.

    Raises:
        jinja2.UndefinedError: the template uses a name that `context` lacks.
    """
    return environment().get_template(name).render(**context)
