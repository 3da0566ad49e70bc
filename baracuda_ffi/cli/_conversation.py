"""The bookkeeping of a prefill and a decode loop, as an engine does it: requests that grow by some tokens a
step, over a pool of pages."""

from __future__ import annotations

import numpy as np

from .._page_tables.blocks.manager import BlockManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]


class Conversation:
    """Requests without tokens yet, and pages whose order is random, as after many requests came and went.

    The page table is that of the attention which follows the append: it has the pages of the new tokens, and
    seq_lens count them (``AFTER_APPEND``).
    """

    def __init__(
        self, num_requests: int, page_size: int, num_total_pages: int, rng: np.random.Generator
    ) -> None:
        self._manager = BlockManager(num_total_pages, page_size)
        self._sequences = [self._manager.add() for _ in range(num_requests)]
        self._order = rng.permutation(num_total_pages).tolist()
        self.page_size = page_size

    @property
    def lengths(self) -> list[int]:
        return [self._manager.length(sequence) for sequence in self._sequences]

    @property
    def pages(self) -> list[list[int]]:
        return [[self._order[page] for page in self._manager.pages(one)] for one in self._sequences]

    def grow(self, new: list[int]) -> list[int]:
        """Count so many new tokens of each request, and give it the pages that they need; returns how many
        pages each got."""
        before = self.pages
        for sequence, tokens in zip(self._sequences, new, strict=True):
            self._manager.grow(sequence, tokens)
        return [len(now) - len(then) for now, then in zip(self.pages, before, strict=True)]

    def page_table(self) -> dict[str, Array]:
        """The operands that say where the newest tokens go."""
        return {
            "indices": np.array([page for pages in self.pages for page in pages], np.int32),
            "indptr": np.cumsum([0, *[len(pages) for pages in self.pages]], dtype=np.int32),
            "seq_lens": np.array(self.lengths, np.int32),
        }

    def newest(self, new: list[int]) -> list[list[tuple[int, int]]]:
        """The page and slot of each request's newest tokens."""
        return [
            [
                (pages[token // self.page_size], token % self.page_size)
                for token in range(length - tokens, length)
            ]
            for tokens, length, pages in zip(new, self.lengths, self.pages, strict=True)
        ]

    def owners(self) -> dict[tuple[int, int], int]:
        """Who filled each slot that is filled: (page, slot) to request."""
        return {
            (pages[token // self.page_size], token % self.page_size): request
            for request, (length, pages) in enumerate(zip(self.lengths, self.pages, strict=True))
            for token in range(length)
        }
