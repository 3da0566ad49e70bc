"""The package's own ctypes declarations and enumerations are the headers'."""

from __future__ import annotations

from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi._native import abi as _abi
from support import header
from support.declarations import check_signatures, check_struct
from support.elements import ELEMENTS
from support.header import HEADER, PRIVATE_HEADER

pytestmark = pytest.mark.skipif(header.compiler() is None, reason="needs a C compiler, there is none")


def test_the_signatures_are_the_headers() -> None:
    check_signatures(_abi.SIGNATURES, header.functions() | header.functions(PRIVATE_HEADER))


@pytest.mark.parametrize(
    ("name", "structure", "path"),
    [
        ("baracuda_paged_kv_append", _abi.Append, HEADER),
        ("baracuda_tensor", _abi.Tensor, HEADER),
        ("baracuda_python_api", _abi.PythonApi, PRIVATE_HEADER),
        ("baracuda_python_method", _abi.PythonMethod, PRIVATE_HEADER),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_structs_are_the_headers(name: str, structure: type, path: Any) -> None:
    check_struct(structure, header.fields(name, path))


def test_the_element_names_are_in_the_order_of_the_kinds() -> None:
    assert list(_abi.ELEMENT_NAMES) == [element.symbol for element in ELEMENTS]
    kinds = [bf.ElementKind[element.kind] for element in ELEMENTS]
    assert [kind.itemsize for kind in kinds] == [element.itemsize for element in ELEMENTS]


@pytest.mark.parametrize(
    ("enum", "prefix", "mirror"),
    [
        ("baracuda_element", "BARACUDA_ELEMENT_", bf.ElementKind),
        ("baracuda_backend", "BARACUDA_BACKEND_", bf.BackendKind),
        ("baracuda_layout", "BARACUDA_LAYOUT_", bf.KvLayout),
        ("baracuda_length_convention", "BARACUDA_", bf.LengthConvention),
    ],
)
def test_the_enums_are_the_headers(enum: str, prefix: str, mirror: Any) -> None:
    declared = {name.removeprefix(prefix): value for name, value in header.enumerators(enum).items()}
    declared.pop("NONE", None)
    assert {member.name: int(member) for member in mirror} == declared
