"""The operands of one append."""

from __future__ import annotations

from .._interop.kv_pair import CacheOfPair
from .._model.errors import invalid_problem
from .._native import abi
from .addressing import DECODE, PLACE_NAMES, form_of, set_of
from .scales import NONE, SCALE_NAMES, kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .._interop.protocols import Operand
    from .._native.library import Operands
    from .addressing import OperandSet

_ME = "PagedKvAppendArgs"


class PagedKvAppendArgs:
    """The operands of an append. Mirrors baracuda-kernels' ``PagedKvAppendArgs``.

    Each is anything that describes memory: a NumPy array, an object with ``__dlpack__`` or
    ``__cuda_array_interface__`` (torch, CuPy, JAX, Numba, cuda.core, Warp), or a ``TensorView``. Only the
    last dimension of key, value and the caches has to be contiguous, but for plans that hold
    baracuda-kernels' checks (not guarded, and with its page table): these want all of it contiguous.

    Nothing is read when this is made. It is frozen and may be used for any number of calls; each call looks
    at the operands anew. It holds references, and so keeps the operands alive as long as it lives. A copy
    refers to the same operands; a deep copy or a pickle has copies of them, where they can be copied.

    Parameters
    ----------
    key, value
        ``[batch, num_kv_heads, head_dim]`` (value: ``value_head_dim``), of the plan's source element, which
        for a copy is the cache's; the new rows. They may have more rows than the append has: those behind are
        not read. ``[batch, head_dim]`` where the caches have no head dimension. ``value`` and ``v_data`` may
        both be None: key alone is written.
    k_data, v_data
        The caches, written in place: HND ``[num_total_pages, num_kv_heads, page_size, head_dim]``, NHD
        ``[num_total_pages, page_size, num_kv_heads, head_dim]``, or ``[num_total_pages, page_size,
        head_dim]``. NVFP4's are uint8, of half of head_dim; FP8_DS_MLA's is k_data alone, uint8 of 656 for
        head_dim.
    indices, indptr, last_page_len, append_indptr, batch_indices, positions, slot_mapping, block_table,
    seq_lens
        One of the sets that say where rows go, as for ``append_paged_kv``.
    kv_data
        ``[num_total_pages, 2, ...]``: both caches in one operand, in place of k_data and v_data.
    k_scale, v_scale
        FP8 and NVFP4: float32 ``[1]`` or ``[num_kv_heads]``, in memory that the backend reads at each append.
    k_scales, v_scales
        Written in place. PER_TOKEN_HEAD: float32 ``[num_total_pages, page_size, num_kv_heads]``, of any
        strides (without the last where the caches have no head dimension). NVFP4: float8_e4m3fn or uint8, in
        the dimensions of the caches but for the last, which is ``head_dim / 16`` and contiguous.

    Raises
    ------
    InvalidProblem
        key or k_data that is None; a v_data without value; kv_data beside either cache, or without a value;
        operands that together say no place, or that say it twice; a scale that a part lacks, or that has no
        part.

    Notes
    -----
    A cache or an error record is refused where it is read-only, or exports a copy of itself; what is only
    read may be a copy, which is then kept. NumPy's arrays with a mask are refused.

    Autograd does not see an append. A tensor of torch that requires grad is refused where it is written (give
    its ``detach()``, which shares its memory), and taken by its memory where it is read. Version counters
    stay as they are: where autograd has saved a cache for a backward pass, say what was written there by
    ``torch.autograd.graph.increment_version``. Negative views (``is_neg()``) are refused: give
    ``resolve_neg()``.
    """

    __slots__ = ("_form", "_operands", "_placed_by")

    _operands: Operands
    _form: int  # form_of the set and the parts
    _placed_by: OperandSet

    def __init__(
        self,
        *,
        key: Operand,
        value: Operand | None = None,
        k_data: Operand | None = None,
        v_data: Operand | None = None,
        indices: Operand | None = None,
        indptr: Operand | None = None,
        last_page_len: Operand | None = None,
        append_indptr: Operand | None = None,
        batch_indices: Operand | None = None,
        positions: Operand | None = None,
        slot_mapping: Operand | None = None,
        block_table: Operand | None = None,
        seq_lens: Operand | None = None,
        kv_data: Operand | None = None,
        k_scale: Operand | None = None,
        v_scale: Operand | None = None,
        k_scales: Operand | None = None,
        v_scales: Operand | None = None,
    ) -> None:
        if hasattr(self, "_operands"):  # __init__ of one that threads may share already
            raise AttributeError("PagedKvAppendArgs is frozen; make another")
        k_cache, v_cache = rows_and_caches(_ME, key, value, k_data, v_data, kv_data)
        places: Operands = (
            indices,
            indptr,
            last_page_len,
            append_indptr,
            batch_indices,
            positions,
            slot_mapping,
            block_table,
            seq_lens,
        )
        placed_by = set_of(_ME, places)
        scales: Operands = (k_scale, v_scale, k_scales, v_scales)
        kind = kind_of(_ME, value, v_cache, scales)
        if kind != NONE:
            places = (*places, *scales)
        elif placed_by is DECODE:
            places = places[:3]  # what is not there takes time to be looked at
        _set_operands(self, (key, value, k_cache, v_cache, *places))
        _set_form(self, form_of(placed_by, parts_of(value), kind))
        _set_placed_by(self, placed_by)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("PagedKvAppendArgs is frozen; make another, or use BoundLaunch.rebind")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("PagedKvAppendArgs is frozen")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, ({name: getattr(self, name) for name in _NAMES},)

    @property
    def key(self) -> object:
        return self._operands[0]

    @property
    def value(self) -> object:
        return self._operands[1]

    @property
    def k_data(self) -> object:
        return None if self.kv_data is not None else self._operands[2]

    @property
    def v_data(self) -> object:
        return None if self.kv_data is not None else self._operands[3]

    @property
    def kv_data(self) -> object:
        k_data = self._operands[2]
        return k_data.whole if type(k_data) is CacheOfPair else None

    @property
    def indices(self) -> object:
        return self._at(4)

    @property
    def indptr(self) -> object:
        return self._at(5)

    @property
    def last_page_len(self) -> object:
        return self._at(6)

    @property
    def append_indptr(self) -> object:
        return self._at(7)

    @property
    def batch_indices(self) -> object:
        return self._at(8)

    @property
    def positions(self) -> object:
        return self._at(9)

    @property
    def slot_mapping(self) -> object:
        return self._at(10)

    @property
    def block_table(self) -> object:
        return self._at(11)

    @property
    def seq_lens(self) -> object:
        return self._at(12)

    @property
    def k_scale(self) -> object:
        return self._at(13)

    @property
    def v_scale(self) -> object:
        return self._at(14)

    @property
    def k_scales(self) -> object:
        return self._at(15)

    @property
    def v_scales(self) -> object:
        return self._at(16)

    def _at(self, operand: int) -> object:
        return self._operands[operand] if operand < len(self._operands) else None


