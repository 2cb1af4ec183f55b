# SPDX-License-Identifier: Apache-2.0
"""`python -m tinykit` is the command `tinykit`."""

from tinykit.cli import main

main()
