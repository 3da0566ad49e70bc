"""native/include/baracuda_ffi.h, read: its macros, and its declarations after the C preprocessor.

The headers that the package alone has, PRIVATE_HEADERS, are read the same way.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

_NATIVE = Path(__file__).parents[3] / "native"
HEADER = _NATIVE / "include" / "baracuda_ffi.h"
PRIVATE_HEADER = _NATIVE / "src" / "python" / "accelerator.h"
XLA_HEADER = _NATIVE / "src" / "xla" / "handlers.h"
CONTEXT_HEADER = _NATIVE / "src" / "cuda" / "stream_context.h"
PRIVATE_HEADERS = (PRIVATE_HEADER, XLA_HEADER, CONTEXT_HEADER)


def macro(name: str) -> str:
    """The text that the header defines a macro to be."""
    found = re.search(rf"^#define {name} (.+)$", HEADER.read_text(), re.MULTILINE)
    assert found, f"{name} is not in the header"
    return found[1].strip()


def compiler() -> str | None:
    """A C compiler, which installing from source needs as well."""
    named = os.environ.get("CC")
    return named or next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


@functools.cache
def preprocessed(path: Path = HEADER) -> str:
    """Every declaration of the header, macros expanded, without those of the headers that it includes."""
    command = [compiler() or "cc", "-E", "-x", "c", "-std=c99", f"-I{HEADER.parent}", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    ours, keep = [], False
    for line in text.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            keep = marker[1] == str(path)
        elif keep:
            ours.append(line)
    return re.sub(r"__attribute__\s*\(\(.*?\)\)\)", "", " ".join(ours))


def prototypes(path: Path = HEADER) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Name, return type and parameters of every declared function; of a parameter the type and the name."""
    found = {}
    for returns, name, parameters in re.findall(
        r"((?:const )?\w+ ?\*?) ?\b(baracuda_\w+)\s*\(([^()]*)\)\s*;", preprocessed(path)
    ):
        each = [] if parameters.strip() == "void" else parameters.split(",")
        found[name] = (_squeeze(returns), [_parameter(parameter) for parameter in each])
    return found


def functions(path: Path = HEADER) -> dict[str, tuple[str, list[str]]]:
    """Name, return type and parameter types of every declared function, spelled with single spaces."""
    return {
        name: (returns, [kind for kind, _ in parameters])
        for name, (returns, parameters) in prototypes(path).items()
    }


def structs() -> list[str]:
    return re.findall(r"typedef struct (\w+)", preprocessed())


def enums() -> list[str]:
    return re.findall(r"typedef enum (\w+)", preprocessed())


def flags() -> dict[str, int]:
    names = re.findall(r"^#define (BARACUDA_FLAG_\w+) ", HEADER.read_text(), re.MULTILINE)
    return {name: int(macro(name).split("u")[0]) for name in names}


def fields(struct: str, path: Path = HEADER) -> list[tuple[str, str]]:
    """Type and name of every member of a struct, in order; an array's type ends in its length: int64_t[3]."""
    body = re.search(rf"typedef struct {struct} {{(.*?)}} {struct};", preprocessed(path))
    assert body, f"struct {struct} is not in the header"
    members = []
    for member in filter(None, (part.strip() for part in body[1].split(";"))):
        kind, name, length = re.fullmatch(r"(.*?)(\w+)(?:\[([^\]]+)\])?", member).groups()  # type: ignore[union-attr]
        extent = f"[{sum(map(_constant, length.split(' + ')))}]" if length else ""
        members.append((_squeeze(kind) + extent, name))
    return members


def _constant(text: str) -> int:
    """A number, or an enumerator of the header."""
    found = re.search(rf"\b{text} = (\d+)", preprocessed())
    return int(found[1] if found else text)


def enumerators(enum: str) -> dict[str, int]:
    body = re.search(rf"typedef enum {enum} {{(.*?)}} {enum};", preprocessed())
    assert body, f"enum {enum} is not in the header"
    return {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", body[1])}


def _parameter(text: str) -> tuple[str, str]:
    """Its type and its name; an array is a pointer."""
    array = "[" in text
    text = re.sub(r"\[.*?\]", "", text).strip()
    name = re.search(r"(?<=[\s*])\w+$", text)
    kind = text[: name.start()] if name else text
    return _squeeze(kind) + ("*" if array else ""), name[0] if name else ""


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace(" *", "*").strip()
