"""The plan: an append selected once for a problem and a backend, and run any number of times."""

from __future__ import annotations

from ctypes import addressof, c_int32

from .._interop.streams import handle_or_host
from .._model.checks import in_words, instance
from .._model.descriptors import PagedKvAppendDescriptor
from .._model.errors import (
    WORKSPACE_TOO_SMALL,
    BaracudaError,
    InvalidProblem,
    WorkspaceTooSmall,
    invalid_problem,
    unsupported,
)
from .._model.workspace import Workspace
from .._native import abi
from .._native.library import NOT_JUDGED, judge_nothing, library
from .addressing import NUM_FORMS, form_of, kind_of_form, set_for
from .arguments import PagedKvAppendArgs
from .counts import OpenCounts, with_described_counts
from .operands import BIND_SYMBOL, CAN_IMPLEMENT_SYMBOL, RUN_SYMBOL, append_any, bind, describe, on_stream
from .preference import PlanPreference
from .problem import SELECT, backend_of_plan, check_preference, check_problem, check_source, stated_append
from .scales import check_kind, kind_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .._interop.protocols import Stream
    from .._model.enums import BackendKind
    from .._model.sku import KernelSku, PrecisionGuarantee
    from .._native.library import Library, Operands
    from .addressing import OperandSet
    from .bound_launch import BoundLaunch
    from .error_record import ErrorRecord
    from .record_pool import PooledRecord

_RUN = "PagedKvAppendPlan.run"
_BIND = "PagedKvAppendPlan.bind"
_CAN_IMPLEMENT = "PagedKvAppendPlan.can_implement"
_NO_WORKSPACE = Workspace.NONE


