"""A launch that was checked once and is repeated: the decode loop's path."""

from __future__ import annotations

import sys

from .._interop.streams import handle_or_host
from .._model.checks import in_words
from .._model.copying import no_copy
from .._model.enums import Addressing, BackendKind
from .._model.errors import invalid_problem
from .._native import abi
from .._native.accelerator import slot_offset
from .._native.by_name import BEYOND, NOT_GIVEN, given_of, standing_before
from .._native.library import NOT_JUDGED
from .._native.process_lock import ProcessLock
from .arguments import caches, check_same_parts
from .counts import (
    check_counts,
    check_described_counts,
    how_rebound,
    with_described_counts,
    with_open_counts,
)
from .operands import BIND_SYMBOL, RUN_SYMBOL, bind, bind_described, describe, on_stream, operands_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeVar

    from typing_extensions import TypedDict, Unpack

    from .._interop.protocols import Operand, Stream
    from .._native.library import Bound, Library, Operands
    from .addressing import OperandSet
    from .counts import OpenCounts
    from .error_record import ErrorRecord
    from .operands import Descriptions

    F = TypeVar("F", bound=Callable[..., None])

    class _Others(TypedDict, total=False):
        """What says where rows go but for a decode, both caches in one, and scales."""

        append_indptr: Operand | None
        batch_indices: Operand | None
        positions: Operand | None
        slot_mapping: Operand | None
        block_table: Operand | None
        seq_lens: Operand | None
        kv_data: Operand | None
        k_scale: Operand | None
        v_scale: Operand | None
        k_scales: Operand | None
        v_scales: Operand | None


_REBIND = "BoundLaunch.rebind"
_NOTHING_BEYOND = NOT_GIVEN[BEYOND]
_ARGUMENTS = (*abi.OPERANDS, "kv_data", BEYOND)
_ON = "BoundLaunch.on"


def _rebound_by_the_library(declared: F) -> F:
    """``declared``, the method, which is not called where the library can bind the operands."""

    def rebind(
        self: BoundLaunch,
        beyond: Any = None,
        key: Any = None,
        value: Any = None,
        k_data: Any = None,
        v_data: Any = None,
        indices: Any = None,
        indptr: Any = None,
        last_page_len: Any = None,
        append_indptr: Any = None,
        batch_indices: Any = None,
        positions: Any = None,
        slot_mapping: Any = None,
        block_table: Any = None,
        seq_lens: Any = None,
        k_scale: Any = None,
        v_scale: Any = None,
        k_scales: Any = None,
        v_scales: Any = None,
        kv_data: Any = None,
    ) -> None:
        rebind = self._rebind_objects  # by itself: CPython takes longer to look up a slot as a method
        how = self._how
        if beyond is _NOTHING_BEYOND and not rebind(
            self,
            how,
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
        ):
            return
        arguments = (
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
            beyond,
        )
        operands, named = given_of(_ARGUMENTS, arguments, ())
        declared(self, *operands, **named)

    return standing_before(declared, rebind)


