"""PyTorch: an append inside ``torch.compile``, by the operator of ``baracuda_ffi.torch``.

On a GPU the decode step is captured into CUDA graphs (``mode="reduce-overhead"``), where the append goes to
whatever stream torch captures on. Caches that stay where they are have to be marked, or torch copies nothing
but captures nothing either. Without a GPU the same code runs on CPU tensors, with a back end of torch's that
needs no C++ compiler.
"""

from __future__ import annotations

import torch

from baracuda_ffi.examples._problem import Problem
from baracuda_ffi.torch import append_paged_kv

NAMES = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")


def decode_step(
    key: torch.Tensor, value: torch.Tensor, kv: tuple[torch.Tensor, ...], table: tuple[torch.Tensor, ...]
) -> torch.Tensor:
    k_data, v_data = kv
    append_paged_kv(key, value, k_data, v_data, *table)
    return k_data.sum(dtype=torch.float32)


def main() -> None:
    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    compiled = torch.compile(
        decode_step,
        fullgraph=True,
        mode="reduce-overhead" if on_gpu else None,
        backend="inductor" if on_gpu else "aot_eager",
    )
    problem = Problem()
    operands = [torch.tensor(getattr(problem, name), device=device) for name in NAMES]
    key, value, k_data, v_data, *table = operands
    for tensor in (k_data, v_data, *table):
        torch._dynamo.mark_static_address(tensor)
    for _ in range(3):  # compiled, captured, replayed: the same rows to the same places
        compiled(key, value, (k_data, v_data), tuple(table))
    problem.check(k_data.cpu().numpy(), v_data.cpu().numpy())


if __name__ == "__main__":
    main()
