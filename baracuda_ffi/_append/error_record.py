"""Where guarded appends record the first corrupt request that they meet."""

from __future__ import annotations

import ctypes
from ctypes import addressof

from .._interop.index_vector import IndexVector
from .._interop.streams import stream_handle
from .._model.copying import no_copy
from .._model.errors import INVALID_PROBLEM, CorruptPageTable, invalid_problem
from .._model.seen_values import Corruption, SeenValues
from .._native import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from typing_extensions import Self

    from .record_pool import PooledRecord

_ME = "ErrorRecord"
_BYTES = ctypes.sizeof(abi.ErrorRecord)
_WORDS = _BYTES // 8
_NONE = -1  # of a request or a page


class ErrorRecord:
    """A ``baracuda_error_record``: 64 bytes that a guarded append claims, once, for the first corrupt row
    that it meets, and that stay so until they are reset.

    A guarded plan makes one of its own. Give several plans one record (``PlanPreference(guarded=True,
    error_record=record)``) to ask once for all of them, or where plans are made by the thousand: see
    ``allocate``.

    A record is its memory: it cannot be copied or pickled, nor can what holds one (``TypeError``).

    Parameters
    ----------
    memory
        The caller's memory, which the record keeps alive: eight contiguous int64, zeroed by the caller, as
        anything that an operand may be. The backend must be able to write there: host, pinned or managed
        memory for the host backend; device, pinned or managed memory for CUDA, device memory on the device
        that the append runs on.

    Raises
    ------
    InvalidProblem, Unsupported
        Memory that is not so.
    """

    __slots__ = ("_address", "_cpu_can_reach", "_memory", "_pooled")

    _address: int
    _cpu_can_reach: bool
    _memory: object  # only to keep it alive
    _pooled: PooledRecord | None  # its place in pinned memory, where it is there

    def __init__(self, memory: object) -> None:
        if hasattr(self, "_memory"):  # a launch may be writing there
            raise AttributeError("an ErrorRecord keeps its memory; make another")
        vector = IndexVector(_ME, "error_record", memory, (64,))
        if vector.count != _WORDS:
            raise invalid_problem(_ME, f"error_record has {vector.count} entries; it should have {_WORDS}")
        self._address = vector.address
        self._cpu_can_reach = not vector.on_cuda
        self._memory = vector.keep
        self._pooled = None

    @classmethod
    def allocate(cls, stream: object) -> Self:
        """A record for appends on ``stream``'s device, or for the host backend.

        For the host it is ordinary memory. For CUDA it is 64 bytes of a slab of 64 KiB of pinned memory,
        which every context and device can write; slabs belong to the context of the stream (for a default
        stream, the current one) and stay until that is destroyed. A captured graph may write to a record when
        every plan that used it is gone. So a record that a plan has launched with is never used again, and 64
        bytes are lost with it; one that was never launched with is. A program that goes on selecting plans
        and running them should give them one record. May allocate, and synchronise as CUDA's allocation does;
        allowed while streams are captured.

        Parameters
        ----------
        stream
            A CUDA stream, as for ``PagedKvAppendPlan.select``, or None for the host backend.

        Returns
        -------
        ErrorRecord
            Zeroed.

        Raises
        ------
        InvalidProblem
            A stream that is none.
        CudaError
            No usable driver or device, or no memory.
        """
        record = object.__new__(cls)
        record._cpu_can_reach = True
        record._pooled = None
        if stream is None:
            record._memory = memory = abi.ErrorRecord()
            record._address = addressof(memory)
            return record
        from .record_pool import PooledRecord

        pooled = PooledRecord(_ME, stream_handle(_ME, stream))
        record._memory = record._pooled = pooled
        record._address = pooled.address
        return record

    def check(self, stream: object) -> None:
        """Wait for ``stream``, then raise ``CorruptPageTable`` if a corrupt request was recorded.

        What was recorded stays, and is raised again, until ``reset``.

        Parameters
        ----------
        stream
            The one that the appends were launched on (a default stream: with the context current that they
            ran in), or one that waits for it; None for appends on the host, which are finished.

        Raises
        ------
        CorruptPageTable
            A corrupt request was recorded.
        InvalidProblem
            A stream that is being captured into a graph; None where the CPU cannot read the record.
        CudaError
            What an earlier launch left behind.
        """
        self._check(f"{_ME}.check", stream)

    def reset(self, stream: object) -> None:
        """Clear the record, so that the next corrupt request claims it.

        Parameters
        ----------
        stream
            On a CUDA stream this is only enqueued, in order with the appends there, and may be captured into
            a graph, which then clears the record at every replay. None clears it at once: for appends on the
            host.

        Raises
        ------
        InvalidProblem
            None where the CPU cannot write the record, or a stream that is none.
        CudaError
            What the driver said.
        """
        self._reset(f"{_ME}.reset", stream)

    def __reduce__(self) -> NoReturn:
        raise no_copy(
            self, "launches write into its memory", "share it, or make another by ErrorRecord.allocate"
        )

    def __repr__(self) -> str:
        where = "host memory" if self._cpu_can_reach else "CUDA memory"
        return f"<ErrorRecord in {where} at {self._address:#x}>"

    @property
    def cpu_can_reach(self) -> bool:
        """Whether it is in memory that the CPU can read and write; False where it was described as CUDA
        memory."""
        return self._cpu_can_reach

    @property
    def address(self) -> int:
        """Where its 64 bytes are."""
        return self._address

    def will_be_launched(self) -> None:
        """Say that a launch gets the address, as plans do: from now on something may write there that
        outlives this object, so its memory is not used for another record. Call it before passing
        ``address`` to the C library yourself."""
        if self._pooled is not None:
            self._pooled.launched = True

    def _check_reachable(self, function: str, on_host: bool) -> None:
        """Raise ``InvalidProblem`` where the backend cannot write it."""
        if on_host and not self._cpu_can_reach:
            raise invalid_problem(
                function,
                "error_record is in CUDA memory and stream is None; the host backend needs memory that "
                "the CPU can reach (describe managed or pinned memory by a TensorView with device=None)",
            )

    def _check(self, function: str, stream: object) -> None:
        seen = self._read(function, stream)
        if seen.reason != 0:
            raise _corrupt(function, seen)

    def _read(self, function: str, stream: object) -> abi.ErrorRecord:
        if stream is None:
            self._need_cpu_access(function)
            return self._copy()
        from .._native.driver import StreamContext

        handle = stream_handle(function, stream)
        with StreamContext(function, handle, self._device_address()) as context:
            context.refuse_capture()
            context.synchronise()
            if self._cpu_can_reach:
                return self._copy()
            copy = abi.ErrorRecord()
            context.call("cuMemcpyDtoHAsync", addressof(copy), self._address, _BYTES, handle)
            context.synchronise()
        return copy

    def _reset(self, function: str, stream: object) -> None:
        if stream is None:
            self._need_cpu_access(function)
            ctypes.memset(self._address, 0, _BYTES)
            return
        from .._native.driver import StreamContext

        handle = stream_handle(function, stream)
        with StreamContext(function, handle, self._device_address()) as context:
            context.call("cuMemsetD32Async", self._address, 0, _BYTES // 4, handle)

    def _device_address(self) -> int:
        """Of a record that lies where its appends ran; one that the CPU can reach may be any device's."""
        return 0 if self._cpu_can_reach else self._address

    def _copy(self) -> abi.ErrorRecord:
        return abi.ErrorRecord.from_buffer_copy(abi.ErrorRecord.from_address(self._address))

    def _need_cpu_access(self, function: str) -> None:
        if not self._cpu_can_reach:
            raise invalid_problem(
                function,
                "stream is None and the record is in CUDA memory; it should be the stream of the appends",
            )


def _corrupt(function: str, record: abi.ErrorRecord) -> CorruptPageTable:
    reason = Corruption(record.reason)
    is_of_pages = reason in (Corruption.SOURCE, Corruption.DESTINATION)
    operand = (abi.COPY_OPERANDS if is_of_pages else abi.OPERANDS)[record.operand]
    seen, limit = record.seen, record.limit
    values = SeenValues(
        operand=operand,
        row=record.row,
        seen=seen,
        limit=limit,
        page=None if record.page == _NONE else record.page,
    )
    request = None if record.request == _NONE else record.request
    if is_of_pages:
        what = f"copy {record.row} was not made"
    else:
        what = f"row {record.row} was not served" if request is None else f"request {request} was not served"
    bound = f"at least {limit}" if seen < limit else f"below {limit}"
    says = f"it should be {bound} ({_WHY[reason]})"
    if operand == "seq_lens" and seen >= limit:
        too_long = f"it should be {bound}" if limit > 0 else "whatever it is"
        says = f"{too_long}: the request's pages have no room for the token, so list another page"
    return CorruptPageTable(
        INVALID_PROBLEM,
        function,
        f"{what}: its {operand} is {seen}; {says}",
        request=request,
        reason=reason,
        values=values,
    )


_WHY = {
    Corruption.INDPTR: "indptr increases from at least 0 to at most the entries of indices",
    Corruption.PAGE: "page ids are below num_total_pages",
    Corruption.LAST_PAGE_LEN: "the range of the length convention",
    Corruption.BATCH_INDEX: "batch indices are below the number of requests",
    Corruption.POSITION: "positions lie in the pages of their request",
    Corruption.SLOT: "slots lie in the cache",
    Corruption.APPEND_INDPTR: "append_indptr increases from 0 to at most the rows, no more than tokens",
    Corruption.SOURCE: "page ids are below num_total_pages",
    Corruption.DESTINATION: "page ids are below num_total_pages",
}
