"""The closed sets of the vocabulary. Values are those of baracuda_ffi.h where it has them."""

from __future__ import annotations

from enum import IntEnum


class ElementKind(IntEnum):
    """The element type of key, value, k_data and v_data. Mirrors baracuda-kernels' ``ElementKind``; fp8 and
    the integers are ours."""

    F16 = 1
    BF16 = 2
    F32 = 3
    FP8_E4M3 = 4
    """float8_e4m3fn: no infinities."""
    FP8_E5M2 = 5
    I8 = 6
    U8 = 7
    """Bytes: of a cache that its framework has no type for, copied as they are."""

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return _ITEMSIZE[self]


_ITEMSIZE = {
    ElementKind.F16: 2,
    ElementKind.BF16: 2,
    ElementKind.F32: 4,
    ElementKind.FP8_E4M3: 1,
    ElementKind.FP8_E5M2: 1,
    ElementKind.I8: 1,
    ElementKind.U8: 1,
}


class KvLayout(IntEnum):
    """The order of the dimensions of k_data and v_data. FlashInfer's ``QKVLayout``."""

    HND = 0
    """``[num_total_pages, num_kv_heads, page_size, head_dim]``"""
    NHD = 1
    """``[num_total_pages, page_size, num_kv_heads, head_dim]``"""


class LengthConvention(IntEnum):
    """What ``last_page_len[b]`` counts when the append is called. Mixing the two up overwrites the newest
    token."""

    BEFORE_APPEND = 0
    """The tokens already in the last page, ``0 .. page_size - 1``: the slot is ``last_page_len[b]``.
    Increment after the call. The contract of baracuda-kernels, and the default."""
    AFTER_APPEND = 1
    """The new token as well, ``1 .. page_size``: the slot is ``last_page_len[b] - 1``. FlashInfer's contract:
    the attention call that follows takes the same page table."""


class Addressing(IntEnum):
    """What says which place each row goes to."""

    LAST_PAGE = 0
    """One row a request, to the end of what it has: indices and indptr with last_page_len or seq_lens, or
    block_table and seq_lens. Decode."""
    RAGGED = 1
    """The same and append_indptr: request ``b`` has rows ``append_indptr[b]`` to ``append_indptr[b + 1] -
    1``, its newest tokens in order. Prefill."""
    POSITIONS = 2
    """indices, indptr, batch_indices, positions: row ``i`` is token ``positions[i]`` of request
    ``batch_indices[i]``. FlashInfer's."""
    SLOTS = 3
    """slot_mapping: row ``i`` goes to slot ``slot_mapping[i] % page_size`` of page ``slot_mapping[i] //
    page_size``. vLLM's, SGLang's, TVM's."""


class TableKind(IntEnum):
    """How the requests' pages are listed."""

    CSR = 0
    """indices and indptr."""
    DENSE = 1
    """block_table, a row a request. FlashAttention's, TensorRT-LLM's. With seq_lens."""


class LengthsKind(IntEnum):
    """What says how long the requests are."""

    LAST_PAGE_LEN = 0
    """Tokens in each request's last page."""
    SEQ_LENS = 1
    """Tokens of each request in all: a page that was never allocated is found, and one that was allocated
    early is not written."""


class Transform(IntEnum):
    """What is written of a row. docs/formats.md has each format's rule, to the bit."""

    COPY = 0
    """The same bits."""
    FP8 = 1
    """fp8 by scales that are given, k_scale and v_scale, of all heads or of each: an engine's fp8 cache."""
    PER_TOKEN_HEAD = 2
    """fp8_e4m3 or int8 by a scale for each row and head, which is written to k_scales and v_scales."""
    FP8_DS_MLA = 3
    """vLLM's rows of 656 bytes for DeepSeek's MLA: key is ckv, value is kpe, and both go to k_data."""
    NVFP4 = 4
    """FlashInfer's 4-bit cache: e2m1 by blocks of 16 that have an e4m3 scale each, in k_scales and v_scales,
    under k_scale and v_scale."""


class BackendKind(IntEnum):
    """Who does the append."""

    FLASHINFER = 1
    """CUDA: FlashInfer's ``AppendPagedKVCacheDecode``, and by batch_indices and positions its
    ``AppendPagedKVCache``, unmodified. The values of what says where rows go are not checked, and none is
    padding."""
    HOST = 2
    """This process's CPUs, over host memory. The page table is checked whole, or guarded."""
    BESPOKE = 3
    """CUDA: a kernel of this library, always guarded: each row is judged before it is written, whatever the
    operands' strides, widths and alignment. baracuda-kernels' name for kernels of its own."""
