"""The oracle: the append in NumPy, by plain loops, to be right by inspection and not to be fast.

Everything else in the package, on every backend, is compared with this bit for bit.
"""

from __future__ import annotations

from ._model.checks import choice
from ._model.enums import Corruption, KvLayout, LengthConvention
from ._model.seen_values import SeenValues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from numpy.typing import NDArray

    Array = NDArray[Any]
    # The request, why it is corrupt, and what was seen.
    Corrupt = tuple[int, Corruption, SeenValues]

_ME = "append_paged_kv_reference"


def append_paged_kv_reference(
    key: Array,
    value: Array | None,
    k_data: Array,
    v_data: Array | None,
    indices: Array,
    indptr: Array,
    last_page_len: Array,
    *,
    layout: KvLayout | Literal["HND", "NHD"] = KvLayout.HND,
    length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
    guarded: bool = False,
) -> list[Corrupt]:
    """Write each request's row of key and value to its slot of k_data and v_data, in place.

    Parameters
    ----------
    key, value, k_data, v_data, indices, indptr, last_page_len
        NumPy arrays, views included, of shapes as for ``append_paged_kv`` and any one element type. Rows are
        assigned whole, so bits are copied.
    layout, length_convention
        As for ``append_paged_kv``.
    guarded
        Skip requests that name no slot, instead of raising.

    Returns
    -------
    list
        Guarded: the requests that are corrupt and not padding, in order: request, reason, and what was seen.
        Whichever of them runs first is the one that a guarded append records.

    Raises
    ------
    ValueError
        A page table that names no slot: a request without pages, a page id outside the cache, a length
        outside its convention.
    """
    layout = choice(_ME, "layout", layout, KvLayout)
    if length_convention is None:
        length_convention = LengthConvention.BEFORE_APPEND
    length_convention = choice(_ME, "length_convention", length_convention, LengthConvention)
    num_total_pages = k_data.shape[0]
    page_size = k_data.shape[2] if k_data.ndim == 4 and layout is KvLayout.HND else k_data.shape[1]
    corrupt: list[Corrupt] = []
    for b in range(len(last_page_len)):
        if guarded:
            served, wrong = _judge(
                indices, indptr, last_page_len, b, num_total_pages, page_size, length_convention
            )
            if wrong is not None:
                corrupt.append((b, *wrong))
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
        _write(key, k_data, b, page, slot, layout)
        if value is not None and v_data is not None:
            _write(value, v_data, b, page, slot, layout)
    return corrupt


def _write(rows: Array, cache: Array, row: int, page: int, slot: int, layout: KvLayout) -> None:
    if cache.ndim == 3:  # no head dimension; rows may still have one head
        cache[page, slot, :] = rows[row].reshape(-1)
        return
    for h in range(rows.shape[1]):
        if layout is KvLayout.HND:
            cache[page, h, slot, :] = rows[row, h, :]
        else:
            cache[page, slot, h, :] = rows[row, h, :]


def _judge(
    indices: Array,
    indptr: Array,
    last_page_len: Array,
    b: int,
    num_total_pages: int,
    page_size: int,
    length_convention: LengthConvention,
) -> tuple[bool, tuple[Corruption, SeenValues] | None]:
    """The guard: whether request b is served, and if it is not and no padding, what is wrong with it."""
    begin, end, length = int(indptr[b]), int(indptr[b + 1]), int(last_page_len[b])

    def corrupt(
        reason: Corruption, operand: str, seen: int, limit: int, page: int | None = None
    ) -> tuple[bool, tuple[Corruption, SeenValues]]:
        return False, (reason, SeenValues(operand=operand, row=b, seen=seen, limit=limit, page=page))

    if begin == end:
        return False, None
    if begin < 0:
        return corrupt(Corruption.INDPTR, "indptr", begin, 0)
    if end < begin:
        return corrupt(Corruption.INDPTR, "indptr", end, begin)
    if end > len(indices):
        return corrupt(Corruption.INDPTR, "indptr", end, len(indices) + 1)
    page = int(indices[end - 1])
    if page < 0:
        return False, None
    if page >= num_total_pages:
        return corrupt(Corruption.PAGE, "indices", page, num_total_pages, page)
    shortest = 0 if length_convention is LengthConvention.BEFORE_APPEND else 1
    if length < shortest:
        return corrupt(Corruption.LAST_PAGE_LEN, "last_page_len", length, shortest, page)
    if length >= shortest + page_size:
        return corrupt(Corruption.LAST_PAGE_LEN, "last_page_len", length, shortest + page_size, page)
    return True, None
