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


class FlashInferAttention:
    """Of all requests of a step at once: prefill and decode alike."""

    def __init__(self, model: Model, arrays: TorchArrays, page_size: int) -> None:
        try:
            from flashinfer import BatchPrefillWithPagedKVCacheWrapper
        except ImportError as error:
            raise SystemExit(f"flashinfer-python is not here ({error}); leave --attention out") from error
        workspace = arrays.torch.empty(_WORKSPACE, dtype=arrays.torch.uint8, device=arrays.device)
        self._wrapper = BatchPrefillWithPagedKVCacheWrapper(workspace, "HND")
        self._arrays = arrays
        self._sizes = (model.heads, model.kv_heads, model.shape.head_dim, page_size)

    def begin(self, table: PageTable) -> None:
        """What FlashInfer plans a step by is the table's view."""
        view = {name: self._arrays.seen(array) for name, array in table.attention_view().items()}
        self._wrapper.plan(
            view["append_indptr"],
            view["indptr"],
            view["indices"],
            view["last_page_len"],
            *self._sizes,
            causal=True,
            q_data_type=self._arrays.dtype,
        )

    def attend(self, query: Any, k_data: Any, v_data: Any) -> Any:
        """``k_data`` and ``v_data`` are one layer's windows of the pools."""
        return self._wrapper.run(query, (k_data, v_data))
