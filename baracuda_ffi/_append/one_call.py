"""The append as one call, with nothing to set up."""

from __future__ import annotations

from types import NoneType

from .._interop.streams import handle_or_host
from .._model.enums import BackendKind, ElementKind, KvLayout, LengthConvention, Transform
from .._model.errors import BaracudaError
from .._native import abi
from .._native import library as native_library
from .._native.by_name import ARGUMENTS, BEYOND, NOT_GIVEN, OPTIONS, given_of, known_by, standing_before
from .._native.library import NOT_JUDGED, NOT_KNOWN
from .operands import RUN_SYMBOL, append_any
from .problem import CALL, form_of_call, given_by, op_of, statement, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeVar, overload

    from typing_extensions import Required, TypedDict, Unpack

    from .._interop.protocols import Operand, Stream
    from .._model.elements import ElementLike
    from .._native.library import Calls, Operands
    from .error_record import ErrorRecord

    F = TypeVar("F", bound=Callable[..., None])

    class _Options(TypedDict, total=False):
        """What goes with every set of operands."""

        stream: Required[Stream]
        layout: KvLayout | Literal["HND", "NHD"]
        length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None
        guarded: bool
        backend: BackendKind | Literal["FLASHINFER", "HOST", "BESPOKE"] | None
        error_record: ErrorRecord | None
        transform: Transform | Literal["COPY", "FP8", "PER_TOKEN_HEAD", "FP8_DS_MLA", "NVFP4"] | None
        element: ElementLike | None
        k_scale: Operand | None
        v_scale: Operand | None
        k_scales: Operand | None
        v_scales: Operand | None


# The calls that the library knows, the latest first. The tuple is never changed, but replaced: a thread that
# loses another's call gets to know it again.
known: Calls = ()
_MOST_KNOWN = 32
# That say the same: by an enumerator, its name, or names that are made anew each time and not known again.
_MOST_ALIKE = 4

BY_POSITION = abi.OPERANDS[:7]

# What options are known by. It is the objects that are compared: enumerators, and what stands in a caller's
# source, are the same each time.
_SAME_EACH_TIME = (bool, int, str, NoneType, KvLayout, LengthConvention, BackendKind, Transform, ElementKind)
_WRITTEN_IN_PYTHON = 1 << 9  # Py_TPFLAGS_HEAPTYPE of a type, which classes of C have too that ask for it


def _says_the_same_each_time(name: str, value: object) -> bool:
    """Whether an option does. Of an element, names and dtypes do: those of NumPy, ml_dtypes and torch, and
    scalar types."""
    if type(value) in _SAME_EACH_TIME:
        return True
    return name == "element" and (isinstance(value, type) or not type(value).__flags__ & _WRITTEN_IN_PYTHON)


def _get_to_know(named: dict[str, Any]) -> None:
    """Have the library know calls like this one, which was right."""
    global known
    given = {name: value for name, value in named.items() if name != "stream"}
    on_host = named["stream"] is None
    options = [name for name in OPTIONS if name in given]
    for name in options:
        if not _says_the_same_each_time(name, given[name]):
            return
    op, operands = statement(on_host=on_host, **given)
    said = [given.get(name, NOT_GIVEN[name]) for name in (*OPTIONS, BEYOND)]
    call = op, known_by(given_by(operands), on_host, said), options, *said
    others: list[tuple[object, ...]] = []
    alike = 1
    for other in known:
        is_alike = (other[0], other[2]) == (call[0], call[2])
        alike += is_alike
        if not is_alike or alike <= _MOST_ALIKE:
            others.append(other)
    known = (call, *others[: _MOST_KNOWN - 1])


def _handle_of(stream: Stream) -> int | None:
    """That of a stream that is an object; None where it is none. A wrong one is refused when its turn
    comes."""
    if stream is None or type(stream) is int:
        return None
    try:
        return handle_or_host(CALL, stream)
    except BaracudaError:
        return None


