"""PyTorch: its tensors as operands, its current stream, and a launch that is bound once and repeated for each
layer.

Ordering: kernels that make key, value and the page table run on torch's current stream; the append is
enqueued on the same stream and so runs after them. On another stream, record an event and have the append's
stream wait for it. Without a GPU the same code runs on CPU tensors, with None for the stream.
"""

from __future__ import annotations

import torch

import baracuda_ffi as bf
from baracuda_ffi.examples._problem import Problem

LAYERS = 3
OF_A_LAYER = ("key", "value", "k_data", "v_data")


def main() -> None:
    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    stream = torch.cuda.current_stream() if on_gpu else None
    problems = [Problem(layer) for layer in range(LAYERS)]
    # A page table serves all layers of a step.
    indices, indptr, last_page_len = [
        torch.tensor(array, device=device)
        for array in (problems[0].indices, problems[0].indptr, problems[0].last_page_len)
    ]
    layers = [
        {name: torch.tensor(getattr(problem, name), device=device) for name in OF_A_LAYER}
        for problem in problems
    ]

    pages, heads, page_size, head_dim = layers[0]["k_data"].shape
    cache = bf.PagedKvCacheDescriptor(
        page_size=page_size,
        num_total_pages=pages,
        num_kv_heads=heads,
        head_dim=head_dim,
        element=bf.ElementKind.F16,
    )
    desc = bf.PagedKvAppendDescriptor(batch_size=len(last_page_len), paged_kv=cache)
    plan = bf.PagedKvAppendPlan.select(stream, desc)
    table = {"indices": indices, "indptr": indptr, "last_page_len": last_page_len}
    launch = plan.bind(stream, bf.PagedKvAppendArgs(**layers[0], **table))
    for layer in layers:
        launch.rebind(**layer)
        launch()

    for problem, layer in zip(problems, layers, strict=True):
        # .cpu() waits for the current stream, which the append is on.
        problem.check(layer["k_data"].cpu().numpy(), layer["v_data"].cpu().numpy())


if __name__ == "__main__":
    main()
