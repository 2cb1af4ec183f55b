# SPDX-License-Identifier: Apache-2.0
"""From a Network to C: memory plan, packed weights, kernel choice, rendered project."""
