"""Where an array's memory is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_torch(array: Any) -> bool:
    """A torch tensor, and not a NumPy array."""
    return hasattr(array, "data_ptr")


def address_of(array: Any) -> int:
    """Of a torch tensor's or a NumPy array's memory."""
    return int(array.data_ptr() if is_torch(array) else array.ctypes.data)


def ordinal_of(array: Any) -> int | None:
    """Of the GPU that has the memory; None for the host's."""
    if not is_torch(array) or array.device.type != "cuda":
        return None
    return int(array.device.index)
