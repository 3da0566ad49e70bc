"""The forms that rows and caches come in: packed, or as engines have them."""

from __future__ import annotations

from dataclasses import dataclass

# Of a fused projection: queries of four heads a KV head, then keys, then values.
_QUERY_HEADS = 4


@dataclass(frozen=True)
class Form:
    """``slices``: key and value are slices of one fused QKV projection. ``interleaved``: k_data and v_data
    share each page of one cache, ``[pages, 2, ...]``."""

    slices: bool = False
    interleaved: bool = False

    def of(self, path: str) -> str:
        """The path's name over operands of this form."""
        return path + ", slices" * self.slices + ", interleaved" * self.interleaved


PACKED = Form()
SLICES = Form(slices=True)
INTERLEAVED = Form(interleaved=True)
SLICES_INTERLEAVED = Form(slices=True, interleaved=True)
FORMS = (PACKED, SLICES, INTERLEAVED, SLICES_INTERLEAVED)


def fused_heads(heads: int) -> tuple[int, slice, slice]:
    """Of a fused projection with so many KV heads: all its heads, those of key, and those of value."""
    first = _QUERY_HEADS * heads
    return first + 2 * heads, slice(first, first + heads), slice(first + heads, first + 2 * heads)


def interleaved_shape(cache_shape: tuple[int, ...]) -> tuple[int, ...]:
    return (cache_shape[0], 2, *cache_shape[1:])
