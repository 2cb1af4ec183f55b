# SPDX-License-Identifier: Apache-2.0
"""How PlatformIO builds, uploads and emulates a tinykit project.

Runs inside SCons, with nothing but PlatformIO installed. Everything that differs between boards
comes from the board manifest; a toolchain package that the project asks for in `platform_packages`
is used, else the toolchain on the PATH.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
platform = env.PioPlatform()
board = env.BoardConfig()

PREFIXES = {"arm": "arm-none-eabi-", "riscv": "riscv64-unknown-elf-", "host": ""}
arch = board.get("build.arch")
prefix = PREFIXES[arch]
bare = arch != "host"
project = Path(env.subst("$PROJECT_DIR"))


def small_c_library():
    """The specs file of the smallest C library that this compiler has."""
    for specs in ("nano.specs", "picolibc.specs"):
        command = [f"{prefix}gcc", f"-print-file-name={specs}"]
        try:
            found = subprocess.run(command, capture_output=True, text=True, env=env["ENV"]).stdout
        except OSError:
            sys.stderr.write(
                f"Error: {prefix}gcc is not installed. On Debian: apt install gcc-arm-none-eabi "
                "libnewlib-arm-none-eabi gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf\n"
            )
            env.Exit(1)
        if Path(found.strip()).is_absolute():
            return [f"--specs={specs}"]
    return []


env.Replace(
    AR=prefix + "gcc-ar",
    AS=prefix + "gcc",
    CC=prefix + "gcc",
    CXX=prefix + "g++",
    GDB=prefix + "gdb",
    LINK="$CC",
    OBJCOPY=prefix + "objcopy",
    RANLIB=prefix + "gcc-ranlib",
    SIZETOOL=prefix + "size",
    ARFLAGS=["rcsD"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
)

env.Append(
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CCFLAGS=[
        "-O2",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Werror",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-common",
        # No path of this machine reaches the firmware: the same bytes come out everywhere.
        f"-ffile-prefix-map={project}=.",
    ],
    CFLAGS=["-std=c11"],
    CPPDEFINES=[
        ("TK_BOARD_ID", env.StringifyMacro(board.id)),
        *board.get("build.defines", {}).items(),
    ],
    CPPPATH=["$PROJECT_SRC_DIR/port"],
    LINKFLAGS=["-Wl,--gc-sections", "-Wl,--build-id=none"],
)
env.Append(ASFLAGS=board.get("build.cflags", []), CCFLAGS=board.get("build.cflags", []))
# Linked without extension suffixes such as _zbb: they change which C library GCC picks, or leave it
# without one, and the linker itself has no use for them.
env.Append(LINKFLAGS=[re.sub("_z.*", "", flag) for flag in board.get("build.cflags", [])])

if bare:
    memory = board.get("build.memory")
    specs = small_c_library()
    script = str(project / "ld" / "link.ld")
    env.Append(
        CCFLAGS=specs,
        LINKFLAGS=[
            *specs,
            "-nostartfiles",
            *(f"-Wl,--defsym=tk_{name}={value}" for name, value in sorted(memory.items())),
            "-Wl,--no-warn-rwx-segments",
        ],
    )
    env.Replace(
        LDSCRIPT_PATH=script,
        SIZEPROGREGEXP=r"^(?:\.text|\.data)\s+(\d+).*",
        SIZEDATAREGEXP=r"^(?:\.stack|\.data|\.bss)\s+(\d+).*",
    )

elf = env.BuildProgram()
if bare:
    env.Depends(elf, env["LDSCRIPT_PATH"])
AlwaysBuild(env.Alias("nobuild", elf))
target_size = env.Alias("size", elf, env.VerboseAction("$SIZEPRINTCMD", "Sizes of $SOURCE"))
AlwaysBuild(target_size)
AlwaysBuild(env.Alias("buildprog", elf, target_size))


def tool(package, name):
    """`name` from the installed PlatformIO `package`, else from the PATH."""
    folder = platform.get_package_dir(package)
    if not folder:
        return name
    inside = Path(folder) / "bin" / name
    return str(inside if inside.is_file() else Path(folder) / name)


def upload(target, source, env):
    """Program and reset the board, with OpenOCD or J-Link."""
    protocol = env.subst("$UPLOAD_PROTOCOL") or board.get("upload.protocol", "")
    tools = board.get("upload.tools", {})
    if protocol not in tools:
        known = ", ".join(sorted(tools)) or "none: it exists only in emulators"
        sys.stderr.write(f"Error: unknown upload protocol {protocol!r}; this board has {known}\n")
        return 1
    firmware = Path(str(source[0])).resolve()
    if tools[protocol]["tool"] == "openocd":
        command = [tool("tool-openocd", "openocd")]
        folder = platform.get_package_dir("tool-openocd")
        if folder:
            command += ["-s", str(Path(folder) / "openocd" / "scripts")]
        command += [*tools[protocol]["args"], "-c", f"program {{{firmware}}} verify reset exit"]
        return subprocess.call(command)
    script = firmware.with_name("upload.jlink")
    script.write_text(f"h\nloadfile {firmware}\nr\ng\nq\n")
    command = [tool("tool-jlink", "JLinkExe"), *tools[protocol]["args"]]
    command += ["-CommanderScript", str(script)]
    return subprocess.call(command)


def emulate(target, source, env):
    """Run the firmware in QEMU (or on the host) to the end of its self-test; fail if that fails."""
    firmware = str(source[0])
    command = [word.replace("$ELF", firmware) for word in board.get("build.emulate", [])]
    if not command:
        sys.stderr.write("Error: QEMU has no machine for this board; emulation/ is for Renode\n")
        return 1
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    verdict = 1
    for line in process.stdout:
        sys.stdout.write(line)
        if line.strip() == "m-ready":  # of a firmware for MLPerf Tiny, which has no self-test
            verdict = 0
            break
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("t") in ("done", "fault"):
            verdict = 0 if record.get("verdict") == "PASS" else 1
            break
    process.kill()
    process.wait()
    return verdict


env.AddPlatformTarget(
    "upload", elf, env.VerboseAction(upload, "Uploading $SOURCE"), "Upload", "Program the board"
)
env.AddPlatformTarget(
    "emulate", elf, env.VerboseAction(emulate, "Emulating $SOURCE"), "Emulate", "Run the self-test"
)
Default([elf, target_size])
