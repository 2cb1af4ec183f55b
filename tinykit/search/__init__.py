# SPDX-License-Identifier: Apache-2.0
"""Search for networks: an architecture's shape first, then the bits of its layers."""
