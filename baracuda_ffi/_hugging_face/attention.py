"""The attention function that reads pages, and its mask."""

from __future__ import annotations

from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from .layer import LAYER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import torch

IMPLEMENTATION = "baracuda_ffi"


def paged_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Over the pages of a ``PagedCache``, gathered; without one over key and value as they are."""
    layer = getattr(key, LAYER, None)
    if layer is not None:
        key, value = layer.gathered()
    out: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, **options
    )
    return out


def register() -> None:
    AttentionInterface.register(IMPLEMENTATION, paged_attention)
    AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
