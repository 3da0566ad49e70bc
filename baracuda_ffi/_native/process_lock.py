"""A lock that survives a fork."""

from __future__ import annotations

import os
from _thread import RLock  # threading would be loaded for nothing else


class ProcessLock:
    """``with lock.held():``. A finaliser or a signal handler of the thread that holds it may hold it again. A
    forked child gets it anew: of the parent's threads it has only one, and none that could let go of it."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def held(self) -> RLock:
        return self._lock

    def _renew(self) -> None:
        self._lock = RLock()
