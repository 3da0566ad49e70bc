"""Threads that begin together, and a CPython that changes between them as often as it can."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

Work = Callable[[], None]


def run_together(works: Sequence[Work]) -> None:
    """All at once, each in a thread; what any of them raised is raised here."""
    start = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def run(work: Work) -> None:
        try:
            start.wait(60)
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def switching_often() -> Iterator[None]:
    """Every microsecond another thread, where one waits: where a thread can be interrupted, it is."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
