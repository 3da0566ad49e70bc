"""Memory for the error records of guarded CUDA plans.

It is pinned host memory, mapped by every context of every device, so that a plan may run on any stream, and
what a kernel wrote there can be read without a copy. It is handed out from slabs, one pool a context, and a
slab is never returned to CUDA: a captured graph may write to a record when its plan is long gone. For the
same reason a record that some launch was given is never handed out again.
"""

from __future__ import annotations

import ctypes
import threading

from .._native import abi
from .._native.driver import StreamContext

RECORD_BYTES = ctypes.sizeof(abi.ErrorRecord)
SLAB_BYTES = 64 * 1024

_PORTABLE_AND_MAPPED = 3  # CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP

# Addresses of unused records, all zero, by the id of the context that they were allocated in. An id is never
# used again, so the records of a destroyed context are not either.
_unused: dict[int, list[int]] = {}
_lock = threading.RLock()  # a finaliser may come back here


class PooledRecord:
    """One zeroed record. It goes back to the pool when this is dropped, unless it was ``launched``."""

    __slots__ = ("_home", "address", "launched")

    def __init__(self, function: str, handle: int) -> None:
        """For launches on the stream. Allocates a slab where the pool is empty, which is allowed while
        streams are captured. Raises ``CudaError``."""
        self.launched = True  # until there is something to give back
        with StreamContext(function, handle) as context:
            identity = int(context.call("cuCtxGetId", context.call("cuCtxGetCurrent")))
            self._home = _unused.setdefault(identity, [])
            self.address = _take(self._home, context)
        self.launched = False

    def __del__(self) -> None:
        # No lock: the garbage collector may be at work inside any other function here.
        if not self.launched:
            self._home.append(self.address)


def _take(unused: list[int], context: StreamContext) -> int:
    try:
        return unused.pop()
    except IndexError:
        with _lock:
            if not unused:
                unused.extend(_new_slab(context))
        return _take(unused, context)


def _new_slab(context: StreamContext) -> range:
    from cuda.bindings.driver import CUstreamCaptureMode

    # While anything is captured, allocation is forbidden to a thread that does not say that it knows.
    relaxed = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
    before = context.call("cuThreadExchangeStreamCaptureMode", relaxed)
    try:
        address = int(context.call("cuMemHostAlloc", SLAB_BYTES, _PORTABLE_AND_MAPPED))
    finally:
        context.call("cuThreadExchangeStreamCaptureMode", before)
    ctypes.memset(address, 0, SLAB_BYTES)
    return range(address, address + SLAB_BYTES, RECORD_BYTES)
