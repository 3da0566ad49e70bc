"""Which entries of the page table are whose: indptr, and what an earlier request owns already."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from .finding import PageTableFault, finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from .finding import PageTableFinding

    Array = NDArray[Any]
    Findings = Iterator[PageTableFinding]


def swap_hint(indices: Array, indptr: Array) -> str:
    """Whether each could be the other: as many entries, and indices rise from 0 to their number."""
    looks_swapped = (
        indices.size == indptr.size
        and indices[0] == 0
        and indices[-1] == indptr.size
        and bool((indices[1:] >= indices[:-1]).all())
    )
    return "; indices and indptr look swapped" if looks_swapped else ""


def in_indptr(indptr: Array, total: int, hint: str) -> Findings:
    batch = indptr.size - 1
    if indptr[0] != 0:
        yield finding(
            PageTableFault.INDPTR_START, (0,)[:batch], "indptr", 0, indptr[0], f"; it should be 0{hint}"
        )
    for i in np.flatnonzero((indptr[1:] < 0) | (indptr[1:] > total)) + 1:
        concerned = tuple([b for b in (int(i) - 1, int(i)) if b < batch])
        says = f"; it should be at least 0 and at most {total}, the entries of indices{hint}"
        yield finding(PageTableFault.INDPTR_RANGE, concerned, "indptr", i, indptr[i], says)
    for b in np.flatnonzero(indptr[1:] < indptr[:-1]):
        says = f", below indptr[{b}], which is {indptr[b]}{hint}"
        yield finding(PageTableFault.INDPTR_ORDER, (int(b),), "indptr", b + 1, indptr[b + 1], says)


def unowned(indptr: Array, total: int, hint: str) -> Findings:
    last = indptr.size - 1
    if 0 <= indptr[last] < total:
        says = f", and indices has {total} entries: nobody owns the last {total - indptr[last]}{hint}"
        yield finding(PageTableFault.UNOWNED_INDICES, (), "indptr", last, indptr[last], says)


def overlaps(requests: list[int], begins: Array, ends: Array) -> Findings:
    for b in requests:
        part = f"indices[{begins[b]}:{ends[b]}]"
        says = f": request {b} owns {part}, of which an earlier request owns some already"
        yield finding(PageTableFault.INDPTR_OVERLAP, (b,), "indptr", b, begins[b], says)


def without_pages(requests: Array, begins: Array) -> Findings:
    for b in requests:
        says = f", and so is indptr[{b + 1}]: request {b} has no pages"
        yield finding(PageTableFault.NO_PAGES, (int(b),), "indptr", b, begins[b], says)


def disjoint(begins: Array, ends: Array, requests: Array) -> tuple[Array, Array, Array, list[int]]:
    """The requests' parts without the entries that an earlier one owns, as pieces (owner, begin, end); and
    the requests whose parts lost entries that way."""
    first, last = begins[requests], ends[requests]
    if (first[1:] >= last[:-1]).all():  # whenever indptr is in order
        return requests, first, last, []
    pieces: list[tuple[int, int, int]] = []
    overlapping = []
    # What is owned so far: disjoint intervals in order.
    starts: list[int] = []
    stops: list[int] = []
    for b, begin, end in zip(requests.tolist(), first.tolist(), last.tolist(), strict=True):
        low, high = bisect_left(stops, begin + 1), bisect_left(starts, end)
        free = begin
        for k in range(low, high):
            if free < starts[k]:
                pieces.append((b, free, starts[k]))
            free = max(free, stops[k])
        if free < end:
            pieces.append((b, free, end))
        if low < high:
            overlapping.append(b)
            begin, end = min(begin, starts[low]), max(end, stops[high - 1])
        starts[low:high] = [begin]
        stops[low:high] = [end]
    owners, piece_begins, piece_ends = np.array(pieces, np.int64).T
    return owners, piece_begins, piece_ends, overlapping
