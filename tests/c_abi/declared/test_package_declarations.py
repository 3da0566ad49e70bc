"""The package's own ctypes declarations and enumerations are the headers'."""

from __future__ import annotations

from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi._native import abi as _abi
from baracuda_ffi._native import accelerator as _accelerator
from support.c_abi import abi, header
from support.c_abi.declarations import check_signatures, check_struct, each_struct
from support.c_abi.header import PRIVATE_HEADER
from support.problems.elements import ALL_ELEMENTS, ELEMENTS

pytestmark = pytest.mark.skipif(header.compiler() is None, reason="needs a C compiler, there is none")


def test_the_signatures_are_the_headers() -> None:
    check_signatures(_abi.SIGNATURES, header.functions())
    assert list(header.functions(PRIVATE_HEADER)) == [_accelerator.SYMBOL]


@each_struct(
    _abi.Append, _abi.Copy, _abi.ErrorRecord, _abi.Tensor, _accelerator._PythonApi, _accelerator._PythonMethod
)
def test_the_structs_are_the_headers(name: str, structure: type, path: Any) -> None:
    check_struct(structure, header.fields(name, path))


def test_the_element_names_are_in_the_order_of_the_kinds() -> None:
    assert list(_abi.ELEMENT_NAMES) == [element.symbol for element in ELEMENTS]
    kinds = [bf.ElementKind[element.kind] for element in ALL_ELEMENTS]
    assert [kind.itemsize for kind in kinds] == [element.itemsize for element in ALL_ELEMENTS]


def test_the_operands_and_flags_are_the_headers() -> None:
    assert abi.OPERANDS == _abi.OPERANDS
    assert abi.COPY_OPERANDS == _abi.COPY_OPERANDS
    for name, value in abi.MOVEMENTS.items():
        assert getattr(_abi, f"MOVEMENT_{name}") == value
    for name in ("GUARDED", "STRIDED", "SKIP_SLOT", "INFER", "MIRRORED"):
        assert getattr(_abi, f"FLAG_{name}") == getattr(abi, name)
    assert (abi.KEY_AND_VALUE, abi.KEY) == (_abi.PARTS_KEY_AND_VALUE, _abi.PARTS_KEY)


@pytest.mark.parametrize(
    ("enum", "prefix", "mirror"),
    [
        ("baracuda_element", "BARACUDA_ELEMENT_", bf.ElementKind),
        ("baracuda_backend", "BARACUDA_BACKEND_", bf.BackendKind),
        ("baracuda_layout", "BARACUDA_LAYOUT_", bf.KvLayout),
        ("baracuda_length_convention", "BARACUDA_", bf.LengthConvention),
        ("baracuda_corruption", "BARACUDA_CORRUPT_", bf.Corruption),
    ],
)
def test_the_enums_are_the_headers(enum: str, prefix: str, mirror: Any) -> None:
    declared = {name.removeprefix(prefix): value for name, value in header.enumerators(enum).items()}
    declared.pop("NONE", None)
    assert {member.name: int(member) for member in mirror} == declared
