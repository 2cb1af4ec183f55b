# SPDX-License-Identifier: Apache-2.0
"""Read from an ELF file what flash and RAM it takes, and where its symbols are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinykit.errors import TinykitError

Kind = Literal["code", "constant", "data", "zero", "stack"]


@dataclass(frozen=True)
class Symbol:
    """A function or an object.

    Attributes:
        address: where it runs or lies (bit 0 of a Thumb function cleared).
        size: bytes.
        kind: code and constant are flash, zero is RAM, data is both.
    """

    address: int
    size: int
    kind: Kind


@dataclass(frozen=True)
class Sizes:
    """Bytes by kind, and by symbol.

    Attributes:
        sections: bytes by ELF section, those that take memory.
        flash: code, constants and the initial values of variables.
        ram: variables and, on a microcontroller, the reserved stack.
        stack: the reserved stack alone.
        symbols: by name; of two static ones of the same name, the larger.
    """

    sections: dict[str, int]
    flash: int
    ram: int
    stack: int
    symbols: dict[str, Symbol]


def read_sizes(elf: Path) -> Sizes:
    """Sizes of `elf`.

    Raises:
        TinykitError: it is missing or no ELF file.
    """
    try:
        with elf.open("rb") as stream:
            return _sizes(stream)
    except (OSError, ELFError) as error:
        raise _unreadable(elf, error) from error


def _unreadable(elf: Path, error: Exception) -> TinykitError:
    return TinykitError(
        f"the firmware cannot be read: {error}.", where=elf, remedy="Build it again."
    )


def _sizes(stream: BinaryIO) -> Sizes:
    file = ELFFile(stream)
    sections: dict[str, int] = {}
    kinds: dict[int, Kind] = {}
    for index, section in enumerate(file.iter_sections()):
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]:
            sections[section.name] = section["sh_size"]
            kinds[index] = _kind(section)
    total: dict[Kind, int] = dict.fromkeys(("code", "constant", "data", "zero", "stack"), 0)
    for index, kind in kinds.items():
        total[kind] += file.get_section(index)["sh_size"]
    return Sizes(
        sections=sections,
        flash=total["code"] + total["constant"] + total["data"],
        ram=total["data"] + total["zero"] + total["stack"],
        stack=total["stack"],
        symbols=_symbols(file, kinds),
    )


def _kind(section: object) -> Kind:
    name = section.name  # type: ignore[attr-defined]
    flags = section["sh_flags"]  # type: ignore[index]
    if name == ".stack":
        return "stack"
    if section["sh_type"] == "SHT_NOBITS":  # type: ignore[index]
        return "zero"
    if flags & SH_FLAGS.SHF_WRITE:
        return "data"
    return "code" if flags & SH_FLAGS.SHF_EXECINSTR else "constant"


def _symbols(file: ELFFile, kinds: dict[int, Kind]) -> dict[str, Symbol]:
    thumb = file["e_machine"] == "EM_ARM"
    symbols: dict[str, Symbol] = {}
    table = file.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return symbols
    for entry in table.iter_symbols():
        kind = kinds.get(entry["st_shndx"])
        function = entry["st_info"]["type"] == "STT_FUNC"
        if kind is None or not (function or entry["st_info"]["type"] == "STT_OBJECT"):
            continue
        if kind == "code" and not function:
            kind = "constant"  # .rodata is linked into .text on the microcontrollers
        address = entry["st_value"] & ~1 if thumb and function else entry["st_value"]
        known = symbols.get(entry.name)
        if known is None or known.size < entry["st_size"]:
            symbols[entry.name] = Symbol(address, entry["st_size"], kind)
    return symbols


def read_compiler(elf: Path) -> str:
    """The compiler as it signed `elf`, such as "GCC: (...) 12.2.1 20221205"; empty if it did not.

    Raises:
        TinykitError: it is missing or no ELF file.
    """
    try:
        with elf.open("rb") as stream:
            section = ELFFile(stream).get_section_by_name(".comment")
            signed = b"" if section is None else section.data()
    except (OSError, ELFError) as error:
        raise _unreadable(elf, error) from error
    return "; ".join(dict.fromkeys(s.decode() for s in signed.split(b"\0") if s))


def find_symbols(elf: Path, names: tuple[str, ...]) -> dict[str, int]:
    """Addresses of those of `names` that the firmware has.

    Raises:
        TinykitError: `elf` is missing or no ELF file.
    """
    symbols = read_sizes(elf).symbols
    return {name: symbols[name].address for name in names if name in symbols}
