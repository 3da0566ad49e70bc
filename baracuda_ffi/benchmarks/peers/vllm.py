"""vLLM's ``reshape_and_cache_flash``. It takes slots instead of a page table, and is given the cache's memory
as NHD, whatever the problem's layout."""

from __future__ import annotations

from ..absent import optional
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..operands.torch_operands import Operands

NAME = "vLLM reshape_and_cache_flash"


def append(operands: Operands) -> Call:
    ops = optional("vllm._custom_ops", "vLLM")
    torch = operands.torch
    k_cache, v_cache = operands.cache_as("NHD")
    return Call(
        "reshape_and_cache_flash(key, value, k_cache, v_cache, slot_mapping, 'auto', scale, scale)",
        {
            "reshape_and_cache_flash": ops.reshape_and_cache_flash,
            "key": operands.key,
            "value": operands.value,
            "k_cache": k_cache,
            "v_cache": v_cache,
            "slot_mapping": operands.pages * operands.problem.page_size + operands.slots,
            "scale": torch.ones(1, dtype=torch.float32, device=operands.device),
        },
        layout="NHD",
    )
