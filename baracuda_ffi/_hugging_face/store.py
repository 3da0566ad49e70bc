"""The pages of all layers of a batch, and where its tokens are in them."""

from __future__ import annotations

import torch

from .._append.one_call import append_paged_kv
from .._page_tables.blocks.manager import BlockManager
from .._page_tables.table.page_table import PageTable
from .._pages.functional import copy_pages
from .flashinfer_attention import flashinfer_attention

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Store:
    """Sequences of one length each, as transformers pads them. Pages are ``[layers, kv_heads, page_size,
    head_dim]``, of K and of V."""

    def __init__(
        self,
        num_pages: int,
        page_size: int,
        batch_size: int,
        page: tuple[int, int, int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        layers, kv_heads, head_dim = page
        shape = (num_pages, layers, kv_heads, page_size, head_dim)
        self._manager = BlockManager(num_pages, page_size)
        self._k = torch.zeros(shape, dtype=dtype, device=device)
        self._v = torch.zeros(shape, dtype=dtype, device=device)
        self._device, self._page_size = device, page_size
        self._tables: dict[int, PageTable] = {}
        self._flashinfer = flashinfer_attention(self._k, self._v)
        self._sequences = [self._manager.add() for _ in range(batch_size)]
        self._gathered_pages: torch.Tensor | None = None  # of this step, once asked for
        self.length = 0

    @property
    def manager(self) -> BlockManager:
        return self._manager

    @property
    def batch_size(self) -> int:
        return len(self._sequences)

    def step(self, tokens: int) -> None:
        """So many new tokens of each sequence; raises ``OutOfPages``, and then all must be let go of."""
        self._manager.commit()
        for sequence in self._sequences:
            self._manager.grow(sequence, tokens)
        copies = self._manager.take_copies()
        table = self._table()
        stream = self._stream()
        table.update(self._manager, self._sequences, tokens, copies=copies, stream=stream)
        if copies:
            copy_pages(self._k, self._v, **table.copy_view(), stream=stream)
        self._view: dict[str, Any] = table.append_view("RAGGED")
        self.length += tokens
        self._gathered_pages = None
        if self._flashinfer:
            self._flashinfer.begin(self._seen(table.attention_view("CSR")))

    def write(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> None:
        """``[batch, kv_heads, tokens, head_dim]``, the newest tokens of each sequence."""
        keys, values = (x.transpose(1, 2).flatten(0, 1) for x in (key, value))
        k_data, v_data = self._k[:, layer], self._v[:, layer]
        append_paged_kv(keys, values, k_data, v_data, **self._view, stream=self._stream())

    def gathered(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """All tokens, ``[batch, kv_heads, tokens, head_dim]``."""
        if self._gathered_pages is None:
            listed = self._seen(self._table().attention_view("DENSE"))["block_table"]
            self._gathered_pages = listed[:, : -(-self.length // self._page_size)].long()
        pages = self._gathered_pages
        k, v = (
            pool[:, layer][pages].transpose(1, 2).flatten(2, 3)[:, :, : self.length]
            for pool in (self._k, self._v)
        )
        return k, v

    def attended(
        self,
        layer: int,
        query: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float | None,
        soft_cap: float | None,
    ) -> torch.Tensor | None:
        """By FlashInfer; None where it is not to be had, or the mask is not one of a bit for each token."""
        if self._flashinfer is None:
            return None
        batch, _, tokens, _ = query.shape
        if mask is not None and (mask.dtype != torch.bool or mask.shape != (batch, 1, tokens, self.length)):
            return None
        return self._flashinfer.attend(layer, query, mask, scale, soft_cap)

    def shrink(self, tokens: int) -> None:
        """Without so many of the newest tokens of each sequence."""
        for sequence in self._sequences:
            self._manager.shrink(sequence, tokens)
        self.length -= tokens

    def take(self, order: list[int]) -> None:
        """The batch's sequences are these of the ones there were, in this order; one may be taken again."""
        self._manager.commit()
        taken = [self._manager.fork(self._sequences[i]) for i in order]
        for sequence in self._sequences:
            self._manager.free(sequence)
        self._sequences = taken

    def reset(self, batch_size: int | None = None) -> None:
        """Let go of all tokens."""
        count = batch_size or self.batch_size
        self._manager.take_copies()
        for sequence in self._sequences:
            self._manager.free(sequence)
        self._sequences = [self._manager.add() for _ in range(count)]
        self.length = 0

    def _table(self) -> PageTable:
        """Of a batch of this size: beams make others."""
        table = self._tables.get(self.batch_size)
        if table is None:
            most = self._manager.num_pages
            table = self._tables[self.batch_size] = PageTable(
                self._page_size,
                self.batch_size,
                most,
                max_rows=most * self._page_size,
                stream=self._stream(),
            )
        return table

    def _seen(self, view: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Arrays of a table, as torch's."""
        return {name: torch.as_tensor(array, device=self._device) for name, array in view.items()}

    def _stream(self) -> Any:
        return torch.cuda.current_stream(self._device) if self._device.type == "cuda" else None
