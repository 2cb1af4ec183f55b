# SPDX-License-Identifier: Apache-2.0
"""From a Network to C: memory plan, packed weights, kernel choice, rendered project."""

from tinykit.codegen.hostlib import HostModel
from tinykit.codegen.plan import MemoryPlan, plan_memory
from tinykit.codegen.project import METADATA, Project, generate
from tinykit.codegen.sizes import Sizes, check_fit, estimate_size
from tinykit.codegen.vectors import Vectors, make_vectors

__all__ = [
    "METADATA",
    "HostModel",
    "MemoryPlan",
    "Project",
    "Sizes",
    "Vectors",
    "check_fit",
    "estimate_size",
    "generate",
    "make_vectors",
    "plan_memory",
]
