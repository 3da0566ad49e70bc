"""The ids of the pages that requests own."""

from __future__ import annotations

import numpy as np

from .finding import PageTableFault, finding, several
from .groups import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from .finding import PageTableFinding

    Array = NDArray[Any]
    Findings = Iterator[PageTableFinding]


def page_ids(
    name: str, wrong: Array, owner: Array, position: Array, page: Array, num_total_pages: int
) -> Findings:
    wanted = f"at least 0 and below num_total_pages, {num_total_pages}"
    columns = (owner[wrong].tolist(), position[wrong].tolist(), page[wrong].tolist())
    for b, i, value in zip(*columns, strict=True):
        says = f", in the part of request {b}; it should be {wanted}"
        yield finding(PageTableFault.PAGE_ID, (b,), name, i, value, says)


def repeated_and_shared(name: str, owner: Array, position: Array, page: Array) -> Findings:
    for same in groups(page):
        positions, requests = position[same], owner[same]
        value = int(page[same[0]])
        users, counts = np.unique(requests, return_counts=True)
        for user in users[counts > 1]:
            first, second = np.sort(positions[requests == user])[:2]
            says = f", as {name}[{first}] is; both are in the part of request {user}"
            yield finding(PageTableFault.REPEATED_PAGE, (int(user),), name, second, value, says)
        if users.size > 1:
            who = tuple([int(user) for user in users])
            says = f", a page of {len(who)} requests: {several(who)}"
            yield finding(PageTableFault.SHARED_PAGE, who, name, positions.min(), value, says)
