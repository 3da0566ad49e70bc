"""A pytest plugin: the package without the library's built-in functions, for the tests that are run with it.

The environment variable says what there is none of: `pythonapi` (of ctypes, while the package is loaded; the
tests' own exporters have it back then) or `symbol` (of the library).
"""

from __future__ import annotations

import ctypes
import os
import types
from typing import Any

import pytest

VARIABLE = "BARACUDA_TESTS_WITHOUT"
SYMBOL = "baracuda_private_python_methods"


def load_the_package() -> None:
    """All of it: now it has found out what there is."""
    import baracuda_ffi
    from baracuda_ffi._native.library import library

    assert all(hasattr(baracuda_ffi, name) for name in baracuda_ffi.__all__)
    assert isinstance(library().append, types.FunctionType), "the built-in functions are there"


def without_pythonapi() -> None:
    pythonapi = ctypes.pythonapi
    del ctypes.pythonapi
    load_the_package()
    ctypes.pythonapi = pythonapi


def without_the_symbol() -> None:
    find: Any = ctypes.CDLL.__getattr__

    def find_others(library: ctypes.CDLL, name: str) -> Any:
        if name == SYMBOL:
            raise AttributeError(name)
        return find(library, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctypes.CDLL, "__getattr__", find_others)
        load_the_package()


{"pythonapi": without_pythonapi, "symbol": without_the_symbol}[os.environ[VARIABLE]]()