def _append_otherwise(declared: Callable[..., None], status: int, arguments: tuple[Any, ...]) -> None:
    """What a call does that the library has not made, which gave the status."""
    stream, *others = arguments
    if status == NOT_JUDGED and (handle := _handle_of(stream)) is not None:
        status = native_library.library().append_known(known, handle, *others)
        if not status:
            return
    if status > 0:
        raise native_library.library().error(RUN_SYMBOL, status)
    operands, named = given_of(ARGUMENTS, arguments, BY_POSITION)
    declared(*operands, **named)
    if status == NOT_KNOWN:
        _get_to_know(named)


def _known_by_name(declared: F) -> F:
    """``declared``, which is not called where the library knows a call with the same operands and options."""

    def append_paged_kv(
        key: Any = None,
        value: Any = None,
        k_data: Any = None,
        v_data: Any = None,
        indices: Any = None,
        indptr: Any = None,
        last_page_len: Any = None,
        beyond: Any = None,
        stream: Any = None,
        append_indptr: Any = None,
        seq_lens: Any = None,
        slot_mapping: Any = None,
        block_table: Any = None,
        batch_indices: Any = None,
        positions: Any = None,
        length_convention: Any = None,
        layout: Any = None,
        guarded: Any = None,
        k_scale: Any = None,
        v_scale: Any = None,
        k_scales: Any = None,
        v_scales: Any = None,
        kv_data: Any = None,
        skip_slot: Any = None,
        transform: Any = None,
        element: Any = None,
        error_record: Any = None,
        backend: Any = None,
    ) -> None:
        status = NOT_KNOWN
        opened = native_library.loaded
        if opened is not None:
            append = opened.append_known  # by itself: CPython takes longer to look up a slot as a method
            status = append(
                known,
                stream,
                key,
                value,
                k_data,
                v_data,
                indices,
                indptr,
                last_page_len,
                append_indptr,
                batch_indices,
                positions,
                slot_mapping,
                block_table,
                seq_lens,
                k_scale,
                v_scale,
                k_scales,
                v_scales,
                kv_data,
                layout,
                length_convention,
                guarded,
                backend,
                transform,
                element,
                skip_slot,
                error_record,
                beyond,
            )
            if not status:
                return
        arguments = (
            stream,
            key,
            value,
            k_data,
            v_data,
            indices,
            indptr,
            last_page_len,
            append_indptr,
            batch_indices,
            positions,
            slot_mapping,
            block_table,
            seq_lens,
            k_scale,
            v_scale,
            k_scales,
            v_scales,
            kv_data,
            layout,
            length_convention,
            guarded,
            backend,
            transform,
            element,
            skip_slot,
            error_record,
            beyond,
        )
        _append_otherwise(declared, status, arguments)

    return standing_before(declared, append_paged_kv)


