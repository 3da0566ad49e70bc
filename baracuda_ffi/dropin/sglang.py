"""SGLang's function that fills its KV-cache (``sglang.kernels.ops.kvcache.kvcache``, release 0.5.23)."""

from __future__ import annotations

from .._model.errors import invalid_problem
from ..torch import append_paged_kv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["store_cache"]

_ME = "store_cache"


def store_cache(
    k: Tensor,
    v: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    indices: Tensor,
    *,
    row_bytes: int = 0,
    v_row_bytes: int = 0,
    num_split: int = 0,
    size_limit: int = 0,
    reserved_skip_index: int = 0,
) -> None:
    """Write row ``i`` of k and v to row ``indices[i]`` of the caches.

    An index beyond the cache is skipped on a GPU, where SGLang's kernel ends the context by an assertion, and
    refused on the CPU; a negative one is padding.

    Parameters
    ----------
    k, v
        ``[batch, width]``, of any strides between rows; widths of their own.
    k_cache, v_cache
        ``[slots, width]``, of the types of k and v.
    indices
        ``[batch]``, int32 or int64; of any stride, for a copy.
    row_bytes, v_row_bytes : int
        The bytes of a row; 0: as they are.
    num_split : int
        Not used: a matter of SGLang's kernel.
    size_limit : int
        Slots that there are; 0: all rows of k_cache.
    reserved_skip_index : int
        A slot that is padding; negative: none. Slot 0 by default, as in SGLang.

    Raises
    ------
    InvalidProblem
        A row that has other bytes than row_bytes says, or a size_limit beyond the cache.
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``.
    """
    for name, rows, said in (("row_bytes", k, row_bytes), ("v_row_bytes", v, v_row_bytes)):
        if said and said != rows.shape[-1] * rows.element_size():
            raise invalid_problem(
                _ME, f"{name} is {said}; rows have {rows.shape[-1] * rows.element_size()} bytes"
            )
    if size_limit > k_cache.shape[0]:
        raise invalid_problem(_ME, f"size_limit is {size_limit} and k_cache has {k_cache.shape[0]} rows")
    slots = size_limit if size_limit > 0 else k_cache.shape[0]
    append_paged_kv(
        k,
        v,
        k_cache[:slots].unsqueeze(1),  # pages of one slot
        v_cache[:slots].unsqueeze(1),
        slot_mapping=indices.contiguous(),
        skip_slot=reserved_skip_index if reserved_skip_index >= 0 else None,
    )
