# SPDX-License-Identifier: Apache-2.0
"""tinykit: from recordings to measured TinyML firmware."""

__version__ = "0.1.0"
