"""Operands as NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..._append.arguments import PagedKvAppendArgs
from ..._model.enums import ElementKind, Transform
from ..._reference import formats
from .forms import FORMS, Form, fused_heads, interleaved_shape
from .problem import Problem, random_page_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..running.paths import Call
    from .places import Placed

_DTYPES = {"f16": "float16", "f32": "float32"}
_SCALES = {"k_scale": 0.037, "v_scale": 0.025}  # no powers of two, by which it is easier to divide


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


def quantised(operands: HostOperands, transform: Transform) -> HostOperands:
    """The same rows and places, and caches of fp8: by scales that are given, or one a token and head."""
    import numpy as np

    problem = replace(operands.problem, transform=transform)
    if transform is Transform.FP8:
        scales = {name: np.array([scale], np.float32) for name, scale in _SCALES.items()}
    else:
        shape = problem.pages, problem.page_size, problem.heads
        scales = {name: np.zeros(shape, np.float32) for name in ("k_scales", "v_scales")}
    caches = {name: np.zeros(problem.cache_shape, np.uint8) for name in ("k_data", "v_data")}
    return replace(operands, problem=problem, arrays={**operands.arrays, **caches, **scales})


def _places(operands: HostOperands) -> Any:
    """The index of the rows' places in a cache."""
    if operands.problem.layout == "HND":
        return operands.pages, slice(None), operands.slots
    return operands.pages, operands.slots


def check_writes(operands: HostOperands, call: Call) -> None:
    """Execute the call once and compare every row that it should have written. Raises ``RuntimeError``."""
    import numpy as np

    arrays, where = operands.arrays, _places(operands)
    for cache, row in (("k_data", "key"), ("v_data", "value")):
        arrays[cache][where] = -arrays[row] - 1
    call.once()
    for cache, row in (("k_data", "key"), ("v_data", "value")):
        if not np.array_equal(arrays[cache][where], arrays[row]):
            raise RuntimeError(f"it did not write the {row} rows where they belong")


def check_quantised(operands: HostOperands, call: Call) -> None:
    """As ``check_writes``, of what ``quantised`` made: by the reference's rule, and its scales too."""
    import numpy as np

    arrays, where, kind = operands.arrays, _places(operands), operands.problem.kind
    for part, rows in (("k", "key"), ("v", "value")):
        numbers = formats.widened(arrays[rows], kind)
        cache = arrays[f"{part}_data"].view(np.uint8)
        cache[where] = 0x7F
        call.once()
        if operands.problem.transform is Transform.FP8:
            wanted = formats.quantised_by(numbers, arrays[f"{part}_scale"], ElementKind.FP8_E4M3)
        else:
            wanted, scales = formats.quantised_by_row(numbers, ElementKind.FP8_E4M3)
            if not np.array_equal(arrays[f"{part}_scales"][operands.pages, operands.slots], scales):
                raise RuntimeError(f"it did not write the scales of the {rows} rows where they belong")
        if not np.array_equal(cache[where], wanted):
            raise RuntimeError(f"it did not write what the {rows} rows become where they belong")
