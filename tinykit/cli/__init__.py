# SPDX-License-Identifier: Apache-2.0
"""The command line; everything below it is importable without it."""

from tinykit.cli.app import app, main

__all__ = ["app", "main"]
