"""What `validate_page_table` should find, by plain loops over Python integers: its definition."""

from __future__ import annotations

from collections import defaultdict

import baracuda_ffi as bf

from .bits import Array

# Kind, requests, operand, position, value.
Fault = tuple[str, tuple[int, ...], str, int, int]


def faults_of(
    indices: Array,
    indptr: Array,
    last_page_len: Array,
    *,
    page_size: int,
    num_total_pages: int,
    length_convention: bf.LengthConvention,
    guarded: bool = False,
) -> set[Fault]:
    ids, ptr, lengths = indices.tolist(), indptr.tolist(), last_page_len.tolist()
    batch, total = len(lengths), len(ids)
    found: set[Fault] = set()

    if ptr[0] != 0:
        found.add(("INDPTR_START", (0,) if batch else (), "indptr", 0, ptr[0]))
    for i in range(1, batch + 1):
        if not 0 <= ptr[i] <= total:
            concerned = (i - 1, i) if i < batch else (i - 1,)
            found.add(("INDPTR_RANGE", concerned, "indptr", i, ptr[i]))
        if ptr[i] < ptr[i - 1]:
            found.add(("INDPTR_ORDER", (i - 1,), "indptr", i, ptr[i]))

    owner: dict[int, int] = {}
    for b in range(batch):
        if ptr[b] == ptr[b + 1] and not guarded:
            found.add(("NO_PAGES", (b,), "indptr", b, ptr[b]))
        if not 0 <= ptr[b] < ptr[b + 1] <= total:
            continue
        part = range(ptr[b], ptr[b + 1])
        if any(position in owner for position in part):
            found.add(("INDPTR_OVERLAP", (b,), "indptr", b, ptr[b]))
        for position in part:
            owner.setdefault(position, b)

    users: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for position, b in owner.items():
        page = ids[position]
        if 0 <= page < num_total_pages:
            users[page].append((b, position))
        elif not (guarded and page < 0 and position == ptr[b + 1] - 1):
            found.add(("PAGE_ID", (b,), "indices", position, page))
    for page, uses in users.items():
        requests = sorted({b for b, _ in uses})
        if len(requests) > 1:
            first = min(position for _, position in uses)
            found.add(("SHARED_PAGE", tuple(requests), "indices", first, page))
        for b in requests:
            positions = sorted(position for user, position in uses if user == b)
            if len(positions) > 1:
                found.add(("REPEATED_PAGE", (b,), "indices", positions[1], page))

    first_slot = 1 if length_convention is bf.LengthConvention.AFTER_APPEND else 0
    writers: dict[tuple[int, int], list[int]] = defaultdict(list)
    for b in range(batch):
        has_pages = 0 <= ptr[b] < ptr[b + 1] <= total
        last = ids[ptr[b + 1] - 1] if has_pages else None
        is_padding = ptr[b] == ptr[b + 1] or (guarded and last is not None and last < 0)
        in_page = first_slot <= lengths[b] < first_slot + page_size
        if not in_page and not is_padding:
            found.add(("LAST_PAGE_LEN", (b,), "last_page_len", b, lengths[b]))
        if in_page and last is not None and 0 <= last < num_total_pages:
            writers[last, lengths[b]].append(b)
    for (page, _), requests in writers.items():
        if len(requests) > 1:
            found.add(("SHARED_SLOT", tuple(requests), "indices", ptr[requests[0] + 1] - 1, page))
    return found
