"""The operands of one append."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class PagedKvAppendArgs:
    """The seven operands. Mirrors the seed's ``PagedKvAppendArgs``.

    Each is anything that describes memory: a NumPy array, an object with ``__dlpack__`` or
    ``__cuda_array_interface__`` (torch, CuPy, JAX, Numba, cuda.core, Warp), or a ``TensorView``.

    - ``key``, ``value``: ``[batch, num_kv_heads, head_dim]``, of the cache's element type; the new rows.
    - ``k_data``, ``v_data``: the caches, written in place;
      HND ``[num_total_pages, num_kv_heads, page_size, head_dim]``,
      NHD ``[num_total_pages, page_size, num_kv_heads, head_dim]``.
    - ``indices``: ``[total_used_pages]`` int32 page ids.
    - ``indptr``: ``[batch + 1]`` int32; request ``b`` owns ``indices[indptr[b]:indptr[b+1]]``.
    - ``last_page_len``: ``[batch]`` int32; what it counts is the descriptor's ``length_convention``.

    Nothing is read when this is made. It is frozen and may be used for any number of calls; each call looks
    at the operands anew. It holds references, and so keeps the operands alive as long as it lives. A copy
    refers to the same operands; a deep copy or a pickle has copies of them, where they can be copied.
    """

    __slots__ = ("_operands",)

    _operands: tuple[object, ...]

    def __init__(
        self,
        *,
        key: object,
        value: object,
        k_data: object,
        v_data: object,
        indices: object,
        indptr: object,
        last_page_len: object,
    ) -> None:
        if hasattr(self, "_operands"):  # __init__ of one that threads may share already
            raise AttributeError("PagedKvAppendArgs is frozen; make another")
        _set_operands(self, (key, value, k_data, v_data, indices, indptr, last_page_len))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("PagedKvAppendArgs is frozen; make another, or use BoundLaunch.rebind")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("PagedKvAppendArgs is frozen")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, self._operands

    @property
    def key(self) -> object:
        return self._operands[0]

    @property
    def value(self) -> object:
        return self._operands[1]

    @property
    def k_data(self) -> object:
        return self._operands[2]

    @property
    def v_data(self) -> object:
        return self._operands[3]

    @property
    def indices(self) -> object:
        return self._operands[4]

    @property
    def indptr(self) -> object:
        return self._operands[5]

    @property
    def last_page_len(self) -> object:
        return self._operands[6]


# The slot's own setter: the one way past __setattr__.
_set_operands = PagedKvAppendArgs.__dict__["_operands"].__set__


def _restore(*operands: object) -> PagedKvAppendArgs:
    args = object.__new__(PagedKvAppendArgs)
    _set_operands(args, operands)
    return args
