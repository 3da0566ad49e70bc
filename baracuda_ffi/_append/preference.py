"""What the caller of ``select`` would rather have."""

from __future__ import annotations

from .._model.checks import INT64_MAX, choice, instance, integer
from .._model.enums import BackendKind
from .._model.errors import invalid_problem
from .._model.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .error_record import ErrorRecord


class PlanPreference(Frozen):
    """What the caller would rather have. Mirrors baracuda-kernels' ``PlanPreference``; ``guarded`` and
    ``error_record`` are ours.

    Parameters
    ----------
    max_workspace_bytes : int, optional
        A bound for ``workspace_size()``, which is 0, so that every bound is met.
    prefer_backend : BackendKind, optional
        Must agree with the stream, with ``guarded`` and with what says where rows go: ``HOST`` with None;
        with a CUDA stream ``FLASHINFER`` for an append that is not guarded, by indices, indptr and
        last_page_len, or by batch_indices and positions where it is asked for; ``BESPOKE`` for every other.
        Also by its name.
    guarded : bool
        Ask for an append that judges each request where it runs, serves those that are right and cannot write
        outside the pages that the table names, whatever the table holds. It takes real tensors: any strides,
        widths and alignment, int32 and int64 page tables.
    error_record : ErrorRecord, optional
        Where a guarded plan records the first corrupt request; None for a record of the plan's own. See
        ``PagedKvAppendPlan.check``.

    Raises
    ------
    InvalidProblem
        An argument of a wrong type; an error_record without the guard.
    """

    _fields = ("max_workspace_bytes", "prefer_backend", "guarded", "error_record")
    __slots__ = _fields

    max_workspace_bytes: int | None
    prefer_backend: BackendKind | None
    guarded: bool
    error_record: ErrorRecord | None

    def __init__(
        self,
        *,
        max_workspace_bytes: int | None = None,
        prefer_backend: BackendKind | Literal["FLASHINFER", "HOST", "BESPOKE"] | None = None,
        guarded: bool = False,
        error_record: ErrorRecord | None = None,
    ) -> None:
        me = "PlanPreference"
        if max_workspace_bytes is not None:
            max_workspace_bytes = integer(
                me, "max_workspace_bytes", max_workspace_bytes, 0, INT64_MAX, "a number of bytes, or None"
            )
        if prefer_backend is not None:
            prefer_backend = choice(me, "prefer_backend", prefer_backend, BackendKind)
        guarded = instance(me, "guarded", guarded, bool)
        if error_record is not None:
            from .error_record import ErrorRecord

            error_record = instance(me, "error_record", error_record, ErrorRecord)
            if not guarded:
                raise invalid_problem(
                    me, "error_record is given and guarded is False; only guarded appends record errors"
                )
        self._set(max_workspace_bytes, prefer_backend, guarded, error_record)
