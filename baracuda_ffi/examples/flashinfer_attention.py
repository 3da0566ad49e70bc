"""Attention reads what we wrote: FlashInfer's prefill and decode wrappers over a cache that this package
fills.

Three requests are prefilled and decoded, each step appended by slices of a fused projection into an
interleaved cache and attended over at once; then a decode step is captured into a CUDA graph with its append.
Each attention is held against a dense one over all tokens so far. FlashInfer compiles its attention kernels
when they are first used (minutes); the append is there already.
"""

from __future__ import annotations

from itertools import chain

import flashinfer
import torch

from baracuda_ffi.torch import append_paged_kv

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
WORKSPACE_BYTES = 128 * 2**20


class Requests:
    """Requests with the pages that they have, and all of their K and V, for a dense attention."""

    def __init__(self) -> None:
        self.lengths = [0] * len(PROMPTS)
        self.pages: list[list[int]] = [[] for _ in PROMPTS]
        self.keys: list[list[Tensor]] = [[] for _ in PROMPTS]
        self.values: list[list[Tensor]] = [[] for _ in PROMPTS]
        self._free = torch.randperm(PAGES, generator=torch.Generator().manual_seed(0)).tolist()

    def grow(self, counts: Sequence[int]) -> None:
        """Count the new tokens, and list the pages that they need."""
        for request, count in enumerate(counts):
            self.lengths[request] += count
            while len(self.pages[request]) * PAGE_SIZE < self.lengths[request]:
                self.pages[request].append(self._free.pop())

    def table(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """indices, indptr, last_page_len and seq_lens, which count the new tokens."""
        indptr = [0]
        for pages in self.pages:
            indptr.append(indptr[-1] + len(pages))
        last = [(length - 1) % PAGE_SIZE + 1 for length in self.lengths]
        return i32(list(chain(*self.pages))), i32(indptr), i32(last), i32(self.lengths)

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


def i32(values: Sequence[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int32, device="cuda")


def projection(rows: int) -> Tensor:
    """A fused QKV projection's output: ``[rows, heads + 2 kv_heads, head_dim]``."""
    return torch.randn(rows, HEADS + 2 * KV_HEADS, HEAD_DIM, device="cuda", dtype=DTYPE)


def check(step: str, found: Tensor, right: Tensor) -> None:
    error = (found.float() - right).abs().max().item()
    if not error < 2e-2:
        raise SystemExit(f"WRONG: {step} is {error:.2g} away from a dense attention")


def main() -> None:
    torch.manual_seed(0)
    kv_cache = torch.zeros(PAGES, 2, PAGE_SIZE, KV_HEADS, HEAD_DIM, device="cuda", dtype=DTYPE)
    workspace = torch.empty(WORKSPACE_BYTES, dtype=torch.uint8, device="cuda")
    requests = Requests()

    # Prefill, ragged.
    prefill = flashinfer.BatchPrefillWithPagedKVCacheWrapper(workspace, "NHD")
    query, key, value = projection(sum(PROMPTS)).split([HEADS, KV_HEADS, KV_HEADS], dim=1)
    requests.grow(PROMPTS)
    requests.keep(key, value, PROMPTS)
    indices, indptr, last_page_len, seq_lens = requests.table()
    append_indptr = i32([0, *torch.tensor(PROMPTS).cumsum(0).tolist()])
    append_paged_kv(
        key,
        value,
        kv_data=kv_cache,
        indices=indices,
        indptr=indptr,
        seq_lens=seq_lens,
        append_indptr=append_indptr,
        layout="NHD",
        length_convention="AFTER_APPEND",
    )
    prefill.plan(
        append_indptr,
        indptr,
        indices,
        last_page_len,
        HEADS,
        KV_HEADS,
        HEAD_DIM,
        PAGE_SIZE,
        causal=True,
        q_data_type=DTYPE,
    )
    check("prefill", prefill.run(query.contiguous(), kv_cache), requests.dense(query, PROMPTS))

    # Decode.
    one_each = [1] * len(PROMPTS)
    decode = flashinfer.BatchDecodeWithPagedKVCacheWrapper(workspace, "NHD")
    for step in range(STEPS):
        query, key, value = projection(len(PROMPTS)).split([HEADS, KV_HEADS, KV_HEADS], dim=1)
        requests.grow(one_each)
        requests.keep(key, value, one_each)
        indices, indptr, last_page_len, seq_lens = requests.table()
        append_paged_kv(
            key,
            value,
            kv_data=kv_cache,
            indices=indices,
            indptr=indptr,
            seq_lens=seq_lens,
            layout="NHD",
            length_convention="AFTER_APPEND",
        )
        decode.plan(indptr, indices, last_page_len, HEADS, KV_HEADS, HEAD_DIM, PAGE_SIZE, q_data_type=DTYPE)
        check(
            f"decode step {step}",
            decode.run(query.contiguous(), kv_cache),
            requests.dense(query, one_each),
        )

    # Decode in a CUDA graph: the wrapper keeps the page table in buffers, which the append reads too.
    buffers = i32([0] * (len(PROMPTS) + 1)), i32([0] * PAGES), i32([1] * len(PROMPTS))
    captured = flashinfer.BatchDecodeWithPagedKVCacheWrapper(
        workspace,
        "NHD",
        use_cuda_graph=True,
        paged_kv_indptr_buffer=buffers[0],
        paged_kv_indices_buffer=buffers[1],
        paged_kv_last_page_len_buffer=buffers[2],
    )
    fused = projection(len(PROMPTS))
    query, key, value = fused.split([HEADS, KV_HEADS, KV_HEADS], dim=1)
    graph_lengths = i32([0] * len(PROMPTS))

    def next_step() -> None:
        fused.copy_(projection(len(PROMPTS)))
        requests.grow(one_each)
        requests.keep(key, value, one_each)
        indices, indptr, last_page_len, seq_lens = requests.table()
        graph_lengths.copy_(seq_lens)
        # Copies the table into the wrapper's buffers.
        captured.plan(indptr, indices, last_page_len, HEADS, KV_HEADS, HEAD_DIM, PAGE_SIZE, q_data_type=DTYPE)

    def append_and_attend() -> Tensor:
        append_paged_kv(
            key,
            value,
            kv_data=kv_cache,
            indices=buffers[1],
            indptr=buffers[0],
            seq_lens=graph_lengths,
            layout="NHD",
            length_convention="AFTER_APPEND",
        )
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
