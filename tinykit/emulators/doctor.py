# SPDX-License-Identifier: Apache-2.0
"""What is installed, what is missing, and the command that installs it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinykit.emulators.qemu import plugin
from tinykit.emulators.renode import INSTALL as RENODE_INSTALL
from tinykit.errors import TinykitError

_SECONDS = 30.0


@dataclass(frozen=True)
class Check:
    """One thing that tinykit uses.

    Attributes:
        name: of the program or package.
        purpose: what needs it.
        required: whether a usual run fails without it.
        install: the command that installs it on Debian.
        found: whether it is there and works.
        version: as it says itself; None if it is missing.
    """

    name: str
    purpose: str
    required: bool
    install: str
    found: bool = False
    version: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


_PACKAGES = (
    ("tensorflow", "training", ("tensorflow-cpu", "tensorflow"), "pip install tensorflow-cpu"),
    ("keras", "training", ("keras",), "pip install keras"),
    ("numpy", "everything", ("numpy",), "pip install 'numpy<2'"),
    ("tflite-runtime", "comparison with TFLite", ("tflite-runtime",), "pip install tflite-runtime"),
    ("soundfile", "reading wav and FLAC", ("soundfile",), "pip install soundfile"),
    ("platformio", "building firmware", ("platformio",), "pip install platformio==6.2.0"),
    ("scons", "PlatformIO without its registry", ("scons",), "pip install scons==4.11.1"),
)

# program, purpose, required, install command, argument that prints the version
_PROGRAMS = (
    ("gcc", "the host board and QEMU's counter", True, "apt install gcc libc6-dev", "--version"),
    (
        "arm-none-eabi-gcc",
        "Cortex-M boards",
        True,
        "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi",
        "--version",
    ),
    (
        "riscv64-unknown-elf-gcc",
        "RISC-V boards",
        True,
        "apt install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
        "--version",
    ),
    ("qemu-system-arm", "Cortex-M emulation", True, "apt install qemu-system-arm", "--version"),
    ("qemu-system-riscv32", "RISC-V emulation", True, "apt install qemu-system-misc", "--version"),
    ("renode", "Renode emulation", False, RENODE_INSTALL, "--version"),
    ("renode-test", "the generated .robot tests", False, RENODE_INSTALL, ""),
    ("openocd", "tinykit flash", False, "apt install openocd", "--version"),
    ("JLinkExe", "tinykit flash by J-Link", False, "SEGGER's J-Link software", ""),
    ("clang-format", "developing tinykit", False, "pip install clang-format", "--version"),
    ("espeak-ng", "making synthetic speech", False, "apt install espeak-ng", "--version"),
)


def examine() -> list[Check]:
    """Look for everything; programs are asked for their version, several at a time."""
    tasks: list[Callable[[], Check]] = []
    for name, purpose, distributions, install in _PACKAGES:
        missing = Check(name, purpose, True, install)
        tasks.append(lambda c=missing, d=distributions: _package(c, d))  # type: ignore[misc]
    for name, purpose, required, install, flag in _PROGRAMS:
        missing = Check(name, purpose, required, install)
        tasks.append(lambda c=missing, f=flag: _program(c, f))  # type: ignore[misc]
    tasks.append(_libraries)
    tasks.append(_plugin)
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda task: task(), tasks))


def _found(check: Check, version: str | None) -> Check:
    return Check(check.name, check.purpose, check.required, check.install, True, version)


def _package(check: Check, distributions: tuple[str, ...]) -> Check:
    for name in distributions:
        try:
            return _found(check, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            continue
    return check


def _output(*command: str) -> str | None:
    """What a command prints; None if it cannot run or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout + done.stderr if done.returncode == 0 else None


def _program(check: Check, flag: str) -> Check:
    # Programs that pip installs lie beside the interpreter, which need not be on the PATH.
    places = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))
    program = shutil.which(check.name, path=places)
    if program is None:
        return check
    if not flag:
        return _found(check, None)
    output = _output(program, flag)
    if output is None:
        return check
    number = re.search(r"\d+\.\d+(?:\.\d+)*", re.sub(r"\([^)]*\)", "", output))
    return _found(check, number[0] if number else None)


def _libraries() -> Check:
    """The compilers come without a C library on Debian; each needs a package more."""
    check = Check(
        "C libraries",
        "newlib (nano) and picolibc, for the boards",
        True,
        "apt install libnewlib-arm-none-eabi picolibc-riscv64-unknown-elf",
    )
    found = []
    for compiler, names in (
        ("arm-none-eabi-gcc", ("nano.specs",)),
        ("riscv64-unknown-elf-gcc", ("picolibc.specs", "nano.specs")),
    ):
        paths = (_output(compiler, f"-print-file-name={name}") for name in names)
        have = [name for name, path in zip(names, paths, strict=True) if path and path[0] == "/"]
        if not have:
            return check
        found.append(have[0].removesuffix(".specs"))
    return _found(check, ", ".join(found))


def _plugin() -> Check:
    check = Check("QEMU counter", "exact instruction counts", True, "apt install gcc libc6-dev")
    try:
        return _found(check, plugin().stem)
    except TinykitError:
        return check
