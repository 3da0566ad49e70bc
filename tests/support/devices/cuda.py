"""The CUDA driver through cuda.bindings alone: what the GPU tests need of it, each call checked.

Imported only by tests that have a device.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
from cuda import bindings
from cuda.bindings import driver

from .bits import Array, as_bytes
from .host_memory import GUARD, GUARD_BYTES


def check(result: tuple[Any, ...]) -> Any:
    """What a cuda.bindings call returned, without its status, which must be success."""
    status, *values = result
    assert status == driver.CUresult.CUDA_SUCCESS, f"the driver said {status!r}"
    return values[0] if len(values) == 1 else tuple(values)


class Device:
    """One device and its primary context, made current on the calling thread."""

    def __init__(self, ordinal: int = 0) -> None:
        check(driver.cuInit(0))
        self.ordinal = ordinal
        self.handle = check(driver.cuDeviceGet(ordinal))
        self.context = check(driver.cuDevicePrimaryCtxRetain(self.handle))
        self.make_current()

    def make_current(self) -> None:
        check(driver.cuCtxSetCurrent(self.context))

    @property
    def capability(self) -> int:
        attribute = driver.CUdevice_attribute
        major = check(
            driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, self.handle)
        )
        minor = check(
            driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, self.handle)
        )
        return int(10 * major + minor)


def create_context(device: Device) -> Any:
    """A second context on the device, current on return. CUDA 13's binding takes one argument more."""
    major = int(bindings.__version__.split(".")[0])
    arguments = (None, 0, device.handle) if major >= 13 else (0, device.handle)
    return check(driver.cuCtxCreate(*arguments))


def current_context() -> int:
    """The address of the calling thread's current context, 0 for none."""
    return int(check(driver.cuCtxGetCurrent()))


@contextlib.contextmanager
def current(context: Any) -> Iterator[None]:
    """`context` (None for none) is current inside, and what was current before is again after."""
    with _empty_stack():
        if context is not None:
            check(driver.cuCtxPushCurrent(context))
        try:
            yield
        finally:
            if context is not None:
                check(driver.cuCtxPopCurrent())


@contextlib.contextmanager
def _empty_stack() -> Iterator[None]:
    """No context on the thread's stack inside: making none current would only uncover the one below."""
    popped = []
    while current_context():
        popped.append(check(driver.cuCtxPopCurrent()))
    try:
        yield
    finally:
        while current_context():
            check(driver.cuCtxPopCurrent())
        for context in reversed(popped):
            check(driver.cuCtxPushCurrent(context))


def synchronize() -> None:
    check(driver.cuCtxSynchronize())


def is_idle(stream: Any) -> bool:
    """Whether the stream has finished all that it was given."""
    (status,) = driver.cuStreamQuery(stream)
    assert status in (driver.CUresult.CUDA_SUCCESS, driver.CUresult.CUDA_ERROR_NOT_READY), status
    return bool(status == driver.CUresult.CUDA_SUCCESS)


def create_stream() -> Any:
    """A stream that does not synchronise with the default stream."""
    return check(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING))


