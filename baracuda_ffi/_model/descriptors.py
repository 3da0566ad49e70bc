"""What a plan is selected for. All are frozen and hashable."""

from __future__ import annotations

from .checks import INT64_MAX, choice, instance, int32, integer
from .elements import element_kind
from .enums import (
    Addressing,
    ElementKind,
    KvLayout,
    LengthConvention,
    LengthsKind,
    TableKind,
    Transform,
)
from .errors import invalid_problem
from .frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .elements import ElementLike


class PagedKvCacheDescriptor(Frozen):
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
        """The shape of k_data, which is v_data's but for ``value_head_dim``. NVFP4 has half of the last
        extent, and FP8_DS_MLA 656 there."""
        return self._shape(self.head_dim)

    @property
    def value_shape(self) -> tuple[int, int, int, int]:
        """The shape of v_data."""
        return self._shape(self.value_head_dim)

    def _shape(self, width: int) -> tuple[int, int, int, int]:
        if self.layout is KvLayout.HND:
            return (self.num_total_pages, self.num_kv_heads, self.page_size, width)
        return (self.num_total_pages, self.page_size, self.num_kv_heads, width)


class PagedKvAppendDescriptor(Frozen):
    """Which places, and how many. Mirrors baracuda-kernels' ``PagedKvAppendDescriptor``, which is a decode's:
    one token a request by indices, indptr and last_page_len. The other addressings are ours.

    Parameters
    ----------
    batch_size : int, optional
        Requests; None: any number, at each call its own. SLOTS knows none.
    paged_kv : PagedKvCacheDescriptor
        The caches.
    length_convention : LengthConvention, optional
        What ``last_page_len`` or ``seq_lens`` count, also by its name. None for ``BEFORE_APPEND``,
        baracuda-kernels' contract; for RAGGED by last_page_len ``AFTER_APPEND``, the only one there is; for
        RAGGED by seq_lens it has to be stated.
    addressing : Addressing
        What says which place each row goes to; also by its name, as the following.
    table : TableKind
        How the requests' pages are listed. ``DENSE`` goes with seq_lens.
    lengths : LengthsKind, optional
        What says how long the requests are; None for ``LAST_PAGE_LEN``, or ``SEQ_LENS`` with a dense table.
    num_rows : int, optional
        Rows, for RAGGED at most; None: any number, at each call its own. LAST_PAGE has ``batch_size``.
    skip_slot : int, optional
        SLOTS: a slot that is padding too, as SGLang's 0.
    transform : Transform
        What is written; also by its name. The element of ``paged_kv`` is what it is written as: U8 for
        FP8_DS_MLA and NVFP4. ``head_dim`` is that of the rows whatever becomes of them.
    source_element : ElementKind, optional
        The type of key and value; also by a name or a dtype. A copy's is the cache's; every other transform
        wants it stated.

    Raises
    ------
    InvalidProblem
        An argument of a wrong type, a number that does not fit in 32 bits, or a convention that has to be
        stated.
    """

    _fields = (
        "batch_size",
        "paged_kv",
        "length_convention",
        "addressing",
        "table",
        "lengths",
        "num_rows",
        "skip_slot",
        "transform",
        "source_element",
    )
    __slots__ = _fields

    batch_size: int | None
    paged_kv: PagedKvCacheDescriptor
    length_convention: LengthConvention
    addressing: Addressing
    table: TableKind
    lengths: LengthsKind
    num_rows: int | None
    skip_slot: int | None
    transform: Transform
    source_element: ElementKind | None

    def __init__(
        self,
        *,
        batch_size: int | None = None,
        paged_kv: PagedKvCacheDescriptor,
        length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
        addressing: Addressing | Literal["LAST_PAGE", "RAGGED", "POSITIONS", "SLOTS"] = Addressing.LAST_PAGE,
        table: TableKind | Literal["CSR", "DENSE"] = TableKind.CSR,
        lengths: LengthsKind | Literal["LAST_PAGE_LEN", "SEQ_LENS"] | None = None,
        num_rows: int | None = None,
        skip_slot: int | None = None,
        transform: Transform
        | Literal["COPY", "FP8", "PER_TOKEN_HEAD", "FP8_DS_MLA", "NVFP4"] = Transform.COPY,
        source_element: ElementLike | None = None,
    ) -> None:
        me = "PagedKvAppendDescriptor"
        addressing = choice(me, "addressing", addressing, Addressing)
        table = choice(me, "table", table, TableKind)
        if lengths is None:
            lengths = LengthsKind.SEQ_LENS if table is TableKind.DENSE else LengthsKind.LAST_PAGE_LEN
        lengths = choice(me, "lengths", lengths, LengthsKind)
        self._set(
            None if batch_size is None else int32(me, "batch_size", batch_size),
            instance(me, "paged_kv", paged_kv, PagedKvCacheDescriptor),
            convention_of(me, length_convention, addressing, lengths),
            addressing,
            table,
            lengths,
            None if num_rows is None else int32(me, "num_rows", num_rows),
            None
            if skip_slot is None
            else integer(me, "skip_slot", skip_slot, 0, INT64_MAX, "a slot, or None"),
            choice(me, "transform", transform, Transform),
            None if source_element is None else element_kind(me, "source_element", source_element),
        )


def convention_of(
    function: str, given: object, addressing: Addressing, lengths: LengthsKind
) -> LengthConvention:
    """The convention that an append is held to, of which None says the only one or the default."""
    if given is not None:
        return choice(function, "length_convention", given, LengthConvention)
    if addressing is not Addressing.RAGGED:
        return LengthConvention.BEFORE_APPEND
    if lengths is LengthsKind.LAST_PAGE_LEN:
        return LengthConvention.AFTER_APPEND
    raise invalid_problem(
        function,
        "length_convention is None; with append_indptr and seq_lens it should be stated: AFTER_APPEND where "
        "seq_lens count the new tokens, as the attention that follows wants them, else BEFORE_APPEND",
    )
