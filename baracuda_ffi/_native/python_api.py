"""CPython's own functions, called through ctypes with the GIL held; on an interpreter that has them."""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


def _absent(*_: object) -> NoReturn:
    raise BufferError("this interpreter has no ctypes.pythonapi, by which capsules are read")


def python_api(name: str, restype: Any, *argtypes: Any) -> Callable[..., Any]:
    """A function of CPython's C API. What it raises is raised. Where there is none, it raises
    ``BufferError``."""
    try:
        return ctypes.PYFUNCTYPE(restype, *argtypes)((name, ctypes.pythonapi))
    except AttributeError:
        return _absent


def is_there(function: Callable[..., Any]) -> bool:
    """Whether the interpreter has what ``python_api`` was asked for."""
    return function is not _absent


capsule_pointer = python_api("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
