"""Frameworks whose arrays describe themselves by DLPack capsules alone: what makes one for the library's
built-in functions, in one call.

Neither is imported: an array means that its framework was.

- CuPy makes streams wait when it exports; it is told not to (stream -1). An array keeps its memory.
- JAX's own ``__dlpack__`` is Python that takes six microseconds around the one call of jaxlib that makes the
  capsule. An array does not keep its memory: deleting it, or donating it to a computation, frees or reuses
  that, unless a capsule holds it. So such a capsule is for a call, not for what is bound.
"""

from __future__ import annotations

import sys
from functools import partial
from operator import methodcaller

from .._native.accelerator import describers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NO_SYNCHRONISATION = -1


def exporter_of(kind: type) -> Callable[[Any], object] | None:
    """A function of one of the type's objects that returns a plain capsule of its memory, for the types that
    are known here; subclasses may mean something else by themselves."""
    module = kind.__module__
    if kind.__name__ == "ndarray" and kind is getattr(sys.modules.get("cupy"), "ndarray", None):
        return methodcaller("__dlpack__", stream=_NO_SYNCHRONISATION)
    if kind.__name__ == "ArrayImpl" and module.partition(".")[0] == "jaxlib":
        make = getattr(sys.modules.get(module), "buffer_to_dlpack_managed_tensor", None)
        if make is None:
            return None
        # By name: before there was a stream, its place was that of a flag which gave the memory away.
        exporter = partial(make, stream=None)
        describers[exporter] = None  # for a call alone
        return exporter
    return None
