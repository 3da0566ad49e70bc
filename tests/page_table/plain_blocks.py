"""A cache whose slots hold what was written there, and sequences kept by copying everything: what a
`BlockManager` should say, by plain loops over all there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import baracuda_ffi as bf

Content = tuple[object, ...]  # of a slot: its token and all before it


@dataclass
class PlainSequence:
    tokens: list[object] = field(default_factory=list)
    committed: int = 0
    preempted: bool = False
    known_to: int | None = None  # behind so many tokens no block can be found: ids are missing


class PlainBlocks:
    """Asks a manager, and holds whatever it answers against a model that shares nothing with it.

    A token is an int whose id the manager was told, or an object of its own where it was told a number.
    `steps` counts what was asked, `refused` to `found_pages` what came of it.
    """

    def __init__(self, num_pages: int, page_size: int) -> None:
        self.manager = bf.BlockManager(num_pages, page_size)
        self.num_pages, self.page_size = num_pages, page_size
        self.slots: list[list[Content | None]] = [[None] * page_size for _ in range(num_pages)]
        self.sequences: dict[int, PlainSequence] = {}
        self.findable: dict[Content, int] = {}  # the page of each full block that was committed
        self.left_at: dict[int, int] = {}  # when a page lost its last owner
        self.copies: list[tuple[int, int]] = []  # that should be told next
        self.grown: list[int] = []  # since the last commit, in that order
        self.tables: dict[int, list[int]] = {}  # as the manager told them last
        self.clock = self.steps = 0
        self.refused = self.evicted = self.copied = self.found_pages = 0

    # What can be asked of a manager.

    def add(self, tokens: list[int]) -> None:
        expected = self.found(tokens)
        sequence = self.manager.add(tokens)
        assert sequence not in self.sequences
        self._begin(sequence, expected, tokens)

    def resume(self, sequence: int, tokens: list[int]) -> None:
        expected = self.found(tokens)
        self.manager.resume(sequence, tokens)
        self._begin(sequence, expected, tokens)

    def _begin(self, sequence: int, pages: list[int], tokens: list[int]) -> None:
        length = len(pages) * self.page_size
        self.found_pages += len(pages)
        self.sequences[sequence] = PlainSequence(list(tokens[:length]), length)
        self._check()
        assert self.tables[sequence] == pages

    def grow(self, sequence: int, tokens: list[int], told: bool) -> None:
        known, size, pages = self.sequences[sequence], self.page_size, self.tables[sequence]
        more = -(-(len(known.tokens) + len(tokens)) // size) - len(pages)
        shared = bool(tokens and len(known.tokens) % size and self.owners(pages[-1]) > 1)
        free = self.free_pages()
        told_as = tokens if told else len(tokens)
        if more + shared > len(free):
            error = self._refused(bf.OutOfPages, self.manager.grow, sequence, told_as)
            assert (error.wanted, error.free) == (more + shared, len(free))
            return
        kept = sorted(free & set(self.findable.values()), key=self.left_at.__getitem__)
        self.manager.grow(sequence, told_as)
        before = len(known.tokens)
        known.tokens += tokens if told else [object() for _ in tokens]
        if tokens and not told and known.known_to is None:
            known.known_to = before
        if tokens and sequence not in self.grown:
            self.grown.append(sequence)
        after = self.manager.pages(sequence)
        new = [page for page in after if page not in pages]
        assert len(new) == more + shared
        assert after[: len(pages) - shared] == pages[: len(pages) - shared]
        assert set(new) <= free
        # Pages that keep a block come last, those that were left first before others.
        evicted = max(0, len(new) - (len(free) - len(kept)))
        assert [page for page in new if page in kept] == kept[:evicted]
        self.evicted += evicted
        self.findable = {block: page for block, page in self.findable.items() if page not in new}
        if shared:
            # What is to be copied to has nothing of its own yet.
            origin = {destination: source for source, destination in self.copies}.get(pages[-1], pages[-1])
            self.copies.append((origin, after[len(pages) - 1]))
        elif tokens and before % size:
            self.findable = {block: page for block, page in self.findable.items() if page != pages[-1]}
        self._check()

    def shrink(self, sequence: int, count: int) -> None:
        known, size = self.sequences[sequence], self.page_size
        left = len(known.tokens) - count
        if left < 0:
            self._refused(bf.InvalidProblem, self.manager.shrink, sequence, count)
            return
        self.manager.shrink(sequence, count)
        if known.known_to is not None or left < known.committed // size * size:
            known.known_to = left if known.known_to is None else min(known.known_to, left)
        known.committed = min(known.committed, left)
        del known.tokens[left:]
        pages = self.tables[sequence]
        self.tables[sequence] = pages[: -(-left // size)]
        self._let_go(pages[len(self.tables[sequence]) :])
        before = self.tables[sequence]
        self._check()
        assert self.tables[sequence] == before

    def fork(self, sequence: int) -> None:
        known = self.sequences[sequence]
        if known.committed < len(known.tokens):
            self._refused(bf.InvalidProblem, self.manager.fork, sequence)
            return
        new = self.manager.fork(sequence)
        assert new not in self.sequences
        self.sequences[new] = PlainSequence(list(known.tokens), known.committed, known_to=known.known_to)
        self._check()
        assert self.tables[new] == self.tables[sequence]

    def free(self, sequence: int) -> None:
        self.manager.free(sequence)
        del self.sequences[sequence]
        self._leave(sequence)

    def preempt(self, sequence: int) -> None:
        self.manager.preempt(sequence)
        self.sequences[sequence] = PlainSequence(preempted=True)
        self._leave(sequence)

    def _leave(self, sequence: int) -> None:
        self.grown = [other for other in self.grown if other != sequence]
        self._let_go(self.tables.pop(sequence))
        self._check()

    def _let_go(self, pages: list[int]) -> None:
        """Of a sequence, from whose table they are gone by now."""
        for page in reversed(pages):
            if not self.owners(page):
                self._leave_alone(page)
                gone = [copy for copy in self.copies if copy[1] == page]
                self.copies = [copy for copy in self.copies if copy[1] != page]
                self._leave_sources(gone)

    def _leave_alone(self, page: int) -> None:
        self.clock += 1
        self.left_at[page] = self.clock

    def _leave_sources(self, copies: list[tuple[int, int]]) -> None:
        """Of copies that are not to be made any more: pages that were kept for them alone."""
        for i, (source, _) in enumerate(copies):
            wanted = any(source == other for other, _ in [*self.copies, *copies[i + 1 :]])
            if not wanted and not self.owners(source):
                self._leave_alone(source)

    def take_copies(self) -> None:
        taken = self.manager.take_copies()
        assert taken == self.copies
        destinations = [destination for _, destination in taken]
        assert len(set(destinations)) == len(destinations)
        assert not {source for source, _ in taken} & set(destinations)
        for source, destination in taken:
            self.slots[destination] = list(self.slots[source])
        self.copies = []
        self.copied += len(taken)
        self._leave_sources(taken)
        self._check()

    def commit(self) -> None:
        """Every row that is not written yet is written, where the tables say."""
        if self.copies:
            self._refused(bf.InvalidProblem, self.manager.commit)
            return
        size = self.page_size
        for sequence in self.grown:
            known = self.sequences[sequence]
            for i in range(known.committed, len(known.tokens)):
                page = self.tables[sequence][i // size]
                self.slots[page][i % size] = tuple(known.tokens[: i + 1])
            self._publish(sequence, known.committed // size)
            known.committed = len(known.tokens)
        self.manager.commit()
        self.grown = []
        self._check()
        self._check_contents()

    def _publish(self, sequence: int, first: int) -> None:
        """The full blocks from ``first`` on; of equal ones the first that was committed is found."""
        tokens, size = self.sequences[sequence].tokens, self.page_size
        known_to = self.sequences[sequence].known_to
        for block in range(first, (len(tokens) if known_to is None else known_to) // size):
            content = tuple(tokens[: (block + 1) * size])
            self.findable.setdefault(content, self.tables[sequence][block])

    # What it should answer.

    def found(self, tokens: list[int]) -> list[int]:
        """The pages of the leading blocks, but for the last token."""
        pages = []
        for end in range(self.page_size, len(tokens), self.page_size):
            page = self.findable.get(tuple(tokens[:end]))
            if page is None:
                break
            pages.append(page)
        return pages

    def owners(self, page: int) -> int:
        return sum(page in pages for pages in self.tables.values())

    def free_pages(self) -> set[int]:
        taken = {page for pages in self.tables.values() for page in pages}
        taken.update(source for source, _ in self.copies)
        return set(range(self.num_pages)) - taken

    def _state(self) -> object:
        manager = self.manager
        tables = {sequence: manager.pages(sequence) for sequence in manager.sequences}
        lengths = {sequence: manager.length(sequence) for sequence in manager.sequences}
        return tables, lengths, manager.num_free, manager.num_cached, manager.num_used

    def _refused(self, error: type[bf.BaracudaError], call: Callable[..., object], *arguments: object) -> Any:
        """The error; nothing has changed."""
        before = self._state()
        with pytest.raises(error) as refused:
            call(*arguments)
        assert self._state() == before
        self.steps += 1
        self.refused += 1
        return refused.value

    def _check(self) -> None:
        self.steps += 1
        manager = self.manager
        self.tables = {sequence: manager.pages(sequence) for sequence in self.sequences}
        free = self.free_pages()
        assert manager.sequences == tuple(self.sequences)
        assert manager.num_free == len(free)
        assert manager.num_used == self.num_pages - len(free)
        assert manager.num_cached == len(free & set(self.findable.values()))
        for sequence, known in self.sequences.items():
            pages = self.tables[sequence]
            assert manager.length(sequence) == len(known.tokens)
            assert len(pages) == len(set(pages)) == -(-len(known.tokens) // self.page_size)

    def _check_contents(self) -> None:
        """What attention would read through the tables."""
        for sequence, known in self.sequences.items():
            pages = self.tables[sequence]
            for i in range(len(known.tokens)):
                content = self.slots[pages[i // self.page_size]][i % self.page_size]
                assert content == tuple(known.tokens[: i + 1]), (sequence, i)
