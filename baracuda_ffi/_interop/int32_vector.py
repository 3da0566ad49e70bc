"""A vector of int32 that somebody else owns: the page table's parts and error records, outside an append."""

from __future__ import annotations

import ctypes

from .._model.checks import describe
from .._model.errors import BaracudaError, invalid_problem, unsupported
from .._native import abi
from . import tensors


class Int32Vector:
    """Where an operand of any kind has its ``count`` contiguous int32.

    ``on_cuda``: whether it may be device memory. Then the driver should copy it; the CPU can read any other
    (host, pinned and managed memory). ``keep`` keeps the memory alive. ``function`` is named in the errors
    that say what the operand is and should be: ``InvalidProblem``, ``Unsupported``.
    """

    __slots__ = ("address", "count", "keep", "on_cuda")

    def __init__(self, function: str, name: str, operand: object) -> None:
        tensor = abi.Tensor()
        try:
            self.keep = tensors.describe(operand, name, tensor)
        except BaracudaError as error:
            error.function = function
            raise
        if tensor.ndim != 1 or not tensor.shape:
            raise invalid_problem(function, f"{name} has {tensor.ndim} dimensions; it should have 1")
        if (tensor.type_code, tensor.type_bits, tensor.type_lanes) != (abi.TYPE_INT, 32, 1):
            raise unsupported(function, f"{name}, {describe(operand)}, is not of int32; it should be")
        self.count = _int64_at(tensor.shape)
        if self.count < 0:
            raise invalid_problem(function, f"{name} has {self.count} entries; it should have at least 0")
        if tensor.strides and self.count > 1 and _int64_at(tensor.strides) != 1:
            raise unsupported(
                function,
                f"{name} has stride {_int64_at(tensor.strides)} (in elements); it should be contiguous",
            )
        self.address = (tensor.data or 0) + tensor.byte_offset
        if self.count and not self.address:
            raise invalid_problem(function, f"{name} is NULL; it should be the operand's memory")
        if self.address % 4:
            raise invalid_problem(
                function, f"{name} is at {self.address:#x}; it should be aligned to 4 bytes"
            )
        self.on_cuda = tensor.device_type == abi.DEVICE_CUDA


def _int64_at(address: int) -> int:
    return ctypes.c_int64.from_address(address).value
