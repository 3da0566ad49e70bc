"""The oracle: the append, and copies of pages, in NumPy, by plain loops, to be right by inspection and not to
be fast.

Everything else in the package, on every backend, is compared with this bit for bit.
"""

from __future__ import annotations

from ._append.addressing import set_of
from ._model.checks import choice
from ._model.descriptors import convention_of
from ._model.enums import Addressing, KvLayout, LengthConvention
from ._model.errors import invalid_problem
from ._reference import places
from ._reference.pages import copy_pages_reference as copy_pages_reference
from ._reference.pages import gather_pages_reference as gather_pages_reference
from ._reference.pages import scatter_pages_reference as scatter_pages_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from numpy.typing import NDArray

    from ._model.enums import Corruption
    from ._model.seen_values import SeenValues

    Array = NDArray[Any]
    # The request (None where the addressing knows none), why its row is corrupt, and what was seen.
    Corrupt = tuple[int | None, Corruption, SeenValues]

_ME = "append_paged_kv_reference"


def append_paged_kv_reference(
    key: Array,
    value: Array | None,
    k_data: Array,
    v_data: Array | None,
    indices: Array | None = None,
    indptr: Array | None = None,
    last_page_len: Array | None = None,
    *,
    append_indptr: Array | None = None,
    batch_indices: Array | None = None,
    positions: Array | None = None,
    slot_mapping: Array | None = None,
    block_table: Array | None = None,
    seq_lens: Array | None = None,
    layout: KvLayout | Literal["HND", "NHD"] = KvLayout.HND,
    length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
    guarded: bool = False,
    skip_slot: int | None = None,
) -> list[Corrupt]:
    """Write each row of key and value to its place in k_data and v_data, in place. Padding is skipped.

    Parameters
    ----------
    key, value, k_data, v_data
        NumPy arrays, views included, of shapes as for ``append_paged_kv`` and any one element type. Rows are
        assigned whole, so bits are copied. Of two rows with one place the later one stays.
    indices, indptr, last_page_len, append_indptr, batch_indices, positions, slot_mapping, block_table,
    seq_lens
        One of the sets that ``append_paged_kv`` takes, as NumPy arrays of any integers.
    layout, length_convention
        As for ``append_paged_kv``.
    guarded
        Skip rows that are corrupt, instead of raising.
    skip_slot
        As for ``append_paged_kv``.

    Returns
    -------
    list
        Guarded: the rows that are corrupt and not padding, in order: request, reason, and what was seen.
        Whichever of them runs first is the one that a guarded append records. Where append_indptr is out of
        order backends need not agree with this, nor with each other.

    Raises
    ------
    ValueError
        Not guarded: a row that is corrupt, or append_indptr out of order. Nothing was written.
    InvalidProblem
        Operands that together say no place; a convention that has to be stated, or that does not exist.
    """
    layout = choice(_ME, "layout", layout, KvLayout)
    operands = (
        indices,
        indptr,
        last_page_len,
        append_indptr,
        batch_indices,
        positions,
        slot_mapping,
        block_table,
        seq_lens,
    )
    placed_by = set_of(_ME, operands)
    convention = convention_of(_ME, length_convention, placed_by.addressing, placed_by.lengths)
    if (
        placed_by.addressing is Addressing.RAGGED
        and last_page_len is not None
        and convention is not LengthConvention.AFTER_APPEND
    ):
        raise invalid_problem(
            _ME, "length_convention is BEFORE_APPEND; with append_indptr it is AFTER_APPEND"
        )
    in_pages_of = 2 if k_data.ndim == 4 and layout is KvLayout.HND else 1
    placed = places.places_of(
        *operands,
        num_rows=len(key),
        num_total_pages=k_data.shape[0],
        page_size=k_data.shape[in_pages_of],
        counts_new=convention is LengthConvention.AFTER_APPEND,
        skip_slot=skip_slot,
    )
    corrupt = [found.corrupt for found in placed if isinstance(found, places.Wrong)]
    if append_indptr is not None and placed and not guarded:
        ends = append_indptr.tolist()
        if ends[0] != 0 or sorted(ends) != ends:
            raise ValueError("append_indptr does not increase from 0")
    if corrupt and not guarded:
        request, reason, seen = corrupt[0]
        whose = f"row {seen.row}" if request is None else f"row {seen.row}, of request {request}"
        raise ValueError(f"{whose}: {seen.operand} is {seen.seen} ({reason.name}, limit {seen.limit})")
    for row, found in enumerate(placed):
        if isinstance(found, tuple):
            page, slot = found
            _write(key, k_data, row, page, slot, layout)
            if value is not None and v_data is not None:
                _write(value, v_data, row, page, slot, layout)
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
