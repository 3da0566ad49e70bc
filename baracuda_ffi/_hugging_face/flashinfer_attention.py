"""FlashInfer's attention over the pages of a store, where it is installed and has a kernel for them."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DTYPES = (torch.float16, torch.bfloat16)
_HEAD_DIMS = (64, 128, 256)
_WORKSPACE = 128 << 20  # bytes: what FlashInfer recommends


def flashinfer_attention(k_data: torch.Tensor, v_data: torch.Tensor) -> FlashInferAttention | None:
    """For pools ``[pages, layers, kv_heads, page_size, head_dim]``; None where it cannot be had."""
    suits = k_data.is_cuda and k_data.dtype in _DTYPES and k_data.shape[-1] in _HEAD_DIMS
    return FlashInferAttention(k_data, v_data) if suits and find_spec("flashinfer") else None


class FlashInferAttention:
    """Of all sequences at once, prefill and decode alike.

    Layers that are asked with the same mask, scale and cap have a plan in common, for a step. One kernel
    takes all masks: what is not simply causal is handed to it bit by bit.
    """

    def __init__(self, k_data: torch.Tensor, v_data: torch.Tensor) -> None:
        self._k, self._v = k_data, v_data
        self._workspace: torch.Tensor | None = None
        self._wrappers: list[Any] = []
        self._planned: dict[object, tuple[Any, torch.Tensor | None]] = {}  # by what is asked; and the mask
        self._works: bool | None = None  # known after the first plan, which compiles the kernel

    def begin(self, view: dict[str, torch.Tensor]) -> None:
        """A step: the attention's view of its page table."""
        self._planned.clear()
        self._view = view

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float | None,
        soft_cap: float | None,
    ) -> torch.Tensor | None:
        """``query`` ``[batch, heads, tokens, head_dim]``; ``mask`` bool ``[batch, 1, tokens, all tokens]``,
        or None for a causal one; ``soft_cap`` that of the scores, or None. Returns
        ``[batch, tokens, heads, head_dim]``; None if it does not work here, which a warning says once."""
        if self._works is False:
            return None
        batch, heads, tokens, width = query.shape
        rows = query.transpose(1, 2).reshape(batch * tokens, heads, width)
        try:
            wrapper = self._plan(heads, mask, scale, soft_cap)
        except Exception as error:
            if self._works:
                raise
            self._works = False
            warnings.warn(
                f"flashinfer's attention does not work here, and pages are gathered: {error}", stacklevel=2
            )
            return None
        self._works = True
        out: torch.Tensor = wrapper.run(rows, (self._k[:, layer], self._v[:, layer]))
        return out.view(batch, tokens, heads, width)

    def _plan(
        self, heads: int, mask: torch.Tensor | None, scale: float | None, soft_cap: float | None
    ) -> Any:
        asked = (heads, None if mask is None else id(mask), scale, soft_cap)
        if asked in self._planned:
            return self._planned[asked][0]
        wrapper = self._wrapper(len(self._planned))
        _, _, kv_heads, page_size, width = self._k.shape
        wrapper.plan(
            *(self._view[name] for name in ("append_indptr", "indptr", "indices", "last_page_len")),
            heads,
            kv_heads,
            width,
            page_size,
            custom_mask=mask,
            causal=mask is None,
            sm_scale=scale,
            logits_soft_cap=soft_cap,
            q_data_type=self._k.dtype,
        )
        self._planned[asked] = wrapper, mask
        return wrapper

    def _wrapper(self, number: int) -> Any:
        """Those of a step share their workspace, since they run one after another."""
        if number == len(self._wrappers):
            from flashinfer import BatchPrefillWithPagedKVCacheWrapper

            if self._workspace is None:
                self._workspace = torch.zeros(_WORKSPACE, dtype=torch.uint8, device=self._k.device)
            self._wrappers.append(BatchPrefillWithPagedKVCacheWrapper(self._workspace, "HND", backend="fa2"))
        return self._wrappers[number]
