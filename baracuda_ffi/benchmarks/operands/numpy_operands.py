"""Operands as NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..._append.arguments import PagedKvAppendArgs
from .forms import FORMS, Form, fused_heads, interleaved_shape
from .problem import Problem, random_page_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..running.paths import Call
    from .places import Placed

_DTYPES = {"f16": "float16", "f32": "float32"}


@dataclass(frozen=True)
class HostOperands:
    """One set of the seven, or with another way to say places; ``pages`` and ``slots`` (int64) are where its
    rows go."""

    problem: Problem
    arrays: dict[str, Any]
    pages: Any
    slots: Any

    def seven(self) -> dict[str, Any]:
        return self.arrays

    def args(self) -> PagedKvAppendArgs:
        return PagedKvAppendArgs(**self.arrays)


def host_operands(problem: Problem, seed: int) -> HostOperands:
    import numpy as np

    rng = np.random.default_rng(seed)
    dtype = np.dtype(_DTYPES[problem.element])

    def rows() -> Any:
        return rng.standard_normal(problem.row_shape, dtype=np.float32).astype(dtype)

    table = random_page_table(problem, seed)
    arrays = {
        "key": rows(),
        "value": rows(),
        "k_data": np.empty(problem.cache_shape, dtype),
        "v_data": np.empty(problem.cache_shape, dtype),
        "indices": table.indices,
        "indptr": table.indptr,
        "last_page_len": table.last_page_len,
    }
    return HostOperands(
        problem, arrays, table.last_pages.astype("int64"), table.last_page_len.astype("int64")
    )


def elsewhere(operands: HostOperands, placed: Placed) -> HostOperands:
    """The same rows and caches, and other places."""
    arrays = {name: operands.arrays[name] for name in ("key", "value", "k_data", "v_data")}
    return replace(operands, arrays={**arrays, **placed.says}, pages=placed.pages, slots=placed.slots)


def in_forms(operands: HostOperands) -> dict[Form, HostOperands]:
    """The set in every form, with the same rows and page table."""
    import numpy as np

    arrays, problem = operands.arrays, operands.problem
    heads, keys, values = fused_heads(problem.heads)
    fused = np.zeros((problem.batch, heads, problem.head_dim), arrays["key"].dtype)
    fused[:, keys], fused[:, values] = arrays["key"], arrays["value"]
    pair = np.empty(interleaved_shape(problem.cache_shape), fused.dtype)
    slices = {"key": fused[:, keys], "value": fused[:, values]}
    halves = {"k_data": pair[:, 0], "v_data": pair[:, 1]}
    return {
        form: replace(
            operands,
            arrays={**arrays, **(slices if form.slices else {}), **(halves if form.interleaved else {})},
        )
        for form in FORMS
    }


def check_writes(operands: HostOperands, call: Call) -> None:
    """Execute the call once and compare every row that it should have written. Raises ``RuntimeError``."""
    import numpy as np

    arrays = operands.arrays
    where: Any = (
        (operands.pages, slice(None), operands.slots)
        if operands.problem.layout == "HND"
        else (operands.pages, operands.slots)
    )
    for cache, row in (("k_data", "key"), ("v_data", "value")):
        arrays[cache][where] = -arrays[row] - 1
    call.once()
    for cache, row in (("k_data", "key"), ("v_data", "value")):
        if not np.array_equal(arrays[cache][where], arrays[row]):
            raise RuntimeError(f"it did not write the {row} rows where they belong")
