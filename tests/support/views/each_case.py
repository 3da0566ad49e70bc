"""Every case of a matrix, in memory of its own; the first that is wrong is told with its seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ..damaged.guarded import fresh
from ..devices.backends import Backend
from .real_append import RealAppend, RealCase, append_and_check

Case = TypeVar("Case", bound=RealCase)


def append_each(backend: Backend, cases: Iterable[Case], make: Callable[[Case, int], RealAppend]) -> None:
    """A case's number is its seed."""
    seed = -1
    for seed, case in enumerate(cases):
        try:
            with fresh(backend) as inner:
                append_and_check(inner, make(case, seed))
        except BaseException as error:
            raise AssertionError(f"{case}, seed {seed}") from error
    assert seed >= 0
