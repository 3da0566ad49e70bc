"""What a decode loop calls, as built-in functions of CPython: a call through ctypes takes longer than the
library's own work."""

from __future__ import annotations

import ctypes

from . import abi
from .python_api import python_api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Methods = Callable[[int], int | None]  # baracuda_python_methods

    # The address of the type's reader, a ``baracuda_tensor_reader``, or 0 if it has none; or a function of an
    # object that returns a plain DLPack capsule, "dltensor", of memory that the object keeps.
    Describer = int | Callable[[Any], object]

    # Which objects of a reader are left to Python: an offset in the object of a pointer, an offset there of
    # a word of 64 bits, and bits of which it may have none; for those to be written also a function of the
    # object and the one object that it may return.
    Caution = tuple[int, int, int, Callable[[Any], object], object]

# What describes objects, by type, for the library's built-in functions; and by the address of a reader what
# to be cautious of. No entry is removed or replaced, since another thread may be using it: a table lives as
# long as the process, and types that have one are few.
describers: dict[type | int, Describer | Caution] = {}

_new_function = python_api(
    "PyCFunction_NewEx", ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.py_object
)


def builtin_calls(methods: Methods, describers: Mapping[Any, object]) -> dict[str, Callable[..., Any]]:
    """The functions that ``baracuda_python_methods`` describes, by name; none if the library refuses.
    ``describers`` is where they look operands up."""
    api = abi.PythonApi(ctypes.sizeof(abi.PythonApi), 0, id(None), id(int), id(Exception))
    for name, _ in abi.PythonApi._fields_:
        if name.startswith("Py"):
            setattr(api, name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p))
    address = methods(ctypes.addressof(api))
    functions: dict[str, Callable[..., Any]] = {}
    while address and (method := abi.PythonMethod.from_address(address)).name:
        functions[method.name.decode()] = _new_function(address, describers, None)
        address += ctypes.sizeof(abi.PythonMethod)
    return functions
