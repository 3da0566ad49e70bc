"""BlockManager by hand: what each call does, what it refuses, what it costs, and from many threads."""

from __future__ import annotations

import time
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.processes.threads import run_together, switching_often


def committed(manager: bf.BlockManager, tokens: Any) -> int:
    """A sequence of these tokens, or of so many; their rows are written."""
    sequence = manager.add(tokens if not isinstance(tokens, int) else ())
    found = manager.length(sequence)
    manager.grow(sequence, tokens if isinstance(tokens, int) else tokens[found:])
    assert manager.take_copies() == []
    manager.commit()
    return sequence


def test_a_sequence_grows_page_by_page() -> None:
    manager = bf.BlockManager(num_pages=5, page_size=4)
    first, second = manager.add(), manager.add()
    manager.grow(first, 3)
    manager.grow(second, 4)
    manager.grow(first, 6)
    assert (manager.pages(first), manager.pages(second)) == ([0, 2, 3], [1])
    assert (manager.length(first), manager.length(second)) == (9, 4)
    assert (manager.num_pages, manager.page_size) == (5, 4)
    assert (manager.num_free, manager.num_used, manager.num_cached) == (1, 4, 0)
    assert manager.pages(first, start=2) == [3]
    manager.free(first)
    assert (manager.num_free, manager.sequences) == (4, (second,))


def test_out_of_pages_leaves_everything_as_it_was() -> None:
    manager = bf.BlockManager(2, 4)
    sequence = manager.add()
    manager.grow(sequence, 5)
    with pytest.raises(
        bf.OutOfPages, match=r"needs 2 more pages and 0 of 2 are free; free or preempt"
    ) as out:
        manager.grow(sequence, 8)
    assert (out.value.wanted, out.value.free, out.value.code) == (2, 0, -2)
    assert isinstance(out.value, bf.BaracudaError | RuntimeError)
    assert (manager.length(sequence), manager.pages(sequence)) == (5, [0, 1])
    manager.grow(sequence, 3)  # there is room for these


def test_prompts_that_begin_alike_share_their_full_blocks() -> None:
    manager = bf.BlockManager(8, 2)
    first = committed(manager, [1, 2, 3, 4, 5])
    second = manager.add([1, 2, 3, 4, 9])
    assert manager.length(second) == 4
    manager.grow(second, [9])
    assert (manager.pages(first), manager.pages(second)) == ([0, 1, 2], [0, 1, 3])
    assert manager.num_used == 4
    other = manager.add([3, 4, 1, 2, 5])  # the same blocks behind others are others
    assert manager.length(other) == 0


def test_the_last_token_of_a_prompt_is_left() -> None:
    manager = bf.BlockManager(8, 2)
    committed(manager, [1, 2, 3, 4])
    assert manager.length(manager.add([1, 2, 3, 4])) == 2
    assert manager.length(manager.add([1, 2, 3, 4, 5])) == 4
    assert manager.length(manager.add([1, 2])) == 0


def test_nothing_is_found_before_it_is_committed() -> None:
    manager = bf.BlockManager(8, 2)
    first = manager.add([1, 2, 3])
    manager.grow(first, [1, 2, 3])
    assert manager.length(manager.add([1, 2, 3])) == 0
    manager.preempt(first)  # before anything was written
    manager.commit()
    assert manager.length(manager.add([1, 2, 3])) == 0


def test_blocks_are_kept_until_pages_are_wanted_and_the_least_recently_used_go_first() -> None:
    manager = bf.BlockManager(6, 2)
    old, new = committed(manager, [1, 1, 1, 1]), committed(manager, [2, 2, 2, 2])
    manager.free(old)
    manager.free(new)
    assert (manager.num_free, manager.num_cached, manager.num_used) == (6, 4, 0)
    wanting = manager.add()
    manager.grow(wanting, 6)  # the two pages without blocks, and one of the old one's
    assert manager.num_cached == 3
    again = manager.add([1, 1, 1, 1, 0])
    assert manager.length(again) == 2  # its second block went before its first
    assert manager.length(manager.add([2, 2, 2, 2, 0])) == 4


def test_a_fork_shares_every_page_until_it_grows() -> None:
    manager = bf.BlockManager(8, 4)
    first = committed(manager, 6)
    second, third = manager.fork(first), manager.fork(first)
    assert manager.pages(second) == manager.pages(third) == manager.pages(first) == [0, 1]
    assert manager.num_used == 2
    manager.grow(second, 1)
    manager.grow(third, 4)
    assert (manager.pages(second), manager.pages(third)) == ([0, 2], [0, 3, 4])
    manager.grow(first, 1)  # alone on its page again
    assert manager.pages(first) == [0, 1]
    assert manager.take_copies() == [(1, 2), (1, 3)]
    assert manager.take_copies() == []