if TYPE_CHECKING:
    # A set of operands each, with two caches and with both in one.

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand | None,
        k_data: Operand,
        v_data: Operand | None,
        indices: Operand,
        indptr: Operand,
        last_page_len: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand,
        *,
        kv_data: Operand,
        indices: Operand,
        indptr: Operand,
        last_page_len: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand | None,
        k_data: Operand,
        v_data: Operand | None,
        indices: Operand,
        indptr: Operand,
        *,
        seq_lens: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand,
        *,
        kv_data: Operand,
        indices: Operand,
        indptr: Operand,
        seq_lens: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand | None,
        k_data: Operand,
        v_data: Operand | None,
        *,
        block_table: Operand,
        seq_lens: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand,
        *,
        kv_data: Operand,
        block_table: Operand,
        seq_lens: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand | None,
        k_data: Operand,
        v_data: Operand | None,
        indices: Operand,
        indptr: Operand,
        last_page_len: Operand,
        *,
        append_indptr: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand,
        *,
        kv_data: Operand,
        indices: Operand,
        indptr: Operand,
        last_page_len: Operand,
        append_indptr: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand | None,
        k_data: Operand,
        v_data: Operand | None,
        indices: Operand,
        indptr: Operand,
        *,
        seq_lens: Operand,
        append_indptr: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand,
        *,
        kv_data: Operand,
        indices: Operand,
        indptr: Operand,
        seq_lens: Operand,
        append_indptr: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand | None,
        k_data: Operand,
        v_data: Operand | None,
        *,
        block_table: Operand,
        seq_lens: Operand,
        append_indptr: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand,
        *,
        kv_data: Operand,
        block_table: Operand,
        seq_lens: Operand,
        append_indptr: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand | None,
        k_data: Operand,
        v_data: Operand | None,
        indices: Operand,
        indptr: Operand,
        *,
        batch_indices: Operand,
        positions: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand,
        *,
        kv_data: Operand,
        indices: Operand,
        indptr: Operand,
        batch_indices: Operand,
        positions: Operand,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand | None,
        k_data: Operand,
        v_data: Operand | None,
        *,
        slot_mapping: Operand,
        skip_slot: int | None = ...,
        **options: Unpack[_Options],
    ) -> None: ...

    @overload
    def append_paged_kv(
        key: Operand,
        value: Operand,
        *,
        kv_data: Operand,
        slot_mapping: Operand,
        skip_slot: int | None = ...,
        **options: Unpack[_Options],
    ) -> None: ...


