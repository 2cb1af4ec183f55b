# SPDX-License-Identifier: Apache-2.0
"""Build and flash a generated project with PlatformIO, with or without its package registry.

PlatformIO needs one package of its registry for any build: tool-scons. It is the SCons of PyPI, so
three small files that call the installed one stand in for it. They live in a PlatformIO core folder
of tinykit's own, so that nothing of the user's is touched.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tinykit.boards.board import Board
from tinykit.boards.cache import writing_cache
from tinykit.boards.elf import Sizes, read_sizes
from tinykit.data.places import cache_root
from tinykit.errors import DoesNotFitError, TinykitError
from tinykit.files import directory_atomic

_SCONS_MAIN = """\
# Stands in for PlatformIO's tool-scons: runs the SCons that is installed beside PlatformIO.
import SCons.Script

if __name__ == "__main__":
    SCons.Script.main()
"""


@dataclass(frozen=True)
class BuildResult:
    """A built firmware.

    Attributes:
        elf: the file; its counts and sizes are what everything reports.
        sizes: bytes of flash and RAM, by section and by symbol.
        seconds: wall time of the build.
    """

    elf: Path
    sizes: Sizes
    seconds: float

    @property
    def flash(self) -> int:
        """Bytes of flash: code, constants and initial values."""
        return self.sizes.flash

    @property
    def ram(self) -> int:
        """Bytes of RAM: variables and the reserved stack."""
        return self.sizes.ram


def _scons_version() -> str:
    """The version of tool-scons that the installed SCons stands for: 4.11.1 is 4.41101.0."""
    try:
        major, minor, patch = importlib.metadata.version("scons").split(".")[:3]
    except importlib.metadata.PackageNotFoundError as error:
        raise TinykitError(
            "SCons is not installed, and PlatformIO builds with it.",
            remedy="Run: pip install scons==4.11.1",
        ) from error
    return f"{major}.{major}{int(minor):02}{int(patch):02}.0"


def _core_dir() -> Path:
    """A PlatformIO core folder of tinykit's own, one per version of PlatformIO and SCons."""
    try:
        version = importlib.metadata.version("platformio")
    except importlib.metadata.PackageNotFoundError as error:
        raise TinykitError(
            "PlatformIO is not installed.", remedy="Run: pip install platformio==6.2.0"
        ) from error
    scons = _scons_version()
    core = cache_root() / "platformio" / f"{version}-{scons}"
    package = core / "packages" / "tool-scons"
    if not (package / ".piopm").is_file():
        try:
            with writing_cache(), directory_atomic(package) as aside:
                _write_tool_scons(aside, scons)
        except OSError:
            # Another process was quicker, which is as good.
            if not (package / ".piopm").is_file():
                raise
    return core


def _write_tool_scons(folder: Path, version: str) -> None:
    name = {"name": "tool-scons", "version": version}
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None}
    piopm = {"type": "tool", **name, "spec": {**spec, "uri": None}}
    (folder / "scons.py").write_text(_SCONS_MAIN)
    (folder / "package.json").write_text(json.dumps(name))
    (folder / ".piopm").write_text(json.dumps(piopm))


def environment() -> dict[str, str]:
    """Variables that make `pio run` build without its registry.

    Raises:
        TinykitError: PlatformIO or SCons is not installed, or the cache cannot be written.
    """
    return {
        "PLATFORMIO_CORE_DIR": str(_core_dir()),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
    }


def _pio(project: Path, board: Board, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "platformio", "run"),
        *("--project-dir", str(project), "--environment", board.id),
        *arguments,
    ]


def build(project: Path, board: Board, *, timeout: float = 600.0, jobs: int = 0) -> BuildResult:
    """Build `project` for `board`.

    Args:
        project: folder with a platformio.ini that has an environment named as the board.
        board: the board.
        timeout: seconds after which the build is given up.
        jobs: compilers at a time; 0 is one per core.

    Raises:
        DoesNotFitError: the linker says that flash or RAM is too small.
        TinykitError: it is no project, or the compiler says no; its first error is shown.
    """
    if not (project / "platformio.ini").is_file():
        raise TinykitError(
            "this is not a generated project: there is no platformio.ini.",
            where=project,
            remedy="Make one with `tinykit generate`.",
        )
    _check_writable(project)
    arguments = ("--jobs", str(jobs)) if jobs else ()
    command = _pio(project.resolve(), board, *arguments)
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment()},
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise TinykitError(
            f"the build did not end in {timeout:.0f} s.", where=project, remedy="Try it by hand."
        ) from error
    if done.returncode != 0:
        raise _build_error(done.stdout + done.stderr, project, board)
    elf = project / ".pio" / "build" / board.id / "firmware.elf"
    match = re.search(r"Took ([0-9.]+) seconds", done.stdout)
    return BuildResult(elf, read_sizes(elf), float(match[1]) if match else 0.0)


