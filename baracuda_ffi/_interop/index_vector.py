"""A vector of integers that somebody else owns: the page table's parts and error records, outside an
append."""

from __future__ import annotations

import ctypes

from .._model.checks import describe
from .._model.errors import BaracudaError, invalid_problem, unsupported
from .._native import abi
from . import tensors


class IndexVector:
    """Where an operand of any kind has its ``count`` contiguous integers.

    ``bits``: which widths it may have; ``itemsize``: the bytes of the one that it has. ``on_cuda``: whether
    it may be device memory. Then the driver should copy it; the CPU can read any other (host, pinned and
    managed memory). ``keep`` keeps the memory alive. ``function`` is named in the errors that say what the
    operand is and should be: ``InvalidProblem``, ``Unsupported``, ``MisalignedOperand``.
    """

    __slots__ = ("address", "count", "itemsize", "keep", "on_cuda")

    def __init__(self, function: str, name: str, operand: object, bits: tuple[int, ...]) -> None:
        try:
            address, self.keep = tensors.tensor_of(operand, name)
        except BaracudaError as error:
            error.function = function
            raise
        tensor = abi.Tensor.from_address(address)
        if tensor.ndim != 1 or not tensor.shape:
            raise invalid_problem(function, f"{name} has {tensor.ndim} dimensions; it should have 1")
        if (tensor.type_code, tensor.type_lanes) != (abi.TYPE_INT, 1) or tensor.type_bits not in bits:
            wanted = " or ".join([f"int{width}" for width in bits])
            raise unsupported(function, f"{name}, {describe(operand)}, is not of {wanted}; it should be")
        self.itemsize = tensor.type_bits // 8
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
        if self.address % self.itemsize:
            raise invalid_problem(
                function, f"{name} is at {self.address:#x}; it should be aligned to {self.itemsize} bytes"
            )
        self.on_cuda = tensor.device_type == abi.DEVICE_CUDA


def _int64_at(address: int) -> int:
    return ctypes.c_int64.from_address(address).value
