"""The append as one call, with nothing to set up."""

from __future__ import annotations

from ctypes import sizeof

from .._interop.streams import stream_handle
from .._model.checks import choice, instance
from .._model.elements import element_kind
from .._model.enums import BackendKind, KvLayout, LengthConvention
from .._model.errors import invalid_problem, unsupported
from .._native import abi
from .._native.library import NOT_JUDGED, library
from .arguments import parts_of, whole_set
from .operands import RUN_SYMBOL, bind, on_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .._interop.protocols import Operand, Stream
    from .._model.elements import ElementLike
    from .._native.library import Library, Operands
    from .error_record import ErrorRecord

_ME = "append_paged_kv"
_BEFORE_APPEND = LengthConvention.BEFORE_APPEND


def append_paged_kv(
    key: Operand,
    value: Operand | None = None,
    k_data: Operand | None = None,
    v_data: Operand | None = None,
    indices: Operand | None = None,
    indptr: Operand | None = None,
    last_page_len: Operand | None = None,
    *,
    stream: Stream,
    layout: KvLayout | Literal["HND", "NHD"] = KvLayout.HND,
    length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
    guarded: bool = False,
    backend: BackendKind | Literal["FLASHINFER", "HOST", "BESPOKE"] | None = None,
    error_record: ErrorRecord | None = None,
    element: ElementLike | None = None,
    kv_data: Operand | None = None,
) -> None:
    """Append one K and one V row per request to a paged cache, the problem taken from the operands.

    On a CUDA stream this is our kernel, which judges each request where it runs, skips padding (requests
    without pages, or with a negative page id), and writes nothing for a request whose part of the page table
    is corrupt. On the host an append that is not guarded refuses a corrupt page table whole, before the first
    byte.

    With ``BEFORE_APPEND`` (the default) ``last_page_len[b]`` counts the tokens that are already in the last
    page and is incremented by the caller after the call; with ``AFTER_APPEND`` it counts the new token too.
    The page table is never written. For every request, the caller has allocated the page that the token goes
    to.

    Parameters
    ----------
    key, value
        ``[batch, num_kv_heads, head_dim]``, of any strides whose last is 1 (slices of a fused projection,
        say); the widths of the two may differ. Rows beyond the batch are not read. ``[batch, head_dim]``
        where the caches have no head dimension. value and v_data may both be None: key alone is written.
    k_data, v_data
        HND ``[num_total_pages, num_kv_heads, page_size, head_dim]``, NHD ``[num_total_pages, page_size,
        num_kv_heads, head_dim]``, or ``[num_total_pages, page_size, head_dim]``, of key's type and any
        strides whose last is 1; written in place. They may lie in one allocation, as long as no row of one
        shares a byte with one of the other.
    indices
        ``[total_used_pages]`` page ids, int32 or int64, contiguous, as are the following; each by itself.
    indptr
        ``[batch + 1]``; request ``b`` owns ``indices[indptr[b]:indptr[b+1]]``.
    last_page_len
        ``[batch]``; says how many requests there are.
    stream
        None for the host backend, over host memory. A CUDA stream, as ``PagedKvAppendPlan.select`` takes it:
        the append is only enqueued there. Order operands made on other streams before it, and keep the
        operands alive until the stream has passed it.
    layout
        ``KvLayout``, or its name. Means nothing for caches of rank 3.
    length_convention
        ``LengthConvention``, or its name; None for ``BEFORE_APPEND``.
    guarded
        On the host: skip what is corrupt and serve the others, as on CUDA, instead of refusing.
    backend
        ``BackendKind``, or its name; None for ours. ``FLASHINFER`` on a CUDA stream launches FlashInfer's
        kernel, which checks no page table and takes no strided rows.
    error_record
        Where a guarded append records the first corrupt request that it meets.
    element
        The caches' type, where they and key are held as uint8.
    kv_data
        ``[num_total_pages, 2, ...]``: both caches in one operand, in place of k_data and v_data.

    Raises
    ------
    BaracudaError
        As ``PagedKvAppendPlan.run``; nothing was launched or written then.

    Notes
    -----
    The first call on a device loads the kernel, which a graph capture does not allow: make one before
    capturing, or select a plan.
    """
    if type(layout) is not KvLayout:
        layout = choice(_ME, "layout", layout, KvLayout)
    if length_convention is None:
        length_convention = _BEFORE_APPEND
    elif type(length_convention) is not LengthConvention:
        length_convention = choice(_ME, "length_convention", length_convention, LengthConvention)
    if (
        key is None  # type: ignore[redundant-expr]
        or value is None
        or k_data is None
        or v_data is None
        or indices is None
        or indptr is None
        or last_page_len is None
        or kv_data is not None
        or guarded is not False
        or backend is not None
        or error_record is not None
        or element is not None
    ):
        operands: Operands = whole_set(
            _ME, key, value, k_data, v_data, indices, indptr, last_page_len, kv_data
        )
        op = _special(
            stream is None, layout, length_convention, value, guarded, backend, error_record, element
        )
    else:
        operands = (key, value, k_data, v_data, indices, indptr, last_page_len)
        op = _PLAIN[stream is None][layout][length_convention]
    opened = library()
    append = opened.append  # by itself: CPython takes longer to look up a slot as a method
    status = append(op, stream, operands)
    if status == NOT_JUDGED:
        status = _append_each(opened, op, stream, operands)
    if status:
        raise opened.error(RUN_SYMBOL, status)


