"""vLLM's operators, and its Triton kernel for scales of each token and head. They take slots instead of a
page table, and are given a cache's memory as NHD, whatever the problem's layout."""

from __future__ import annotations

from importlib import import_module

from ..absent import Absent, optional
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..operands.torch_operands import Operands

NAME = "vLLM reshape_and_cache_flash"


FP8 = "vLLM reshape_and_cache_flash, fp8"
DS_MLA = "vLLM concat_and_cache_mla, fp8_ds_mla"
E4M3_BY_ROW = "vLLM's Triton kernel, e4m3 by token and head"
INT8_BY_ROW = "vLLM's Triton kernel, int8 by token and head"


def append(operands: Operands) -> Call:
    scale = operands.torch.ones(1, dtype=operands.torch.float32, device=operands.device)
    return _flash(operands, "auto", {"k_scale": scale, "v_scale": scale}, operands.cache_as("NHD"))


def append_fp8(operands: Operands) -> Call:
    caches = [cache.view(operands.torch.uint8) for cache in operands.cache_as("NHD")]
    return _flash(operands, "fp8", operands.scales, caches)


def _flash(operands: Operands, kind: str, scales: dict[str, Any], caches: Sequence[Any]) -> Call:
    k_cache, v_cache = caches
    return Call(
        f"reshape_and_cache_flash(key, value, k_cache, v_cache, slot_mapping, {kind!r}, k_scale, v_scale)",
        {
            "reshape_and_cache_flash": optional("vllm._custom_ops", "vLLM").reshape_and_cache_flash,
            "key": operands.key,
            "value": operands.value,
            "k_cache": k_cache,
            "v_cache": v_cache,
            "slot_mapping": _slot_mapping(operands),
            **scales,
        },
        layout="NHD",
    )


def append_ds_mla(operands: Operands) -> Call:
    return Call(
        "concat_and_cache_mla(ckv, kpe, cache, slot_mapping, 'fp8_ds_mla', scale)",
        {
            "concat_and_cache_mla": optional("vllm._custom_ops", "vLLM").concat_and_cache_mla,
            "ckv": operands.key,
            "kpe": operands.value,
            "cache": operands.k_data,
            "slot_mapping": _slot_mapping(operands),
            "scale": operands.torch.ones(1, dtype=operands.torch.float32, device=operands.device),
        },
        layout="NHD",
    )


def append_by_row(operands: Operands) -> Call:
    """Into caches of e4m3 or int8."""
    optional("vllm", "vLLM")
    try:
        kernels = import_module("vllm.v1.attention.ops.triton_reshape_and_cache_flash")
        modes = import_module("vllm.v1.kv_cache_interface").KVQuantMode
    except ModuleNotFoundError as error:
        raise Absent(f"the vLLM that is installed has no such kernel: {error}") from None
    k_cache, v_cache = operands.cache_as("NHD")
    is_int8 = k_cache.dtype == operands.torch.int8
    return Call(
        "append(key, value, k_cache, v_cache, k_scales, v_scales, slot_mapping, mode)",
        {
            "append": kernels.triton_reshape_and_cache_flash_per_token_head_quant,
            "key": operands.key,
            "value": operands.value,
            "k_cache": k_cache,
            "v_cache": v_cache,
            "slot_mapping": _slot_mapping(operands),
            "mode": modes.INT8_PER_TOKEN_HEAD if is_int8 else modes.FP8_PER_TOKEN_HEAD,
            **operands.scales,
        },
        layout="NHD",
    )


def _slot_mapping(operands: Operands) -> Any:
    return operands.pages * operands.problem.page_size + operands.slots
