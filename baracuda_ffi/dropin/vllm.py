"""vLLM's functions that fill a paged KV-cache (``vllm._custom_ops``, release 0.33)."""

from __future__ import annotations

import torch

from .._model.checks import in_words
from .._model.errors import invalid_problem, unsupported
from ..torch import append_paged_kv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torch import Tensor

__all__ = ["concat_and_cache_mla", "reshape_and_cache_flash"]

# vLLM's names of what a cache holds, where it is not what key is: its element.
_COPIES = ("auto", "float16", "half", "bfloat16", "float32", "float")
_QUANTISED = {"fp8": "fp8_e4m3", "fp8_e4m3": "fp8_e4m3", "fp8_e5m2": "fp8_e5m2"}
_DS_MLA = "fp8_ds_mla"


def reshape_and_cache_flash(
    key: Tensor,
    value: Tensor,
    key_cache: Tensor,
    value_cache: Tensor,
    slot_mapping: Tensor,
    kv_cache_dtype: str,
    k_scale: Tensor,
    v_scale: Tensor,
) -> None:
    """Write row ``i`` to slot ``slot_mapping[i]``; negative ones are padding.

    Rows and caches of any strides, K's and V's each of their own; any head sizes; int32 slots too. A slot
    beyond the cache is skipped on a GPU and refused on the CPU, where vLLM writes behind the cache.

    Parameters
    ----------
    key, value
        ``[num_tokens or more, num_heads, head_size]``; rows behind slot_mapping's are not read.
    key_cache, value_cache
        ``[num_blocks, block_size, num_heads, head_size]``, of key's type, or of an fp8 type or uint8.
    slot_mapping
        ``[num_tokens]``.
    kv_cache_dtype : str
        ``"auto"`` (or the name of key's type): copied; ``"fp8"``, ``"fp8_e4m3"``, ``"fp8_e5m2"``: divided by
        the scales and rounded.
    k_scale, v_scale
        float32, of one element or ``[num_heads]``; not read for ``"auto"``.

    Raises
    ------
    Unsupported
        Another kv_cache_dtype.
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``.
    """
    append_paged_kv(
        key,
        value,
        key_cache,
        value_cache,
        slot_mapping=slot_mapping,
        layout="NHD",
        **_quantisation("reshape_and_cache_flash", kv_cache_dtype, k_scale, v_scale),
    )


def concat_and_cache_mla(
    kv_c: Tensor,
    k_pe: Tensor,
    kv_cache: Tensor,
    slot_mapping: Tensor,
    kv_cache_dtype: str,
    scale: Tensor,
    skip_scale: bool = False,
) -> None:
    """Write row ``i`` of kv_c and of k_pe, one behind the other, to slot ``slot_mapping[i]``; negative ones
    are padding.

    Parameters
    ----------
    kv_c, k_pe
        ``[num_tokens or more, kv_lora_rank]`` and ``[num_tokens or more, pe_dim]``, of any widths; pe_dim
        may be 0.
    kv_cache
        ``[num_blocks, block_size, kv_lora_rank + pe_dim]``; for ``"fp8_ds_mla"`` 656 bytes a slot.
    slot_mapping
        ``[num_tokens]``.
    kv_cache_dtype : str
        As for ``reshape_and_cache_flash``; or ``"fp8_ds_mla"``, whose rows hold scales of their own.
    scale
        float32, of one element; not read for ``"auto"`` and ``"fp8_ds_mla"``.
    skip_scale : bool
        Round to fp8 as if the scale were 1.

    Raises
    ------
    Unsupported
        Another kv_cache_dtype.
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``.
    """
    me = "concat_and_cache_mla"
    value = k_pe if k_pe.shape[-1] else None
    if kv_cache_dtype == _DS_MLA:
        rows = kv_cache if kv_cache.dtype == torch.uint8 else kv_cache.view(torch.uint8)
        append_paged_kv(kv_c, value, rows, slot_mapping=slot_mapping, transform="FP8_DS_MLA")
        return
    rank = kv_c.shape[-1]
    if kv_cache.ndim != 3 or kv_cache.shape[2] != rank + k_pe.shape[-1]:
        raise invalid_problem(
            me,
            f"kv_cache has shape {list(kv_cache.shape)}; it should be [num_blocks, block_size, "
            f"{rank} + {k_pe.shape[-1]}]",
        )
    if skip_scale and kv_cache_dtype in _QUANTISED:
        scale = torch.ones(1, dtype=torch.float32, device=kv_c.device)
    append_paged_kv(
        kv_c,
        value,
        kv_cache[..., :rank],
        None if value is None else kv_cache[..., rank:],
        slot_mapping=slot_mapping,
        **_quantisation(me, kv_cache_dtype, scale, None if value is None else scale),
    )


def _quantisation(
    function: str, kv_cache_dtype: str, k_scale: Tensor, v_scale: Tensor | None
) -> dict[str, Any]:
    """What to tell the append of a cache that holds something else than key is."""
    if kv_cache_dtype in _COPIES:
        return {}
    element = _QUANTISED.get(kv_cache_dtype)
    if element is None:
        names = ", ".join([*_COPIES, *_QUANTISED])
        raise unsupported(
            function,
            f"kv_cache_dtype is {in_words(kv_cache_dtype)}; it should be one of {names}, or for "
            f"concat_and_cache_mla {_DS_MLA}",
        )
    scales = {"k_scale": _flat(k_scale), "v_scale": _flat(v_scale)}
    return {"transform": "FP8", "element": element, **scales}


def _flat(scale: Any) -> Any:
    """vLLM's may have any dimensions; what is no tensor the append refuses, and says why."""
    return scale.reshape(-1) if isinstance(scale, torch.Tensor) and scale.dim() > 1 else scale
