"""One layer of the cache, as transformers sees it."""

from __future__ import annotations

import torch
from transformers.cache_utils import CacheLayerMixin

from .._model.errors import unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .store import Store

# Where the new keys carry the layer to the attention function, which is handed them next.
LAYER = "_baracuda_ffi_layer"


class PagedLayer(CacheLayerMixin):  # type: ignore[misc]  # of any base that is installed
    """Rows go to the store; what comes back is either all tokens, gathered, or the new ones alone, where the
    attention function gathers by itself."""

    is_compileable = False
    is_croppable = True
    is_sliding = False

    def __init__(self, store: Store, layer: int, config: Any, implementation: str) -> None:
        super().__init__()
        self._store, self._layer = store, layer
        self._config, self._implementation = config, implementation
        self.length = 0
        self.is_initialized = True

    def lazy_initialization(self, *states: torch.Tensor) -> None:
        """The store is there."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        store, tokens = self._store, key_states.shape[2]
        if key_states.shape[0] != store.batch_size:
            raise unsupported(
                "PagedCache.update",
                f"key_states has a batch of {key_states.shape[0]} and the cache has batch_size "
                f"{store.batch_size}; make the cache for this batch, where each beam and each returned "
                "sequence counts",
            )
        if self.length == store.length:  # the first layer of a step
            store.step(tokens)
        store.write(self._layer, key_states, value_states)
        self.length += tokens
        if getattr(self._config, "_attn_implementation", None) == self._implementation:
            setattr(key_states, LAYER, self)
            return key_states, value_states
        return self.gathered()

    def gathered(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._store.gathered(self._layer)

    def attended(
        self, query: torch.Tensor, mask: torch.Tensor | None, scale: float | None, soft_cap: float | None
    ) -> torch.Tensor | None:
        """By FlashInfer, ``[batch, tokens, heads, head_dim]``; None where it is not to be had."""
        return self._store.attended(self._layer, query, mask, scale, soft_cap)

    def get_mask_sizes(self, query: int | torch.Tensor) -> tuple[int, int]:
        """``query``: how many tokens, or before transformers 5.10 the places of them."""
        tokens = query.shape[0] if isinstance(query, torch.Tensor) else query
        return self.length + tokens, 0

    def get_seq_length(self, *args: object) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1

    get_max_cache_shape = get_max_length  # its name before transformers 5.18

    def reset(self) -> None:
        self.length = 0

    def crop(self, *args: object) -> None:
        raise unsupported("PagedCache.crop", "layers have their pages in common; crop the cache")

    def offload(self) -> None:
        raise unsupported("PagedCache.offload", "pages stay on their device")
