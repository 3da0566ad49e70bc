"""Samples of several paths, taken in alternation."""

from __future__ import annotations

import time
from random import Random

from ..report.results import FAILED, MEASURED, Row
from ..report.statistics import summarise
from .paths import reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .paths import Path


def interleave(
    paths: Sequence[Path], *, rounds: int, budget: float = float("inf"), least: int = 5, warmups: int = 2
) -> list[Row]:
    """One row a path, in the order given.

    Each round takes one sample of every path, so that what drifts (clocks, heat, other processes) touches all
    of them alike, and in another order, so that none always finds the caches as the same other path left
    them. The orders are the same in every run. ``warmups`` rounds come first and do not count.
    After ``budget`` seconds no further round begins, except to reach ``least``. A path that raises is left
    out from then on.
    """
    failures: dict[int, str] = {}
    orders = Random(0)
    started = time.perf_counter()
    for number in range(-warmups, rounds):
        if number >= least and time.perf_counter() - started > budget:
            break
        for i in orders.sample(range(len(paths)), len(paths)):
            if i in failures:
                continue
            try:
                sample = paths[i].sample()
            except Exception as error:
                failures[i] = reason_of(error)
                continue
            if number >= 0:
                paths[i].samples.append(sample)
    return [_row(path, failures.get(i)) for i, path in enumerate(paths)]


def _row(path: Path, failure: str | None) -> Row:
    if failure is not None:
        return Row(path.name, path.role, FAILED, why=failure, statement=path.statement)
    return Row(
        path.name,
        path.role,
        MEASURED,
        summarise(path.samples),
        statement=path.statement,
        by_round=path.samples,
    )


def in_order(names: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """The rows by their paths' order in ``names``."""
    return sorted(rows, key=lambda row: names.index(row.path))
