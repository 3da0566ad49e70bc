"""Whether there is a CUDA device, asked of the driver alone, so that asking needs no package and makes no
context.
"""

from __future__ import annotations

import ctypes
import functools

# CUresult: cuInit's ways to say that there is no device here, rather than that something is broken.
_NO_DEVICE = 100
_STUB_LIBRARY = 34


@functools.cache
def device_count() -> int:
    """Devices that this process can use; 0 where there is no driver. A driver that fails to start is an
    error.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    status = driver.cuInit(0)
    if status in (_NO_DEVICE, _STUB_LIBRARY):
        return 0
    assert status == 0, f"cuInit returned {status}"
    count = ctypes.c_int()
    status = driver.cuDeviceGetCount(ctypes.byref(count))
    assert status == 0, f"cuDeviceGetCount returned {status}"
    return count.value
