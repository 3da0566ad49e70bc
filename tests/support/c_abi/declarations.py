"""ctypes declarations held against what a header declares."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from .header import HEADER, PRIVATE_HEADER

_SCALARS: dict[str, Any] = {
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "uint16_t": ctypes.c_uint16,
    "uint8_t": ctypes.c_uint8,
}


def agrees(declared: str, used: Any) -> bool:
    """Whether a ctypes type passes what the C type is: the same scalar, an array of as many, some pointer for
    a pointer.
    """
    if declared.endswith("]"):
        element, _, length = declared.removesuffix("]").partition("[")
        return used._length_ == int(length) and agrees(element, used._type_)
    if declared in _SCALARS:
        return used is _SCALARS[declared]
    if declared == "const char*":
        return used is ctypes.c_char_p
    assert declared.endswith("*") or declared == "baracuda_tensor_reader", declared
    pointers = (ctypes._Pointer, ctypes.c_void_p, ctypes._CFuncPtr)
    return isinstance(used, type) and issubclass(used, pointers)


def check_signatures(
    signatures: Mapping[str, tuple[Any, Sequence[Any]]], declared: Mapping[str, tuple[str, list[str]]]
) -> None:
    """Every function, with the types of what it returns and takes."""
    assert set(signatures) == set(declared)
    for name, (restype, argtypes) in signatures.items():
        returns, parameters = declared[name]
        assert agrees(returns, restype), name
        assert len(parameters) == len(argtypes), name
        assert all(agrees(d, used) for d, used in zip(parameters, argtypes, strict=True)), name


def each_struct(
    append: Any, copy: Any, error_record: Any, tensor: Any, python_api: Any, python_method: Any
) -> Any:
    """Parametrizes a test by the name of every struct, what declares it, and the header that it is in."""
    return pytest.mark.parametrize(
        ("name", "structure", "path"),
        [
            ("baracuda_paged_kv_append", append, HEADER),
            ("baracuda_paged_kv_copy", copy, HEADER),
            ("baracuda_error_record", error_record, HEADER),
            ("baracuda_tensor", tensor, HEADER),
            ("baracuda_python_api", python_api, PRIVATE_HEADER),
            ("baracuda_python_method", python_method, PRIVATE_HEADER),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )


def check_struct(structure: Any, members: list[tuple[str, str]]) -> None:
    """Every member in its order, with its type."""
    assert [member for _, member in members] == [field for field, *_ in structure._fields_]
    for (declared, member), (_, used) in zip(members, structure._fields_, strict=True):
        assert agrees(declared, used), member
