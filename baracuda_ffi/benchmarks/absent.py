"""What may not be on this machine: peers, plots' packages, compilers, a GPU."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Absent(Exception):
    """What was asked for is not on this machine; the message says what and why."""


def optional(module: str, package: str) -> Any:
    """Import a module that the package does not depend on. ``Absent`` if it is not installed; what it raises
    itself passes."""
    if find_spec(module.partition(".")[0]) is None:
        raise Absent(f"{package} is not installed")
    return import_module(module)