class DeviceArray:
    """Device memory with a guard band on both sides, that says what it is by `__cuda_array_interface__`."""

    def __init__(self, array: Array, *, managed: bool = False) -> None:
        self.shape = array.shape
        self.dtype = array.dtype
        self.nbytes = array.nbytes
        size = self.nbytes + 2 * GUARD_BYTES
        if managed:
            base = check(driver.cuMemAllocManaged(size, driver.CUmemAttach_flags.CU_MEM_ATTACH_GLOBAL))
        else:
            base = check(driver.cuMemAlloc(size))
        self._base = int(base)
        self.ptr = self._base + GUARD_BYTES
        _copy_in(self._base, np.full(size, GUARD, np.uint8))
        self.write(array)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.ptr, False), "version": 3}

    def write(self, array: Array) -> None:
        assert array.nbytes == self.nbytes
        _copy_in(self.ptr, np.ascontiguousarray(array))

    def read(self) -> Array:
        content = np.empty(self.shape, self.dtype)
        check(driver.cuMemcpyDtoH(as_bytes(content).ctypes.data, self.ptr, self.nbytes))
        return content

    def read_on(self, stream: Any) -> Array:
        """The content as `stream` finds it, waiting for no other stream."""
        content = np.empty(self.shape, self.dtype)
        check(driver.cuMemcpyDtoHAsync(as_bytes(content).ctypes.data, self.ptr, self.nbytes, stream))
        check(driver.cuStreamSynchronize(stream))
        return content

    def check_guards(self, what: str) -> None:
        content = np.empty(self.nbytes + 2 * GUARD_BYTES, np.uint8)
        check(driver.cuMemcpyDtoH(content.ctypes.data, self._base, content.nbytes))
        for band, where in ((content[:GUARD_BYTES], "before"), (content[-GUARD_BYTES:], "after")):
            assert (band == GUARD).all(), f"{what}: something was written {where} the operand"

    def free(self) -> None:
        check(driver.cuMemFree(self._base))


def _copy_in(address: int, content: Array) -> None:
    check(driver.cuMemcpyHtoD(address, content.ctypes.data, content.nbytes))
    # From pageable memory the copy may still be under way, and our streams do not wait for the default one.
    check(driver.cuStreamSynchronize(driver.CUstream(0)))


class Gate:
    """Holds a stream back until it is opened: the stream waits for a word of pinned memory to become 1.

    The word is not freed: freeing waits for the whole device, and another gate may still be closed.
    """

    def __init__(self, stream: Any) -> None:
        self._host = check(driver.cuMemHostAlloc(4, driver.CU_MEMHOSTALLOC_DEVICEMAP))
        self._word = ctypes.c_uint32.from_address(int(self._host))
        self._word.value = 0
        address = check(driver.cuMemHostGetDevicePointer(self._host, 0))
        flag = driver.CUstreamWaitValue_flags.CU_STREAM_WAIT_VALUE_EQ
        check(driver.cuStreamWaitValue32(stream, address, 1, flag))

    def open(self) -> None:
        self._word.value = 1


@contextlib.contextmanager
def held(stream: Any) -> Iterator[Gate]:
    """The stream is blocked inside until `open`; at the end it is opened in any case and drained."""
    gate = Gate(stream)
    try:
        yield gate
    finally:
        gate.open()
        check(driver.cuStreamSynchronize(stream))


@contextlib.contextmanager
def capture(stream: Any) -> Iterator[Graph]:
    """What the stream is given inside becomes a graph, ready to replay after.

    The strictest mode: a call that is not allowed during a capture, by any thread, invalidates it.
    """
    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL
    check(driver.cuStreamBeginCapture(stream, mode))
    graph = Graph(stream)
    try:
        yield graph
    except BaseException:
        driver.cuStreamEndCapture(stream)  # whatever it says: the error inside is the one to hear about
        raise
    graph.finish()


class Graph:
    """A captured graph; `capture` makes it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def finish(self) -> None:
        self._graph = check(driver.cuStreamEndCapture(self._stream))
        self._executable = check(driver.cuGraphInstantiate(self._graph, 0))

    def kernel_names(self) -> list[str]:
        """The mangled name of each node's kernel; a node that is no kernel is an error."""
        _, count = check(driver.cuGraphGetNodes(self._graph, 0))
        nodes, _ = check(driver.cuGraphGetNodes(self._graph, count))
        return [_kernel_name(check(driver.cuGraphKernelNodeGetParams(node))) for node in nodes]

    def launch(self) -> None:
        """Only enqueued."""
        check(driver.cuGraphLaunch(self._executable, self._stream))

    def replay(self) -> None:
        self.launch()
        check(driver.cuStreamSynchronize(self._stream))


def _kernel_name(parameters: Any) -> str:
    if int(parameters.func):
        name = check(driver.cuFuncGetName(parameters.func))
    else:
        name = check(driver.cuKernelGetName(parameters.kern))
    return name.decode() if isinstance(name, bytes) else str(name)
