"""Fresh Python processes that see the same package as this one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE_PARENT = str(Path(__file__).resolve().parents[3])
"""The working folder for ``python -m``, which looks there first: another may hold another baracuda_ffi."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, with the folder of the package that runs on the search path."""
    variables = dict(os.environ)
    others = variables.get("PYTHONPATH", "")
    variables["PYTHONPATH"] = PACKAGE_PARENT + (os.pathsep + others if others else "")
    variables.update(extra or {})
    return variables


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
