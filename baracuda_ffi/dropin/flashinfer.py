"""FlashInfer's functions that fill a paged KV-cache (``flashinfer``, release 0.7.2)."""

from __future__ import annotations

import math

import torch

from .._model.checks import in_words
from .._model.errors import invalid_problem
from ..torch import append_paged_kv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torch import Tensor

    Caches = Tensor | tuple[Tensor, Tensor]

__all__ = [
    "append_paged_kv_cache",
    "append_paged_mla_kv_cache",
    "get_batch_indices_positions",
    "get_seq_lens",
    "nvfp4_quantize_append_paged_kv_cache",
    "nvfp4_quantize_append_paged_kv_cache_with_slot_mapping",
]

_INDEX_TYPES = (torch.int32, torch.int64)

# Dimensions without the one that a cache of page size 1 may leave out, K and V apart.
_RANK_OF_PAGES_OF_ONE = 3
_PLACE_OF_SLOT = {"NHD": -3, "HND": -2}


def append_paged_kv_cache(
    append_key: Tensor,
    append_value: Tensor,
    batch_indices: Tensor,
    positions: Tensor,
    paged_kv_cache: Caches,
    kv_indices: Tensor,
    kv_indptr: Tensor,
    kv_last_page_len: Tensor,
    kv_layout: str = "NHD",
) -> None:
    """Write row ``i`` to token ``positions[i]`` of request ``batch_indices[i]``.

    Any head_dim, strides and number of heads; int64 indices as they are, without a copy; float32 too. A batch
    index that is negative is padding, which FlashInfer reads a page table in front of its own for.

    Parameters
    ----------
    append_key, append_value
        ``[rows, num_kv_heads, head_dim]``, of the cache's type.
    batch_indices, positions
        ``[rows]``, as of ``get_batch_indices_positions``.
    paged_kv_cache
        ``[pages, 2, ...]``, or a tuple of K's and V's: NHD ``[pages, page_size, num_kv_heads, head_dim]``,
        HND ``[pages, num_kv_heads, page_size, head_dim]``; of page size 1 also without that dimension.
    kv_indices, kv_indptr
        The page table, with the pages of the new tokens.
    kv_last_page_len
        Not read, as by FlashInfer's kernel: positions say it.
    kv_layout : str
        ``"NHD"`` or ``"HND"``.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``.
    """
    k_data, v_data = _caches("append_paged_kv_cache", "paged_kv_cache", paged_kv_cache, kv_layout)
    append_paged_kv(
        append_key,
        append_value,
        k_data,
        v_data,
        _indices(kv_indices),
        _indices(kv_indptr),
        batch_indices=_indices(batch_indices),
        positions=_indices(positions),
        layout=kv_layout,
    )


def append_paged_mla_kv_cache(
    append_ckv: Tensor,
    append_kpe: Tensor,
    batch_indices: Tensor,
    positions: Tensor,
    ckv_cache: Tensor | None,
    kpe_cache: Tensor | None,
    kv_indices: Tensor,
    kv_indptr: Tensor,
    kv_last_page_len: Tensor,
) -> None:
    """``append_paged_kv_cache`` for caches without heads, of any two widths.

    Parameters
    ----------
    append_ckv, append_kpe
        ``[rows, width]``, each of its own width.
    batch_indices, positions
        ``[rows]``.
    ckv_cache, kpe_cache
        ``[pages, page_size, width]``.
    kv_indices, kv_indptr
        The page table.
    kv_last_page_len
        Not read.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``.
    """
    append_paged_kv(
        append_ckv,
        append_kpe,
        ckv_cache,
        kpe_cache,
        _indices(kv_indices),
        _indices(kv_indptr),
        batch_indices=_indices(batch_indices),
        positions=_indices(positions),
    )


