"""The explicit debugging call for page tables: everything that is wrong with one, found at once."""

from __future__ import annotations

from ctypes import memmove
from enum import IntEnum

from .._interop.index_vector import IndexVector
from .._interop.streams import stream_handle
from .._model.checks import INT32_MAX, choice, instance, integer
from .._model.enums import LengthConvention
from .._model.errors import invalid_problem
from .._model.frozen import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from numpy.typing import NDArray

    Table = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

_ME = "validate_page_table"
_NAMES = ("indices", "indptr", "last_page_len")


class PageTableFault(IntEnum):
    """What ``validate_page_table`` finds. The part of request ``b`` is ``indices[indptr[b]:indptr[b+1]]``."""

    INDPTR_START = 1
    """``indptr[0]`` is not 0."""
    INDPTR_RANGE = 2
    """A later entry of indptr is negative, or beyond the end of indices."""
    INDPTR_ORDER = 3
    """``indptr[b + 1]`` is below ``indptr[b]``."""
    INDPTR_OVERLAP = 4
    """A part shares entries of indices with the part of an earlier request."""
    NO_PAGES = 5
    """A part is empty. Not looked for in a guarded table, where it is padding."""
    PAGE_ID = 6
    """An entry of a part is no page of the cache. In a guarded table a negative last entry is padding."""
    REPEATED_PAGE = 7
    """A part names a page twice."""
    SHARED_PAGE = 8
    """Two or more requests name a page. Right for pages that are only read, such as a common prefix."""
    LAST_PAGE_LEN = 9
    """A length is outside the range of the length convention."""
    SHARED_SLOT = 10
    """Two or more requests would write one slot: all but one of them lose their token."""


class PageTableFinding(Record):
    """One fault of a page table.

    ``requests`` are those concerned, in order; ``operand`` and ``position`` say which entry shows it
    (``"indices"``, 5), ``value`` what that entry is, ``message`` the whole in words.
    """

    _fields = ("kind", "requests", "operand", "position", "value", "message")
    __slots__ = _fields

    kind: PageTableFault
    requests: tuple[int, ...]
    operand: str
    position: int
    value: int
    message: str

    def __init__(
        self,
        *,
        kind: PageTableFault,
        requests: tuple[int, ...],
        operand: str,
        position: int,
        value: int,
        message: str,
    ) -> None:
        self._set(kind, requests, operand, position, value, message)


def validate_page_table(
    indices: object,
    indptr: object,
    last_page_len: object,
    *,
    page_size: int,
    num_total_pages: int,
    length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
    stream: object,
    guarded: bool = False,
) -> list[PageTableFinding]:
    """Look at the whole page table and return every fault in it, in the order of ``PageTableFault`` and of
    the entries; an empty list if there is none. For debugging: it allocates, copies, and waits for the
    stream.

    - ``indices``: ``[total_used_pages]``, ``indptr``: ``[batch + 1]``, ``last_page_len``: ``[batch]``; int32
      or int64 and contiguous, each anything that an operand of an append may be, in host or device memory.
    - ``page_size``: tokens a page. ``num_total_pages``: pages in the cache.
    - ``length_convention``: what ``last_page_len`` counts, also by its name; None for ``BEFORE_APPEND``.
    - ``stream``: what is in CUDA memory is copied in the order of this stream, which is waited for; it must
      not be one that is being captured. None where the CPU can read all three.
    - ``guarded``: whether the table is for a guarded append, where requests without pages, and those whose
      last page id is negative, are padding and no fault.

    Entries of ``indices`` that no request owns are not looked at; an entry that several own is judged once,
    for the first of them. NumPy does the work: a million pages take a fraction of a second.

    Raises ``InvalidProblem`` or ``Unsupported`` for arguments that are no page table at all, ``CudaError``.
    A table that is merely wrong raises nothing.
    """
    page_size = integer(_ME, "page_size", page_size, 1, INT32_MAX, "a number of tokens, at least 1")
    num_total_pages = integer(
        _ME, "num_total_pages", num_total_pages, 1, INT32_MAX, "a number of pages, at least 1"
    )
    if length_convention is None:
        length_convention = LengthConvention.BEFORE_APPEND
    convention = choice(_ME, "length_convention", length_convention, LengthConvention)
    instance(_ME, "guarded", guarded, bool)
    operands = (indices, indptr, last_page_len)
    vectors = [
        IndexVector(_ME, name, operand, (32, 64)) for name, operand in zip(_NAMES, operands, strict=True)
    ]
    batch_size = vectors[2].count
    if vectors[1].count != batch_size + 1:
        raise invalid_problem(
            _ME,
            f"indptr has {vectors[1].count} entries and last_page_len has {batch_size}; indptr should have "
            "one more",
        )
    from .faults import find_faults

    bias = 1 if convention is LengthConvention.AFTER_APPEND else 0
    return find_faults(_read(vectors, stream), page_size, num_total_pages, bias, guarded)


def _read(vectors: list[IndexVector], stream: object) -> Table:
    """Copies of the three, in host memory."""
    import numpy as np

    copies = [np.empty(vector.count, f"i{vector.itemsize}") for vector in vectors]
    if stream is not None:
        _copy_on_stream(vectors, copies, stream_handle(_ME, stream))
    for name, vector, copy in zip(_NAMES, vectors, copies, strict=True):
        if stream is None and vector.on_cuda:
            raise invalid_problem(
                _ME, f"{name} is in CUDA memory and stream is None; a CUDA stream should come with it"
            )
        if not vector.on_cuda and vector.count:
            memmove(copy.ctypes.data, vector.address, copy.nbytes)
    a, b, c = copies
    return a, b, c


def _copy_on_stream(vectors: list[IndexVector], copies: list[NDArray[Any]], handle: int) -> None:
    """What may be device memory is copied; then whatever else the stream was to write has been written."""
    from .._native.driver import StreamContext

    with StreamContext(_ME, handle) as context:
        context.refuse_capture()
        for vector, copy in zip(vectors, copies, strict=True):
            if vector.on_cuda and vector.count:
                context.call("cuMemcpyDtoHAsync", copy.ctypes.data, vector.address, copy.nbytes, handle)
        context.synchronise()