def _append_each(opened: Library, op: bytes, stream: Stream, operands: Operands) -> int:
    """What ``Library.append`` cannot judge: operands or a stream of other kinds."""
    handle = 0 if stream is None else stream_handle(_ME, stream)
    # With its handle a stream may do where it did not by itself.
    as_it_is = stream is None or type(stream) is int
    status = NOT_JUDGED if as_it_is else opened.append(op, handle, operands)
    if status == NOT_JUDGED:
        status = opened.run(bind(opened, RUN_SYMBOL, on_stream(op, handle), operands))
    return status


def _special(
    on_host: bool,
    layout: KvLayout,
    convention: LengthConvention,
    value: object,
    guarded: bool,
    backend: object,
    error_record: ErrorRecord | None,
    element: ElementLike | None,
) -> bytes:
    """The problem of a call that asks for more than the plain one."""
    instance(_ME, "guarded", guarded, bool)
    chosen = _backend(on_host, guarded, backend)
    op = _unstated(chosen, guarded, layout, convention)
    op.parts = parts_of(value)
    if element is not None:
        op.element = element_kind(_ME, "element", element)
    if error_record is not None:
        from .error_record import ErrorRecord

        record = instance(_ME, "error_record", error_record, ErrorRecord)
        if not op.flags & abi.FLAG_GUARDED:
            raise invalid_problem(
                _ME,
                "error_record is given and the append is not guarded; pass guarded=True with it",
            )
        record.check_reachable(_ME, on_host)
        record.will_be_launched()
        op.error_record = record.address
    return bytes(op)


def _backend(on_host: bool, guarded: bool, given: object) -> BackendKind:
    ours = BackendKind.HOST if on_host else BackendKind.BESPOKE
    if given is None:
        return ours
    wanted = choice(_ME, "backend", given, BackendKind)
    if on_host != (wanted is BackendKind.HOST):
        stream = "None" if on_host else "a CUDA stream"
        raise invalid_problem(
            _ME,
            f"backend is {wanted.name} and stream is {stream}; with it the backend should be {ours.name}"
            + ("" if on_host else " or FLASHINFER"),
        )
    if guarded and wanted is BackendKind.FLASHINFER:
        raise unsupported(_ME, "backend is FLASHINFER and guarded is True; its kernel does not, BESPOKE does")
    return wanted


def _unstated(
    backend: BackendKind, guarded: bool, layout: KvLayout, length_convention: LengthConvention
) -> abi.Append:
    """An append that states no extent and no element: the library takes them from the operands."""
    judged = guarded or backend is BackendKind.BESPOKE
    return abi.Append(
        struct_size=sizeof(abi.Append),
        flags=abi.FLAG_STRIDED | abi.FLAG_INFER | (abi.FLAG_GUARDED if judged else 0),
        backend=backend,
        layout=layout,
        length_convention=length_convention,
    )


# By whether the stream is None, layout and convention, which are all 0 and 1.
_PLAIN = tuple(
    [
        tuple(
            [
                tuple(
                    [bytes(_unstated(backend, False, layout, convention)) for convention in LengthConvention]
                )
                for layout in KvLayout
            ]
        )
        for backend in (BackendKind.BESPOKE, BackendKind.HOST)
    ]
)