def test_a_fork_at_the_end_of_a_page_copies_nothing() -> None:
    manager = bf.BlockManager(8, 4)
    first = committed(manager, 8)
    second = manager.fork(first)
    manager.grow(first, 1)
    manager.grow(second, 1)
    assert manager.take_copies() == []
    assert (manager.pages(first), manager.pages(second)) == ([0, 1, 2], [0, 1, 3])


def test_the_source_of_a_copy_is_kept_until_the_copy_is_taken() -> None:
    manager = bf.BlockManager(2, 4)
    first = committed(manager, 1)
    second = manager.fork(first)
    manager.grow(second, 1)
    manager.free(first)
    assert (manager.num_free, manager.num_used) == (0, 2)
    assert manager.take_copies() == [(0, 1)]
    assert (manager.num_free, manager.num_used) == (1, 1)


def test_a_copy_for_a_sequence_that_is_gone_is_forgotten() -> None:
    manager = bf.BlockManager(3, 4)
    first = committed(manager, 1)
    second = manager.fork(first)
    manager.grow(second, 1)
    manager.free(second)
    assert manager.take_copies() == []
    manager.commit()
    assert manager.num_free == 2


def test_commit_refuses_while_pages_are_not_copied() -> None:
    manager = bf.BlockManager(3, 4)
    manager.fork(first := committed(manager, 1))
    manager.grow(first, 1)
    with pytest.raises(bf.InvalidProblem, match=r"1 pages were not copied; take_copies\(\) should be called"):
        manager.commit()
    manager.take_copies()
    manager.commit()


def test_preempted_and_resumed() -> None:
    manager = bf.BlockManager(8, 2)
    tokens = [1, 2, 3, 4, 5]
    sequence = committed(manager, tokens)
    manager.preempt(sequence)
    assert (manager.length(sequence), manager.pages(sequence), manager.num_free) == (0, [], 8)
    manager.resume(sequence, [*tokens, 6])
    assert (manager.length(sequence), manager.pages(sequence)) == (4, [0, 1])
    manager.grow(sequence, [5, 6])
    assert manager.length(sequence) == 6
    manager.preempt(sequence)
    manager.free(sequence)
    assert manager.sequences == ()


def test_tokens_are_taken_back_and_others_come_in_their_place() -> None:
    manager = bf.BlockManager(8, 2)
    sequence = committed(manager, [1, 2, 3])
    manager.grow(sequence, [4, 5, 6, 7])
    manager.shrink(sequence, 4)
    assert (manager.length(sequence), manager.pages(sequence), manager.num_free) == (3, [0, 1], 6)
    manager.grow(sequence, [8, 9])
    manager.commit()
    assert manager.length(manager.add([1, 2, 3, 8, 9])) == 4
    assert manager.length(manager.add([1, 2, 3, 4, 5])) == 2


def test_a_block_that_is_begun_again_is_not_found() -> None:
    manager = bf.BlockManager(8, 2)
    sequence = committed(manager, [1, 2, 3, 4])
    manager.shrink(sequence, 1)
    twin = manager.add([1, 2, 3, 4, 5])
    assert manager.pages(twin) == [0, 1]
    manager.free(twin)
    manager.grow(sequence, [9])
    assert manager.take_copies() == []
    manager.commit()
    assert manager.length(manager.add([1, 2, 3, 4, 5])) == 2
    assert manager.length(manager.add([1, 2, 3, 9, 5])) == 2


def test_a_block_that_somebody_else_found_is_copied() -> None:
    manager = bf.BlockManager(8, 2)
    sequence = committed(manager, [1, 2, 3, 4])
    twin = manager.add([1, 2, 3, 4, 5])
    manager.shrink(sequence, 1)
    manager.grow(sequence, [9])
    assert manager.take_copies() == [(1, 2)]
    assert (manager.pages(sequence), manager.pages(twin)) == ([0, 2], [0, 1])


def test_tokens_without_ids_are_shared_by_fork_alone() -> None:
    manager = bf.BlockManager(8, 2)
    sequence = manager.add([1, 2, 3])
    manager.grow(sequence, [1, 2])
    manager.grow(sequence, 1)
    manager.grow(sequence, [4, 5, 6])
    manager.commit()
    assert manager.length(manager.add([1, 2, 3, 4, 5])) == 2


def test_the_same_calls_give_the_same_pages() -> None:
    def pages(seed: int) -> list[list[int]]:
        chance, manager, seen = Random(seed), bf.BlockManager(40, 3), []
        for _ in range(2000):
            sequence = chance.choice(manager.sequences or (None,))
            if sequence is None or chance.random() < 0.2:
                sequence = manager.add(chance.choices((0, 1), k=7))
            try:
                manager.grow(sequence, chance.choices((0, 1), k=chance.randrange(5)))
            except bf.OutOfPages:
                manager.free(sequence)
                continue
            manager.commit()
            seen.append(manager.pages(sequence))
        return seen

    assert pages(1) == pages(1)
    assert pages(1) != pages(2)