@_known_by_name
def append_paged_kv(
    key: Operand,
    value: Operand | None = None,
    k_data: Operand | None = None,
    v_data: Operand | None = None,
    indices: Operand | None = None,
    indptr: Operand | None = None,
    last_page_len: Operand | None = None,
    *,
    append_indptr: Operand | None = None,
    batch_indices: Operand | None = None,
    positions: Operand | None = None,
    slot_mapping: Operand | None = None,
    block_table: Operand | None = None,
    seq_lens: Operand | None = None,
    stream: Stream,
    layout: KvLayout | Literal["HND", "NHD"] = KvLayout.HND,
    length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
    guarded: bool = False,
    **options: Any,
) -> None:
    """Write rows of key and value to their places in a paged cache, the problem taken from the operands.

    Which operands are given says where row ``i`` goes:

    - indices, indptr, last_page_len: to the end of request ``i``'s last page (decode);
    - indices, indptr, seq_lens, or block_table, seq_lens: to the end of request ``i``, by its tokens in all.
      This is the safe way to say it: a page that was never allocated is found, and one that was allocated
      early is left alone;
    - any of these and append_indptr: request ``b`` has rows ``append_indptr[b]`` to
      ``append_indptr[b + 1] - 1``, its newest tokens in order (prefill);
    - indices, indptr, batch_indices, positions: to token ``positions[i]`` of request ``batch_indices[i]``;
    - slot_mapping: to slot ``slot_mapping[i] % page_size`` of page ``slot_mapping[i] // page_size``.

    On a CUDA stream this is our kernel, which judges each row where it runs, skips padding, and writes
    nothing for a row whose place is said wrongly. On the host an append that is not guarded skips padding
    too, and refuses what is corrupt whole, before the first byte. Padding is a negative page id, slot or
    batch index, a request without pages (with seq_lens: of length 0, AFTER_APPEND), rows behind
    append_indptr.

    With ``BEFORE_APPEND`` (the default) ``last_page_len[b]`` and ``seq_lens[b]`` count the tokens that are
    already there and are moved up by the caller after the call; with ``AFTER_APPEND`` they count the new ones
    too. The page table is never written. For every row, the caller has allocated the page that it goes to.

    Any number of threads may append at once, to one cache too: what two rows write to one slot is undefined.

    Parameters
    ----------
    key, value
        ``[rows, num_kv_heads, head_dim]``, of one ``ElementKind`` and any strides whose last is 1 (slices of
        a fused projection, say); the widths of the two may differ. Rows beyond those that are placed are not
        read. ``[rows, head_dim]`` where the caches have no head dimension. value and v_data may both be None:
        key alone is written.
    k_data, v_data
        HND ``[num_total_pages, num_kv_heads, page_size, head_dim]``, NHD ``[num_total_pages, page_size,
        num_kv_heads, head_dim]``, or ``[num_total_pages, page_size, head_dim]``, of key's type and any
        strides whose last is 1; written in place. They may lie in one allocation, as long as no row of one
        shares a byte with one of the other. With a transform they are of its type: NVFP4's are uint8, of half
        of head_dim; FP8_DS_MLA's is k_data alone, uint8 of 656 for head_dim.
    indices
        ``[total_used_pages]`` page ids, int32 or int64, contiguous, as are the following; each by itself.
    indptr
        ``[batch + 1]``; request ``b`` owns ``indices[indptr[b]:indptr[b+1]]``.
    last_page_len
        ``[batch]``, tokens in each request's last page.
    append_indptr
        ``[batch + 1]``, from 0. The table and last_page_len count the new rows (AFTER_APPEND); seq_lens
        either way, which has to be stated.
    batch_indices, positions
        ``[rows]``.
    slot_mapping
        ``[rows]``.
    block_table
        ``[batch or more, max_pages]`` page ids, rows of any stride.
    seq_lens
        ``[batch]``, tokens of each request in all.
    stream
        None for the host backend, over host memory. A CUDA stream, as ``PagedKvAppendPlan.select`` takes it:
        the append is only enqueued there. Order operands made on other streams before it, and keep the
        operands alive until the stream has passed it.
    layout
        ``KvLayout``, or its name. Means nothing for caches of rank 3.
    length_convention
        ``LengthConvention``, or its name; None for ``BEFORE_APPEND``, for append_indptr with last_page_len
        ``AFTER_APPEND``.
    guarded
        On the host: skip what is corrupt and serve the others, as on CUDA, instead of refusing.
    backend
        ``BackendKind``, or its name; None for ours. ``FLASHINFER`` on a CUDA stream launches FlashInfer's
        kernel for a decode by last_page_len, which takes packed rows, or for batch_indices and positions. It
        checks none of their values, knows no padding, and takes int32 operands.
    error_record
        Where a guarded append records the first corrupt row that it meets.
    transform
        ``Transform``, or its name: what is written. None for what the scales mean: ``FP8`` for k_scale,
        ``PER_TOKEN_HEAD`` for k_scales, ``COPY`` without. FP8_DS_MLA (key is ckv, value is kpe) and NVFP4
        have to be stated.
    element
        The caches' type, where they are held as uint8 and nothing else says it.
    k_scale, v_scale
        FP8 and NVFP4: float32 ``[1]`` or ``[num_kv_heads]``, in memory that the backend reads at each append,
        so that a CUDA graph sees what is there at each replay. FP8 writes ``key / k_scale``. A number is
        refused.
    k_scales, v_scales
        Written in place. PER_TOKEN_HEAD: float32 ``[num_total_pages, page_size, num_kv_heads]``, of any
        strides. NVFP4: float8_e4m3fn or uint8, in the dimensions of the caches but for the last, which is
        ``head_dim / 16`` and contiguous.
    kv_data
        ``[num_total_pages, 2, ...]``: both caches in one operand, in place of k_data and v_data.
    skip_slot
        A slot that is padding too (SGLang's 0), with slot_mapping.

    Raises
    ------
    BaracudaError
        As ``PagedKvAppendPlan.run``; nothing was launched or written then.

    Notes
    -----
    The first call on a device loads the kernel, which a graph capture does not allow: make one before
    capturing, or select a plan.
    """
    form = form_of_call(stream is None, layout, length_convention, guarded)
    given: Operands = (key, value, k_data, v_data, indices, indptr, last_page_len, append_indptr)
    given += (batch_indices, positions, slot_mapping, block_table, seq_lens)
    said, operands = told(form, guarded, given, **options)
    op = op_of(said, operands)
    append_any(native_library.library(), op, stream, handle_or_host(CALL, stream), operands)
