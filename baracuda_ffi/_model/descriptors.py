"""What a plan is selected for, and what it says of itself. All are frozen and hashable."""

from __future__ import annotations

from .checks import choice, instance, int32
from .elements import element_kind
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
from .frozen import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .elements import ElementLike


class PagedKvCacheDescriptor(Record):
    """A paged KV-cache. Mirrors baracuda-kernels' ``PagedKvCacheDescriptor``; ``layout`` and
    ``value_head_dim`` are ours.

    Parameters
    ----------
    page_size : int
        Tokens a page.
    num_total_pages : int
        Pages of each of k_data and v_data.
    num_kv_heads : int
        KV heads; 1 for caches without a head dimension.
    head_dim : int
        Elements of a row of key.
    element : ElementKind
        The type of the caches' elements; also by a name (``"f16"``) or a dtype (``torch.float16``).
    layout : KvLayout
        The order of the caches' dimensions; also by its name. Means nothing for caches of rank 3.
    value_head_dim : int, optional
        Elements of a row of value; None for ``head_dim``.

    Raises
    ------
    InvalidProblem
        An argument of a wrong type, or an extent that does not fit in 32 bits. Their values are judged by
        ``PagedKvAppendPlan.select``.
    """

    _fields = (
        "page_size",
        "num_total_pages",
        "num_kv_heads",
        "head_dim",
        "element",
        "layout",
        "value_head_dim",
    )
    __slots__ = _fields

    page_size: int
    num_total_pages: int
    num_kv_heads: int
    head_dim: int
    element: ElementKind
    layout: KvLayout
    value_head_dim: int

    def __init__(
        self,
        *,
        page_size: int,
        num_total_pages: int,
        num_kv_heads: int,
        head_dim: int,
        element: ElementLike,
        layout: KvLayout | Literal["HND", "NHD"] = KvLayout.HND,
        value_head_dim: int | None = None,
    ) -> None:
        me = "PagedKvCacheDescriptor"
        width = int32(me, "head_dim", head_dim)
        self._set(
            int32(me, "page_size", page_size),
            int32(me, "num_total_pages", num_total_pages),
            int32(me, "num_kv_heads", num_kv_heads),
            width,
            element_kind(me, "element", element),
            choice(me, "layout", layout, KvLayout),
            width if value_head_dim is None else int32(me, "value_head_dim", value_head_dim),
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of k_data, which is v_data's but for ``value_head_dim``."""
        return self._shape(self.head_dim)

    @property
    def value_shape(self) -> tuple[int, int, int, int]:
        """The shape of v_data."""
        return self._shape(self.value_head_dim)

    def _shape(self, width: int) -> tuple[int, int, int, int]:
        if self.layout is KvLayout.HND:
            return (self.num_total_pages, self.num_kv_heads, self.page_size, width)
        return (self.num_total_pages, self.page_size, self.num_kv_heads, width)


class PagedKvAppendDescriptor(Record):
    """One token a request, ``batch_size`` requests. Mirrors baracuda-kernels' ``PagedKvAppendDescriptor``.

    Parameters
    ----------
    batch_size : int
        Requests.
    paged_kv : PagedKvCacheDescriptor
        The caches.
    length_convention : LengthConvention, optional
        What ``last_page_len`` counts, also by its name; None for ``BEFORE_APPEND``, baracuda-kernels'
        contract.

    Raises
    ------
    InvalidProblem
        An argument of a wrong type, or a number that does not fit in 32 bits.
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
        length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
    ) -> None:
        me = "PagedKvAppendDescriptor"
        if length_convention is None:
            length_convention = LengthConvention.BEFORE_APPEND
        self._set(
            int32(me, "batch_size", batch_size),
            instance(me, "paged_kv", paged_kv, PagedKvCacheDescriptor),
            choice(me, "length_convention", length_convention, LengthConvention),
        )


class PrecisionGuarantee(Record):
    """The numerical promises of a plan. Mirrors baracuda-kernels' ``PrecisionGuarantee``.

    The append copies bits and computes nothing: ``math_precision`` and ``accumulator`` are
    baracuda-kernels' values.
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
    """The identity of the kernel that a plan runs: a key for telemetry and autotuning. Mirrors
    baracuda-kernels' ``KernelSku``.

    ``arch`` is the architecture of the machine code that runs, as the driver chose it. ``layout`` is the
    cache's (baracuda-kernels, which knows only HND, leaves it empty). ``aux_element`` and ``epilogue`` are
    None: an append has none.
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
