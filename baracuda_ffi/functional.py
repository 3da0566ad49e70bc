"""The append as one call, with nothing to set up."""

from __future__ import annotations

from ctypes import addressof, sizeof

from . import _abi
from ._arguments import instance
from ._bind import bind
from ._library import library
from ._streams import stream_handle
from .enums import KvLayout, LengthConvention

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
    instance(_ME, "layout", layout, KvLayout)
    instance(_ME, "length_convention", length_convention, LengthConvention)
    if stream is None:
        backend, handle = _abi.BACKEND_HOST, 0
    else:
        backend, handle = _abi.BACKEND_FLASHINFER, stream_handle(_ME, stream)
    opened = library()
    # What is not stated is 0, and taken from the operands.
    op = _abi.Append(_APPEND_BYTES, 0, backend, 0, layout, length_convention)
    op.stream = handle
    address = addressof(op)
    keep = bind(opened, address, (key, value, k_data, v_data, indices, indptr, last_page_len))
    status = opened.run(address)
    del keep
    if status:
        raise opened.error("baracuda_paged_kv_append_run", status)


_APPEND_BYTES = sizeof(_abi.Append)
