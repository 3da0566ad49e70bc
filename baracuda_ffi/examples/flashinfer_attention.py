"""Attention reads what we wrote: FlashInfer's prefill and decode wrappers over a cache that this package
fills.

Three requests are prefilled and decoded in pages that a ``BlockManager`` gives out. Each step appends slices
of a fused projection to an interleaved cache, which is attended over at once; then a decode step is captured
into a CUDA graph with its append. Each attention is held against a dense one over all tokens so far.
FlashInfer compiles its attention kernels when they are first used (minutes); the append is there already.
"""

from __future__ import annotations

import flashinfer
import torch

import baracuda_ffi as bf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Tensor = Any  # torch has no types for all that is called here

HEADS, KV_HEADS, HEAD_DIM, PAGE_SIZE, PAGES = 8, 2, 128, 16, 64
PROMPTS = (5, 40, 17)
STEPS = 20
GRAPH_STEPS = 3
DTYPE = torch.float16
SIZES = (HEADS, KV_HEADS, HEAD_DIM, PAGE_SIZE)
WORKSPACE_BYTES = 128 * 2**20


class Requests:
    """Requests, where their tokens are, and all of their K and V, for a dense attention."""

    def __init__(self) -> None:
        self.manager = bf.BlockManager(PAGES, PAGE_SIZE)
        self.sequences = [self.manager.add() for _ in PROMPTS]
        self.keys: list[list[Tensor]] = [[] for _ in PROMPTS]
        self.values: list[list[Tensor]] = [[] for _ in PROMPTS]
        self.table = bf.PageTable(
            PAGE_SIZE, len(PROMPTS), PAGES, max_rows=sum(PROMPTS), stream=torch.cuda.current_stream()
        )

    def grow(self, counts: Sequence[int]) -> None:
        """Places for the new tokens, and the table that says which."""
        for sequence, count in zip(self.sequences, counts, strict=True):
            self.manager.grow(sequence, count)
        self.table.update(self.manager, self.sequences, counts)
        self.manager.commit()

    def attended(self, padded: bool = False) -> dict[str, Tensor]:
        """What a wrapper takes: windows of the table's memory."""
        view = self.table.attention_view(padded=padded)
        return {name: torch.as_tensor(array, device="cuda") for name, array in view.items()}

    def keep(self, key: Tensor, value: Tensor, counts: Sequence[int]) -> None:
        for request, (keys, values) in enumerate(
            zip(key.split(list(counts)), value.split(list(counts)), strict=True)
        ):
            self.keys[request].append(keys.clone())
            self.values[request].append(values.clone())

    def dense(self, query: Tensor, counts: Sequence[int]) -> Tensor:
        """Causal attention of each request's newest tokens over all of its tokens, in float32."""
        outputs = []
        for request, queries in enumerate(query.split(list(counts))):
            key, value = (torch.cat(rows[request]).float() for rows in (self.keys, self.values))
            key, value = (rows.repeat_interleave(HEADS // KV_HEADS, dim=1) for rows in (key, value))
            scores = torch.einsum("qhd,khd->hqk", queries.float(), key) / HEAD_DIM**0.5
            first = len(key) - len(queries)
            hidden = torch.ones(len(queries), len(key), dtype=torch.bool, device="cuda").triu(first + 1)
            weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
            outputs.append(torch.einsum("hqk,khd->qhd", weights, value))
        return torch.cat(outputs)


def projection(rows: int) -> Tensor:
    """A fused QKV projection's output: ``[rows, heads + 2 kv_heads, head_dim]``."""
    return torch.randn(rows, HEADS + 2 * KV_HEADS, HEAD_DIM, device="cuda", dtype=DTYPE)


def pages(view: dict[str, Tensor]) -> list[Tensor]:
    """What every plan begins with."""
    return [view[name] for name in ("indptr", "indices", "last_page_len")]


def check(step: str, found: Tensor, right: Tensor) -> None:
    error = (found.float() - right).abs().max().item()
    if not error < 2e-2:
        raise SystemExit(f"WRONG: {step} is {error:.2g} away from a dense attention")


def main() -> None:
    torch.manual_seed(0)
    kv_cache = torch.zeros(PAGES, 2, PAGE_SIZE, KV_HEADS, HEAD_DIM, device="cuda", dtype=DTYPE)
    workspace = torch.empty(WORKSPACE_BYTES, dtype=torch.uint8, device="cuda")
    requests = Requests()

    def append(key: Tensor, value: Tensor, padded: bool = False) -> None:
        view = requests.table.append_view("RAGGED", padded=padded)
        stream = torch.cuda.current_stream()  # that of a capture too
        bf.append_paged_kv(key, value, kv_data=kv_cache, **view, layout="NHD", stream=stream)

    # Prefill, ragged.
    prefill = flashinfer.BatchPrefillWithPagedKVCacheWrapper(workspace, "NHD")
    query, key, value = projection(sum(PROMPTS)).split([HEADS, KV_HEADS, KV_HEADS], dim=1)
    requests.grow(PROMPTS)
    requests.keep(key, value, PROMPTS)
    append(key, value)
    view = requests.attended()
    prefill.plan(view["append_indptr"], *pages(view), *SIZES, causal=True, q_data_type=DTYPE)
    check("prefill", prefill.run(query.contiguous(), kv_cache), requests.dense(query, PROMPTS))

    # Decode.
    one_each = [1] * len(PROMPTS)
    decode = flashinfer.BatchDecodeWithPagedKVCacheWrapper(workspace, "NHD")
    for step in range(STEPS):
        query, key, value = projection(len(PROMPTS)).split([HEADS, KV_HEADS, KV_HEADS], dim=1)
        requests.grow(one_each)
        requests.keep(key, value, one_each)
        append(key, value)
        decode.plan(*pages(requests.attended()), *SIZES, q_data_type=DTYPE)
        attended = decode.run(query.contiguous(), kv_cache)
        check(f"decode step {step}", attended, requests.dense(query, one_each))

    # Decode in a CUDA graph: the append and the wrapper read the table's padded views, which stay where they
    # are.
    padded = pages(requests.attended(padded=True))
    captured = flashinfer.BatchDecodeWithPagedKVCacheWrapper(
        workspace,
        "NHD",
        use_cuda_graph=True,
        paged_kv_indptr_buffer=padded[0],
        paged_kv_indices_buffer=padded[1],
        paged_kv_last_page_len_buffer=padded[2],
    )
    fused = projection(len(PROMPTS))
    query, key, value = fused.split([HEADS, KV_HEADS, KV_HEADS], dim=1)

    def next_step() -> None:
        fused.copy_(projection(len(PROMPTS)))
        requests.grow(one_each)
        requests.keep(key, value, one_each)
        captured.plan(*padded, *SIZES, q_data_type=DTYPE)

    def append_and_attend() -> Tensor:
        append(key, value, padded=True)
        return captured.run(query.contiguous(), kv_cache)

    next_step()
    # Once before the capture, as CUDA graphs ask.
    check("the step before the capture", append_and_attend(), requests.dense(query, one_each))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = append_and_attend()
    for step in range(GRAPH_STEPS):
        next_step()
        graph.replay()
        check(f"replay {step}", output, requests.dense(query, one_each))
    print(
        f"RIGHT: prefill of {sum(PROMPTS)} tokens, {STEPS} decode steps and {GRAPH_STEPS} replays of a CUDA "
        "graph attend to what was appended, as a dense attention does"
    )


if __name__ == "__main__":
    main()
