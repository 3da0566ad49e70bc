"""Copies of pages as calls, with nothing to set up."""

from __future__ import annotations

from .._native import abi
from .call import copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import overload

    from typing_extensions import Required, TypedDict, Unpack

    from .._append.error_record import ErrorRecord
    from .._interop.protocols import Operand, Stream

    class _Options(TypedDict, total=False):
        """What goes with every copy."""

        stream: Required[Stream]
        guarded: bool
        error_record: ErrorRecord | None


if TYPE_CHECKING:
    # With two caches, and with both in one.

    @overload
    def copy_pages(
        k_data: Operand,
        v_data: Operand | None,
        source: Operand,
        destination: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def copy_pages(
        *, kv_data: Operand, source: Operand, destination: Operand, **options: Unpack[_Options]
    ) -> None: ...


def copy_pages(
    k_data: Operand | None = None,
    v_data: Operand | None = None,
    source: Operand | None = None,
    destination: Operand | None = None,
    *,
    stream: Stream,
    guarded: bool = False,
    error_record: ErrorRecord | None = None,
    kv_data: Operand | None = None,
) -> None:
    """Copy whole pages to other pages of the same caches: copy on write, compaction, defragmentation.

    Page ``source[i]`` goes, bit for bit, to page ``destination[i]``, of K and of V. A pair with a negative id
    is padding and skipped, and so is a page that would be copied to itself. An id that is no page of the
    caches is corrupt: the host refuses the call whole, before the first byte; guarded, and on a CUDA stream,
    that pair is skipped, the first such recorded, and the others are copied.

    The copies are made in no order, and at once: a page that is written should be in the lists once, as
    neither another's destination nor another's source. On the host that is refused unless ``guarded``;
    elsewhere such a page holds bytes of any of the pages concerned. Pages that change places, or move up a
    chain, are gathered and scattered, or copied by several calls. Any number of threads may copy at once.

    Parameters
    ----------
    k_data, v_data
        ``[num_total_pages, ...page]``, written in place. The page is the first dimension; what is inside does
        not matter: either layout, no heads, one layer or all of them, quantised, scales; up to five
        dimensions, elements of 1 to 16 bytes, any strides; the two may differ. v_data may be None.
    source, destination
        ``[n]`` page ids, int32 or int64, contiguous, each by itself; for a CUDA stream in memory that the GPU
        can read.
    stream
        None for the host, over host memory. A CUDA stream, as ``PagedKvAppendPlan.select`` takes it: one
        launch is enqueued there, however many pages there are. Order operands made on other streams before
        it, and keep the operands alive until the stream has passed it.
    guarded
        On the host: skip what is corrupt and copy the others, as on CUDA, instead of refusing.
    error_record
        Where a guarded copy records the first corrupt pair that it meets: ``values.row`` is its ``i``.
    kv_data
        ``[num_total_pages, 2, ...]``: both caches in one operand, in place of k_data and v_data.

    Raises
    ------
    BaracudaError
        ``InvalidProblem``, ``Unsupported``, ``MisalignedOperand`` or ``CudaError``; nothing was launched or
        written then.

    Notes
    -----
    The first call on a device loads its kernel, which a graph capture does not allow: make one before
    capturing, of as many pages; of nothing but padding will do.
    """
    operands = (k_data, v_data, source, destination, None)
    copy("copy_pages", abi.MOVEMENT_COPY, operands, kv_data, stream, guarded, error_record)


if TYPE_CHECKING:
    # With two caches, and with both in one.

    @overload
    def gather_pages(
        k_data: Operand,
        v_data: Operand | None,
        source: Operand,
        buffer: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def gather_pages(
        *, kv_data: Operand, source: Operand, buffer: Operand, **options: Unpack[_Options]
    ) -> None: ...


def gather_pages(
    k_data: Operand | None = None,
    v_data: Operand | None = None,
    source: Operand | None = None,
    buffer: Operand | None = None,
    *,
    stream: Stream,
    guarded: bool = False,
    error_record: ErrorRecord | None = None,
    kv_data: Operand | None = None,
) -> None:
    """Copy whole pages into one contiguous buffer: to offload them to pinned host memory, to send them.

    Page ``source[i]`` goes, bit for bit, to row ``i`` of the buffer. A row whose id is negative is skipped,
    and stays as it is, and so does one whose id is corrupt, which is treated as ``copy_pages`` treats it. A
    page may be gathered more than once. ``scatter_pages`` takes the buffer back, to the same pages, to others
    or to those of another cache whose pages have as many bytes of K and of V.

    Parameters
    ----------
    k_data, v_data
        As for ``copy_pages``, and only read.
    source
        ``[n]`` page ids, int32 or int64, contiguous.
    buffer
        ``[n or more, ...]``, contiguous, written. A row is the bytes of one page: K's and then V's, each in
        the order of its dimensions; so ``[n, 2, ...page]`` of the caches' type where both have pages alike,
        ``[n, ...page]`` for K alone, and ``[n, page_bytes]`` of uint8 for all. Memory that the backend can
        write: for a CUDA stream device memory of its device, managed or pinned memory.
    stream
        As for ``copy_pages``.
    guarded
        On the host: skip what is corrupt, instead of refusing.
    error_record
        As for ``copy_pages``.
    kv_data
        ``[num_total_pages, 2, ...]``: both caches in one operand, in place of k_data and v_data.

    Raises
    ------
    BaracudaError
        As for ``copy_pages``.
    """
    operands = (k_data, v_data, source, None, buffer)
    copy("gather_pages", abi.MOVEMENT_GATHER, operands, kv_data, stream, guarded, error_record)


if TYPE_CHECKING:
    # With two caches, and with both in one.

    @overload
    def scatter_pages(
        k_data: Operand,
        v_data: Operand | None,
        destination: Operand,
        buffer: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def scatter_pages(
        *, kv_data: Operand, destination: Operand, buffer: Operand, **options: Unpack[_Options]
    ) -> None: ...


def scatter_pages(
    k_data: Operand | None = None,
    v_data: Operand | None = None,
    destination: Operand | None = None,
    buffer: Operand | None = None,
    *,
    stream: Stream,
    guarded: bool = False,
    error_record: ErrorRecord | None = None,
    kv_data: Operand | None = None,
) -> None:
    """Copy whole pages out of a buffer that ``gather_pages`` filled.

    Row ``i`` of the buffer goes, bit for bit, to page ``destination[i]``. A row whose id is negative is
    skipped, and one whose id is corrupt is treated as ``copy_pages`` treats it, as are two rows that go to
    one page.

    Parameters
    ----------
    k_data, v_data
        As for ``copy_pages``, written in place.
    destination
        ``[n]`` page ids, int32 or int64, contiguous.
    buffer
        ``[n or more, ...]``, contiguous, as for ``gather_pages``, and only read.
    stream
        As for ``copy_pages``.
    guarded
        On the host: skip what is corrupt, instead of refusing.
    error_record
        As for ``copy_pages``.
    kv_data
        ``[num_total_pages, 2, ...]``: both caches in one operand, in place of k_data and v_data.

    Raises
    ------
    BaracudaError
        As for ``copy_pages``.
    """
    operands = (k_data, v_data, None, destination, buffer)
    copy("scatter_pages", abi.MOVEMENT_SCATTER, operands, kv_data, stream, guarded, error_record)
