# SPDX-License-Identifier: Apache-2.0
"""Run the MLPerf Tiny benchmark on an emulated board: performance, accuracy and energy."""
