"""Where keys and values go: pages, and for comparison one array a sequence."""

from __future__ import annotations

from time import perf_counter

import numpy as np

import baracuda_ffi as bf

from .model import attention

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .flashinfer_attention import FlashInferAttention
    from .model import Model


class DenseCache:
    """One sequence's keys and values, in one array a layer."""

    def __init__(self, model: Model, max_tokens: int) -> None:
        self.arrays, self.length = model.arrays, 0
        shape = (model.shape.layers, max_tokens, model.kv_heads, model.shape.head_dim)
        self.keys, self.values = self.arrays.zeros(*shape), self.arrays.zeros(*shape)

    def write(self, layer: int, key: Any, value: Any) -> None:
        begin = self.length
        self.end = begin + len(key)
        self.keys[layer, begin : self.end] = key
        self.values[layer, begin : self.end] = value

    def attend(self, layer: int, query: Any) -> Any:
        return attention(self.arrays, query, self.keys[layer, : self.end], self.values[layer, : self.end])

    def next(self) -> None:
        self.length = self.end


class PagedCache:
    """Pages of all layers: a page is ``[layers, kv_heads, page_size, head_dim]``, of K and of V."""

    def __init__(
        self, model: Model, num_pages: int, page_size: int, max_requests: int, max_rows: int
    ) -> None:
        self.arrays, self.page_size = model.arrays, page_size
        shape = (num_pages, model.shape.layers, model.kv_heads, page_size, model.shape.head_dim)
        self.k_pool, self.v_pool = self.arrays.zeros(*shape), self.arrays.zeros(*shape)
        self.manager = bf.BlockManager(num_pages, page_size)
        self.table = bf.PageTable(
            page_size,
            max_requests,
            -(-model.shape.max_tokens // page_size),
            max_rows=max_rows,
            stream=self.arrays.stream,
        )
        self.flashinfer: FlashInferAttention | None = None
        self.copied = 0
        self.append_seconds = 0.0

    def begin(self, sequences: Sequence[int | None], new: Sequence[int], padded: bool = False) -> None:
        """A step of these sequences, which have grown by so many tokens. ``padded``: its rows are written and
        attended to by a ``PaddedCache``."""
        copies = self.manager.take_copies()
        self.copied += len(copies)
        self.table.update(self.manager, sequences, new, copies=copies, stream=self.arrays.stream)
        if copies:
            bf.copy_pages(self.k_pool, self.v_pool, **self.table.copy_view(), stream=self.arrays.stream)
        if padded:
            return
        self.view = self.table.append_view("RAGGED")
        if self.flashinfer:
            self.flashinfer.begin(self.table)
            return
        pages = self.arrays.seen(self.table.attention_view("DENSE")["block_table"])
        self.batch, first = [], 0
        for row, (sequence, rows) in enumerate(zip(sequences, new, strict=True)):
            if sequence is not None:
                length = self.manager.length(sequence)
                self.batch.append((first, rows, pages[row, : -(-length // self.page_size)], length))
            first += rows

    def write(self, layer: int, key: Any, value: Any) -> None:
        self.append(layer, key, value, self.view)

    def append(self, layer: int, key: Any, value: Any, view: dict[str, Any]) -> None:
        """Rows of one layer, to where the view of the table says."""
        begin = perf_counter()
        k_data, v_data = self.k_pool[:, layer], self.v_pool[:, layer]
        bf.append_paged_kv(key, value, k_data, v_data, **view, stream=self.arrays.stream)
        self.append_seconds += perf_counter() - begin

    def attend(self, layer: int, query: Any) -> Any:
        """By gathering each sequence's pages, where FlashInfer does not."""
        if self.flashinfer:
            return self.flashinfer.attend(query, self.k_pool[:, layer], self.v_pool[:, layer])
        out = query * 0
        for first, rows, pages, length in self.batch:
            key, value = (
                pool[:, layer][pages].swapaxes(1, 2).reshape(-1, *pool.shape[2:3], pool.shape[4])[:length]
                for pool in (self.k_pool, self.v_pool)
            )
            part = slice(first, first + rows)
            out[part] = attention(self.arrays, query[part], key, value)
        return out


def greedy(model: Model, prompt: list[int], count: int) -> list[tuple[int, int, float, float]]:
    """With a dense cache and by itself: of each new token the best and the second best, and by how much the
    logits of these two, and of the second and third best, differ."""
    cache, arrays = DenseCache(model, len(prompt) + count), model.arrays
    tokens: list[int] = list(prompt)
    found: list[tuple[int, int, float, float]] = []
    while len(found) < count:
        new = np.array(tokens[cache.length :])
        positions = np.arange(cache.length, len(tokens))
        logits = model.forward(
            arrays.asarray(new), arrays.asarray(positions), arrays.asarray(np.array([len(new) - 1])), cache
        )
        cache.next()
        row = arrays.to_numpy(logits)[0]
        third, second, best = (int(token) for token in np.argsort(row, kind="stable")[-3:])
        found.append((best, second, float(row[best] - row[second]), float(row[second] - row[third])))
        tokens.append(best)
    return found
