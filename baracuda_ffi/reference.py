"""The oracle: the append in NumPy, by plain loops, to be right by inspection and not to be fast.

Everything else in the package, on every backend, is compared with this bit for bit.
"""

from __future__ import annotations

from ._model.enums import Corruption, KvLayout, LengthConvention
from ._model.seen_values import SeenValues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Corrupt = tuple[int, Corruption, SeenValues]


def append_paged_kv_reference(
    key: Array,
    value: Array,
    k_data: Array,
    v_data: Array,
    indices: Array,
    indptr: Array,
    last_page_len: Array,
    *,
    layout: KvLayout = KvLayout.HND,
    length_convention: LengthConvention = LengthConvention.BEFORE_APPEND,
    guarded: bool = False,
) -> list[Corrupt]:
    """Write each request's row of key and value to its slot of k_data and v_data, in place.

    NumPy arrays of any one element type, shapes as for ``append_paged_kv``. Rows are assigned whole, so bits
    are copied.

    Raises ``ValueError`` for a page table that names no slot: a request without pages, a page id outside the
    cache, a length outside its convention. ``guarded`` raises nothing: it skips such requests, and returns
    those that are corrupt and not padding, in order: request, reason, and what was seen. Whichever of them
    runs first is the one that a guarded append records.
    """
    batch_size, num_kv_heads, _ = key.shape
    num_total_pages = k_data.shape[0]
    page_size = k_data.shape[2] if layout is KvLayout.HND else k_data.shape[1]
    corrupt: list[Corrupt] = []
    for b in range(batch_size):
        if guarded:
            served, reason, seen = _judge(
                indices, indptr, last_page_len, b, num_total_pages, page_size, length_convention
            )
            if reason is not None:
                corrupt.append((b, reason, seen))
            if not served:
                continue
        pages = indices[int(indptr[b]) : int(indptr[b + 1])]
        if len(pages) == 0:
            raise ValueError(f"request {b} has no pages")
        page = int(pages[-1])
        if not 0 <= page < num_total_pages:
            raise ValueError(f"request {b} has last page {page}, outside a cache of {num_total_pages} pages")
        slot = int(last_page_len[b])
        if length_convention is LengthConvention.AFTER_APPEND:
            slot -= 1
        if not 0 <= slot < page_size:
            raise ValueError(f"request {b} appends to slot {slot}, outside a page of {page_size} slots")
        for h in range(num_kv_heads):
            if layout is KvLayout.HND:
                k_data[page, h, slot, :] = key[b, h, :]
                v_data[page, h, slot, :] = value[b, h, :]
            else:
                k_data[page, slot, h, :] = key[b, h, :]
                v_data[page, slot, h, :] = value[b, h, :]
    return corrupt


def _judge(
    indices: Array,
    indptr: Array,
    last_page_len: Array,
    b: int,
    num_total_pages: int,
    page_size: int,
    length_convention: LengthConvention,
) -> tuple[bool, Corruption | None, SeenValues]:
    """The guard: whether request b is served, if not why (None: it is padding), and what was seen of it."""
    begin, end, length = int(indptr[b]), int(indptr[b + 1]), int(last_page_len[b])

    def seen(page: int | None) -> SeenValues:
        return SeenValues(indptr_begin=begin, indptr_end=end, page=page, last_page_len=length)

    if begin == end:
        return False, None, seen(None)
    if begin < 0 or end < begin or end > len(indices):
        return False, Corruption.INDPTR, seen(None)
    page = int(indices[end - 1])
    if page < 0:
        return False, None, seen(page)
    if page >= num_total_pages:
        return False, Corruption.PAGE, seen(page)
    if length_convention is LengthConvention.BEFORE_APPEND:
        shortest, longest = 0, page_size - 1
    else:
        shortest, longest = 1, page_size
    if not shortest <= length <= longest:
        return False, Corruption.LAST_PAGE_LEN, seen(page)
    return True, None, seen(page)
