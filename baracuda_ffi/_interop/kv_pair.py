"""Both caches in one operand: ``[num_total_pages, 2, ...]``, K first. FlashInfer's default, and the way in
for frameworks without views."""

from __future__ import annotations

from ctypes import addressof, c_int64

from .._model.checks import in_words
from .._model.errors import invalid_problem
from .._native import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # The address of a baracuda_tensor, and what keeps that and the memory.
    Description = tuple[int, object]

_RANKS = (4, 5)  # without a head dimension, and with


class CacheOfPair:
    """K's or V's half of a ``kv_data``: an operand that is described anew at each call, as the whole is."""

    __slots__ = ("_half", "whole")

    def __init__(self, whole: object, half: int) -> None:
        self.whole = whole
        self._half = half

    def described_by(self, tensor_of: Callable[[object, str], Description]) -> Description:
        """The address of a ``baracuda_tensor``, and what keeps that and the memory. Raises
        ``InvalidProblem``."""
        address, keep = tensor_of(self.whole, "kv_data")
        whole = abi.Tensor.from_address(address)
        rank = whole.ndim
        shape = (c_int64 * rank).from_address(whole.shape)[:] if rank in _RANKS else []
        if not shape or shape[1] != 2:
            has = f"shape {tuple(shape)}" if shape else f"{rank} dimensions"
            # vLLM's order.
            instead = " (of [2, pages, ...] give kv_data[0] as k_data and kv_data[1] as v_data)"
            raise invalid_problem(
                "PagedKvAppendArgs",
                f"kv_data, {in_words(self.whole)}, has {has}; it should be [pages, 2, ...], K first"
                + (instead if shape and shape[0] == 2 else ""),
            )
        steps = (c_int64 * rank).from_address(whole.strides)[:] if whole.strides else _contiguous(shape)
        extents = (c_int64 * (2 * (rank - 1)))(shape[0], *shape[2:], steps[0], *steps[2:])
        tensor = abi.Tensor.from_buffer_copy(whole)
        tensor.ndim = rank - 1
        tensor.shape = addressof(extents)
        tensor.strides = addressof(extents) + 8 * (rank - 1)
        tensor.byte_offset += self._half * steps[1] * whole.type_bits // 8
        return addressof(tensor), (keep, extents, tensor)


def _contiguous(shape: list[int]) -> list[int]:
    steps = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        steps[i] = steps[i + 1] * shape[i + 1]
    return steps
