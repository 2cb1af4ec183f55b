# SPDX-License-Identifier: Apache-2.0
"""Random networks behind a front end."""

from __future__ import annotations

from dataclasses import replace

from tinykit.frontends import Frontend
from tinykit.network import Network


def with_frontend(network: Network, frontend: Frontend) -> Network:
    """`network` with the input that `frontend` makes."""
    tensors = tuple(
        replace(t, scale=frontend.scale, zero_point=frontend.zero_point)
        if t.name == network.input
        else t
        for t in network.tensors
    )
    return replace(network, tensors=tensors, frontend=frontend.to_config())
