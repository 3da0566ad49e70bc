"""An append that the host backend cuts up for several threads, where the process has several CPUs.

proof/threads/test_host_threads_are_bounded.py holds it to that.
"""

from __future__ import annotations

from .cases import Case
from .elements import F16

LARGE = Case(F16, "HND", "BEFORE_APPEND", page_size=1, batch_size=192, num_heads=64, head_dim=256)
