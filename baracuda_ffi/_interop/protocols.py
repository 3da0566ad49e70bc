"""What operands and streams are to a type checker."""

from __future__ import annotations

from typing import Any, Protocol

from .tensor_view import TensorView


class _Dlpack(Protocol):
    def __dlpack__(self, *, stream: Any = ...) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, Any]: ...


class _CudaArray(Protocol):
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...


class _ArrayInterface(Protocol):
    @property
    def __array_interface__(self) -> dict[str, Any]: ...


class _CudaStream(Protocol):
    def __cuda_stream__(self) -> tuple[int, int]: ...


class _TorchCudaStream(Protocol):
    @property
    def cuda_stream(self) -> int: ...


class _TorchStream(Protocol):
    @property
    def native_handle(self) -> int: ...


class _CupyStream(Protocol):
    @property
    def ptr(self) -> int: ...


class _NumbaStream(Protocol):
    @property
    def handle(self) -> Any: ...


class _Handle(Protocol):
    """cuda.bindings' CUstream and cudaStream_t."""

    def getPtr(self) -> int: ...


Operand = TensorView | _Dlpack | _CudaArray | _ArrayInterface
CudaStream = int | _CudaStream | _TorchCudaStream | _TorchStream | _CupyStream | _NumbaStream | _Handle
Stream = CudaStream | None
