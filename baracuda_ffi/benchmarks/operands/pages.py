"""Pages that are copied, and lists of them."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

MOVEMENTS = ("copy", "gather", "scatter")

# Of K and of V each: 16 tokens, 8 heads of 128, f16.
PAGE = (8, 16, 128)
PAGE_BYTES = 8 * 16 * 128 * 2


@dataclass(frozen=True)
class PageProblem:
    """``pages`` copied by a call, of K and of V; the caches have twice as many."""

    movement: str
    pages: int

    @property
    def bytes(self) -> int:
        """What one call copies. It reads as many and writes as many."""
        return 2 * self.pages * PAGE_BYTES

    @property
    def total_pages(self) -> int:
        return 2 * self.pages

    def lists(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The pages that are read and those that are written, in any order, as after many requests came and
        went."""
        import numpy as np

        order = np.random.default_rng(self.pages).permutation(self.total_pages).astype(np.int32)
        return order[: self.pages], order[self.pages :]


@dataclass
class PageOperands:
    """One set's, NumPy's or torch's: a layer's caches and its buffer, and lists that all layers share."""

    problem: PageProblem
    k_data: Any
    v_data: Any
    source: Any
    destination: Any
    buffer: Any  # [pages, 2, *PAGE]
    lists: tuple[NDArray[Any], NDArray[Any]]  # in host memory

    def check(self, call: Any) -> None:
        """Make the call; ``RuntimeError`` where it did not copy what it should."""
        source, destination = ([int(page) for page in ids] for ids in self.lists)
        pairs = list(enumerate(zip(source, destination, strict=True)))
        caches = (self.k_data, self.v_data)
        for row, (_, to) in pairs:
            for part, cache in enumerate(caches):
                if self.problem.movement == "gather":
                    self.buffer[row, part] = 0
                else:
                    cache[to] = 0
        call.once()
        for row, (page, to) in pairs:
            for part, cache in enumerate(caches):
                found = self.buffer[row, part] if self.problem.movement == "gather" else cache[to]
                right = self.buffer[row, part] if self.problem.movement == "scatter" else cache[page]
                if not bool((_host(found) == _host(right)).all()):
                    raise RuntimeError(f"page {row} is not what it should be")


def _host(page: Any) -> Any:
    return page.cpu() if hasattr(page, "cpu") else page


def numpy_operands(problem: PageProblem) -> PageOperands:
    import numpy as np

    rng = np.random.default_rng(1)

    def filled(*shape: int) -> NDArray[Any]:
        return rng.integers(0, 1000, shape, dtype=np.int16).astype(np.float16)

    k_data, v_data = (filled(problem.total_pages, *PAGE) for _ in range(2))
    lists = problem.lists()
    return PageOperands(problem, k_data, v_data, *lists, filled(problem.pages, 2, *PAGE), lists)


def torch_operands(
    torch: Any, problem: PageProblem, device: str, count: int, *, pinned: bool
) -> list[PageOperands]:
    """As many sets. ``pinned``: the buffers are in pinned host memory."""
    lists = problem.lists()
    source, destination = (torch.from_numpy(ids.copy()).to(device) for ids in lists)

    def filled(*shape: int) -> Any:
        return torch.randint(0, 1000, shape, dtype=torch.int16, device=device).half()

    sets = []
    for _ in range(count):
        k_data, v_data = (filled(problem.total_pages, *PAGE) for _ in range(2))
        buffer = filled(problem.pages, 2, *PAGE)
        if pinned:
            buffer = buffer.cpu().pin_memory()
        sets.append(PageOperands(problem, k_data, v_data, source, destination, buffer, lists))
    return sets
