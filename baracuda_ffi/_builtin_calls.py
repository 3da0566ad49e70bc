"""What a decode loop calls, as built-in functions of CPython: a call through ctypes takes longer than the
library's own work."""

from __future__ import annotations

import ctypes

from . import _abi
from ._python_api import python_api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Methods = Callable[[int], int | None]  # baracuda_python_methods

_new_function = python_api(
    "PyCFunction_NewEx", ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.py_object
)


def builtin_calls(methods: Methods, describers: Mapping[type, object]) -> dict[str, Callable[..., Any]]:
    """The functions that ``baracuda_python_methods`` describes, by name; none if the library refuses.
    ``describers`` is where they look operands up."""
    api = _abi.PythonApi(ctypes.sizeof(_abi.PythonApi), 0, id(None), id(int), id(Exception))
    for name, _ in _abi.PythonApi._fields_:
        if name.startswith("Py"):
            setattr(api, name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p))
    address = methods(ctypes.addressof(api))
    functions: dict[str, Callable[..., Any]] = {}
    while address and (method := _abi.PythonMethod.from_address(address)).name:
        functions[method.name.decode()] = _new_function(address, describers, None)
        address += ctypes.sizeof(_abi.PythonMethod)
    return functions
