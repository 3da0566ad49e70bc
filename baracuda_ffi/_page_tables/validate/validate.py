"""The explicit debugging call for page tables: everything that is wrong with one, found at once."""

from __future__ import annotations

from ctypes import memmove

from ..._append.addressing import PLACE_NAMES, check_entries, set_of
from ..._interop.index_vector import IndexVector
from ..._interop.streams import stream_handle
from ..._model.checks import INT32_MAX, INT64_MAX, instance, integer
from ..._model.enums import LengthConvention
from ..._model.errors import invalid_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from numpy.typing import NDArray

    from .finding import PageTableFinding

_ME = "validate_page_table"


def validate_page_table(
    indices: object = None,
    indptr: object = None,
    last_page_len: object = None,
    *,
    append_indptr: object = None,
    batch_indices: object = None,
    positions: object = None,
    slot_mapping: object = None,
    block_table: object = None,
    seq_lens: object = None,
    page_size: int,
    num_total_pages: int,
    num_rows: int | None = None,
    length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
    skip_slot: int | None = None,
    stream: object,
    guarded: bool = False,
) -> list[PageTableFinding]:
    """Look at the whole of what says where an append's rows go, and return every fault in it.

    For debugging: it allocates, copies, and waits for the stream. NumPy does the work: a million pages take a
    fraction of a second.

    Parameters
    ----------
    indices, indptr, last_page_len, append_indptr, batch_indices, positions, slot_mapping, block_table,
    seq_lens
        One of the sets that ``append_paged_kv`` takes; int32 or int64, each anything that an operand of an
        append may be, in host or device memory.
    page_size
        Tokens a page.
    num_total_pages
        Pages in the cache.
    num_rows
        With append_indptr: the rows of key; None: not looked at.
    length_convention, skip_slot
        As for ``append_paged_kv``.
    stream
        What is in CUDA memory is copied in the order of this stream, which is waited for; it must not be one
        that is being captured. None where the CPU can read all of it.
    guarded
        Whether this is for an append that may be padded: requests without pages, negative page ids (by
        last_page_len as a request's last alone), and indices longer than indptr says are no faults then.

    Returns
    -------
    list of PageTableFinding
        In the order of ``PageTableFault`` and of the entries; empty if there is none. Entries that no request
        owns are not looked at, nor those of block_table that no token needs; an entry that several own is
        judged once, for the first of them.

    Raises
    ------
    InvalidProblem, Unsupported
        Arguments that are no page table at all. One that is merely wrong raises nothing.
    CudaError
        What the driver said of the copies, or an earlier launch left behind.
    """
    page_size = integer(_ME, "page_size", page_size, 1, INT32_MAX, "a number of tokens, at least 1")
    num_total_pages = integer(
        _ME, "num_total_pages", num_total_pages, 1, INT32_MAX, "a number of pages, at least 1"
    )
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
    convention = placed_by.convention(_ME, length_convention)
    instance(_ME, "guarded", guarded, bool)
    if num_rows is not None:
        num_rows = integer(_ME, "num_rows", num_rows, 0, INT32_MAX, "a number of rows, or None")
    if skip_slot is not None:
        skip_slot = integer(_ME, "skip_slot", skip_slot, 0, INT64_MAX, "a slot, or None")
    vectors = {
        name: IndexVector(_ME, name, operand, (32, 64), 2 if name == "block_table" else 1)
        for name, operand in zip(PLACE_NAMES, operands, strict=True)
        if operand is not None
    }
    check_entries(_ME, {name: vector.shape for name, vector in vectors.items()})
    from .faults import find_faults
    from .table import Table

    table = Table(
        placed_by,
        _read(vectors, stream),
        page_size=page_size,
        num_total_pages=num_total_pages,
        counts_new=convention is LengthConvention.AFTER_APPEND,
        guarded=guarded,
        skip_slot=skip_slot,
        num_rows=num_rows,
    )
    return find_faults(table)


def _read(vectors: dict[str, IndexVector], stream: object) -> dict[str, NDArray[Any]]:
    """Copies in host memory."""
    import numpy as np

    copies = {name: np.empty(vector.shape, f"i{vector.itemsize}") for name, vector in vectors.items()}
    if stream is not None:
        pairs = [(vector, copies[name]) for name, vector in vectors.items()]
        _copy_on_stream(pairs, stream_handle(_ME, stream))
    for name, vector in vectors.items():
        if stream is None and vector.on_cuda:
            raise invalid_problem(
                _ME, f"{name} is in CUDA memory and stream is None; a CUDA stream should come with it"
            )
        if not vector.on_cuda:
            for address, offset, size in vector.pieces():
                memmove(copies[name].ctypes.data + offset, address, size)
    return copies


def _copy_on_stream(pairs: list[tuple[IndexVector, NDArray[Any]]], handle: int) -> None:
    """What may be device memory is copied; then whatever else the stream was to write has been written."""
    from ..._native.driver import StreamContext

    on_cuda = [vector.address for vector, _ in pairs if vector.on_cuda and vector.count]
    with StreamContext(_ME, handle, on_cuda[0] if on_cuda else 0) as context:
        context.refuse_capture()
        for vector, copy in pairs:
            for address, offset, size in vector.pieces() if vector.on_cuda else ():
                context.call("cuMemcpyDtoHAsync", copy.ctypes.data + offset, address, size, handle)
        context.synchronise()