def _check_writable(project: Path) -> None:
    place = project / ".pio"
    if not os.access(place if place.exists() else project, os.W_OK):
        raise TinykitError(
            "the build cannot write here.",
            where=project,
            remedy="Copy the project to a folder that you may write to.",
        )


def _build_error(output: str, project: Path, board: Board) -> TinykitError:
    overflow = re.search(r"region `(\w+)' overflowed by (\d+) bytes", output)
    if overflow:
        place = "flash" if overflow[1] == "FLASH" else "RAM"
        return DoesNotFitError(
            f"the firmware needs {overflow[2]} bytes more {place} than {board.name} has.",
            where=str(project),
            remedy="Choose fewer bits, a smaller model, or a larger board.",
        )
    pattern = r"^.*?(?:\berror: |Error: |undefined reference|fatal error: |Error\b.*:).*$"
    first = re.search(pattern, output, re.MULTILINE)
    text = first[0].strip() if first else "\n".join(output.strip().splitlines()[-8:])
    return TinykitError(
        f"the build failed: {text}",
        where=project,
        remedy=f"See it whole with: {shlex.join(_pio(project, board, '--verbose'))}",
    )


def flash(
    project: Path,
    board: Board,
    *,
    protocol: str | None = None,
    port: str | None = None,
    dry_run: bool = False,
) -> str:
    """Program the board; returns the exact command line, which a dry run only shows.

    Args:
        project: a project of `tinykit generate`.
        board: the board.
        protocol: one of the board's upload protocols; its default if None.
        port: serial number of the probe, where several are plugged in.
        dry_run: do not run it.

    Raises:
        TinykitError: the board exists only in emulators, the protocol is unknown, the tool is
            missing or the upload failed.
    """
    command = upload_command(project, board, protocol=protocol, port=port)
    line = shlex.join(command)
    if dry_run:
        return line
    build(project, board)
    if shutil.which(command[0]) is None:
        package = {"openocd": "apt install openocd", "JLinkExe": "install SEGGER's J-Link software"}
        raise TinykitError(
            f"{command[0]} is not installed, and this board is programmed with it.",
            remedy=f"Run: {package[command[0]]}; or add PlatformIO's package to platform_packages "
            "and run `pio run -t upload`.",
        )
    script = project / ".pio" / "build" / board.id / "upload.jlink"
    if command[0] == "JLinkExe":
        script.write_text(f"h\nloadfile {_elf(project, board)}\nr\ng\nq\n")
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
        raise TinykitError(
            f"the upload failed: {line}", remedy="Check the cable, the probe and the permissions."
        )
    return line


def _elf(project: Path, board: Board) -> Path:
    return project.resolve() / ".pio" / "build" / board.id / "firmware.elf"


def upload_command(
    project: Path, board: Board, *, protocol: str | None = None, port: str | None = None
) -> list[str]:
    """The command that programs the board's flash and resets it.

    Raises:
        TinykitError: the board cannot be programmed, or not with `protocol`.
    """
    if not board.upload:
        raise TinykitError(
            f"{board.name} is not a thing to flash: it exists only here or in an emulator.",
            where="--board",
            remedy="Use `tinykit run`.",
        )
    protocols = board.upload["protocols"]
    name = protocol or board.upload["default"]
    if name not in protocols:
        raise TinykitError(
            f"{board.name} is not programmed with {name!r}.",
            where="--protocol",
            remedy=f"Choose one of {', '.join(sorted(protocols))}.",
        )
    arguments = list(protocols[name]["args"])
    elf = _elf(project, board)
    if protocols[name]["tool"] == "openocd":
        serial = ["-c", f"adapter serial {port}"] if port else []
        return ["openocd", *arguments, *serial, "-c", f"program {{{elf}}} verify reset exit"]
    serial = ["-SelectEmuBySN", port] if port else []
    return ["JLinkExe", *arguments, *serial, "-CommanderScript", str(elf.with_name("upload.jlink"))]