REFUSED = [
    (lambda m, s: bf.BlockManager(0, 4), "num_pages is 0; it should be a number of pages, at least 1"),
    (lambda m, s: bf.BlockManager(4, "16"), "page_size is '16'; it should be a number of tokens"),
    (lambda m, s: m.grow(99, 1), "sequence is 99; it should be one that add or fork returned"),
    (lambda m, s: m.free([s]), "sequence is a list; it should be one that add or fork returned"),
    (lambda m, s: m.grow(s, -1), "tokens is -1; it should be ids of tokens, or their number"),
    (lambda m, s: m.grow(s, [1.5]), "tokens is a list; it should be ids of tokens, integers of 64 bits"),
    (lambda m, s: m.grow(s, [2**63]), "tokens is a list; it should be ids of tokens, integers of 64 bits"),
    (lambda m, s: m.add("text"), "tokens is 'text'; it should be ids of tokens"),
    (lambda m, s: m.resume(s), "is not preempted; it should be: grow it as it is"),
    (lambda m, s: (m.grow(s, 1), m.fork(s)), "has 6 tokens, of which 5 are committed; call commit"),
    (lambda m, s: (m.preempt(s), m.grow(s, 1)), "is preempted; resume should be called first"),
    (lambda m, s: (m.preempt(s), m.preempt(s)), "is preempted; resume should be called first"),
    (lambda m, s: m.shrink(s, 6), "tokens is 6 and sequence 0 has 5; it should be no more"),
    (lambda m, s: m.shrink(s, -1), "tokens is -1; it should be a number of tokens"),
    (
        lambda m, s: (m.free(s), m.length(s)),
        "it should be one that add or fork returned and that was not freed",
    ),
    (lambda m, s: m.pages(s, start=-1), "start is -1; it should be a number of pages"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED)
def test_refused(call: Any, says: str) -> None:
    manager = bf.BlockManager(8, 2)
    sequence = committed(manager, [1, 2, 3, 4, 5])
    with pytest.raises(bf.InvalidProblem, match=says):
        call(manager, sequence)


def test_a_page_that_is_still_to_be_copied_from_is_found() -> None:
    """Nobody's any more, but kept for the copy."""
    manager = bf.BlockManager(8, 2)
    first = committed(manager, [1, 2, 3, 4])
    pages = manager.pages(first)
    other = manager.fork(first)
    manager.shrink(other, 1)
    manager.grow(other, [9])
    manager.free(first)
    found = manager.add([1, 2, 3, 4, 5])
    assert manager.pages(found) == pages
    assert manager.take_copies() == [(pages[1], manager.pages(other)[1])]
    manager.free(found)
    assert manager.num_free + manager.num_used == 8


def test_what_is_still_to_be_copied_to_is_copied_from_where_it_comes_from() -> None:
    """A page is never on both sides: the copies of one call are made in no order."""
    manager = bf.BlockManager(8, 2)
    first = committed(manager, [1, 2, 3])
    source = manager.pages(first)[1]
    second = manager.fork(first)
    manager.grow(second, [4])
    manager.shrink(second, 1)
    third = manager.fork(second)
    manager.grow(third, [5])
    destinations = [manager.pages(sequence)[1] for sequence in (second, third)]
    assert manager.take_copies() == [(source, destination) for destination in destinations]


def test_ids_of_any_kind_of_integer() -> None:
    manager = bf.BlockManager(8, 2)
    committed(manager, [1, 2, 3])
    for tokens in (np.array([1, 2, 3]), np.array([1, 2, 3], np.int32), (1, 2, 3), iter([1, 2, 3])):
        assert manager.length(manager.add(tokens)) == 2


def test_a_token_costs_as_much_in_a_long_sequence_as_in_a_short_one() -> None:
    manager = bf.BlockManager(20_000, 16)
    sequence = manager.add()

    def seconds(first: int) -> float:
        begin = time.perf_counter()
        for token in range(first, first + 4000):
            manager.grow(sequence, [token])
            manager.commit()
        return time.perf_counter() - begin

    seconds(0)
    short = min(seconds(0) for _ in range(3))
    manager.grow(sequence, list(range(200_000)))
    manager.commit()
    long = min(seconds(0) for _ in range(3))
    assert long < 4 * short + 0.05  # 13 000 pages, where there were 1 000


def test_threads_share_a_manager() -> None:
    """Each fills and frees sequences of its own; nobody gets a page that another has."""
    manager = bf.BlockManager(64, 2)
    owner = [-1] * 64

    def work(me: int) -> None:
        chance = Random(me)
        for _ in range(300):
            sequence = manager.add()
            try:
                for _ in range(4):
                    manager.grow(sequence, chance.randrange(1, 5))
            except bf.OutOfPages:
                pass
            for page in manager.pages(sequence):
                assert owner[page] == -1
                owner[page] = me
            for page in manager.pages(sequence):
                assert owner[page] == me
                owner[page] = -1
            manager.free(sequence)

    with switching_often():
        run_together([partial(work, me) for me in range(8)])
    assert (manager.num_free, manager.num_used, manager.sequences) == (64, 0, ())
