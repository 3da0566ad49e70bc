"""The append that is measured, and page tables for it."""

from __future__ import annotations

from dataclasses import dataclass

from ..._append.plan import PagedKvAppendPlan
from ..._append.preference import PlanPreference
from ..._model.descriptors import PagedKvAppendDescriptor, PagedKvCacheDescriptor
from ..._model.enums import ElementKind, KvLayout, Transform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

# As in a conversation that has gone on for a while. Only a request's last page id is read, so further pages
# only spread the ids that are.
PAGES_A_REQUEST = 4


@dataclass(frozen=True)
class Problem:
    """``element``, of key and value, is ``f16``, ``f32`` or another of ``ElementKind``'s names in lower case.
    So are the caches of a copy; those of another transform are ``target``. Rows of value are as wide as those
    of key, but where ``value_head_dim`` says otherwise."""

    batch: int
    heads: int = 8
    head_dim: int = 128
    element: str = "f16"
    layout: str = "HND"
    page_size: int = 16
    transform: Transform = Transform.COPY
    target: ElementKind = ElementKind.FP8_E4M3
    value_head_dim: int | None = None

    @property
    def kind(self) -> ElementKind:
        return ElementKind[self.element.upper()]

    @property
    def pages(self) -> int:
        """Every request writes to a page of its own; the cache has no more pages than that needs."""
        return max(self.batch, 64)

    @property
    def row_shape(self) -> tuple[int, int, int]:
        return (self.batch, self.heads, self.head_dim)

    @property
    def cache_shape(self) -> tuple[int, int, int, int]:
        return self.cache.shape

    @property
    def cache(self) -> PagedKvCacheDescriptor:
        return PagedKvCacheDescriptor(
            page_size=self.page_size,
            num_total_pages=self.pages,
            num_kv_heads=self.heads,
            head_dim=self.head_dim,
            element=self.kind if self.transform is Transform.COPY else self.target,
            value_head_dim=self.value_head_dim,
            layout=KvLayout[self.layout],
        )

    @property
    def bytes(self) -> int:
        """Of key and value together: what one append reads. A copy writes as many."""
        return 2 * self.batch * self.heads * self.head_dim * self.kind.itemsize

    @property
    def cache_bytes(self) -> int:
        """Of k_data and v_data together."""
        return 2 * self.pages * self.page_size * self.heads * self.head_dim * self.cache.element.itemsize

    def select(self, stream: Any, *, guarded: bool = False) -> PagedKvAppendPlan:
        desc = PagedKvAppendDescriptor(
            batch_size=self.batch, paged_kv=self.cache, transform=self.transform, source_element=self.kind
        )
        return PagedKvAppendPlan.select(stream, desc, PlanPreference(guarded=guarded))


@dataclass(frozen=True)
class PageTable:
    """NumPy int32 arrays. ``last_page_len`` counts the tokens before the append and is at least 1: both
    conventions then name a slot in the same page."""

    indices: NDArray[Any]
    indptr: NDArray[Any]
    last_page_len: NDArray[Any]

    @property
    def last_pages(self) -> NDArray[Any]:
        last: NDArray[Any] = self.indices[self.indptr[1:] - 1]
        return last


def random_page_table(problem: Problem, seed: int) -> PageTable:
    """Last pages are distinct and in random order, slots random, as after many requests came and went."""
    import numpy as np

    rng = np.random.default_rng(seed)
    indices = rng.integers(0, problem.pages, size=(problem.batch, PAGES_A_REQUEST), dtype=np.int32)
    indices[:, -1] = rng.permutation(problem.pages)[: problem.batch]
    return PageTable(
        indices=indices.reshape(-1),
        indptr=(np.arange(problem.batch + 1) * PAGES_A_REQUEST).astype(np.int32),
        last_page_len=rng.integers(1, problem.page_size, size=problem.batch, dtype=np.int32),
    )
