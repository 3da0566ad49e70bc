"""The floor of this package's operators of torch: of the same arguments, made in the same way, and doing
nothing."""

from __future__ import annotations

from functools import cache

from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.torch_operands import Operands

NAMESPACE = "baracuda_bench_empty"
BY_DEFAULT = "torch operator of the default overload's arguments, empty"
OF_A_SET = "torch operator of last_page_len's arguments, empty"
_OVERLOADS = {BY_DEFAULT: "default", OF_A_SET: "last_page_len"}
NAMES = tuple(_OVERLOADS)


def call(name: str, operands: Operands) -> Call:
    """One of ``NAMES``."""
    return Call(
        "operator(key, value, k_data, v_data, indices, indptr, last_page_len)",
        {"operator": _operator(operands.torch, _OVERLOADS[name]), **operands.seven()},
    )


@cache
def _operator(torch: Any, overload: str) -> Any:
    from ... import torch as _registers_ours  # noqa: F401

    ours = getattr(torch.ops.baracuda_ffi.append_paged_kv, overload)
    arguments = str(ours._schema).partition("(")[2]
    library = _library(torch)
    library.define(f"{overload}_({arguments}")
    for device in ("CPU", "CUDA"):
        library.impl(f"{overload}_", _nothing, device)
    return getattr(getattr(torch.ops, NAMESPACE), f"{overload}_").default


def _nothing(*operands: object, **options: object) -> None:
    pass


@cache
def _library(torch: Any) -> Any:
    return torch.library.Library(NAMESPACE, "FRAGMENT")
