"""The paths and the targets of the launch suite by each way to say places."""

from __future__ import annotations

from functools import partial
from itertools import product

from ...operands.places import DECODE, DECODES, RAGGED, WAYS
from ...ours import by_places
from ...ours import statements as ours
from ...peers import flashinfer_python
from ...report.results import OURS
from ...report.targets import at_most
from ...running.paths import Candidate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...operands.problem import Problem
    from ...report.results import Case, Target

    # Of those that append, by name: executes the call, and raises where it did not.
    Checks = dict[str, Callable[[Any], None]]

REQUESTS = 16  # of a prefill


def candidates(
    problem: Problem, moved: dict[str, Any], stream: int | None, check: Callable[[Any, Any], None]
) -> tuple[list[Candidate], Checks]:
    """By every way to say places, each over operands of its own; and what checks each."""
    made: list[Candidate] = []
    checks: Checks = {}
    for path, (way, operands) in product((ours.RUN, ours.ONE_LINER), moved.items()):
        name = ours.over(path, way)
        requests = problem.batch if way in DECODES else min(problem.batch, REQUESTS)
        build = partial(by_places.call, path, problem, way, requests, operands.seven(), stream)
        made.append(Candidate(name, OURS, build))
        checks[name] = partial(check, operands)
    return made, checks


def targets(cases: list[Case]) -> list[Target]:
    """Of what saying places in another way costs."""
    return [
        *[
            at_most(f"{path}, {way} / decode", cases, ours.over(path, way), ours.over(path, DECODE), 1.15)
            for path, way in product((ours.RUN, ours.ONE_LINER), WAYS[1:])
        ],
        at_most(
            "plan.run, ragged / flashinfer-python's conversion and append",
            cases,
            ours.over(ours.RUN, RAGGED),
            flashinfer_python.STEP,
            0.1,
        ),
    ]
