"""Other ways to copy pages: a copy for each, and assignment through index arrays."""

from __future__ import annotations

from ..absent import Absent
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.pages import PageOperands, PageProblem

EACH = "cudaMemcpyAsync a page, K and V"
TORCH = "torch indexing, K and V"
NUMPY = "NumPy indexing, K and V"
ONE_COPY = "one copy of the same bytes"

# More nodes of a graph than this say nothing new.
_MOST_PAGES = 256

_BY_INDEX = {
    "copy": "k_data[destination] = k_data[source]; v_data[destination] = v_data[source]",
    "gather": "buffer[:, 0] = k_data[source]; buffer[:, 1] = v_data[source]",
    "scatter": "k_data[destination] = buffer[:, 0]; v_data[destination] = buffer[:, 1]",
}


def each_page(operands: PageOperands) -> Call:
    """What vLLM's swap_blocks does, and torch's ``copy_`` of what is contiguous."""
    problem = operands.problem
    if problem.pages > _MOST_PAGES:
        raise Absent(f"left out of {problem.pages} pages, which are {2 * problem.pages} copies a call")
    source, destination = ([int(page) for page in ids] for ids in operands.lists)
    pairs = []
    for row, (page, to) in enumerate(zip(source, destination, strict=True)):
        for part, cache in enumerate((operands.k_data, operands.v_data)):
            in_buffer = operands.buffer[row, part]
            pairs.append(
                {
                    "copy": (cache[to], cache[page]),
                    "gather": (in_buffer, cache[page]),
                    "scatter": (cache[to], in_buffer),
                }[problem.movement]
            )
    return Call("for to, page in pairs: to.copy_(page, non_blocking=True)", {"pairs": pairs})


def by_index(operands: PageOperands) -> Call:
    names = {
        "k_data": operands.k_data,
        "v_data": operands.v_data,
        "source": operands.source,
        "destination": operands.destination,
        "buffer": operands.buffer,
    }
    return Call(_BY_INDEX[operands.problem.movement], names)


def one_copy(torch: Any, problem: PageProblem, device: str, *, pinned: bool) -> Call:
    """Of as many bytes in one piece, from where pages are to where they go, in memory of its own: what the
    hardware allows."""

    def memory(in_buffer: bool) -> Any:
        made = torch.randint(0, 256, (problem.bytes,), dtype=torch.uint8, device=device)
        return made.cpu().pin_memory() if in_buffer and pinned else made

    source, target = memory(problem.movement == "scatter"), memory(problem.movement == "gather")
    return Call("target.copy_(source, non_blocking=True)", {"source": source, "target": target})


def one_numpy_copy(problem: PageProblem) -> Call:
    import numpy as np

    source, target = np.ones(problem.bytes, np.uint8), np.zeros(problem.bytes, np.uint8)
    return Call("copyto(target, source)", {"copyto": np.copyto, "source": source, "target": target})
