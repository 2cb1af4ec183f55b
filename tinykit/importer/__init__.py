# SPDX-License-Identifier: Apache-2.0
"""Models that others made: .tflite files, checked, and turned into Networks."""
