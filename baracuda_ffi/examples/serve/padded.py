"""The decode step as an engine for a GPU has it: of a fixed batch, over padded views, in one CUDA graph."""

from __future__ import annotations

from .flashinfer_attention import FlashInferDecode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .arrays import TorchArrays
    from .caches import PagedCache
    from .model import Model


class PaddedCache:
    """A ``PagedCache`` for one new token of every place of the batch, whoever has it. The views are taken
    once."""

    def __init__(self, cache: PagedCache, arrays: TorchArrays) -> None:
        self.cache, self.arrays = cache, arrays
        self.view = cache.table.append_view("LAST_PAGE", padded=True)
        self.flashinfer = FlashInferDecode(cache.flashinfer, cache.table) if cache.flashinfer else None
        attended = cache.table.attention_view("DENSE", padded=True)
        self.pages = arrays.seen(attended["block_table"])
        self.lengths = arrays.seen(attended["seq_lens"])

    def write(self, layer: int, key: Any, value: Any) -> None:
        self.cache.append(layer, key, value, self.view)

    def plan(self) -> None:
        """Of a step, what is not in its graph."""
        if self.flashinfer:
            self.flashinfer.plan()

    def attend(self, layer: int, query: Any) -> Any:
        if self.flashinfer:
            return self.flashinfer.attend(query, self.cache.k_pool[:, layer], self.cache.v_pool[:, layer])
        torch = self.arrays.torch
        batch, heads, width = query.shape
        keys, values = (self._gathered(pool, layer) for pool in (self.cache.k_pool, self.cache.v_pool))
        kv_heads, tokens = keys.shape[1:3]
        grouped = query.reshape(batch, kv_heads, heads // kv_heads, width)
        scores = grouped @ keys.swapaxes(2, 3) * width**-0.5
        unseen = torch.arange(tokens, device=query.device) >= self.lengths[:, None]
        scores = scores.masked_fill(unseen[:, None, None], torch.finfo(scores.dtype).min)
        return (torch.softmax(scores, dim=-1) @ values).reshape(batch, heads, width)

    def _gathered(self, pool: Any, layer: int) -> Any:
        """[batch, kv_heads, tokens, head_dim], as many tokens as a request may have."""
        pages = pool[:, layer][self.pages.long()].swapaxes(1, 2)
        return pages.reshape(*pages.shape[:2], -1, pages.shape[-1])


class PaddedDecode:
    """Decodes by the tokens of the places that have one. On a GPU the step is captured at once, while the
    batch is all padding, and replayed from then on."""

    def __init__(self, model: Model, cache: PagedCache, arrays: TorchArrays, max_requests: int) -> None:
        torch = arrays.torch
        self.model, self.arrays = model, arrays
        self.cache = PaddedCache(cache, arrays)
        self.tokens = torch.zeros(max_requests, dtype=torch.int64, device=arrays.device)
        self.positions = torch.zeros_like(self.tokens)
        self.every = torch.arange(max_requests, device=arrays.device)
        self.graph: Any = None
        if arrays.on_gpu:
            self.cache.plan()
            self.graph, self.logits = self._captured(self._forward)

    def __call__(self, places: list[int], tokens: list[int], positions: list[int]) -> Any:
        """The logits behind these tokens of these places, in their order."""
        torch = self.arrays.torch
        for kept, given in ((self.tokens, tokens), (self.positions, positions)):
            whole = torch.zeros(len(kept), dtype=torch.int64)
            whole[places] = torch.tensor(given)
            kept.copy_(whole)
        self.cache.plan()
        if self.graph is None:
            return self._forward()[places]
        self.graph.replay()
        return self.logits[places]

    def append_share(self) -> float:
        """Of the time of a step, measured over replays: a graph of its appends alone beside the whole. It
        writes over the newest tokens, so it is for the end."""
        kv_heads, width = self.model.kv_heads, self.model.shape.head_dim
        rows = self.arrays.zeros(len(self.tokens), kv_heads, width)

        def appends() -> None:
            for layer in range(self.model.shape.layers):
                self.cache.write(layer, rows, rows)

        graph, _ = self._captured(appends)
        return self._seconds(graph) / self._seconds(self.graph)

    def _forward(self) -> Any:
        return self.model.forward(self.tokens, self.positions, self.every, self.cache)

    def _captured(self, work: Any) -> tuple[Any, Any]:
        torch = self.arrays.torch
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):  # kernels are loaded before anything is captured
                work()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = work()
        return graph, result

    def _seconds(self, graph: Any, replays: int = 100) -> float:
        torch = self.arrays.torch
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        graph.replay()
        begin.record()
        for _ in range(replays):
            graph.replay()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1e3 / replays
