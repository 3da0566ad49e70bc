"""cuda-python alone: memory, a stream and the copies from ``cuda.bindings``, operands as ``TensorView`` of
addresses.

Ordering: everything is enqueued on one stream, and waited for once at the end. The device memory is freed
after that: an append reads and writes its operands until the stream has passed it.
"""

from __future__ import annotations

import numpy as np
from cuda.bindings import driver

import baracuda_ffi as bf
from baracuda_ffi.examples._problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

DEVICE = 0


def call(function: Any, *arguments: object) -> Any:
    """A driver function's result; an error by its name."""
    status, *results = function(*arguments)
    if status != driver.CUresult.CUDA_SUCCESS:
        raise SystemExit(f"{function.__name__} said {status.name}")
    return results[0] if results else None


def upload(array: NDArray[Any], stream: Any) -> bf.TensorView:
    pointer = int(call(driver.cuMemAlloc, array.nbytes))
    call(driver.cuMemcpyHtoDAsync, pointer, array.ctypes.data, array.nbytes, stream)
    if array.dtype == np.int32:
        return bf.TensorView(ptr=pointer, shape=array.shape, element="i32", device=DEVICE)
    return bf.TensorView(ptr=pointer, shape=array.shape, element=bf.ElementKind.F16, device=DEVICE)


def main() -> None:
    problem = Problem()
    call(driver.cuInit, 0)
    device = call(driver.cuDeviceGet, DEVICE)
    call(driver.cuCtxSetCurrent, call(driver.cuDevicePrimaryCtxRetain, device))
    stream = call(driver.cuStreamCreate, driver.CUstream_flags.CU_STREAM_NON_BLOCKING.value)

    names = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")
    operands = {name: upload(getattr(problem, name), stream) for name in names}
    bf.append_paged_kv(*operands.values(), stream=stream)
    caches = {name: np.empty_like(getattr(problem, name)) for name in ("k_data", "v_data")}
    for name, array in caches.items():
        call(driver.cuMemcpyDtoHAsync, array.ctypes.data, operands[name].ptr, array.nbytes, stream)
    call(driver.cuStreamSynchronize, stream)
    problem.check(**caches)

    for view in operands.values():
        call(driver.cuMemFree, view.ptr)
    call(driver.cuStreamDestroy, stream)
    call(driver.cuDevicePrimaryCtxRelease, device)


if __name__ == "__main__":
    main()
