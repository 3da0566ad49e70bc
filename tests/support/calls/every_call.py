"""The append by every way that the package has, and what all of them refuse alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import baracuda_ffi as bf

from ..devices.backends import HostBackend
from ..problems.problem import Problem, assert_unchanged
from .operands import make_args, select

Call = Callable[[], Any]


def every_call(problem: Problem, given: dict[str, Any], changed: dict[str, Any]) -> list[Call]:
    """On the host; `changed` in place of some of the operands given."""
    plan = select(HostBackend(), problem.case.descriptor(problem.num_pages))
    args = make_args(given | changed)
    launch = plan.bind(None, make_args(given))
    return [
        lambda: plan.run(None, bf.Workspace.NONE, args),
        lambda: plan.bind(None, args)(),
        lambda: plan.can_implement(args),
        lambda: bf.append_paged_kv(**given | changed, stream=None),
        lambda: launch.rebind(**changed),
    ]


def assert_refused(problem: Problem, calls: Sequence[Call], error: type[Exception], says: str) -> None:
    """By each of them, and nothing is written."""
    before = problem.snapshot()
    for call in calls:
        with pytest.raises(error, match=says):
            call()
    assert_unchanged(problem.arrays, before)
