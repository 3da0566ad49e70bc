"""The CUDA backend of the tests: device memory and a stream from cuda.bindings, no array framework."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import baracuda_ffi as bf

from ..c_abi.tensors import as_view
from ..problems.elements import ALL_ELEMENTS
from . import cuda
from .bits import Array


class CudaBackend:
    name = "cuda"
    kind = bf.BackendKind.FLASHINFER

    def __init__(self, device: cuda.Device, stream: Any) -> None:
        self.device = device
        self.stream = stream
        self.context = device.context  # where the stream and the memory are
        self._operands: dict[int, cuda.DeviceArray] = {}
        self._owned: list[cuda.DeviceArray] = []

    def new(self, array: Array) -> cuda.DeviceArray:
        """Device memory that holds a copy of the array."""
        memory = cuda.DeviceArray(array)
        self.own([memory])
        return memory

    def put(self, array: Array) -> Any:
        memory = self.new(array)
        operand = self.describe(memory)
        self._operands[id(operand)] = memory
        return operand

    def describe(self, memory: cuda.DeviceArray) -> Any:
        """By pointer: the one way that has all types."""
        kinds: dict[Any, Any] = {np.dtype(e.dtype): bf.ElementKind[e.kind] for e in ALL_ELEMENTS}
        return bf.TensorView(
            ptr=memory.ptr,
            shape=memory.shape,
            element=kinds.get(memory.dtype, f"i{8 * memory.dtype.itemsize}"),
            device=self.device.ordinal,
        )

    def view(self, operand: Any, offset: int, like: Array) -> bf.TensorView:
        memory = self._operands[id(operand)]
        return as_view(like, ptr=memory.ptr + offset, device=self.device.ordinal)

    def get(self, operand: Any) -> Array:
        cuda.synchronize()
        return self._operands[id(operand)].read()

    def overwrite(self, operand: Any, array: Array) -> None:
        cuda.synchronize()
        self._operands[id(operand)].write(array)

    def check_guards(self) -> None:
        cuda.synchronize()
        for memory in self._owned:
            memory.check_guards("an operand")

    def own(self, memories: Iterable[cuda.DeviceArray]) -> None:
        """Freed by `close`."""
        self._owned.extend(memories)

    def close(self) -> None:
        self.device.make_current()
        cuda.synchronize()
        for memory in self._owned:
            memory.free()
        self._owned.clear()