_NAMES = ("key", "value", "k_data", "v_data", "kv_data", *PLACE_NAMES, *SCALE_NAMES)
_VALUES = ("value", "v_data")  # which may both be absent

# The slots' own setters: the one way past __setattr__.
_set_operands = PagedKvAppendArgs.__dict__["_operands"].__set__
_set_form = PagedKvAppendArgs.__dict__["_form"].__set__
_set_placed_by = PagedKvAppendArgs.__dict__["_placed_by"].__set__


def _restore(operands: dict[str, Operand]) -> PagedKvAppendArgs:
    return PagedKvAppendArgs(**operands)


def parts_of(value: object) -> int:
    return abi.PARTS_KEY if value is None else abi.PARTS_KEY_AND_VALUE


def rows_and_caches(
    function: str, key: object, value: object, k_data: object, v_data: object, kv_data: object
) -> tuple[object, object]:
    """The two operands that hold what is written. Raises ``InvalidProblem`` where key or k_data is missing,
    or the parts do not match. Whether a value may have no cache of its own is the transform's to say."""
    k_cache, v_cache = caches(function, value, k_data, v_data, kv_data)
    for name, operand in (("key", key), ("k_data", k_cache)):
        if operand is None:
            instead = ", or kv_data be given, which is both caches" if name == "k_data" else ""
            raise invalid_problem(
                function, f"{name} is None; it should be an array, or a TensorView{instead}"
            )
    return k_cache, v_cache


def check_same_parts(function: str, bound: Operands, given: Operands) -> None:
    """Raise ``InvalidProblem`` where a part is given that a launch was bound without."""
    for name, before, operand in zip(abi.OPERANDS, bound, given, strict=False):
        if name in _VALUES and before is None and operand is not None:
            alone = "key alone" if bound[1] is None else "one cache for key and value"
            raise invalid_problem(
                function,
                f"{name} is given and the launch was bound to {alone}; it should be None, or another "
                "launch be bound by PagedKvAppendPlan.bind",
            )


def caches(
    function: str, value: object, k_data: object, v_data: object, kv_data: object
) -> tuple[object, object]:
    """The two operands that hold what is written. Raises ``InvalidProblem`` where the parts do not match."""
    if kv_data is not None:
        if k_data is not None or v_data is not None or value is None:
            other = "value is None" if value is None else "k_data or v_data is given too"
            raise invalid_problem(
                function,
                f"kv_data is given and {other}; kv_data stands for k_data and v_data, and has both parts",
            )
        return CacheOfPair(kv_data, 0), CacheOfPair(kv_data, 1)
    if value is None and v_data is not None:
        raise invalid_problem(
            function, "value is None and v_data is given; both should be given, or neither: key alone"
        )
    return k_data, v_data
