"""Batches of a serving loop, and the arrays that a page table should have for them, by plain loops."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

import baracuda_ffi as bf
from support.devices.bits import Array

PAGE_SIZE, MAX_REQUESTS, MAX_PAGES, MAX_ROWS = 4, 6, 8, 40
NUM_PAGES = 60


@dataclass
class Batch:
    """Request i has `pages[i]`, `lengths[i]` tokens, of which `new[i]` are new; None: nobody."""

    sequences: list[int | None]
    pages: list[list[int] | None]
    lengths: list[int]
    new: list[int]
    copies: list[tuple[int, int]]

    def arrays(self) -> dict[str, Array]:
        """Every array, for the lengths after the append; `... before`: for those before it."""
        found: dict[str, list[int]] = {
            name: []
            for name in ("indices", "last_page_len", "last_page_len before", "seq_lens", "seq_lens before")
        }
        rows: dict[str, list[int]] = {"batch_indices": [], "positions": [], "slot_mapping": []}
        indptr, append_indptr = [0], [0]
        for request, (pages, length, new) in enumerate(zip(self.pages, self.lengths, self.new, strict=True)):
            pages = pages or []
            found["indices"] += pages
            indptr.append(indptr[-1] + len(pages))
            append_indptr.append(append_indptr[-1] + new)
            found["seq_lens"].append(length)
            found["seq_lens before"].append(length - new)
            last = length - (len(pages) - 1) * PAGE_SIZE if pages else 0
            found["last_page_len"].append(last)
            found["last_page_len before"].append(last - new)
            for token in range(length - new, length):
                rows["batch_indices"].append(request)
                rows["positions"].append(token)
                rows["slot_mapping"].append(pages[token // PAGE_SIZE] * PAGE_SIZE + token % PAGE_SIZE)
        table = {name: np.array(values, np.int32) for name, values in (found | rows).items()}
        table["slot_mapping"] = table["slot_mapping"].astype(np.int64)
        table["indptr"], table["append_indptr"] = (
            np.array(indptr, np.int32),
            np.array(append_indptr, np.int32),
        )
        table["source"] = np.array([source for source, _ in self.copies], np.int32)
        table["destination"] = np.array([destination for _, destination in self.copies], np.int32)
        return table


class Engine:
    """Sequences that come, prefill in chunks, decode, fork, shrink, are preempted, are resumed and go, at
    random."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.manager = bf.BlockManager(NUM_PAGES, PAGE_SIZE)
        self.places: list[int | None] = [None] * MAX_REQUESTS

    def batch(self, *, decode: bool = False) -> Batch:
        """The next one; `decode`: one new token each."""
        chance, manager = self.chance, self.manager
        new = [0] * MAX_REQUESTS
        for place, sequence in enumerate(self.places):
            if sequence is None:
                if chance.random() < 0.5:
                    self.places[place] = manager.add()
            elif chance.random() < 0.1:
                manager.free(sequence)
                self.places[place] = None
            elif chance.random() < 0.1:
                manager.preempt(sequence)
                manager.resume(sequence)
            elif chance.random() < 0.1:
                manager.shrink(sequence, chance.randint(0, min(manager.length(sequence), 2 * PAGE_SIZE)))
            elif chance.random() < 0.1 and None in self.places:
                self.places[self.places.index(None)] = manager.fork(sequence)
            sequence = self.places[place]
            if sequence is None:
                continue
            tokens = 1 if decode else chance.choice((0, 1, 1, 1, 2, 5))
            if manager.length(sequence) + tokens > MAX_PAGES * PAGE_SIZE:
                manager.preempt(sequence)
                manager.resume(sequence)
            manager.grow(sequence, tokens)
            new[place] = tokens
        for place, sequence in enumerate(self.places):  # those that a fork put behind where the loop was
            if decode and sequence is not None and not new[place]:
                manager.grow(sequence, 1)
                new[place] = 1
        count = chance.choice((MAX_REQUESTS, MAX_REQUESTS, 3))
        while any(place is not None for place in self.places[count:]):
            count += 1
        sequences = self.places[:count]
        found = Batch(
            sequences,
            [None if one is None else manager.pages(one) for one in sequences],
            [0 if one is None else manager.length(one) for one in sequences],
            new[:count],
            manager.take_copies(),
        )
        manager.commit()
        return found
