"""``baracuda-ffi demo``: a decode loop over a paged cache, drawn page by page and checked bit for bit."""

from __future__ import annotations

import numpy as np

from .._append.arguments import PagedKvAppendArgs
from .._append.plan import PagedKvAppendPlan
from .._model.descriptors import PagedKvAppendDescriptor, PagedKvCacheDescriptor
from .._model.enums import ElementKind
from .._model.workspace import Workspace
from ..examples._memory import CudaMemory, HostMemory
from ..reference import append_paged_kv_reference
from ._conversation import Conversation
from ._picture import Picture
from ._verdict import gpu_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from numpy.typing import NDArray

    from ..examples._memory import Memory

    Array = NDArray[Any]

_STEPS = 12
_LENGTHS = [3, 7, 1]  # tokens of each request before the first step
_CACHE = PagedKvCacheDescriptor(
    page_size=4, num_total_pages=14, num_kv_heads=2, head_dim=64, element=ElementKind.F16
)
_PROBLEM = PagedKvAppendDescriptor(batch_size=len(_LENGTHS), paged_kv=_CACHE)
_ROWS = (len(_LENGTHS), _CACHE.num_kv_heads, _CACHE.head_dim)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        choices=("auto", "host", "cuda"),
        default="auto",
        help="where to run; auto takes the GPU if it can be used (default: auto)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="for the contents and the order of pages (default: 0)"
    )


def run(arguments: argparse.Namespace) -> int:
    """0 if every byte of the caches is right after every step; 1 if not, or if the backend cannot be had."""
    from rich.console import Console

    console = Console(highlight=False)
    if arguments.backend == "host":
        return _decode(console, HostMemory(), arguments.seed)
    usable, reason = gpu_verdict()
    if usable:
        try:
            memory = CudaMemory()
        except (ImportError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}"
        else:
            with memory:
                return _decode(console, memory, arguments.seed)
    if arguments.backend == "cuda":
        console.print("The GPU cannot be used.", style="bold red")
        console.print(reason, markup=False)
        return 1
    console.print(f"The GPU is not used. {reason}\n", style="dim", markup=False)
    return _decode(console, HostMemory(), arguments.seed)


def _decode(console: Any, memory: Memory, seed: int) -> int:
    rng = np.random.default_rng(seed)
    conversation = Conversation(_LENGTHS, _CACHE.page_size, _CACHE.num_total_pages, rng)
    expected = (_random_rows(rng, _CACHE.shape), _random_rows(rng, _CACHE.shape))
    caches = tuple([memory.upload(cache, _CACHE.element) for cache in expected])

    plan = PagedKvAppendPlan.select(memory.stream, _PROBLEM)
    picture = Picture(console, _CACHE, _LENGTHS)
    picture.introduce(plan, memory.name)
    picture.draw("", conversation, written=[], grown=[])
    grown_in_all = 0
    for step in range(1, _STEPS + 1):
        # The contract: a full last page gets a successor before the call; the length counts the token after
        # it.
        grown = conversation.make_room()
        grown_in_all += len(grown)
        written = conversation.next_slots()
        rows = (_random_rows(rng, _ROWS), _random_rows(rng, _ROWS))
        table = conversation.page_table()
        uploaded_rows = [memory.upload(array, _CACHE.element) for array in rows]
        uploaded_table = tuple([memory.upload(array) for array in table])
        args = PagedKvAppendArgs(
            key=uploaded_rows[0],
            value=uploaded_rows[1],
            k_data=caches[0],
            v_data=caches[1],
            indices=uploaded_table[0],
            indptr=uploaded_table[1],
            last_page_len=uploaded_table[2],
        )
        plan.run(memory.stream, Workspace.NONE, args)
        conversation.advance()

        append_paged_kv_reference(*rows, *expected, *table, layout=_CACHE.layout)
        fault = _fault(_download(memory, caches, expected), expected)
        fault = fault or _table_fault(_download(memory, uploaded_table, table), table)
        picture.draw(str(step), conversation, written, grown)
        if fault:
            picture.fail(step, fault)
            return 1
    picture.succeed(_STEPS, grown_in_all, sum(cache.nbytes for cache in expected))
    return 0


def _random_rows(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Every bit pattern, NaNs too: an append copies bits."""
    return rng.integers(0, 2**16, shape, np.uint16).view(np.float16)


def _download(memory: Memory, operands: tuple[Any, ...], like: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple([memory.download(operand, array) for operand, array in zip(operands, like, strict=True)])


def _fault(seen: tuple[Array, ...], expected: tuple[Array, ...]) -> str:
    """Where the caches differ from the reference, or nothing. Every byte counts, untouched slots' too."""
    for name, ours, right in zip(("k_data", "v_data"), seen, expected, strict=True):
        wrong = np.argwhere((ours.view(np.uint16) != right.view(np.uint16)).any(axis=-1))
        if len(wrong):
            page, head, slot = (int(i) for i in wrong[0])
            return f"{name} differs in {len(wrong)} rows, the first in page {page}, head {head}, slot {slot}"
    return ""


def _table_fault(seen: tuple[Array, ...], expected: tuple[Array, ...]) -> str:
    for name, ours, right in zip(("indices", "indptr", "last_page_len"), seen, expected, strict=True):
        if not np.array_equal(ours, right):
            return f"{name} was written to"
    return ""
