"""Which room may know of which, and how full one may be: docs/contributing.md, What belongs where."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "native" / "src"
PACKAGE = ROOT / "baracuda_ffi"
SUFFIXES = (".c", ".cpp", ".cu", ".h", ".py")
FULL = 12


def listed(folder: str) -> list[str]:
    """The rooms in `folder`, from the ground up: the table's first cells, and each cell from the left."""
    text = (ROOT / "docs" / "contributing.md").read_text()
    rows = text.partition("## What belongs where")[2].partition("\n## ")[0]
    cells = re.findall(rf"^\| (`{folder}/.+?`) \|", rows, re.MULTILINE)
    names = [name for cell in cells for name in re.findall("`([^`]+)`", cell)]
    return [re.sub(r"/$|\.\w+$", "", name.removeprefix(f"{folder}/")) for name in names]


def sources(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in suffixes)


def room_of(path: Path, folder: Path) -> str:
    return path.relative_to(folder).parts[0].partition(".")[0]


def assert_in_order(folder: Path, order: list[str], known: dict[Path, set[str]]) -> None:
    assert sum(map(len, known.values())) > 100
    for path, rooms in known.items():
        own = room_of(path, folder)
        assert own in order, f"{own} is not listed"
        below = [room for room in rooms if order.index(room) > order.index(own)]
        assert below == [], f"{path.relative_to(ROOT)} knows of {below}"


def includes(path: Path) -> list[str]:
    """As they are written, with their quotes."""
    return re.findall(r'^#include (["<][^">]+[">])', path.read_text(), re.MULTILINE)


def test_native_rooms_know_only_those_above() -> None:
    order = listed("native/src")
    known = {
        path: {room for name in includes(path) if (room := name.strip('"<>').partition("/")[0]) in order}
        for path in sources(NATIVE, ".h", ".cpp", ".cu")
    }
    assert_in_order(NATIVE, order, known)


def imported(path: Path) -> Iterator[str]:
    """The rooms of the package that a module imports from, also for its types alone."""
    package = ("baracuda_ffi", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "baracuda_ffi" and len(parts) > 1:
                yield parts[1]


def test_rooms_of_the_package_know_only_those_above() -> None:
    order = listed("baracuda_ffi")
    faces = ("__init__", "__main__")
    known = {
        path: {room for room in imported(path) if room in order}
        for path in sources(PACKAGE, ".py")
        if room_of(path, PACKAGE) not in (*faces, "_build_info")
    }
    assert_in_order(PACKAGE, order, known)


@pytest.mark.parametrize("top", ["baracuda_ffi", "native", "tests"])
def test_no_folder_has_more_than_a_dozen_modules(top: str) -> None:
    """A module is a source with its header."""
    folders = [ROOT / top, *(path for path in sorted((ROOT / top).rglob("*")) if path.is_dir())]
    full = {}
    for folder in folders:
        files = [path for path in folder.iterdir() if path.suffix in SUFFIXES]
        modules = {path.stem for path in files} - {"__init__", "conftest"}
        if len(modules) > FULL:
            full[folder.relative_to(ROOT)] = sorted(modules)
    assert full == {}


def test_a_source_includes_its_own_header_first() -> None:
    """Alone: what a header needs it includes itself, or this does not compile."""
    found = 0
    for path in sources(NATIVE, ".cpp", ".cu"):
        headers = includes(path)
        beside = f'"{path.relative_to(NATIVE).with_suffix(".h")}"'
        if path.with_suffix(".h").exists() and path.parent.name != "formats":  # there it is a kind of vectors
            found += 1
            assert headers[0] == beside, path
            lines = path.read_text().splitlines()
            after = next(after for line, after in pairwise(lines) if line == f"#include {beside}")
            assert after == "", f"{path}: {beside} does not stand alone"
    assert found > 20
