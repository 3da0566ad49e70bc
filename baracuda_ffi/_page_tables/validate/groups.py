"""Keys that occur more than once."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]


def groups(keys: Array) -> Iterator[Array]:
    """Where each key is that occurs more than once."""
    in_order = np.sort(keys)  # much cheaper than argsort, and mostly all that is needed
    if not (in_order[1:] == in_order[:-1]).any():
        return
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    same = sorted_keys[1:] == sorted_keys[:-1]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield order[first : last + 1]
