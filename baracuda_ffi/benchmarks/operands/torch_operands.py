"""Operands as torch tensors, on a GPU or on the host."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..._append.arguments import PagedKvAppendArgs
from .forms import FORMS, Form, fused_heads, interleaved_shape
from .places import placed
from .problem import Problem, random_page_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .places import Placed

_DTYPES = {
    "f16": "float16",
    "bf16": "bfloat16",
    "f32": "float32",
    "fp8_e4m3": "float8_e4m3fn",
    "fp8_e5m2": "float8_e5m2",
}


@dataclass(frozen=True)
class Operands:
    """One set of the seven. ``pages`` and ``slots`` (int64) say where its rows go, for peers that are told so
    directly; ``last_page_len_after`` counts the new tokens too. ``says`` is what says so in another way than
    by the page table, that of ``placed``."""

    problem: Problem
    torch: Any
    key: Any
    value: Any
    k_data: Any
    v_data: Any
    indices: Any
    indptr: Any
    last_page_len: Any
    last_page_len_after: Any
    pages: Any
    slots: Any
    placed: Placed | None = None
    says: dict[str, Any] | None = None
    scales: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> Any:
        return self.key.device

    def args(self) -> PagedKvAppendArgs:
        return PagedKvAppendArgs(**self.seven())

    def seven(self) -> dict[str, Any]:
        """Key, value and the caches, what says places, and scales."""
        table = {"indices": self.indices, "indptr": self.indptr, "last_page_len": self.last_page_len}
        return {
            "key": self.key,
            "value": self.value,
            "k_data": self.k_data,
            "v_data": self.v_data,
            **(table if self.says is None else self.says),
            **self.scales,
        }

    def cache_as(self, layout: str) -> tuple[Any, Any]:
        """The caches' memory seen in a layout, whatever the problem's is."""
        p = self.problem
        shape = (
            (p.pages, p.heads, p.page_size, p.head_dim)
            if layout == "HND"
            else (p.pages, p.page_size, p.heads, p.head_dim)
        )
        return self.k_data.view(shape), self.v_data.view(shape)


def caches(torch: Any, problem: Problem, device: str) -> tuple[Any, Any]:
    dtype = getattr(torch, _DTYPES[problem.element])
    return (
        torch.empty(problem.cache_shape, dtype=dtype, device=device),
        torch.empty(problem.cache_shape, dtype=dtype, device=device),
    )


def operand_set(torch: Any, problem: Problem, device: str, k_data: Any, v_data: Any, seed: int) -> Operands:
    """Random rows and a random page table of their own, over caches that sets may share. Synchronise before
    using them on another stream."""
    table = random_page_table(problem, seed)
    key, value = _random_rows(torch, problem, device), _random_rows(torch, problem, device)
    to = _mover(torch, device)
    return Operands(
        problem=problem,
        torch=torch,
        key=key,
        value=value,
        k_data=k_data,
        v_data=v_data,
        indices=to(table.indices),
        indptr=to(table.indptr),
        last_page_len=to(table.last_page_len),
        last_page_len_after=to(table.last_page_len + 1),
        pages=to(table.last_pages.astype("int64")),
        slots=to(table.last_page_len.astype("int64")),
    )


def operand_sets(torch: Any, problem: Problem, device: str, count: int, l2: str) -> list[Operands]:
    """Sets for launches in turn, that share what ``Settings.l2`` says a launch is to find in the L2 cache."""
    if l2 != "decode":
        k_data, v_data = caches(torch, problem, device)
        return [operand_set(torch, problem, device, k_data, v_data, seed) for seed in range(count)]
    first = operand_set(torch, problem, device, *caches(torch, problem, device), seed=0)
    layers = [caches(torch, problem, device) for _ in range(count - 1)]
    return [first, *[replace(first, k_data=k_data, v_data=v_data) for k_data, v_data in layers]]


def once_each(make: Callable[[Operands], Any], sets: list[Operands], shared: str) -> list[Any]:
    """``make`` of every set, but one and the same for sets that share the operand."""
    made: dict[int, Any] = {}
    for operands in sets:
        which = id(getattr(operands, shared))
        if which not in made:
            made[which] = make(operands)
    return [made[id(getattr(operands, shared))] for operands in sets]


def in_forms(sets: list[Operands]) -> dict[Form, list[Operands]]:
    """The sets in every form, with the same rows and page tables. What sets share they share in each."""
    rows, pairs = once_each(_slices, sets, "key"), once_each(_interleaved, sets, "k_data")
    return {
        form: [
            replace(operands, **(sliced if form.slices else {}), **(pair if form.interleaved else {}))
            for operands, sliced, pair in zip(sets, rows, pairs, strict=True)
        ]
        for form in FORMS
    }


def elsewhere(sets: list[Operands], way: str, requests: int) -> list[Operands]:
    """The sets with the same rows and caches, and other places. What sets share they share there too."""

    def moved(operands: Operands) -> dict[str, Any]:
        where = placed(operands.problem, way, requests, seed=requests)
        to = _mover(operands.torch, operands.device)
        table = {name: to(array) for name, array in where.table.items()}
        return {
            "placed": where,
            "says": {name: to(array) for name, array in where.says.items()},
            "indices": table["indices"],
            "indptr": table["indptr"],
            "last_page_len_after": table["last_page_len"],
            "pages": to(where.pages),
            "slots": to(where.slots),
        }

    return [
        replace(operands, **fields)
        for operands, fields in zip(sets, once_each(moved, sets, "key"), strict=True)
    ]


def _slices(operands: Operands) -> dict[str, Any]:
    """Key and value copied into a fused projection."""
    problem, torch = operands.problem, operands.torch
    heads, keys, values = fused_heads(problem.heads)
    fused = _random_rows(torch, replace(problem, heads=heads), operands.device)
    key, value = fused[:, keys], fused[:, values]
    _bytes_of(torch, key).copy_(_bytes_of(torch, operands.key))
    _bytes_of(torch, value).copy_(_bytes_of(torch, operands.value))
    return {"key": key, "value": value}


def _interleaved(operands: Operands) -> dict[str, Any]:
    cache = operands.k_data
    pair = operands.torch.empty(interleaved_shape(cache.shape), dtype=cache.dtype, device=cache.device)
    return {"k_data": pair[:, 0], "v_data": pair[:, 1]}


def _random_rows(torch: Any, problem: Problem, device: Any) -> Any:
    shape = (*problem.row_shape[:-1], problem.head_dim * problem.kind.itemsize)
    raw = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    return raw.view(getattr(torch, _DTYPES[problem.element]))


def _mover(torch: Any, device: str) -> Any:
    return lambda array: torch.from_numpy(array).to(device)


def check_writes(operands: Operands, call: Any) -> None:
    """Execute the call once and compare every row that it should have written. Raises ``RuntimeError``.

    A path that copies less, or elsewhere, would be timed as fast.
    """
    torch = operands.torch
    synchronise(operands)
    layout = call.layout or operands.problem.layout
    caches_ = [_bytes_of(torch, cache) for cache in operands.cache_as(layout)]
    rows = [_bytes_of(torch, operands.key), _bytes_of(torch, operands.value)]
    where = index_of(layout, operands.pages, operands.slots)
    for cache, row in zip(caches_, rows, strict=True):
        cache[where] = ~row
    synchronise(operands)
    call.once()
    synchronise(operands)
    for name, cache, row in zip(("K", "V"), caches_, rows, strict=True):
        if not torch.equal(cache[where], row):
            raise RuntimeError(f"it did not write the {name} rows where they belong")


def index_of(layout: str, pages: Any, slots: Any) -> Any:
    """Of places in a cache of that layout."""
    return (pages, slice(None), slots) if layout == "HND" else (pages, slots)


def _bytes_of(torch: Any, tensor: Any) -> Any:
    return tensor.view(torch.uint8)


def synchronise(operands: Operands) -> None:
    if operands.device.type == "cuda":
        operands.torch.cuda.synchronize()
