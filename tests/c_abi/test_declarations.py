"""The header, its table of types, the ctypes declarations and the library's symbols say the same."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi._native import abi as _abi
from support import abi, header
from support.elements import ELEMENTS

needs_compiler = pytest.mark.skipif(header.compiler() is None, reason="needs a C compiler, there is none")
needs_nm = pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm, there is none")

_SCALARS = {
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "uint16_t": ctypes.c_uint16,
    "uint8_t": ctypes.c_uint8,
}


def exported() -> set[str]:
    """Every symbol that the library defines for others."""
    command = ["nm", "-D", "--defined-only", str(bf.library_path())]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[-1] for line in lines}


def agrees(declared: str, used: Any) -> bool:
    """Whether a ctypes type passes what the C type is: the same scalar, or some pointer for a pointer."""
    if declared in _SCALARS:
        return used is _SCALARS[declared]
    if declared == "const char*":
        return used is ctypes.c_char_p
    assert declared.endswith("*") or declared == "baracuda_tensor_reader", declared
    pointers = (ctypes._Pointer, ctypes.c_void_p, ctypes._CFuncPtr)
    return isinstance(used, type) and issubclass(used, pointers)


@needs_compiler
@needs_nm
def test_the_library_exports_what_the_header_declares_and_nothing_else() -> None:
    assert exported() == set(header.functions())


@needs_nm
def test_symbols_are_ours_and_unversioned() -> None:
    assert [name for name in exported() if "@" in name or not name.startswith("baracuda_")] == []


def test_the_packages_element_names_are_in_the_order_of_the_kinds() -> None:
    assert [bf.ElementKind[element.kind] for element in ELEMENTS] == list(bf.ElementKind)
    assert list(_abi.ELEMENT_NAMES) == [element.symbol for element in ELEMENTS]
    assert [kind.itemsize for kind in bf.ElementKind] == [element.itemsize for element in ELEMENTS]


@needs_compiler
@pytest.mark.parametrize("signatures", [abi.SIGNATURES, _abi.SIGNATURES], ids=["the tests'", "the package's"])
def test_the_signatures_are_the_headers(signatures: dict[str, Any]) -> None:
    declared = header.functions()
    assert set(signatures) == set(declared)
    for name, (restype, argtypes) in signatures.items():
        returns, parameters = declared[name]
        assert agrees(returns, restype), name
        assert len(parameters) == len(argtypes), name
        assert all(agrees(d, used) for d, used in zip(parameters, argtypes, strict=True)), name


@needs_compiler
@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("baracuda_paged_kv_append", abi.Append),
        ("baracuda_paged_kv_append", _abi.Append),
        ("baracuda_tensor", abi.Tensor),
        ("baracuda_tensor", _abi.Tensor),
        ("baracuda_python_api", abi.PythonApi),
        ("baracuda_python_api", _abi.PythonApi),
        ("baracuda_python_method", abi.PythonMethod),
        ("baracuda_python_method", _abi.PythonMethod),
    ],
)
def test_the_structs_are_the_headers(name: str, structure: Any) -> None:
    members = header.fields(name)
    assert [member for _, member in members] == [field for field, _ in structure._fields_]
    for (declared, member), (_, used) in zip(members, structure._fields_, strict=True):
        assert agrees(declared, used), member


def test_the_table_of_types() -> None:
    """X(enumerator, symbol name, value, DLPack type code, bits)."""
    table = re.search(
        r"#define BARACUDA_FOR_EACH_ELEMENT\(X\)(.*?)\n\n", header.HEADER.read_text(), re.DOTALL
    )
    assert table
    rows = re.findall(r"X\((\w+), (\w+), (\d+), (\d+), (\d+)\)", table[1])
    assert [
        (kind, symbol, int(value), (int(code), int(bits))) for kind, symbol, value, code, bits in rows
    ] == [(element.kind, element.symbol, element.value, element.dlpack) for element in ELEMENTS]
    assert all(8 * element.itemsize == element.dlpack[1] for element in ELEMENTS)


@needs_compiler
@pytest.mark.parametrize(
    ("enum", "prefix", "mirror"),
    [
        ("baracuda_element", "BARACUDA_ELEMENT_", bf.ElementKind),
        ("baracuda_backend", "BARACUDA_BACKEND_", bf.BackendKind),
        ("baracuda_layout", "BARACUDA_LAYOUT_", bf.KvLayout),
        ("baracuda_length_convention", "BARACUDA_", bf.LengthConvention),
    ],
)
def test_the_packages_enums_are_the_headers(enum: str, prefix: str, mirror: Any) -> None:
    declared = {name.removeprefix(prefix): value for name, value in header.enumerators(enum).items()}
    declared.pop("NONE", None)
    assert {member.name: int(member) for member in mirror} == declared
