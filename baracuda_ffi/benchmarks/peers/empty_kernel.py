"""A kernel that does nothing, from PTX that the driver compiles: the floor of any launch."""

from __future__ import annotations

import ctypes
from functools import cache

from ..running.paths import Call

NAME = "empty kernel"

# Old enough for every GPU that the library is built for, and one that drivers of CUDA 13 still take.
_PTX = b".version 6.3\n.target sm_75\n.address_size 64\n.visible .entry bench_empty()\n{\n    ret;\n}\n\0"


def launch(stream: int) -> Call:
    """On a stream of the current context."""
    driver, function = _load()
    null, zero, one = ctypes.c_void_p(), ctypes.c_uint(0), ctypes.c_uint(1)
    # 256 threads in one block, as small appends have.
    arguments = (
        function,
        one,
        one,
        one,
        ctypes.c_uint(256),
        one,
        one,
        zero,
        ctypes.c_void_p(stream),
        null,
        null,
    )

    def launch_once() -> None:
        _check("cuLaunchKernel", driver.cuLaunchKernel(*arguments))

    return Call("launch_once()", {"launch_once": launch_once})


@cache
def _load() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    driver = ctypes.CDLL("libcuda.so.1")
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    _check("cuModuleLoadData", driver.cuModuleLoadData(ctypes.byref(module), _PTX))
    name = b"bench_empty"
    _check("cuModuleGetFunction", driver.cuModuleGetFunction(ctypes.byref(function), module, name))
    return driver, function


def _check(name: str, status: int) -> None:
    if status:
        raise RuntimeError(f"{name} returned {status}")
