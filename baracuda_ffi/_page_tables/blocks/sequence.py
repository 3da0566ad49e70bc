"""What is known of one sequence."""

from __future__ import annotations

from .prefix import TokenBlocks


class Sequence:
    """Its tokens lie in ``pages``, in order; all pages but the last are full.

    ``filled`` are the blocks, by their numbers and digests, that are full but not yet committed.
    ``generation`` is another one whenever pages that were full may have changed.
    """

    __slots__ = ("blocks", "committed", "filled", "generation", "length", "pages", "preempted")

    def __init__(self, blocks: TokenBlocks, pages: list[int], length: int) -> None:
        self.generation = 0
        self.start(blocks, pages, length)

    def start(self, blocks: TokenBlocks, pages: list[int], length: int) -> None:
        self.blocks, self.pages, self.length = blocks, pages, length
        self.committed = length
        self.filled: list[tuple[int, bytes]] = []
        self.preempted = False

    def stop(self) -> None:
        """Its pages are given back by now."""
        self.pages = []
        self.length = self.committed = 0
        self.preempted = True
        self.generation += 1

    def fork(self) -> Sequence:
        """Another with the same pages."""
        return Sequence(self.blocks.copy(), self.pages[:], self.length)

    def shrink(self, count: int, page_size: int) -> list[int]:
        """So many tokens less. The pages that are left without any, in order: they are not given back yet."""
        self.length -= count
        self.committed = min(self.committed, self.length)
        self.blocks.shrink(count)
        full = self.length // page_size
        self.filled = [(number, digest) for number, digest in self.filled if number < full]
        kept = -(-self.length // page_size)
        left = self.pages[kept:]
        del self.pages[kept:]
        self.generation += 1
        return left

    def commit(self) -> list[tuple[int, bytes]]:
        """The pages that can be shared from now on, and their digests."""
        now = [(self.pages[number], digest) for number, digest in self.filled]
        self.filled = []
        self.blocks.commit()
        self.committed = self.length
        return now