def nvfp4_quantize_append_paged_kv_cache(
    append_key: Tensor,
    append_value: Tensor,
    batch_indices: Tensor,
    positions: Tensor,
    paged_kv_cache: Caches,
    kv_cache_sf: Caches,
    kv_indices: Tensor,
    kv_indptr: Tensor,
    kv_last_page_len: Tensor,
    k_scale: float,
    v_scale: float,
    kv_layout: str = "NHD",
) -> None:
    """``append_paged_kv_cache`` into a cache of e2m1 pairs, with an e4m3 scale for each 16 of a row.

    Parameters
    ----------
    append_key, append_value
        ``[rows, num_kv_heads, head_dim]``, float16 or bfloat16.
    batch_indices, positions
        ``[rows]``.
    paged_kv_cache
        As for ``append_paged_kv_cache``, uint8, ``head_dim / 2`` in the last dimension.
    kv_cache_sf
        The scales: the same, float8_e4m3fn, ``head_dim / 16`` in the last dimension.
    kv_indices, kv_indptr
        The page table.
    kv_last_page_len
        Not read.
    k_scale, v_scale : float
        The global scales, positive and finite.
    kv_layout : str
        ``"NHD"`` or ``"HND"``.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``; ``InvalidProblem`` for a scale that is not positive and finite.
    """
    _append_nvfp4(
        "nvfp4_quantize_append_paged_kv_cache",
        append_key,
        append_value,
        paged_kv_cache,
        kv_cache_sf,
        k_scale,
        v_scale,
        kv_layout,
        indices=_indices(kv_indices),
        indptr=_indices(kv_indptr),
        batch_indices=_indices(batch_indices),
        positions=_indices(positions),
    )


def nvfp4_quantize_append_paged_kv_cache_with_slot_mapping(
    append_key: Tensor,
    append_value: Tensor,
    slot_mapping: Tensor,
    paged_kv_cache: Caches,
    kv_cache_sf: Caches,
    k_scale: float | Tensor,
    v_scale: float | Tensor,
    kv_layout: str = "NHD",
) -> None:
    """``nvfp4_quantize_append_paged_kv_cache`` by slots of the whole cache; those that are negative or behind
    it are padding, on the CPU too.

    Scales in device memory are read where the append runs: nothing waits for them, and a captured graph sees
    what is there at each replay.

    Parameters
    ----------
    append_key, append_value
        ``[rows, num_kv_heads, head_dim]``, float16 or bfloat16; rows behind slot_mapping's are not read.
    slot_mapping
        ``[rows]``, int32 or int64.
    paged_kv_cache, kv_cache_sf
        As for ``nvfp4_quantize_append_paged_kv_cache``.
    k_scale, v_scale
        The global scales: numbers, positive and finite, or tensors of one float32.
    kv_layout : str
        ``"NHD"`` or ``"HND"``.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``; ``InvalidProblem`` for a number that is not positive and finite.
    """
    _append_nvfp4(
        "nvfp4_quantize_append_paged_kv_cache_with_slot_mapping",
        append_key,
        append_value,
        paged_kv_cache,
        kv_cache_sf,
        k_scale,
        v_scale,
        kv_layout,
        slot_mapping=slot_mapping,
        guarded=True,
    )


