"""FlashInfer's attention over the pages, as they are and where the table says."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from baracuda_ffi import PageTable

    from .arrays import TorchArrays
    from .model import Model

HEAD_DIM = 64  # the least that it has
_WORKSPACE = 128 << 20  # bytes
_LAYOUT, _BACKEND = "HND", "fa2"  # one kernel, compiled at its first plan, for prefill and decode


def why_not(arrays: Any) -> str:
    """What is missing for FlashInfer's attention; empty if it works here. Compiles its kernel, in a minute or
    two the first time."""
    if not arrays.on_gpu or arrays.dtype is not arrays.torch.float16:
        return "it is for --device cuda --dtype f16"
    try:
        import flashinfer

        workspace = arrays.torch.empty(_WORKSPACE, dtype=arrays.torch.uint8, device=arrays.device)
        wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(workspace, _LAYOUT, backend=_BACKEND)
        ends = arrays.torch.tensor([0, 1], dtype=arrays.torch.int32, device=arrays.device)
        wrapper.plan(ends, ends, ends[:1], ends[1:], 1, 1, HEAD_DIM, 1, causal=True, q_data_type=arrays.dtype)
    except Exception as error:  # an ImportError, or whatever its compiler says
        return str(error).strip().partition("\n")[0]
    return ""


class FlashInferAttention:
    """Of all requests of a step at once: prefill and decode alike."""

    def __init__(self, model: Model, arrays: TorchArrays, page_size: int) -> None:
        from flashinfer import BatchPrefillWithPagedKVCacheWrapper

        self.workspace = arrays.torch.empty(_WORKSPACE, dtype=arrays.torch.uint8, device=arrays.device)
        self._wrapper = BatchPrefillWithPagedKVCacheWrapper(self.workspace, _LAYOUT, backend=_BACKEND)
        self.arrays = arrays
        self.sizes = (model.heads, model.kv_heads, model.shape.head_dim, page_size)

    def begin(self, table: PageTable) -> None:
        """What FlashInfer plans a step by is the table's view."""
        view = {name: self.arrays.seen(array) for name, array in table.attention_view().items()}
        self._wrapper.plan(
            *(view[name] for name in ("append_indptr", "indptr", "indices", "last_page_len")),
            *self.sizes,
            causal=True,
            q_data_type=self.arrays.dtype,
        )

    def attend(self, query: Any, k_data: Any, v_data: Any) -> Any:
        """``k_data`` and ``v_data`` are one layer's windows of the pools."""
        return self._wrapper.run(query, (k_data, v_data))


class FlashInferDecode:
    """Of one new token of every place of the batch, for a graph: the arrays that it reads are the table's
    padded ones, which stay where they are."""

    def __init__(self, attention: FlashInferAttention, table: PageTable) -> None:
        from flashinfer import BatchDecodeWithPagedKVCacheWrapper

        self._attention = attention
        view = table.attention_view(padded=True)
        self._pages = [attention.arrays.seen(view[name]) for name in ("indptr", "indices", "last_page_len")]
        indptr, indices, last_page_len = self._pages
        self._wrapper = BatchDecodeWithPagedKVCacheWrapper(
            attention.workspace,
            _LAYOUT,
            use_cuda_graph=True,
            use_tensor_cores=True,
            paged_kv_indptr_buffer=indptr,
            paged_kv_indices_buffer=indices,
            paged_kv_last_page_len_buffer=last_page_len,
            backend=_BACKEND,
        )

    def plan(self) -> None:
        """Of a step, before its graph is replayed."""
        self._wrapper.plan(*self._pages, *self._attention.sizes, q_data_type=self._attention.arrays.dtype)

    def attend(self, query: Any, k_data: Any, v_data: Any) -> Any:
        """As ``FlashInferAttention``."""
        return self._wrapper.run(query, (k_data, v_data))
