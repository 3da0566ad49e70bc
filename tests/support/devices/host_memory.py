"""Host memory for operands: aligned, and with a guard band on both sides that must stay as it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from .bits import Array, as_bytes

GUARD_BYTES = 256
GUARD = 0xA5
ALIGNMENT = 64


def aligned(shape: tuple[int, ...], dtype: Any, *, offset: int = 0) -> Array:
    """An uninitialised array whose address is `offset` bytes after a multiple of 64."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT + offset, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT + offset
    return raw[start : start + size].view(dtype).reshape(shape)


class Guarded:
    """A copy of `array` between two guard bands, `offset` bytes after a multiple of 64, with the strides that
    it has: of empty arrays and of extents of 1 they may be any."""

    def __init__(self, array: Array, *, offset: int = 0) -> None:
        size = array.nbytes
        self._all = aligned((size + 2 * GUARD_BYTES,), np.uint8, offset=offset)
        self._all[:] = GUARD
        self.array: Array = np.ndarray(
            array.shape, array.dtype, buffer=self._all, offset=GUARD_BYTES, strides=array.strides
        )
        as_bytes(self.array)[:] = as_bytes(array)

    def check_guards(self, what: str) -> None:
        for band, where in ((self._all[:GUARD_BYTES], "before"), (self._all[-GUARD_BYTES:], "after")):
            assert (band == GUARD).all(), f"{what}: something was written {where} the operand"
