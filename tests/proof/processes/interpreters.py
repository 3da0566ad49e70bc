"""CPython's interpreters of one process, which its releases have by two private modules."""

from __future__ import annotations

import importlib
import sys
from typing import Any

# Those with a GIL of their own need a ctypes that can be loaded in them, which 3.12 has not.
KINDS = ("legacy", "isolated") if sys.version_info >= (3, 13) else ("legacy",)


def _module() -> Any:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return importlib.import_module(name)
        except ImportError:
            pass
    return None


interpreters = _module()


def create(kind: str) -> Any:
    if sys.version_info >= (3, 13):
        return interpreters.create(kind)
    return interpreters.create(isolated=kind != "legacy")


def run(interpreter: Any, source: str) -> None:
    """Raises where the source does."""
    failed = (interpreters.exec if hasattr(interpreters, "exec") else interpreters.run_string)(
        interpreter, source
    )
    if failed is not None:
        raise RuntimeError(failed)