class BoundLaunch:
    """Operands, stream and problem, checked and ready: call it to append. Made by ``PagedKvAppendPlan.bind``.

    A call costs little more than the launch itself: it passes one object to the library, which still refuses
    what would launch wrongly. It enqueues on the stream that was bound (or finishes, on the host), never
    synchronises, and may be captured into a CUDA graph.

    The launch keeps its operands alive. Any number of threads may call it at once, also while others rebind:
    each call uses the operands from before or from after. It holds addresses, and cannot be copied or pickled
    (``TypeError``).
    """

    __slots__ = (
        "_bound",
        "_error_record",
        "_how",
        "_library",
        "_open_counts",
        "_placed_by",
        "_rebind_objects",
        "_run",
    )

    _bound: Bound  # replaced whole, by rebind alone

    def __init__(
        self,
        library: Library,
        bound: Bound,
        error_record: ErrorRecord | None,
        placed_by: OperandSet,
        open_counts: OpenCounts,
    ) -> None:
        self._library = library
        self._placed_by = placed_by
        self._open_counts = open_counts
        has_value = len(bound[1]) > 1 and bound[1][1] is not None
        self._how = how_rebound(
            0 if open_counts.beside_none else _BOUND_AT, open_counts, placed_by, has_value
        )
        self._error_record = error_record  # only to keep it alive
        self._run = library.run
        self._rebind_objects = library.rebind_objects
        self._bound = bound

    def __call__(self) -> None:
        """Append once.

        Raises
        ------
        BaracudaError
            Nothing was launched or written then.
        """
        run = self._run  # by itself: CPython takes longer to look up a slot as a method
        # The call holds what it is given, whoever rebinds meanwhile.
        status = run(self._bound)
        if status:
            raise self._library.error(RUN_SYMBOL, status)

    @_rebound_by_the_library
    def rebind(
        self,
        *,
        key: Operand | None = None,
        value: Operand | None = None,
        k_data: Operand | None = None,
        v_data: Operand | None = None,
        indices: Operand | None = None,
        indptr: Operand | None = None,
        last_page_len: Operand | None = None,
        **others: Unpack[_Others],
    ) -> None:
        """Use other operands from the next call on: the next layer's cache, the next step's rows.

        They are checked as ``run`` checks them; those that are None stay, and are not looked at again: an
        operand whose memory was replaced in place (torch's ``resize_``, ``.data =``) has to be given. The
        operands that were replaced are let go: on a CUDA stream, keep them alive until the stream has passed
        the last launch that used them.

        Threads may rebind one launch at once: each rebinding is whole, and none is lost.

        Parameters
        ----------
        key, value, k_data, v_data, indices, indptr, last_page_len, append_indptr, batch_indices, positions,
        slot_mapping, block_table, seq_lens, kv_data, k_scale, v_scale, k_scales, v_scales
            As for ``PagedKvAppendArgs``. A value and v_data that were absent when the launch was bound stay
            absent. Where the plan leaves the number of requests or rows open, what changes it gives every
            operand that has it.

        Raises
        ------
        BaracudaError
            Whatever ``run`` would raise for the operands; all of them stay then.
        """
        given: Operands = (key, value, k_data, v_data, indices, indptr, last_page_len)
        self._rebind(_with_others(given, **others) if others else given)

    def _rebind(self, given: Operands) -> None:
        """The same, of any operands."""
        bind_objects = self._library.bind_objects
        descriptions = None  # of operands that bind_objects cannot judge
        while True:
            before = self._bound
            opened = self._open(before, given)
            if descriptions is None:
                status, bound = bind_objects(opened, *given)
                if status:
                    descriptions = self._describe(given, status)
                    continue
            else:
                bound = bind_described(self._library, BIND_SYMBOL, opened, descriptions)
            if self._open_counts:
                check_counts(_REBIND, before[0], bound[0], self._placed_by, given)
            if self._swap_held(before, bound):
                return

    def _describe(self, given: Operands, status: int) -> Descriptions:
        """What ``bind_objects`` did not bind, for the status that it gave, or the error that this means. The
        operands are asked once, whatever they do meanwhile."""
        op, kept = self._bound[:2]
        check_same_parts(_REBIND, kept, given)
        self._placed_by.check_given(_REBIND, given)
        if status != NOT_JUDGED and not self._open_counts:
            raise self._library.error(BIND_SYMBOL, status)
        described = describe(given)
        if self._open_counts:
            check_described_counts(_REBIND, op, self._open_counts, self._placed_by, given, described)
        return described

    def _swap_held(self, before: Bound, after: Bound) -> bool:
        with _swapping.held():
            # One statement: whoever traces may let other threads in between two.
            self._bound = after if (found := self._bound) is before else found
            return found is before

    def on(self, stream: Stream) -> BoundLaunch:
        """The same launch on another stream of the kind and the device that this one is for; this one stays
        as it is, and goes on being rebound by itself.

        A launch runs on the stream that it was bound to, whatever is captured: one that was bound to another
        stream and is called while this one is captured runs at once and *outside the graph*, whose replays
        then lack it. Take ``launch.on(captured_stream)`` into the capture, or bind to that stream before; it
        may be made while the capture is under way, which sees the launches alone.

        Parameters
        ----------
        stream
            As for ``PagedKvAppendPlan.bind``.

        Returns
        -------
        BoundLaunch
            Another launch of the same operands, on ``stream``.

        Raises
        ------
        BaracudaError
            Whatever ``PagedKvAppendPlan.bind`` would raise for the stream.
        """
        op, kept = self._bound[:2]
        on_host = abi.Append.from_buffer_copy(op).backend == BackendKind.HOST
        if on_host != (stream is None):
            kind, wanted = ("the host", "None") if on_host else ("CUDA", "a CUDA stream, such as 0")
            raise invalid_problem(
                _ON, f"stream is {in_words(stream)} and the launch is for {kind}; it should be {wanted}"
            )
        handle = handle_or_host(_ON, stream)
        bound = bind(self._library, BIND_SYMBOL, on_stream(op, handle), operands_of(kept))
        return BoundLaunch(self._library, bound, self._error_record, self._placed_by, self._open_counts)

    def _open(self, bound: Bound, given: Operands) -> Bound:
        """``bound`` with those counts open that what is given says."""
        opened = self._open_counts
        if not opened:
            return bound
        if opened.beside_none:
            return with_described_counts(bound[0], opened, self._placed_by, describe(given)), bound[1]
        return with_open_counts(bound[0], opened, self._placed_by, given), bound[1]

    def __reduce__(self) -> NoReturn:
        raise no_copy(self, "it holds its operands' addresses", "make another by PagedKvAppendPlan.bind")

    def __repr__(self) -> str:
        op = abi.Append.from_buffer_copy(self._bound[0])
        rows = "" if op.addressing == Addressing.LAST_PAGE else f"num_rows={op.num_rows} "
        return (
            f"<BoundLaunch {self._placed_by.addressing.name} batch_size={op.batch_size} {rows}"
            f"backend={op.backend} stream={op.stream or 0:#x}>"
        )


