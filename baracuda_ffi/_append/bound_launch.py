"""A launch that was checked once and is repeated: the decode loop's path."""

from __future__ import annotations

import sys

from .._model.copying import no_copy
from .._native import abi
from .._native.library import NOT_JUDGED
from .._native.process_lock import ProcessLock
from .arguments import caches, check_same_parts
from .operands import BIND_SYMBOL, RUN_SYMBOL, bind_described, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .._interop.protocols import Operand
    from .._native.library import Bound, Library, Operands
    from .error_record import ErrorRecord

_REBIND = "BoundLaunch.rebind"


class BoundLaunch:
    """Operands, stream and problem, checked and ready: call it to append. Made by ``PagedKvAppendPlan.bind``.

    A call costs little more than the launch itself: it passes one object to the library, which still refuses
    what would launch wrongly. It enqueues on the stream that was bound (or finishes, on the host), never
    synchronises, and may be captured into a CUDA graph.

    The launch keeps its operands alive. Any number of threads may call it at once, also while others rebind:
    each call uses the operands from before or from after. It holds addresses, and cannot be copied or pickled
    (``TypeError``).
    """

    __slots__ = ("_bind_objects", "_bound", "_error_record", "_library", "_run")

    _bound: Bound  # replaced whole, by _swap alone

    def __init__(self, library: Library, bound: Bound, error_record: ErrorRecord | None) -> None:
        self._library = library
        self._error_record = error_record  # only to keep it alive
        self._run = library.run
        self._bind_objects = library.bind_objects
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
        kv_data: Operand | None = None,
    ) -> None:
        """Use other operands from the next call on: the next layer's cache, the next step's rows.

        They are checked as ``run`` checks them; those that are None stay, and are not looked at again: an
        operand whose memory was replaced in place (torch's ``resize_``, ``.data =``) has to be given. The
        operands that were replaced are let go: on a CUDA stream, keep them alive until the stream has passed
        the last launch that used them.

        Threads may rebind one launch at once: each rebinding is whole, and none is lost.

        Parameters
        ----------
        key, value, k_data, v_data, indices, indptr, last_page_len, kv_data
            As for ``PagedKvAppendArgs``. A value and v_data that were absent when the launch was bound stay
            absent.

        Raises
        ------
        BaracudaError
            Whatever ``run`` would raise for the operands; all of them stay then.
        """
        if kv_data is not None:
            k_data, v_data = caches(_REBIND, kv_data, k_data, v_data, kv_data)  # type: ignore[assignment]
        given = (key, value, k_data, v_data, indices, indptr, last_page_len)
        bind_objects = self._bind_objects
        while True:
            before = self._bound
            status, bound = bind_objects(before, given)
            if status:
                break
            if _swap(self, before, bound):
                return
        self._rebind_each(given, status)

    def _rebind_each(self, given: Operands, status: int) -> None:
        """What ``bind_objects`` did not bind. The operands are asked once, whatever they do meanwhile."""
        check_same_parts(_REBIND, self._bound[1], given)
        if status != NOT_JUDGED:
            raise self._library.error(BIND_SYMBOL, status)
        described = describe(given)
        while True:
            before = self._bound
            bound = bind_described(self._library, BIND_SYMBOL, before, described)
            if _swap(self, before, bound):
                return

    def __reduce__(self) -> NoReturn:
        raise no_copy(self, "it holds its operands' addresses", "make another by PagedKvAppendPlan.bind")

    def __repr__(self) -> str:
        op = abi.Append.from_buffer_copy(self._bound[0])
        return f"<BoundLaunch batch_size={op.batch_size} backend={op.backend} stream={op.stream or 0:#x}>"


_swapping = ProcessLock()


def _swap_held(launch: BoundLaunch, before: Bound, after: Bound) -> bool:
    """Replace what is bound, if it is still ``before``; whether it was. The caller holds both, so that
    nothing is let go of here."""
    with _swapping.held():
        if launch._bound is not before:
            return False
        launch._bound = after
        return True


def _swap_in_one_go(launch: BoundLaunch, before: Bound, after: Bound) -> bool:
    """The same where a line without calls is not interrupted, at a tenth of the lock's price. Whoever has
    replaced ``after`` already makes this False, and the caller does it again, which is as good."""
    launch._bound = after if launch._bound is before else launch._bound
    return launch._bound is after


# From 3.11 on CPython lets other threads, signal handlers and finalisers in only at calls and at jumps back.
# A build without the GIL ("t") lets threads in everywhere.
_UNINTERRUPTED = (
    sys.implementation.name == "cpython"
    and sys.version_info >= (3, 11)
    and "t" not in getattr(sys, "abiflags", "")
)
_swap = _swap_in_one_go if _UNINTERRUPTED else _swap_held