def get_batch_indices_positions(
    append_indptr: Tensor,
    seq_lens: Tensor,
    nnz: int,
    batch_indices: Tensor | None = None,
    positions: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Whose row each is, and which of its tokens, of requests whose newest tokens are appended.

    Parameters
    ----------
    append_indptr
        ``[batch + 1]``: request ``b`` has rows ``append_indptr[b]`` to ``append_indptr[b + 1] - 1``.
    seq_lens
        ``[batch]``, tokens in all, the new ones counted.
    nnz : int
        Rows. Those behind append_indptr are padding.
    batch_indices, positions
        int32 ``[nnz]``, to be filled; or None.

    Returns
    -------
    Tensor, Tensor
        batch_indices and positions, int32 ``[nnz]``. Of padding -1, and the position that was given, or 0.

    Raises
    ------
    InvalidProblem
        An output of another shape, type or device.
    """
    device = append_indptr.device
    rows = torch.arange(nnz, device=device, dtype=append_indptr.dtype)
    ends = append_indptr[1:]
    owners = torch.searchsorted(ends, rows, right=True)
    owned = (owners < ends.shape[0]) & (rows >= append_indptr[:1])
    # The rows of nobody are looked up in a request of their own, behind all others.
    shifts = torch.nn.functional.pad(seq_lens.to(ends.dtype) - ends, (0, 1))
    found = torch.where(owned, owners, -1).int()
    batch_indices = _output("batch_indices", batch_indices, found)
    batch_indices.copy_(found)
    positions = _output("positions", positions, found)
    positions.copy_(torch.where(owned, (rows + shifts[owners]).int(), positions))
    return batch_indices, positions


def get_seq_lens(kv_indptr: Tensor, kv_last_page_len: Tensor, page_size: int) -> Tensor:
    """Tokens of each request in all.

    Parameters
    ----------
    kv_indptr
        ``[batch + 1]``, of the page table.
    kv_last_page_len
        ``[batch]``, tokens in each request's last page.
    page_size : int
        Tokens a page.

    Returns
    -------
    Tensor
        ``[batch]``; of a request without pages its last_page_len.
    """
    pages = kv_indptr[1:] - kv_indptr[:-1]
    return torch.clamp(pages - 1, min=0) * page_size + kv_last_page_len


def _append_nvfp4(
    function: str,
    append_key: Tensor,
    append_value: Tensor,
    paged_kv_cache: Caches,
    kv_cache_sf: Caches,
    k_scale: float | Tensor,
    v_scale: float | Tensor,
    kv_layout: str,
    **places: Any,
) -> None:
    """``places`` says where rows go, and whether the append is guarded."""
    k_data, v_data = _caches(function, "paged_kv_cache", paged_kv_cache, kv_layout)
    k_scales, v_scales = _caches(function, "kv_cache_sf", kv_cache_sf, kv_layout)
    append_paged_kv(
        append_key,
        append_value,
        k_data,
        v_data,
        layout=kv_layout,
        transform="NVFP4",
        k_scale=_scale(function, "k_scale", k_scale, append_key.device),
        v_scale=_scale(function, "v_scale", v_scale, append_key.device),
        k_scales=k_scales,
        v_scales=v_scales,
        **places,
    )


def _caches(function: str, name: str, caches: Caches, layout: str) -> tuple[Tensor, Tensor]:
    """K's and V's, each with all four dimensions."""
    if layout not in _PLACE_OF_SLOT:
        raise invalid_problem(function, f"kv_layout is {in_words(layout)}; it should be 'NHD' or 'HND'")
    if isinstance(caches, tuple):
        k_data, v_data = caches
    elif isinstance(caches, torch.Tensor):
        if caches.ndim not in (4, 5) or caches.shape[1] != 2:
            raise invalid_problem(
                function,
                f"{name} has shape {list(caches.shape)}; it should be [pages, 2, ...], or a tuple of two",
            )
        k_data, v_data = caches.unbind(1)
    else:
        raise invalid_problem(
            function, f"{name} is {in_words(caches)}; it should be a tensor, or a tuple of two"
        )
    return _with_slots(k_data, layout), _with_slots(v_data, layout)


def _with_slots(cache: Tensor, layout: str) -> Tensor:
    return cache.unsqueeze(_PLACE_OF_SLOT[layout]) if cache.ndim == _RANK_OF_PAGES_OF_ONE else cache


def _indices(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype in _INDEX_TYPES else tensor.int()


def _scale(function: str, name: str, value: float | Tensor, device: torch.device) -> Tensor:
    """A global scale in the memory of a device, ``[1]``. It is looked at where the CPU has it."""
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            raise invalid_problem(
                function, f"{name} has shape {list(value.shape)}; it should have one element"
            )
        if value.is_cpu and not torch.compiler.is_compiling():
            _check_scale(function, name, value.item())
        return value.to(device).reshape(1)
    _check_scale(function, name, value)
    return torch.full((1,), value, dtype=torch.float32, device=device)


def _check_scale(function: str, name: str, value: float) -> None:
    if not (hasattr(value, "__float__") and math.isfinite(value) and value > 0):
        raise invalid_problem(
            function, f"{name} is {in_words(value)}; it should be a positive global decode scale, and finite"
        )


def _output(name: str, given: Tensor | None, like: Tensor) -> Tensor:
    if given is None:
        return torch.zeros_like(like)
    for what, found, wanted in (
        ("shape", list(given.shape), list(like.shape)),
        ("type", given.dtype, like.dtype),
        ("device", given.device, like.device),
    ):
        if found != wanted:
            raise invalid_problem(
                "get_batch_indices_positions", f"the {what} of {name} is {found}; it should be {wanted}"
            )
    return given
