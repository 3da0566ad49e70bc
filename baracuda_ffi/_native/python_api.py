"""CPython's own functions, called through ctypes with the GIL held."""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def python_api(name: str, restype: Any, *argtypes: Any) -> Callable[..., Any]:
    """A function of CPython's C API. What it raises is raised."""
    return ctypes.PYFUNCTYPE(restype, *argtypes)((name, ctypes.pythonapi))


capsule_pointer = python_api("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
