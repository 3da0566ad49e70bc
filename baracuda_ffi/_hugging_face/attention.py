"""The attention function that reads pages, and its mask."""

from __future__ import annotations

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from .._model.errors import unsupported
from .layer import LAYER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IMPLEMENTATION = "baracuda_ffi"

# What only the gathered attention has, by the names of transformers' options, where it is not one of these.
_GATHERED = {
    "dropout": (None, 0, 0.0),
    "is_causal": (None, True),
    "position_bias": (None,),
}


def paged_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Over the pages of a ``PagedCache``: where they are, by FlashInfer, or gathered; without one over key
    and value as they are."""
    if options.get("s_aux") is not None:
        raise unsupported(
            f'the attention "{IMPLEMENTATION}"', 'attention sinks are not there; take "eager", with any cache'
        )
    scale, soft_cap = options.get("scaling"), options.get("softcap")
    layer = getattr(key, LAYER, None)
    if layer is not None:
        plain = all(options.get(name) in values for name, values in _GATHERED.items())
        if plain and getattr(module, "is_causal", True):
            attended = layer.attended(query, attention_mask, scale, soft_cap)
            if attended is not None:
                return attended, None
        key, value = layer.gathered()
    if soft_cap is not None:
        return _soft_capped(query, key, value, attention_mask, scale, soft_cap), None
    out: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, **options
    )
    return out


def _soft_capped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float | None,
    soft_cap: float,
) -> torch.Tensor:
    """What torch has no function for: scores that a tanh keeps below the cap."""
    batch, heads, tokens, width = query.shape
    kv_heads, total = key.shape[1:3]
    grouped = query.reshape(batch, kv_heads, heads // kv_heads, tokens, width)
    scores = grouped @ key[:, :, None].transpose(-1, -2) * (width**-0.5 if scale is None else scale)
    scores = torch.tanh(scores / soft_cap) * soft_cap
    if mask is None:
        mask = torch.ones(tokens, total, dtype=torch.bool, device=query.device).tril(total - tokens)
    else:
        mask = mask[:, :, None]
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    out = (weights @ value[:, :, None]).reshape(batch, heads, tokens, width)
    return out.transpose(1, 2).contiguous()


def register() -> None:
    AttentionInterface.register(IMPLEMENTATION, paged_attention)
    AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
