"""A launch that was checked once and is repeated: the decode loop's path."""

from __future__ import annotations

from .._native import abi
from .operands import judged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._native.library import Library
    from .error_record import ErrorRecord
    from .operands import Bound


class BoundLaunch:
    """Operands, stream and problem, checked and ready: call it to append. Made by ``PagedKvAppendPlan.bind``.

    A call costs little more than the launch itself: it passes one object to the library, which still refuses
    what would launch wrongly. It enqueues on the stream that was bound (or finishes, on the host), never
    synchronises, and may be captured into a CUDA graph.

    The launch keeps its operands alive. Any number of threads may call it at once, also while another one
    rebinds: each call uses the operands from before or from after.
    """

    __slots__ = ("_bind_objects", "_bound", "_error_record", "_library", "_run")

    _bound: Bound  # swapped as one

    def __init__(self, library: Library, bound: Bound, error_record: ErrorRecord | None) -> None:
        self._library = library
        self._error_record = error_record  # only to keep it alive
        self._run = library.run
        self._bind_objects = library.bind_objects
        self._bound = bound

    def __call__(self) -> None:
        """Append once. Raises ``BaracudaError``; nothing was launched or written then."""
        run = self._run  # by itself: CPython takes longer to look up a slot as a method
        # The call holds what it is given, whoever rebinds meanwhile.
        status = run(self._bound)
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

        They are checked as ``run`` checks them; those that are None stay, and are not looked at again: an
        operand whose memory was replaced in place (torch's ``resize_``, ``.data =``) has to be given. If one
        is refused, all stay. The operands that were replaced are let go: on a CUDA stream, keep them alive
        until the stream has passed the last launch that used them.
        """
        bind_objects = self._bind_objects
        bound = self._bound
        result = bind_objects(bound, key, value, k_data, v_data, indices, indptr, last_page_len)
        if type(result) is tuple:
            self._bound = result
        else:
            given = (key, value, k_data, v_data, indices, indptr, last_page_len)
            self._bound = judged(self._library, bound, given, result)

    def __repr__(self) -> str:
        op = abi.Append.from_buffer_copy(self._bound[0])
        return f"<BoundLaunch batch_size={op.batch_size} backend={op.backend} stream={op.stream or 0:#x}>"
