# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page a run, and its JSON twin."""

from tinykit.report.collect import collect
from tinykit.report.document import Report
from tinykit.report.render import load_report, render_html, write_report

__all__ = ["Report", "collect", "load_report", "render_html", "write_report"]
