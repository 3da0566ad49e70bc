"""The search behind ``validate_page_table``, over NumPy arrays in host memory."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from .validate import PageTableFault, PageTableFinding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from .validate import Table

    Array = NDArray[Any]
    Findings = Iterator[PageTableFinding]


def find_faults(
    table: Table, page_size: int, num_total_pages: int, slot_bias: int, guarded: bool
) -> list[PageTableFinding]:
    """``slot_bias`` is what a length counts beyond its slot: 0 before the append, 1 after it."""
    indices, indptr, last_page_len = table
    found = list(_in_indptr(indptr, indices.size))

    begins, ends = indptr[:-1].astype(np.int64), indptr[1:].astype(np.int64)
    has_pages = (begins >= 0) & (begins < ends) & (ends <= indices.size)
    owners, parts_begin, parts_end, overlapping = _disjoint(begins, ends, np.flatnonzero(has_pages))
    found += _overlaps(overlapping, begins, ends)
    if not guarded:
        found += _without_pages(np.flatnonzero(begins == ends), begins)

    # Each entry of indices that has an owner, once.
    lengths = parts_end - parts_begin
    owner = np.repeat(owners, lengths)
    position = np.arange(owner.size) + np.repeat(parts_begin - (np.cumsum(lengths) - lengths), lengths)
    page = indices[position].astype(np.int64)
    in_cache = (page >= 0) & (page < num_total_pages)
    is_padding = guarded & (page < 0) & (position == ends[owner] - 1)
    found += _page_ids(np.flatnonzero(~in_cache & ~is_padding), owner, position, page, num_total_pages)
    found += _repeated_and_shared(owner[in_cache], position[in_cache], page[in_cache])

    last_position = np.where(has_pages, ends - 1, 0)
    last_page = np.where(has_pages, indices[last_position], -1) if indices.size else np.full(begins.size, -1)
    slot = last_page_len.astype(np.int64) - slot_bias
    in_page = (slot >= 0) & (slot < page_size)
    is_padding = (begins == ends) | (guarded & has_pages & (last_page < 0))
    found += _lengths(np.flatnonzero(~in_page & ~is_padding), last_page_len, slot_bias, page_size)
    served = np.flatnonzero(has_pages & (last_page >= 0) & (last_page < num_total_pages) & in_page)
    found += _shared_slots(served, last_position, last_page, slot, page_size)
    return sorted(found, key=lambda finding: (finding.kind, finding.position, finding.requests))


def _in_indptr(indptr: Array, total: int) -> Findings:
    batch = indptr.size - 1
    if indptr[0] != 0:
        yield _finding(PageTableFault.INDPTR_START, (0,)[:batch], "indptr", 0, indptr[0], "; it should be 0")
    for i in np.flatnonzero((indptr[1:] < 0) | (indptr[1:] > total)) + 1:
        concerned = tuple([b for b in (int(i) - 1, int(i)) if b < batch])
        says = f"; it should be at least 0 and at most {total}, the entries of indices"
        yield _finding(PageTableFault.INDPTR_RANGE, concerned, "indptr", i, indptr[i], says)
    for b in np.flatnonzero(indptr[1:] < indptr[:-1]):
        says = f", below indptr[{b}], which is {indptr[b]}"
        yield _finding(PageTableFault.INDPTR_ORDER, (int(b),), "indptr", b + 1, indptr[b + 1], says)


def _overlaps(requests: list[int], begins: Array, ends: Array) -> Findings:
    for b in requests:
        part = f"indices[{begins[b]}:{ends[b]}]"
        says = f": request {b} owns {part}, of which an earlier request owns some already"
        yield _finding(PageTableFault.INDPTR_OVERLAP, (b,), "indptr", b, begins[b], says)


def _without_pages(requests: Array, begins: Array) -> Findings:
    for b in requests:
        says = f", and so is indptr[{b + 1}]: request {b} has no pages"
        yield _finding(PageTableFault.NO_PAGES, (int(b),), "indptr", b, begins[b], says)


def _page_ids(wrong: Array, owner: Array, position: Array, page: Array, num_total_pages: int) -> Findings:
    wanted = f"at least 0 and below num_total_pages, {num_total_pages}"
    columns = (owner[wrong].tolist(), position[wrong].tolist(), page[wrong].tolist())
    for b, i, value in zip(*columns, strict=True):
        says = f", in the part of request {b}; it should be {wanted}"
        yield _finding(PageTableFault.PAGE_ID, (b,), "indices", i, value, says)


def _repeated_and_shared(owner: Array, position: Array, page: Array) -> Findings:
    for same in _groups(page):
        positions, requests = position[same], owner[same]
        value = int(page[same[0]])
        users, counts = np.unique(requests, return_counts=True)
        for user in users[counts > 1]:
            first, second = np.sort(positions[requests == user])[:2]
            says = f", as indices[{first}] is; both are in the part of request {user}"
            yield _finding(PageTableFault.REPEATED_PAGE, (int(user),), "indices", second, value, says)
        if users.size > 1:
            who = tuple([int(user) for user in users])
            says = f", a page of {len(who)} requests: {_several(who)}"
            yield _finding(PageTableFault.SHARED_PAGE, who, "indices", positions.min(), value, says)


def _lengths(wrong: Array, last_page_len: Array, slot_bias: int, page_size: int) -> Findings:
    says = f"; it should be {slot_bias} to {page_size - 1 + slot_bias}"
    for b in wrong:
        yield _finding(PageTableFault.LAST_PAGE_LEN, (int(b),), "last_page_len", b, last_page_len[b], says)


def _shared_slots(
    served: Array, last_position: Array, last_page: Array, slot: Array, page_size: int
) -> Findings:
    for same in _groups(last_page[served].astype(np.int64) * page_size + slot[served]):
        who = tuple([int(b) for b in np.sort(served[same])])
        first = who[0]
        says = f": slot {slot[first]} of that page is written by {len(who)} requests: {_several(who)}"
        yield _finding(
            PageTableFault.SHARED_SLOT, who, "indices", last_position[first], last_page[first], says
        )


def _groups(keys: Array) -> Iterator[Array]:
    """Where each key is that occurs more than once."""
    in_order = np.sort(keys)  # much cheaper than argsort, and mostly all that is needed
    if not (in_order[1:] == in_order[:-1]).any():
        return
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    same = sorted_keys[1:] == sorted_keys[:-1]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield order[first : last + 1]


def _disjoint(begins: Array, ends: Array, requests: Array) -> tuple[Array, Array, Array, list[int]]:
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


def _several(requests: tuple[int, ...]) -> str:
    shown = ", ".join([str(b) for b in requests[:8]])
    return shown if len(requests) <= 8 else f"{shown} and {len(requests) - 8} more"


def _finding(
    kind: PageTableFault, requests: tuple[int, ...], operand: str, position: Any, value: Any, says: str
) -> PageTableFinding:
    return PageTableFinding(
        kind=kind,
        requests=requests,
        operand=operand,
        position=int(position),
        value=int(value),
        message=f"{operand}[{position}] is {value}{says}",
    )
