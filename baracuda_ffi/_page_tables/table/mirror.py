"""A copy of an array in device memory, kept up to date in the order of a stream."""

from __future__ import annotations

import ctypes

import numpy as np

from ..._native.driver import HeldContext, StreamContext
from .arena import runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]

# Two changes that are no further apart are copied as one: a copy costs more than so many bytes.
_MOST_BETWEEN = 4096
_UNTIMED = 2  # CU_EVENT_DISABLE_TIMING
_PORTABLE = 1  # CU_MEMHOSTALLOC_PORTABLE


class _Staging:
    """Pinned memory as large as the array, and the event behind the copies that were last made from it."""

    __slots__ = ("address", "event", "words")

    def __init__(self, context: StreamContext, like: Array) -> None:
        self.address = int(context.call("cuMemHostAlloc", like.nbytes, _PORTABLE))
        self.event = context.call("cuEventCreate", _UNTIMED)
        raw = (ctypes.c_int32 * like.size).from_address(self.address)
        self.words: Array = np.ctypeslib.as_array(raw)


class Mirror:
    """``host``, at ``address`` on device ``ordinal``.

    Copies are made from pinned staging. One is written again only when the event behind its last copies has
    passed; where none is free another is made. So nothing is waited for, however far the host runs ahead, and
    there are as many stagings as updates were under way at once.
    """

    __slots__ = ("_context", "_function", "_host", "_stagings", "_stale", "address", "ordinal")

    def __init__(self, function: str, host: Array, handle: int) -> None:
        self._function, self._host = function, host
        self._stagings: list[_Staging] = []  # the one that was used longest ago first
        self._stale = True  # what is in device memory is not known
        with StreamContext(function, handle) as context:
            self._context = context.call("cuCtxGetCurrent")
            self.ordinal = int(context.call("cuCtxGetDevice"))
            self.address = int(context.call("cuMemAlloc", host.nbytes))

    def update(self, changed: Array, handle: int) -> None:
        """Enqueue copies of the words that have changed. On failure everything is copied the next time."""
        with StreamContext(self._function, handle, self.address) as context:
            context.refuse_capture()
            most_between = _MOST_BETWEEN // self._host.itemsize
            pieces = [(0, self._host.size)] if self._stale else list(runs(changed, most_between))
            if not pieces:
                return
            self._stale = True
            staging = self._free_staging(context)
            try:
                for begin, end in pieces:
                    self._copy(context, staging, begin, end, handle)
            finally:
                context.call("cuEventRecord", staging.event, handle)
            self._stale = False

    def _copy(self, context: StreamContext, staging: _Staging, begin: int, end: int, handle: int) -> None:
        staging.words[begin:end] = self._host[begin:end]
        first, size = begin * self._host.itemsize, (end - begin) * self._host.itemsize
        context.call("cuMemcpyHtoDAsync", self.address + first, staging.address + first, size, handle)

    def refuse_capture(self, handle: int) -> None:
        with StreamContext(self._function, handle, self.address) as context:
            context.refuse_capture()

    def close(self) -> None:
        """Give all memory back; CUDA waits for what may use it."""
        if not self.address:
            return
        stagings, self._stagings = self._stagings, []
        address, self.address = self.address, 0
        with HeldContext(self._function, self._context) as context:
            context.call("cuMemFree", address)
            for staging in stagings:
                context.call("cuEventSynchronize", staging.event)
                context.call("cuEventDestroy", staging.event)
                context.call("cuMemFreeHost", staging.address)

    def _free_staging(self, context: StreamContext) -> _Staging:
        if self._stagings and context.has_passed(self._stagings[0].event):
            staging = self._stagings.pop(0)
        else:
            staging = _Staging(context, self._host)
        self._stagings.append(staging)
        return staging
