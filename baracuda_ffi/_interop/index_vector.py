"""A vector, or a matrix, of integers that somebody else owns: the page table's parts and error records,
outside an append."""

from __future__ import annotations

import ctypes

from .._model.checks import INT64_MAX, in_words
from .._model.errors import BaracudaError, invalid_problem, unsupported
from .._native import abi
from . import tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class IndexVector:
    """Where an operand of any kind has its ``count`` integers, as many as its ``shape`` says, in contiguous
    ``pieces``: a vector is one, and so are the rows of a matrix that lie one behind the other.

    ``bits``: which widths it may have, ``rank``: how many dimensions; ``itemsize``: the bytes of the width
    that it has. ``on_cuda``: whether it may be device memory. Then the driver should copy it; the CPU can
    read any other (host, pinned and managed memory). ``keep`` keeps the memory alive. ``function`` is named
    in the errors that say what the operand is and should be: ``InvalidProblem``, ``Unsupported``,
    ``MisalignedOperand``.
    """

    __slots__ = ("_row_stride", "address", "count", "itemsize", "keep", "on_cuda", "shape")

    def __init__(
        self, function: str, name: str, operand: object, bits: tuple[int, ...], rank: int = 1
    ) -> None:
        try:
            address, self.keep = tensors.tensor_of(operand, name)
        except BaracudaError as error:
            error.function = function
            raise
        tensor = abi.Tensor.from_address(address)
        if tensor.ndim != rank or not tensor.shape:
            raise invalid_problem(function, f"{name} has {tensor.ndim} dimensions; it should have {rank}")
        if (tensor.type_code, tensor.type_lanes) != (abi.TYPE_INT, 1) or tensor.type_bits not in bits:
            wanted = " or ".join([f"int{width}" for width in bits])
            raise unsupported(function, f"{name}, {in_words(operand)}, is not of {wanted}; it should be")
        self.itemsize = tensor.type_bits // 8
        self.shape = tuple([_int64_at(tensor.shape, i) for i in range(rank)])
        if min(self.shape) < 0:
            raise invalid_problem(
                function, f"{name} has {min(self.shape)} entries; it should have at least 0"
            )
        self.count = 1
        for extent in self.shape:
            self.count *= extent
        if self.count * self.itemsize > INT64_MAX:
            raise invalid_problem(
                function,
                f"{name} has {self.count} entries, which is more than the address space has room for",
            )
        stride = _int64_at(tensor.strides, rank - 1) if tensor.strides and self.count > 1 else 1
        if self.shape[-1] > 1 and stride != 1:
            should_be = (
                "it should be contiguous" if rank == 1 else "the entries of a row should lie side by side"
            )
            raise unsupported(function, f"{name} has stride {stride} (in elements); {should_be}")
        self._row_stride = self.shape[-1]
        if rank == 2 and tensor.strides and self.count and self.shape[0] > 1:
            self._row_stride = _int64_at(tensor.strides, 0)
        self.address = (tensor.data or 0) + tensor.byte_offset
        if self.count and not self.address:
            raise invalid_problem(function, f"{name} is NULL; it should be the operand's memory")
        if self.address % self.itemsize:
            raise invalid_problem(
                function, f"{name} is at {self.address:#x}; it should be aligned to {self.itemsize} bytes"
            )
        self.on_cuda = tensor.device_type == abi.DEVICE_CUDA

    def pieces(self) -> Iterator[tuple[int, int, int]]:
        """Of each its address, its offset in a packed copy, and its bytes."""
        row = self.shape[-1]
        if self._row_stride == row:
            row = self.count
        if row:
            for i in range(self.count // row):
                yield (
                    self.address + i * self._row_stride * self.itemsize,
                    i * row * self.itemsize,
                    row * self.itemsize,
                )


def _int64_at(address: int, index: int) -> int:
    return ctypes.c_int64.from_address(address + 8 * index).value
