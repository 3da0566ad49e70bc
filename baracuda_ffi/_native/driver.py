"""The CUDA driver through ``cuda.bindings`` (12 or 13), imported when first needed.

For what the append itself never does: waiting for a stream, memory of our own, and copies in the order of a
stream.
"""

from __future__ import annotations

import ctypes

from .._model.errors import CUDA_ERROR_BASE, CudaError, invalid_problem, unsupported
from .._model.foreign import passes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

_LIBRARY = "libcuda.so.1"
_INSUFFICIENT_DRIVER = 35  # what the library says where there is no driver, by the CUDA runtime's name
_NOT_CAPTURING = 0  # CU_STREAM_CAPTURE_STATUS_NONE
_NOT_READY = 600  # CUDA_ERROR_NOT_READY
_CAPTURE_IMPLICIT = 906  # another stream is captured that the legacy default stream would synchronise with


class Driver:
    """The driver's functions by their names. Errors are ``CudaError`` for what one of them refuses, whose
    name it has, and ``Unsupported``, which has the name of ``function``, without ``cuda.bindings``."""

    __slots__ = ("_driver", "_function")

    def __init__(self, function: str) -> None:
        self._function = function
        self._driver = _bindings(function)

    def call(self, name: str, *arguments: object) -> Any:
        """What a driver function returned besides its status, which must be success."""
        try:
            status, *results = getattr(self._driver, name)(*arguments)
        except Exception as error:  # what cuda.bindings raises where there is no driver, or an old one
            if passes(error):
                raise
            raise CudaError(
                CUDA_ERROR_BASE + _INSUFFICIENT_DRIVER,
                name,
                f"the CUDA driver could not be called: {error}",
                "cudaErrorInsufficientDriver",
            ) from error
        if int(status) != 0:
            raise self._error(name, status)
        return results[0] if len(results) == 1 else tuple(results)

    def has_passed(self, event: Any) -> bool:
        """Whether all that was enqueued before the event was recorded is done."""
        (status,) = self._driver.cuEventQuery(event)
        if int(status) not in (0, _NOT_READY):
            raise self._error("cuEventQuery", status)
        return int(status) == 0

    def _error(self, name: str, status: Any) -> CudaError:
        _, says = self._driver.cuGetErrorString(status)
        message = f"the CUDA driver says: {(says or b'an unknown error').decode('utf-8', 'replace')}"
        return CudaError(CUDA_ERROR_BASE + int(status), name, message, status.name)


class StreamContext(Driver):
    """Calls of the driver in the context of a stream, which is current inside the ``with``; the context that
    was current before is again after.

    The library says which context that is, by the rule of an append: a default stream has that of the device
    of the memory at ``address``; where none is given that of the current context, or without one of the one
    primary context that is alive. No context is created.
    """

    __slots__ = ("_address", "_handle", "_pushed", "_retained")

    def __init__(self, function: str, handle: int, address: int = 0) -> None:
        super().__init__(function)
        self._handle = handle
        self._address = address
        self._pushed = False
        self._retained = -1

    def __enter__(self) -> Self:
        context, self._retained = _context_of(self._function, self._handle, self._address)
        try:
            if context:
                self.call("cuCtxPushCurrent", context)
                self._pushed = True
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pushed:
            self._driver.cuCtxPopCurrent()
        if self._retained >= 0:
            self._driver.cuDevicePrimaryCtxRelease(self._retained)

    def refuse_capture(self) -> None:
        """Raise ``InvalidProblem`` where the stream cannot be waited for, since it is being captured into a
        graph."""
        status, capture = self._driver.cuStreamIsCapturing(self._handle)
        if int(status) == 0 and int(capture) == _NOT_CAPTURING:
            return
        if int(status) not in (0, _CAPTURE_IMPLICIT):
            raise self._error("cuStreamIsCapturing", status)
        raise invalid_problem(
            self._function,
            f"stream {self._handle:#x} is being captured into a graph, and cannot be waited for; it should "
            "be the stream that the graph was launched on",
        )

    def synchronise(self) -> None:
        """Wait until the stream has done all that it was given."""
        self.call("cuStreamSynchronize", self._handle)


class HeldContext(Driver):
    """Calls of the driver in a context that ``cuCtxGetCurrent`` told, current inside the ``with``."""

    __slots__ = ("_context",)

    def __init__(self, function: str, context: Any) -> None:
        super().__init__(function)
        self._context = context

    def __enter__(self) -> Self:
        self.call("cuCtxPushCurrent", self._context)
        return self

    def __exit__(self, *exception: object) -> None:
        self._driver.cuCtxPopCurrent()


def _context_of(function: str, handle: int, address: int) -> tuple[int, int]:
    """The context to make current for a stream, 0 if it is, and the device whose primary context was retained
    for that, or -1: ``native/src/cuda/stream_context.h``. Raises ``BaracudaError``."""
    from .library import library

    opened = library()
    context, retained = ctypes.c_void_p(), ctypes.c_int32(-1)
    find = opened.private(
        "baracuda_private_stream_context",
        ctypes.c_int32,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.POINTER(ctypes.c_int32),
    )
    status = find(handle, address, ctypes.byref(context), ctypes.byref(retained))
    if status:
        raise opened.error(function, status)
    return context.value or 0, retained.value


def is_there() -> bool:
    """Whether this machine has a driver: ``cuda.bindings``, which takes some time to import, says no more
    where there is none."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return True


def _bindings(function: str) -> Any:
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise unsupported(
            function,
            f"cuda.bindings, which this needs, could not be imported ({error}); install cuda-bindings",
        ) from error
    return driver
