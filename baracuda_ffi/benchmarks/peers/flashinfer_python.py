"""flashinfer-python's ``append_paged_kv_cache``, which compiles its page module at the first call."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from ..absent import Absent, optional
from ..operands.torch_operands import once_each
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.torch_operands import Operands

NAME = "flashinfer-python append"
CONVERSION = "flashinfer-python index conversion"
STEP = "flashinfer-python index conversion and append"
NVFP4 = "flashinfer-python nvfp4 append"


def release() -> str:
    """The one that is installed, or words that say that none is. Its append differs from release to release:
    ratios to it are of this one."""
    try:
        return version("flashinfer-python")
    except PackageNotFoundError:
        return "not installed"


def append(operands: Operands) -> Call:
    """The append alone: the indices that it wants were made before."""
    (call,) = appends([operands])
    return call


def appends(sets: list[Operands]) -> list[Call]:
    """One call a set. Sets that share a page table share the indices too, as layers do."""
    converted = once_each(_converted, sets, "indptr")
    return [
        Call(_append(operands), {**_to_append(operands), **names})
        for operands, names in zip(sets, converted, strict=True)
    ]


def steps(sets: list[Operands]) -> list[Call]:
    """One call a set: all that a step of one layer needs from append_indptr and the page table on."""
    return [
        Call(
            f"batch_indices, positions = {_CONVERT}; {_append(operands)}",
            {**_to_append(operands), **_to_convert(operands)},
        )
        for operands in sets
    ]


def _append(operands: Operands) -> str:
    return (
        "append_paged_kv_cache(key, value, batch_indices, positions, kv_cache, indices, indptr, "
        f"last_page_len, {operands.problem.layout!r})"
    )


def _to_append(operands: Operands) -> dict[str, Any]:
    return {
        "append_paged_kv_cache": optional("flashinfer", "flashinfer-python").append_paged_kv_cache,
        "key": operands.key,
        "value": operands.value,
        "kv_cache": (operands.k_data, operands.v_data),
        "indices": operands.indices,
        "indptr": operands.indptr,
        "last_page_len": operands.last_page_len_after,
    }


def index_conversion(operands: Operands) -> Call:
    """What has to be done once a step before it."""
    return Call(_CONVERT, _to_convert(operands))


_CONVERT = (
    "get_batch_indices_positions(row_indptr, get_seq_lens(indptr, last_page_len, page_size), batch_size)"
)


def step(operands: Operands) -> Call:
    (call,) = steps([operands])
    return call


def _to_convert(operands: Operands) -> dict[str, Any]:
    flashinfer = optional("flashinfer", "flashinfer-python")
    problem = operands.problem
    return {
        "get_batch_indices_positions": flashinfer.get_batch_indices_positions,
        "get_seq_lens": flashinfer.get_seq_lens,
        "indptr": operands.indptr,
        "last_page_len": operands.last_page_len_after,
        "row_indptr": _row_indptr(operands),
        "page_size": problem.page_size,
        "batch_size": problem.batch,
    }


def _row_indptr(operands: Operands) -> Any:
    """Of a decode, which says none, a row a request."""
    says = operands.says or {}
    if "append_indptr" in says:
        return says["append_indptr"]
    torch = operands.torch
    return torch.arange(operands.problem.batch + 1, dtype=torch.int32, device=operands.device)


def _converted(operands: Operands) -> dict[str, Any]:
    batch_indices, positions = eval(_CONVERT, _to_convert(operands))
    return {"batch_indices": batch_indices, "positions": positions}


def nvfp4_append(operands: Operands) -> Call:
    """By slots, whose kernel takes scales from the device, as ours does."""
    flashinfer = optional("flashinfer", "flashinfer-python")
    append = getattr(flashinfer, "nvfp4_quantize_append_paged_kv_cache_with_slot_mapping", None)
    if append is None:
        raise Absent(f"flashinfer-python {release()} has no append that quantises to nvfp4")
    scales = operands.scales
    return Call(
        "nvfp4_append(key, value, slot_mapping, kv_cache, kv_cache_sf, k_scale, v_scale, "
        f"{operands.problem.layout!r})",
        {
            "nvfp4_append": append,
            "key": operands.key,
            "value": operands.value,
            "slot_mapping": operands.pages * operands.problem.page_size + operands.slots,
            "kv_cache": (operands.k_data, operands.v_data),
            "kv_cache_sf": tuple(
                scales[name].view(operands.torch.float8_e4m3fn) for name in ("k_scales", "v_scales")
            ),
            "k_scale": scales["k_scale"],
            "v_scale": scales["v_scale"],
        },
    )
