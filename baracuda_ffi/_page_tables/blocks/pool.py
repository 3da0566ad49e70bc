"""The pages of a cache: how many sequences own each, and which can be had."""

from __future__ import annotations

from collections import OrderedDict


class Pool:
    """Every page is in one state:

    - owned, by one sequence or several;
    - held: owned by none, and the source of a copy that nobody has taken yet;
    - kept: owned by none, with a block in it that can be shared until the page is wanted;
    - unused.

    All costs are constant, a page.
    """

    __slots__ = ("_blocks", "_copies", "_holds", "_kept", "_owners", "_pages", "_unused")

    def __init__(self, num_pages: int) -> None:
        self._unused = list(range(num_pages - 1, -1, -1))  # the next one last
        self._owners = [0] * num_pages
        self._kept: OrderedDict[int, None] = OrderedDict()  # the least recently used first
        self._pages: dict[bytes, int] = {}  # by what its block is known by
        self._blocks: dict[int, bytes] = {}  # and the reverse
        self._copies: dict[int, int] = {}  # that nobody has taken: source by destination
        self._holds: dict[int, int] = {}  # how many of them a page is the source of

    @property
    def num_free(self) -> int:
        """That can be had: unused and kept."""
        return len(self._unused) + len(self._kept)

    @property
    def num_kept(self) -> int:
        return len(self._kept)

    @property
    def num_copies(self) -> int:
        return len(self._copies)

    def owners(self, page: int) -> int:
        return self._owners[page]

    def take(self) -> int:
        """A page for one owner, where there is a free one: a kept page is the last to be had, the least
        recently used of them first."""
        if self._unused:
            page = self._unused.pop()
        else:
            page, _ = self._kept.popitem(last=False)
            del self._pages[self._blocks.pop(page)]
        self._owners[page] = 1
        return page

    def share(self, page: int) -> None:
        """One more owner. Of nobody's it is a kept page, or one that is still to be copied from."""
        if not self._owners[page]:
            self._kept.pop(page, None)
        self._owners[page] += 1

    def release(self, page: int) -> None:
        """One owner less. What was to be copied into a page that nobody owns is not copied."""
        self._owners[page] -= 1
        if self._owners[page]:
            return
        source = self._copies.pop(page, None)
        self._settle(page)
        if source is not None:
            self._let_go(source)

    def find(self, digest: bytes) -> int | None:
        """The page of a block."""
        return self._pages.get(digest)

    def publish(self, page: int, digest: bytes) -> None:
        """From now on the page's block can be found. The first page of equal blocks is the one."""
        if self._pages.setdefault(digest, page) == page:
            self._blocks[page] = digest

    def withdraw(self, page: int) -> None:
        """The page's block, if it has one, cannot be found any more: it is written again."""
        digest = self._blocks.pop(page, None)
        if digest is not None:
            del self._pages[digest]

    def copy(self, source: int) -> int:
        """One owner of ``source`` gets a page that it is to be copied to. Where ``source`` is still to be
        copied to itself, nothing was written there yet: it is copied from where that comes from."""
        page = self.take()
        origin = self._copies.get(source, source)
        self._copies[page] = origin
        self._holds[origin] = self._holds.get(origin, 0) + 1
        self.release(source)
        return page

    def take_copies(self) -> list[tuple[int, int]]:
        """(source, destination) of each copy, in the order in which they came up."""
        taken = [(source, destination) for destination, source in self._copies.items()]
        self._copies.clear()
        for source, _ in taken:
            self._let_go(source)
        return taken

    def _let_go(self, source: int) -> None:
        self._holds[source] -= 1
        if not self._holds[source]:
            del self._holds[source]
            if not self._owners[source]:
                self._settle(source)

    def _settle(self, page: int) -> None:
        """Of a page that nobody owns any more."""
        if page in self._holds:
            return
        if page in self._blocks:
            self._kept[page] = None
        else:
            self._unused.append(page)
