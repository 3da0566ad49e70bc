"""flashinfer-python's ``append_paged_kv_cache``, which compiles its page module at the first call."""

from __future__ import annotations

from ..absent import optional
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.torch_operands import Operands

NAME = "flashinfer-python append"
CONVERSION = "flashinfer-python index conversion"


def append(operands: Operands) -> Call:
    """The append alone: the indices that it wants were made before."""
    names = _names(operands)
    exec(f"batch_indices, positions = {_CONVERT}", names)
    return Call(
        "append_paged_kv_cache(key, value, batch_indices, positions, kv_cache, indices, indptr, "
        f"last_page_len, {operands.problem.layout!r})",
        names,
    )


def index_conversion(operands: Operands) -> Call:
    """What has to be done once a step before it."""
    return Call(_CONVERT, _names(operands))


_CONVERT = (
    "get_batch_indices_positions(row_indptr, get_seq_lens(indptr, last_page_len, page_size), batch_size)"
)


def _names(operands: Operands) -> dict[str, Any]:
    flashinfer = optional("flashinfer", "flashinfer-python")
    problem = operands.problem
    return {
        "append_paged_kv_cache": flashinfer.append_paged_kv_cache,
        "get_batch_indices_positions": flashinfer.get_batch_indices_positions,
        "get_seq_lens": flashinfer.get_seq_lens,
        **operands.seven(),
        "kv_cache": (operands.k_data, operands.v_data),
        "last_page_len": operands.last_page_len_after,
        "row_indptr": operands.torch.arange(
            problem.batch + 1, dtype=operands.torch.int32, device=operands.device
        ),
        "page_size": problem.page_size,
        "batch_size": problem.batch,
    }