def _with_others(
    given: Operands,
    /,
    *,
    append_indptr: Operand | None = None,
    batch_indices: Operand | None = None,
    positions: Operand | None = None,
    slot_mapping: Operand | None = None,
    block_table: Operand | None = None,
    seq_lens: Operand | None = None,
    kv_data: Operand | None = None,
    k_scale: Operand | None = None,
    v_scale: Operand | None = None,
    k_scales: Operand | None = None,
    v_scales: Operand | None = None,
) -> Operands:
    key, value, k_data, v_data, *table = given
    if kv_data is not None:
        k_data, v_data = caches(_REBIND, kv_data, k_data, v_data, kv_data)
    further = (append_indptr, batch_indices, positions, slot_mapping, block_table, seq_lens)
    scales = (k_scale, v_scale, k_scales, v_scales)
    return (key, value, k_data, v_data, *table, *further, *scales)


_with_others.__qualname__ = _REBIND  # what Python's own errors name


_swapping = ProcessLock()


# Where a launch has what is bound, for the library to replace it: one step to whoever holds the GIL, at a
# tenth of the lock's price. What _swap_held does behind the lock is one too, from CPython 3.11 on, which lets
# other threads in only at calls and at jumps back. 0, not known, where it is not: a build without the GIL
# ("t") lets threads in everywhere.
_IS_ONE_STEP = sys.version_info >= (3, 11) and "t" not in getattr(sys, "abiflags", "")
_BOUND_AT = (slot_offset(BoundLaunch, "_bound") or 0) if _IS_ONE_STEP else 0
