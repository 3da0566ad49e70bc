"""A launch that was checked once and is repeated: the decode loop's path."""

from __future__ import annotations

from ctypes import addressof

from . import _abi
from ._bind import rebind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._bind import Operands
    from ._library import Library


class BoundLaunch:
    """Operands, stream and problem, checked and ready: call it to append. Made by ``PagedKvAppendPlan.bind``.

    A call costs little more than the launch itself: it passes one pointer to the library, which still refuses
    what would launch wrongly. It enqueues on the stream that was bound (or finishes, on the host), never
    synchronises, and may be captured into a CUDA graph.

    The launch keeps its operands alive. Any number of threads may call it at once, also while another one
    rebinds: each call uses the operands from before or from after.
    """

    __slots__ = ("_append", "_library", "_run")

    _append: tuple[int, _abi.Append]

    def __init__(self, library: Library, op: _abi.Append, keep: Operands) -> None:
        op.keep = keep
        self._library = library
        self._run = library.run
        self._append = (addressof(op), op)

    def __call__(self) -> None:
        """Append once. Raises ``BaracudaError``; nothing was launched or written then."""
        # The local name keeps the struct alive while the call runs, whoever rebinds meanwhile.
        append = self._append
        status = self._run(append[0])
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
        operands = (key, value, k_data, v_data, indices, indptr, last_page_len)
        old = self._append[1]
        op = _abi.Append.from_buffer_copy(old)
        op.keep = rebind(self._library, addressof(op), operands, old.keep)
        self._append = (addressof(op), op)

    def __repr__(self) -> str:
        op = self._append[1]
        return f"<BoundLaunch batch_size={op.batch_size} backend={op.backend} stream={op.stream or 0:#x}>"
