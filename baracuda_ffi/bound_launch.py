"""A launch that was checked once and is repeated: the decode loop's path."""

from __future__ import annotations

from ctypes import addressof

from . import _abi
from ._bind import bind, bind_each
from ._exchange import shared_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._bind import Operands
    from ._library import Library
    from .error_record import ErrorRecord


class BoundLaunch:
    """Operands, stream and problem, checked and ready: call it to append. Made by ``PagedKvAppendPlan.bind``.

    A call costs little more than the launch itself: it passes one pointer to the library, which still refuses
    what would launch wrongly. It enqueues on the stream that was bound (or finishes, on the host), never
    synchronises, and may be captured into a CUDA graph.

    The launch keeps its operands alive. Any number of threads may call it at once, also while another one
    rebinds: each call uses the operands from before or from after.
    """

    __slots__ = ("_bound", "_error_record", "_library", "_run")

    # The append's address, the append, the operands and what keeps their memory: swapped as one, so that a
    # call on another thread sees all of the old or all of the new.
    _bound: tuple[int, _abi.Append, Operands, Operands]

    def __init__(
        self,
        library: Library,
        op: _abi.Append,
        operands: Operands,
        keep: Operands,
        error_record: ErrorRecord | None,
    ) -> None:
        self._library = library
        self._error_record = error_record  # only to keep it alive
        self._run = library.run
        self._bound = (addressof(op), op, operands, keep)

    def __call__(self) -> None:
        """Append once. Raises ``BaracudaError``; nothing was launched or written then."""
        # The local name keeps the append alive while the call runs, whoever rebinds meanwhile.
        bound = self._bound
        status = self._run(bound[0])
        if status:
            raise self._library.error("baracuda_paged_kv_append_run", status)

    def rebind(
        self,
        *,
        key: object = None,
        value: object = None,
        k_data: object = None,
        v_data: object = None,
        indices: object = None,
        indptr: object = None,
        last_page_len: object = None,
    ) -> None:
        """Use other operands from the next call on: the next layer's cache, the next step's rows.

        They are checked as ``run`` checks them; those that are None stay. If one is refused, all stay. The
        operands that were replaced are let go: on a CUDA stream, keep them alive until the stream has passed
        the last launch that used them.
        """
        _, old, was, kept = self._bound
        operands = (
            was[0] if key is None else key,
            was[1] if value is None else value,
            was[2] if k_data is None else k_data,
            was[3] if v_data is None else v_data,
            was[4] if indices is None else indices,
            was[5] if indptr is None else indptr,
            was[6] if last_page_len is None else last_page_len,
        )
        op = _abi.Append.from_buffer_copy(old)
        address = addressof(op)
        if shared_reader(operands):
            keep = bind(self._library, address, operands)
        else:
            # Describing an operand costs more than looking again at one that is the same.
            given = (key, value, k_data, v_data, indices, indptr, last_page_len)
            keep = bind_each(self._library, address, given, kept)
        self._bound = (address, op, operands, keep)

    def __repr__(self) -> str:
        op = self._bound[1]
        return f"<BoundLaunch batch_size={op.batch_size} backend={op.backend} stream={op.stream or 0:#x}>"
