"""A decode loop's bookkeeping, as an engine does it: requests that grow by a token a step, over a pool of
pages."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]


class Conversation:
    """Requests with different lengths, their pages handed out in random order.

    The page table is in the ``BEFORE_APPEND`` convention: ``last_page_len`` counts the tokens that are in the
    last page, a page is added before the call that needs it, and ``advance`` counts the token after the call.
    """

    def __init__(
        self, lengths: list[int], page_size: int, num_total_pages: int, rng: np.random.Generator
    ) -> None:
        self.page_size = page_size
        self.lengths = list(lengths)
        self.pages: list[list[int]] = [[] for _ in lengths]
        self._free = [int(page) for page in rng.permutation(num_total_pages)]
        for request, length in enumerate(lengths):
            for _ in range(-(-length // page_size)):
                self.pages[request].append(self._free.pop())

    def make_room(self) -> list[int]:
        """Give a page to every request whose last one is full (or that has none); returns those requests."""
        grown = []
        for request, length in enumerate(self.lengths):
            if length == len(self.pages[request]) * self.page_size:
                self.pages[request].append(self._free.pop())
                grown.append(request)
        return grown

    def page_table(self) -> tuple[Array, Array, Array]:
        """``indices``, ``indptr`` and ``last_page_len`` for the append of the next token."""
        indices = np.array([page for pages in self.pages for page in pages], np.int32)
        indptr = np.cumsum([0, *[len(pages) for pages in self.pages]], dtype=np.int32)
        used = [
            length - (len(pages) - 1) * self.page_size
            for length, pages in zip(self.lengths, self.pages, strict=True)
        ]
        return indices, indptr, np.array(used, np.int32)

    def next_slots(self) -> list[tuple[int, int]]:
        """The page and slot of each request's next token."""
        return [
            (pages[length // self.page_size], length % self.page_size)
            for length, pages in zip(self.lengths, self.pages, strict=True)
        ]

    def advance(self) -> None:
        """Count the token that was appended to each request."""
        self.lengths = [length + 1 for length in self.lengths]

    def owners(self) -> dict[tuple[int, int], int]:
        """Who filled each slot that is filled: (page, slot) to request."""
        return {
            (pages[token // self.page_size], token % self.page_size): request
            for request, (length, pages) in enumerate(zip(self.lengths, self.pages, strict=True))
            for token in range(length)
        }
