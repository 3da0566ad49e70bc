"""The append as one call, with nothing to set up."""

from __future__ import annotations

from ctypes import sizeof

from .._interop.streams import stream_handle
from .._model.checks import instance
from .._model.enums import KvLayout, LengthConvention
from .._native import abi
from .._native.library import library
from .operands import bind, on_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._native.library import Library
    from .operands import Operands

_ME = "append_paged_kv"


def append_paged_kv(
    key: object,
    value: object,
    k_data: object,
    v_data: object,
    indices: object,
    indptr: object,
    last_page_len: object,
    *,
    stream: object,
    layout: KvLayout = KvLayout.HND,
    length_convention: LengthConvention = LengthConvention.BEFORE_APPEND,
) -> None:
    """Append one K and one V row per request to a paged cache, the problem taken from the operands.

    - ``key``, ``value``: ``[batch, num_kv_heads, head_dim]``, f16, bf16, f32, fp8_e4m3 or fp8_e5m2.
    - ``k_data``, ``v_data``: HND ``[num_total_pages, num_kv_heads, page_size, head_dim]`` or NHD
      ``[num_total_pages, page_size, num_kv_heads, head_dim]``, of key's type; written in place.
    - ``indices``: ``[total_used_pages]`` int32 page ids. ``indptr``: ``[batch + 1]`` int32, request ``b``
      owns ``indices[indptr[b]:indptr[b+1]]``. ``last_page_len``: ``[batch]`` int32.
    - ``stream``: None for the host backend; a CUDA stream, as ``PagedKvAppendPlan.select`` takes it, for
      FlashInfer's kernel.

    With ``BEFORE_APPEND`` (the default) ``last_page_len[b]`` counts the tokens that are already in the last
    page and is incremented by the caller after the call; with ``AFTER_APPEND`` it counts the new token too.
    The page table is never written. For every request, the caller has allocated the page that the token goes
    to.

    All is checked as by ``PagedKvAppendPlan.run``, with the same errors; on an error nothing was launched or
    written. On a CUDA stream the append is only enqueued: order operands made on other streams before it,
    keep the operands alive until the stream has passed it. The first call on a device loads the kernel, which
    a graph capture does not allow: make one before capturing, or select a plan.
    """
    if type(layout) is not KvLayout or type(length_convention) is not LengthConvention:
        instance(_ME, "layout", layout, KvLayout)
        instance(_ME, "length_convention", length_convention, LengthConvention)
    op = _UNSTATED[stream is None, layout, length_convention]
    operands = (key, value, k_data, v_data, indices, indptr, last_page_len)
    opened = library()
    append = opened.append  # by itself: CPython takes longer to look up a slot as a method
    status = append(op, stream, operands)
    if status is None:
        status = _append_each(opened, op, stream, operands)
    if status:
        raise opened.append_error(status)


def _append_each(opened: Library, op: bytes, stream: object, operands: Operands) -> int:
    """What ``Library.append`` cannot judge: operands or a stream of other kinds."""
    handle = 0 if stream is None else stream_handle(_ME, stream)
    # With its handle a stream may do where it did not by itself.
    status = None if stream is None or type(stream) is int else opened.append(op, handle, operands)
    if status is None:
        status = opened.run(bind(opened, on_stream(op, handle), operands))
    return status


def _unstated(on_host: bool, layout: KvLayout, length_convention: LengthConvention) -> bytes:
    return bytes(
        abi.Append(
            struct_size=sizeof(abi.Append),
            backend=abi.BACKEND_HOST if on_host else abi.BACKEND_FLASHINFER,
            layout=layout,
            length_convention=length_convention,
        )
    )


# Appends that state no extent and no element: the library takes them from the operands.
_UNSTATED = {
    (on_host, layout, convention): _unstated(on_host, layout, convention)
    for on_host in (False, True)
    for layout in KvLayout
    for convention in LengthConvention
}
