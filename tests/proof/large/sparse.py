"""A cache larger than memory: a file of holes, of which only what is written exists."""

from __future__ import annotations

import ctypes
import mmap
import os

import numpy as np

from support.devices.bits import Array


class SparseCache:
    """Zeros of `shape`, one byte an element, at `address`. The file system knows which parts were written."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.nbytes = int(np.prod(shape, dtype=np.int64))
        self._file = os.memfd_create("cache")
        os.ftruncate(self._file, self.nbytes)
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_NORESERVE", 0)
        self._map = mmap.mmap(self._file, self.nbytes, flags)
        self._view = ctypes.c_char.from_buffer(self._map)
        self.address = ctypes.addressof(self._view)

    def read(self, offset: int, count: int) -> bytes:
        """Without bringing a hole into being, as a look through the mapping would."""
        return os.pread(self._file, count, offset)

    def write(self, offset: int, data: bytes) -> None:
        """As read: without a look through the mapping."""
        assert os.pwrite(self._file, data, offset) == len(data)

    def written_parts(self) -> list[tuple[int, int]]:
        """Begin and end of every part that was written, in whole pages of memory."""
        parts, at = [], 0
        while at < self.nbytes:
            try:
                begin = os.lseek(self._file, at, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but holes to the end
                break
            at = os.lseek(self._file, begin, os.SEEK_HOLE)
            parts.append((begin, at))
        return parts

    def nonzero_bytes(self) -> dict[int, int]:
        """Every byte that is not zero, by its offset. The others are zero: holes, or looked at."""
        found: dict[int, int] = {}
        for begin, end in self.written_parts():
            part: Array = np.frombuffer(self.read(begin, end - begin), np.uint8)
            found.update((begin + int(i), int(part[i])) for i in np.flatnonzero(part))
        return found

    def close(self) -> None:
        del self._view
        self._map.close()
        os.close(self._file)
