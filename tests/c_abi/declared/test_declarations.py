"""The header, its tables, the tests' ctypes declarations and the library's symbols say the same."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from support.c_abi import abi, header
from support.c_abi.declarations import check_signatures, check_struct, each_struct
from support.c_abi.header import HEADER, PRIVATE_HEADERS
from support.problems.elements import ALL_ELEMENTS, ELEMENTS, Element

needs_compiler = pytest.mark.skipif(header.compiler() is None, reason="needs a C compiler, there is none")
needs_nm = pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm, there is none")


def exported() -> set[str]:
    """Every symbol that the library defines for others."""
    command = ["nm", "-D", "--defined-only", str(abi.library_path())]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[-1] for line in lines}


@needs_compiler
@needs_nm
def test_the_library_exports_what_the_headers_declare_and_nothing_else() -> None:
    private = {name for path in PRIVATE_HEADERS for name in header.functions(path)}
    assert exported() == set(header.functions()) | private
    assert private == set(abi.PRIVATE_SIGNATURES)


@needs_nm
def test_symbols_are_ours_and_unversioned() -> None:
    assert [name for name in exported() if "@" in name or not name.startswith("baracuda_")] == []


def test_the_header_speaks_of_no_python() -> None:
    assert "python" not in HEADER.read_text().lower()
    assert "private" not in HEADER.read_text()


def test_the_header_fits_on_a_screen_and_has_banners() -> None:
    text = HEADER.read_text()
    assert [line for line in text.splitlines() if len(line) > 120] == []
    banners = re.findall(r"^/\* ==== (.+?) =+ \*/$", text, re.MULTILINE)
    assert len(banners) >= 5
    assert len(banners) == len(set(banners))


@needs_compiler
def test_the_signatures_are_the_headers() -> None:
    check_signatures(abi.SIGNATURES, header.functions())
    private = {name: kind for path in PRIVATE_HEADERS for name, kind in header.functions(path).items()}
    check_signatures(abi.PRIVATE_SIGNATURES, private)


@needs_compiler
@each_struct(abi.Append, abi.Copy, abi.ErrorRecord, abi.Tensor, abi.PythonApi, abi.PythonMethod)
def test_the_structs_are_the_headers(name: str, structure: type, path: object) -> None:
    check_struct(structure, header.fields(name, path))  # type: ignore[arg-type]


def rows_of(table: str) -> list[list[str]]:
    """The arguments of each X(...) of a table's own lines."""
    body = re.search(rf"#define {table}\(X\)(.*?)[^\\]\n", HEADER.read_text(), re.DOTALL)
    assert body
    return [re.split(r",\s*", row) for row in re.findall(r"\bX\((.*?)\)", body[1] + ")")]


def test_the_table_of_elements() -> None:
    """X(enumerator, symbol name, value, DLPack type code, bits)."""

    def row(element: Element) -> list[str]:
        return [element.kind, element.symbol, *map(str, (element.value, *element.dlpack))]

    mirrored = rows_of("BARACUDA_FOR_EACH_MIRRORED_ELEMENT")
    assert mirrored == [row(element) for element in ELEMENTS]
    assert mirrored + rows_of("BARACUDA_FOR_EACH_ELEMENT") == [row(element) for element in ALL_ELEMENTS]
    assert all(8 * element.itemsize == element.dlpack[1] for element in ALL_ELEMENTS)


def test_the_table_of_operands() -> None:
    """X(enumerator, name, value): the name is the struct's member, the value its place in _bind's arrays."""
    expected = [[name.upper(), name, str(value)] for value, name in enumerate(abi.OPERANDS)]
    assert rows_of("BARACUDA_FOR_EACH_OPERAND") == expected
    assert set(abi.OPERANDS) <= {name for name, *_ in abi.Append._fields_}
    expected = [[name.upper(), name, str(value)] for value, name in enumerate(abi.COPY_OPERANDS)]
    assert rows_of("BARACUDA_FOR_EACH_COPY_OPERAND") == expected
    assert set(abi.COPY_OPERANDS) <= {name for name, *_ in abi.Copy._fields_}


@needs_compiler
def test_the_enumerations_are_the_tests() -> None:
    """What these tests write as numbers."""
    assert header.enumerators("baracuda_operand") == {
        **{f"BARACUDA_OPERAND_{name.upper()}": value for value, name in enumerate(abi.OPERANDS)},
        "BARACUDA_NUM_OPERANDS": len(abi.OPERANDS),
    }
    elements = {f"BARACUDA_ELEMENT_{element.kind}": element.value for element in ALL_ELEMENTS}
    assert header.enumerators("baracuda_element") == elements | {"BARACUDA_ELEMENT_NONE": 0}
    backends = {f"BARACUDA_BACKEND_{name.upper()}": value for value, name in abi.BACKENDS.items()}
    assert header.enumerators("baracuda_backend") == backends
    layouts = {f"BARACUDA_LAYOUT_{name}": value for name, value in abi.LAYOUTS.items()}
    assert header.enumerators("baracuda_layout") == layouts
    conventions = {f"BARACUDA_{name}": value for name, value in abi.CONVENTIONS.items()}
    assert header.enumerators("baracuda_length_convention") == conventions
    parts = {"BARACUDA_PARTS_KEY_AND_VALUE": abi.KEY_AND_VALUE, "BARACUDA_PARTS_KEY": abi.KEY}
    assert header.enumerators("baracuda_parts") == parts
    movements = {f"BARACUDA_MOVEMENT_{name}": value for name, value in abi.MOVEMENTS.items()}
    assert header.enumerators("baracuda_movement") == movements
    assert header.enumerators("baracuda_copy_operand") == {
        **{f"BARACUDA_COPY_OPERAND_{name.upper()}": value for value, name in enumerate(abi.COPY_OPERANDS)},
        "BARACUDA_NUM_COPY_OPERANDS": len(abi.COPY_OPERANDS),
    }
    corruption = header.enumerators("baracuda_corruption")
    for name in (
        "CORRUPT_INDPTR",
        "CORRUPT_PAGE",
        "CORRUPT_LAST_PAGE_LEN",
        "CORRUPT_SOURCE",
        "CORRUPT_DESTINATION",
    ):
        assert corruption[f"BARACUDA_{name}"] == getattr(abi, name)
    for name in ("GUARDED", "STRIDED", "SKIP_SLOT", "INFER", "MIRRORED"):
        assert header.macro(f"BARACUDA_FLAG_{name}").split("u ")[0] == str(getattr(abi, name))
