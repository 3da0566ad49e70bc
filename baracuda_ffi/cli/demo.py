"""``baracuda-ffi demo``: a prefill and a decode loop over a paged cache, drawn page by page and checked bit
for bit."""

from __future__ import annotations

import argparse

import numpy as np

from .._append.arguments import PagedKvAppendArgs
from .._append.plan import PagedKvAppendPlan
from .._model.descriptors import PagedKvAppendDescriptor, PagedKvCacheDescriptor
from .._model.enums import ElementKind
from .._model.workspace import Workspace
from ..reference import append_paged_kv_reference
from ._conversation import Conversation
from ._memory import CudaMemory, HostMemory
from ._picture import Picture
from ._verdict import gpu_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from ._memory import Memory

    Array = NDArray[Any]

_STEPS = 12
_PROMPTS = [3, 7, 1]  # tokens of each request's prompt
_CACHE = PagedKvCacheDescriptor(
    page_size=4, num_total_pages=14, num_kv_heads=2, head_dim=64, element=ElementKind.F16
)
# Both by seq_lens, which finds a page that is missing, and in the convention of the attention that follows.
_PREFILL = PagedKvAppendDescriptor(
    paged_kv=_CACHE, addressing="RAGGED", lengths="SEQ_LENS", length_convention="AFTER_APPEND"
)
_DECODE = PagedKvAppendDescriptor(paged_kv=_CACHE, lengths="SEQ_LENS", length_convention="AFTER_APPEND")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        choices=("auto", "host", "cuda"),
        default="auto",
        help="where to run; auto takes the GPU if it can be used (default: auto)",
    )
    parser.add_argument(
        "--seed", type=_seed, default=0, help="for the contents and the order of pages (default: 0)"
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"it is {text!r}; it should be a whole number, 0 or more")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """0 if every byte of the caches is right after every step; 1 if not, or if the backend cannot be had."""
    from rich.console import Console

    console = Console(highlight=False)
    if arguments.backend == "host":
        return _converse(console, HostMemory(), arguments.seed)
    usable, reason = gpu_verdict()
    if usable:
        try:
            memory = CudaMemory()
        except (ImportError, RuntimeError) as error:
            reason = str(error)
        else:
            with memory:
                return _converse(console, memory, arguments.seed)
    if arguments.backend == "cuda":
        console.print("The GPU cannot be used.", style="bold red")
        console.print(reason, markup=False)
        return 1
    return _converse(console, HostMemory(), arguments.seed, f"No GPU was used: {reason}.")


def _converse(console: Any, memory: Memory, seed: int, footnote: str = "") -> int:
    rng = np.random.default_rng(seed)
    conversation = Conversation(len(_PROMPTS), _CACHE.page_size, _CACHE.num_total_pages, rng)
    expected = (_random_rows(rng, _CACHE.shape), _random_rows(rng, _CACHE.shape))
    caches = tuple([memory.upload(cache, _CACHE.element) for cache in expected])

    prefill = PagedKvAppendPlan.select(memory.stream, _PREFILL)
    decode = PagedKvAppendPlan.select(memory.stream, _DECODE)
    picture = Picture(console, _CACHE, _PROMPTS)
    picture.introduce(decode, memory.name)
    steps = [("prefill", prefill, _PROMPTS)]
    steps += [(str(step), decode, [1] * len(_PROMPTS)) for step in range(1, _STEPS + 1)]
    allocated = 0
    for label, plan, new in steps:
        # Pages for the new tokens come first; then the table counts them, as the attention wants it.
        grown = conversation.grow(new)
        allocated += sum(grown)
        table: dict[str, Any] = conversation.page_table()
        if plan is prefill:
            table["append_indptr"] = np.cumsum([0, *new], dtype=np.int32)
        shape = (sum(new), _CACHE.num_kv_heads, _CACHE.head_dim)
        rows = (_random_rows(rng, shape), _random_rows(rng, shape))
        uploaded_rows = [memory.upload(array, _CACHE.element) for array in rows]
        uploaded = {name: memory.upload(array) for name, array in table.items()}
        args = PagedKvAppendArgs(
            key=uploaded_rows[0], value=uploaded_rows[1], k_data=caches[0], v_data=caches[1], **uploaded
        )
        plan.run(memory.stream, Workspace.NONE, args)

        append_paged_kv_reference(
            *rows, *expected, **table, layout=_CACHE.layout, length_convention="AFTER_APPEND"
        )
        fault = _fault(_download(memory, caches, expected), expected)
        seen = _download(memory, tuple(uploaded.values()), tuple(table.values()))
        fault = fault or _table_fault(dict(zip(table, seen, strict=True)), table)
        picture.draw(label, conversation, conversation.newest(new), grown)
        if fault:
            picture.fail(label, fault)
            return 1
    compared = sum(cache.nbytes for cache in expected)
    picture.succeed(_STEPS, sum(conversation.lengths), allocated, compared)
    if footnote:
        picture.add_footnote(footnote)
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


def _table_fault(seen: dict[str, Array], expected: dict[str, Array]) -> str:
    for name, right in expected.items():
        if not np.array_equal(seen[name], right):
            return f"{name} was written to"
    return ""
