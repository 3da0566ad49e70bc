"""Two places for operands behind one face, for the demo: host memory, and a CUDA device's
through ``cuda.bindings`` alone (12 or 13). Nothing of the package's own path needs them.
"""

from __future__ import annotations

from .._interop.tensor_view import TensorView
from .._model.enums import ElementKind
from .._native.driver import Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from numpy.typing import NDArray
    from typing_extensions import Self

    Array = NDArray[Any]

    class Memory(Protocol):
        """What HostMemory and CudaMemory have in common."""

        stream: Any
        name: str

        def upload(self, array: Array, element: ElementKind | None = None) -> Any: ...

        def download(self, operand: Any, like: Array) -> Array: ...


_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: not ordered with the default stream


class HostMemory:
    """NumPy arrays are operands as they are, and there is no stream."""

    stream: Any = None
    name = "the CPU"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def upload(self, array: Array, element: ElementKind | None = None) -> Array:
        return array.copy()

    def download(self, operand: Array, like: Array) -> Array:
        return operand.copy()


class CudaMemory:
    """The primary context of a device, a stream on it, and the arrays made with it. A context manager: on
    leaving, all is freed and the context that was current is current again.

    Copies are ordered on the stream; ``download`` and ``synchronise`` wait for it.
    """

    def __init__(self, ordinal: int = 0) -> None:
        """Raises ``Unsupported`` without cuda.bindings, ``CudaError`` for what went wrong."""
        self._call = Driver("CudaMemory").call
        self._addresses: list[int] = []
        self.ordinal = ordinal
        self._call("cuInit", 0)
        self._device = self._call("cuDeviceGet", ordinal)
        self._call("cuCtxPushCurrent", self._call("cuDevicePrimaryCtxRetain", self._device))
        self.stream: Any = self._call("cuStreamCreate", _NON_BLOCKING)
        name: bytes = self._call("cuDeviceGetName", 256, self._device)
        self.name = name.split(b"\0")[0].decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.synchronise()
            for address in self._addresses:
                self._call("cuMemFree", address)
            self._call("cuStreamDestroy", self.stream)
        finally:
            self._call("cuCtxPopCurrent")
            self._call("cuDevicePrimaryCtxRelease", self._device)

    def upload(self, array: Array, element: ElementKind | None = None) -> TensorView:
        """A copy of the array on the device, as an operand; ``element`` None for an int32 page table."""
        address = int(self._call("cuMemAlloc", max(array.nbytes, 1)))
        self._addresses.append(address)
        view = TensorView(ptr=address, shape=array.shape, element=element or "i32", device=self.ordinal)
        self.overwrite(view, array)
        return view

    def overwrite(self, view: TensorView, array: Array) -> None:
        """New contents for an operand. The array is read by the time this returns: pageable memory is
        staged."""
        self._call("cuMemcpyHtoDAsync", view.ptr, array.ctypes.data, array.nbytes, self.stream)
        self.synchronise()

    def download(self, operand: TensorView, like: Array) -> Array:
        """The operand's bits as an array of the shape and type of ``like``, after all that the stream was
        given."""
        array = like.copy()
        self._call("cuMemcpyDtoHAsync", array.ctypes.data, operand.ptr, array.nbytes, self.stream)
        self.synchronise()
        return array

    def synchronise(self) -> None:
        self._call("cuStreamSynchronize", self.stream)