class PagedKvAppendPlan:
    """Appends one K and one V row per request to a paged cache. Mirrors baracuda-kernels'
    ``PagedKvAppendPlan``.

    Made by ``select``. A plan holds no array and no stream, never changes, and any number of threads may use
    one at once. A copy is the plan itself, a deep copy too unless it has an ``ErrorRecord``; it cannot be
    pickled (``TypeError``).
    """

    __slots__ = (
        "_append",
        "_arch",
        "_backend",
        "_desc",
        "_error_record",
        "_library",
        "_on_host",
        "_open_counts",
        "_ops",
        "_placed_by",
        "_pooled",
    )

    _desc: PagedKvAppendDescriptor
    _backend: BackendKind
    _arch: int  # of the code that runs: compute capability n / 10, or 0 for the host's
    _library: Library
    _append: Callable[[bytes, object, Operands], int]  # the library's
    _ops: tuple[bytes | None, ...]  # the problem, as a baracuda_paged_kv_append, by the form of the operands
    _placed_by: OperandSet
    _open_counts: OpenCounts  # whether the operands say how many requests or rows there are
    _on_host: bool
    _error_record: ErrorRecord | None
    _pooled: PooledRecord | None  # the record's

    def __init__(self) -> None:
        raise TypeError("PagedKvAppendPlan has no constructor; use PagedKvAppendPlan.select")

    @classmethod
    def select(
        cls, stream: Stream, desc: PagedKvAppendDescriptor, pref: PlanPreference | None = None
    ) -> PagedKvAppendPlan:
        """Pick a backend for ``stream`` and check the problem.

        A plan for decodes by indices, indptr and last_page_len that is not guarded is held to
        baracuda-kernels' checks: contiguous operands of exactly the stated shapes, 16-byte aligned, a batch
        of 1 or more, one head_dim of 64, 128 or 256, int32 page tables. On CUDA it is FlashInfer's kernel;
        the host backend refuses any request that it cannot serve. A guarded plan takes real tensors, and
        judges each request where it runs: on CUDA it is our kernel, as it is for every other way to say where
        rows go. Rows by batch_indices and positions go through FlashInfer's ``AppendPagedKVCache`` instead
        where ``prefer_backend`` is ``FLASHINFER``: it checks none of them, knows no padding, and takes int32
        operands, rows by strides, caches of like strides, and FlashInfer's limits.

        On CUDA this loads the kernel into the stream's context, so that a graph capture need not: it may
        allocate device memory for code and synchronise.

        Parameters
        ----------
        stream
            None selects the host backend, over host memory. A CUDA stream is an int handle (0 for the default
            stream), ``cuda.bindings``' ``CUstream`` or ``cudaStream_t``, an object with ``__cuda_stream__``,
            or a stream of torch, CuPy or Numba.
        desc : PagedKvAppendDescriptor
            The problem.
        pref : PlanPreference, optional
            With ``guarded=True`` the plan has an ``ErrorRecord``: the preference's, or one of its own, as
            ``ErrorRecord.allocate`` makes it.

        Returns
        -------
        PagedKvAppendPlan
            For streams of that kind.

        Raises
        ------
        InvalidProblem
            Extents that are not positive, a preferred backend that is not of the stream's kind, or an error
            record that the host backend cannot write.
        Unsupported
            A ``head_dim`` that the plan does not take, a problem beyond FlashInfer's limits, a preferred
            backend that ``guarded`` contradicts, or a CUDA stream where the library was built without CUDA.
        CudaError
            No usable driver or device.
        LibraryNotLoaded
            The native library was not found, or could not be opened.
        """
        instance(SELECT, "desc", desc, PagedKvAppendDescriptor)
        pref = PlanPreference() if pref is None else instance(SELECT, "pref", pref, PlanPreference)
        placed_by = set_for(SELECT, desc.addressing, desc.table, desc.lengths)
        on_host = stream is None
        check_source(desc)
        backend = backend_of_plan(on_host, placed_by, desc.transform, pref)
        handle = handle_or_host(SELECT, stream)
        opened = library()
        op = stated_append(desc, placed_by, backend, pref.guarded, handle)
        open_counts = OpenCounts(desc)
        if open_counts and not open_counts.beside_none:
            op.flags |= abi.FLAG_INFER
        some_call = abi.Append.from_buffer_copy(op)
        if desc.batch_size is None:
            some_call.batch_size = 1  # any number that a call may bring
        check_problem(opened, some_call, desc)
        check_preference(pref, backend, placed_by, desc.transform)
        arch = c_int32(0)
        status = opened.preload(addressof(some_call), addressof(arch))
        if status:
            raise opened.error("baracuda_paged_kv_append_preload", status)

        plan = object.__new__(cls)
        plan._desc = desc
        plan._backend = backend
        plan._arch = arch.value
        plan._library = opened
        plan._append = judge_nothing if open_counts.beside_none else opened.append
        plan._placed_by = placed_by
        plan._open_counts = open_counts
        plan._error_record = plan._pooled = None
        if pref.guarded:
            from .error_record import ErrorRecord

            record = ErrorRecord.allocate(stream) if pref.error_record is None else pref.error_record
            record._check_reachable(SELECT, on_host)
            plan._error_record = record
            plan._pooled = record._pooled
            op.error_record = record.address
        ops: list[bytes | None] = [None] * NUM_FORMS
        for parts in (abi.PARTS_KEY_AND_VALUE, abi.PARTS_KEY):
            op.parts = parts
            kind = kind_for(desc.transform, has_value=parts == abi.PARTS_KEY_AND_VALUE)
            ops[form_of(placed_by, parts, kind)] = bytes(op)
        plan._ops = tuple(ops)
        plan._on_host = on_host
        return plan

    def can_implement(self, args: PagedKvAppendArgs) -> None:
        """Raise what ``run`` would raise for these operands on the stream that was selected for; launch
        nothing.

        Checks in baracuda-kernels' order: shapes of key and value, of k_data and v_data, of indptr and
        last_page_len, then strides of the four; then element types, the page table's type and rank, NULL,
        alignment, overlap, and memory that the backend cannot reach. On the host backend also the page
        table's values unless the plan is guarded; the CUDA backends do not read them here. What only a launch
        can find out is not asked.

        Parameters
        ----------
        args : PagedKvAppendArgs
            The operands.

        Raises
        ------
        BaracudaError
            What ``run`` would raise.
        """
        operands, op = self._operands_and_op(args, _CAN_IMPLEMENT)
        bound = bind(self._library, CAN_IMPLEMENT_SYMBOL, op, operands)
        status = self._library.can_implement(bound[0])
        if status:
            raise self._library.error(CAN_IMPLEMENT_SYMBOL, status)

    def run(self, stream: Stream, workspace: Workspace, args: PagedKvAppendArgs) -> None:
        """Check the operands as ``can_implement`` does and append.

        On a CUDA stream the append is only enqueued: operands that another stream makes must be ordered
        before it by the caller, and the caller keeps the operands alive until the stream has passed it. On
        the host it is finished when this returns. Nothing synchronises.

        A guarded plan refuses no page table for its values: it serves the requests that are right, skips
        those without pages or whose last page id is negative, and records the first corrupt one for
        ``check``.

        Parameters
        ----------
        stream
            Need not be the one that was selected for, but must be of its kind: None for a host plan, a CUDA
            stream for a CUDA plan.
        workspace : Workspace
            ``Workspace.NONE`` or at least ``workspace_size()`` bytes, which is 0.
        args : PagedKvAppendArgs
            The operands.

        Raises
        ------
        BaracudaError
            Nothing was launched or written then.
        """
        pooled = self._pooled
        if pooled is not None:
            pooled.launched = True
        # The way of a decode loop. What does not fit it is judged anew below, in baracuda-kernels' order.
        if workspace is _NO_WORKSPACE and type(args) is PagedKvAppendArgs:
            op = self._ops[args._form]
            if op is not None:
                append = self._append  # by itself: CPython takes longer to look up a slot as a method
                status = append(op, stream, args._operands)
                if not status:
                    return
                if status != NOT_JUDGED:
                    raise self._library.error(RUN_SYMBOL, status)
        self._run_each(stream, workspace, args)

    def _run_each(self, stream: Stream, workspace: Workspace, args: PagedKvAppendArgs) -> None:
        handle = self._handle(stream, _RUN, args)
        if workspace is not _NO_WORKSPACE:
            self._check_workspace(workspace, args)
        operands, op = self._operands_and_op(args, _RUN)
        append_any(self._library, op, stream, handle, operands)

    def bind(self, stream: Stream, args: PagedKvAppendArgs) -> BoundLaunch:
        """Check everything once, as ``run`` does, and return a launch that can be repeated: the decode loop's
        path.

        Nothing is launched or written here. The launch keeps the operands alive. The page table's values may
        change between launches, and so may the contents of key and value.

        Parameters
        ----------
        stream, args
            As for ``run``.

        Returns
        -------
        BoundLaunch
            The append on ``stream``, checked.

        Raises
        ------
        BaracudaError
            What ``run`` would raise.
        """
        from .bound_launch import BoundLaunch

        handle = self._handle(stream, _BIND, args)
        operands, op = self._operands_and_op(args, _BIND)
        if self._pooled is not None:
            self._pooled.launched = True
        bound = bind(self._library, BIND_SYMBOL, on_stream(op, handle), operands)
        return BoundLaunch(self._library, bound, self._error_record, self._placed_by, self._open_counts)

    def check(self, stream: Stream) -> None:
        """Wait for ``stream`` and raise ``CorruptPageTable`` if this guarded plan's appends met a corrupt
        request: ``ErrorRecord.check`` of ``error_record``.

        What was recorded stays, and is raised again, until ``reset``.

        Parameters
        ----------
        stream
            The one that the appends (or the graph that they were captured into) were launched on; None for a
            host plan.

        Raises
        ------
        CorruptPageTable
            A corrupt request was recorded. All others were served.
        Unsupported
            The plan is not guarded.
        InvalidProblem
            A stream that is being captured, or is not of the plan's kind.
        CudaError
            What an earlier launch left behind.
        """
        me = "PagedKvAppendPlan.check"
        self._guarded_record(me, stream)._check(me, stream)

    def reset(self, stream: Stream) -> None:
        """Clear ``error_record``, in order with the appends on ``stream`` and without waiting for it; at once
        for a host plan: ``ErrorRecord.reset``.

        Parameters
        ----------
        stream
            As for ``check``, but it may be being captured; the graph then clears the record at every replay.

        Raises
        ------
        Unsupported
            The plan is not guarded.
        InvalidProblem
            A stream that is not of the plan's kind.
        CudaError
            What the driver said.
        """
        me = "PagedKvAppendPlan.reset"
        self._guarded_record(me, stream)._reset(me, stream)

    @property
    def error_record(self) -> ErrorRecord | None:
        """Where a guarded plan records the first corrupt request; None for a plan that is not guarded."""
        return self._error_record

    def workspace_size(self) -> int:
        """How much workspace ``run`` needs.

        Returns
        -------
        int
            Bytes: 0, since an append needs none.
        """
        return 0

    def sku(self) -> KernelSku:
        """What runs: the backend, and the architecture of the machine code that the driver chose.

        Returns
        -------
        KernelSku
            An equal one at every call.
        """
        from .._model.sku import sku_of

        return sku_of(self._desc, self._backend, self._arch)

    def precision_guarantee(self) -> PrecisionGuarantee:
        """What is promised of the numbers.

        Returns
        -------
        PrecisionGuarantee
            The result is deterministic and the same on every device, the CPU included, where no two rows name
            one slot. A copy computes nothing; what the other transforms write is what float32 gives, each
            operation rounded to nearest even.
        """
        return self.sku().precision_guarantee

    @property
    def descriptor(self) -> PagedKvAppendDescriptor:
        """What the plan was selected for."""
        return self._desc

    def __repr__(self) -> str:
        sku = self.sku()
        return f"<PagedKvAppendPlan {sku.backend.name} {sku.arch.name}: {self._desc!r}>"

    def __copy__(self) -> PagedKvAppendPlan:
        return self

    def __deepcopy__(self, memo: object) -> PagedKvAppendPlan:
        if self._error_record is not None:
            self._error_record.__reduce__()  # which refuses
        return self

    def __reduce__(self) -> NoReturn:
        from .._model.copying import no_pickle

        raise no_pickle(
            self, "it was selected for a device of this process", "pickle its descriptor, and select there"
        )

    def _operands_and_op(self, args: PagedKvAppendArgs, function: str) -> tuple[tuple[object, ...], bytes]:
        args = instance(function, "args", args, PagedKvAppendArgs)
        op = self._ops[args._form]
        if op is None:
            if args._placed_by is not self._placed_by:
                raise invalid_problem(
                    function,
                    f"args say where rows go by {args._placed_by}; the plan was selected for "
                    f"{self._placed_by}",
                )
            has_value = args._operands[1] is not None
            check_kind(function, self._desc.transform, kind_of_form(args._form), has_value=has_value)
        assert op is not None
        if self._open_counts.beside_none:
            described = describe(args._operands)
            op = with_described_counts(op, self._open_counts, self._placed_by, described)
        return args._operands, op

    def _handle(self, stream: Stream, function: str, args: PagedKvAppendArgs) -> int:
        """The stream's handle. Where the stream is wrong, errors in the operands come first, as in
        baracuda-kernels."""
        try:
            self._check_kind_of(stream, function)
            return handle_or_host(function, stream)
        except InvalidProblem:
            self.can_implement(args)
            raise

    def _check_kind_of(self, stream: Stream, function: str) -> None:
        if stream is None and not self._on_host:
            raise invalid_problem(
                function,
                "stream is None and the plan is for CUDA; it should be a CUDA stream, such as 0",
            )
        if stream is not None and self._on_host:
            raise invalid_problem(
                function,
                f"stream is {in_words(stream)} and the plan is for the host; it should be None",
            )

    def _guarded_record(self, function: str, stream: Stream) -> ErrorRecord:
        record = self._error_record
        if record is None:
            raise unsupported(
                function,
                "this plan is not guarded and records no errors; select it with PlanPreference(guarded=True)",
            )
        self._check_kind_of(stream, function)
        return record

    def _check_workspace(self, workspace: Workspace, args: PagedKvAppendArgs) -> None:
        try:
            instance(_RUN, "workspace", workspace, Workspace)
            if workspace.size < self.workspace_size():
                raise WorkspaceTooSmall(
                    WORKSPACE_TOO_SMALL,
                    _RUN,
                    f"workspace has {workspace.size} bytes; it should have {self.workspace_size()}",
                )
        except BaracudaError:
            self.can_implement(args)
            raise
