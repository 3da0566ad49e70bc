"""What a plan is selected for, and what it says of itself. All are frozen and hashable."""

from __future__ import annotations

from .checks import INT64_MAX, instance, int32, integer
from .enums import (
    ArchSku,
    AttentionKind,
    BackendKind,
    ElementKind,
    KvLayout,
    LengthConvention,
    MathPrecision,
    OpCategory,
)
from .errors import invalid_problem
from .frozen import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._append.error_record import ErrorRecord


class PagedKvCacheDescriptor(Record):
    """A paged KV-cache. Mirrors the seed's ``PagedKvCacheDescriptor``; ``layout`` is ours.

    ``page_size`` counts tokens a page, ``num_total_pages`` the pages of each of k_data and v_data,
    ``head_dim`` elements a row. Extents are 32-bit; ``PagedKvAppendPlan.select`` judges their values.

    Raises ``InvalidProblem`` for an argument of a wrong type, or an extent that does not fit in 32 bits.
    """

    _fields = ("page_size", "num_total_pages", "num_kv_heads", "head_dim", "element", "layout")
    __slots__ = _fields

    page_size: int
    num_total_pages: int
    num_kv_heads: int
    head_dim: int
    element: ElementKind
    layout: KvLayout

    def __init__(
        self,
        *,
        page_size: int,
        num_total_pages: int,
        num_kv_heads: int,
        head_dim: int,
        element: ElementKind,
        layout: KvLayout = KvLayout.HND,
    ) -> None:
        me = "PagedKvCacheDescriptor"
        self._set(
            int32(me, "page_size", page_size),
            int32(me, "num_total_pages", num_total_pages),
            int32(me, "num_kv_heads", num_kv_heads),
            int32(me, "head_dim", head_dim),
            instance(me, "element", element, ElementKind),
            instance(me, "layout", layout, KvLayout),
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of k_data and of v_data."""
        if self.layout is KvLayout.HND:
            return (self.num_total_pages, self.num_kv_heads, self.page_size, self.head_dim)
        return (self.num_total_pages, self.page_size, self.num_kv_heads, self.head_dim)


class PagedKvAppendDescriptor(Record):
    """One token a request, ``batch_size`` requests. Mirrors the seed's ``PagedKvAppendDescriptor``.

    ``length_convention`` says what ``last_page_len`` counts; the default is the seed's contract.
    """

    _fields = ("batch_size", "paged_kv", "length_convention")
    __slots__ = _fields

    batch_size: int
    paged_kv: PagedKvCacheDescriptor
    length_convention: LengthConvention

    def __init__(
        self,
        *,
        batch_size: int,
        paged_kv: PagedKvCacheDescriptor,
        length_convention: LengthConvention = LengthConvention.BEFORE_APPEND,
    ) -> None:
        me = "PagedKvAppendDescriptor"
        self._set(
            int32(me, "batch_size", batch_size),
            instance(me, "paged_kv", paged_kv, PagedKvCacheDescriptor),
            instance(me, "length_convention", length_convention, LengthConvention),
        )


class PlanPreference(Record):
    """What the caller would rather have. Mirrors the seed's ``PlanPreference``.

    ``max_workspace_bytes`` bounds ``workspace_size()`` (None: no bound); the append needs 0, so every bound
    is met. ``prefer_backend`` must agree with the stream and with ``guarded``: ``HOST`` with None; with a
    CUDA stream ``BESPOKE`` if guarded, else ``FLASHINFER``.

    ``guarded`` (ours) asks for an append that judges each request where it runs, serves those that are right
    and cannot write outside the pages that the table names, whatever the table holds. It also takes any
    ``head_dim`` whose row is a multiple of 16 bytes. The first corrupt request goes to ``error_record`` (an
    ``ErrorRecord``, only for guarded plans), or to a record of the plan's own: see
    ``PagedKvAppendPlan.check``.
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
        prefer_backend: BackendKind | None = None,
        guarded: bool = False,
        error_record: ErrorRecord | None = None,
    ) -> None:
        me = "PlanPreference"
        if max_workspace_bytes is not None:
            max_workspace_bytes = integer(
                me, "max_workspace_bytes", max_workspace_bytes, 0, INT64_MAX, "a number of bytes, or None"
            )
        if prefer_backend is not None:
            prefer_backend = instance(me, "prefer_backend", prefer_backend, BackendKind)
        guarded = instance(me, "guarded", guarded, bool)
        if error_record is not None:
            from .._append.error_record import ErrorRecord

            error_record = instance(me, "error_record", error_record, ErrorRecord)
            if not guarded:
                raise invalid_problem(
                    me, "error_record is given and guarded is False; only guarded appends record errors"
                )
        self._set(max_workspace_bytes, prefer_backend, guarded, error_record)


class PrecisionGuarantee(Record):
    """The numerical promises of a plan. Mirrors the seed's ``PrecisionGuarantee``.

    The append copies bits and computes nothing: ``math_precision`` and ``accumulator`` are the seed's values.
    """

    _fields = ("math_precision", "accumulator", "bit_stable_on_same_hardware", "deterministic")
    __slots__ = _fields

    math_precision: MathPrecision
    accumulator: ElementKind
    bit_stable_on_same_hardware: bool
    deterministic: bool

    def __init__(
        self,
        *,
        math_precision: MathPrecision,
        accumulator: ElementKind,
        bit_stable_on_same_hardware: bool,
        deterministic: bool,
    ) -> None:
        self._set(math_precision, accumulator, bit_stable_on_same_hardware, deterministic)


class KernelSku(Record):
    """The identity of the kernel that a plan runs: a key for telemetry and autotuning. Mirrors the seed's
    ``KernelSku``.

    ``arch`` is the architecture of the machine code that runs, as the driver chose it. ``layout`` is the
    cache's (the seed, which knows only HND, leaves it empty). ``aux_element`` and ``epilogue`` are None: an
    append has none.
    """

    _fields = (
        "category",
        "op",
        "element",
        "aux_element",
        "layout",
        "epilogue",
        "arch",
        "backend",
        "precision_guarantee",
    )
    __slots__ = _fields

    category: OpCategory
    op: AttentionKind
    element: ElementKind
    aux_element: ElementKind | None
    layout: KvLayout | None
    epilogue: str | None
    arch: ArchSku
    backend: BackendKind
    precision_guarantee: PrecisionGuarantee

    def __init__(
        self,
        *,
        category: OpCategory,
        op: AttentionKind,
        element: ElementKind,
        aux_element: ElementKind | None,
        layout: KvLayout | None,
        epilogue: str | None,
        arch: ArchSku,
        backend: BackendKind,
        precision_guarantee: PrecisionGuarantee,
    ) -> None:
        self._set(category, op, element, aux_element, layout, epilogue, arch, backend, precision_guarantee)
