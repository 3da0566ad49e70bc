"""Appends that quantise, beside the copy of the same rows."""

from __future__ import annotations

from functools import partial

from ...._model.enums import Transform
from ...operands.numpy_operands import check_quantised, check_writes, quantised
from ...ours import statements as ours
from ...peers import indexing
from ...report.results import OURS, PEER
from ...report.targets import at_least
from ...running.paths import Candidate
from .paths import GUARDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...operands.numpy_operands import HostOperands
    from ...report.results import Case, Target
    from ...running.paths import Call

FP8 = ours.over(GUARDED, "fp8")
PER_TOKEN_HEAD = ours.over(GUARDED, "fp8 by token and head")
CALL_FP8 = ours.over(ours.ONE_LINER, "fp8")
CALL_PER_TOKEN_HEAD = ours.over(ours.ONE_LINER, "fp8 by token and head")

_LARGE_ROWS = 8192


def candidates(operands: HostOperands) -> list[Candidate]:
    fp8 = quantised(operands, Transform.FP8)
    by_row = quantised(operands, Transform.PER_TOKEN_HEAD)
    layout = operands.problem.layout
    return [
        Candidate(GUARDED, OURS, partial(_checked, check_writes, operands, partial(_launch, operands))),
        Candidate(FP8, OURS, partial(_checked, check_quantised, fp8, partial(_launch, fp8))),
        Candidate(PER_TOKEN_HEAD, OURS, partial(_checked, check_quantised, by_row, partial(_launch, by_row))),
        Candidate(CALL_FP8, OURS, partial(_checked, check_quantised, fp8, partial(_call, fp8))),
        Candidate(
            CALL_PER_TOKEN_HEAD, OURS, partial(_checked, check_quantised, by_row, partial(_call, by_row))
        ),
        Candidate(
            indexing.NUMPY_FP8,
            PEER,
            partial(
                _checked,
                check_quantised,
                fp8,
                partial(indexing.to_fp8_by_index, layout, fp8.arrays, fp8.pages, fp8.slots),
            ),
        ),
    ]


def targets(cases: list[Case]) -> list[Target]:
    return [
        at_least(
            f"rows a second: guarded launch, fp8 / the copy, {_LARGE_ROWS} rows up",
            cases,
            GUARDED,
            FP8,
            0.5,
            lambda p: int(p["batch"]) >= _LARGE_ROWS,
        ),
        *[
            at_least(f"rows a second: {path} / NumPy and ml_dtypes", cases, indexing.NUMPY_FP8, path, 10.0)
            for path in (FP8, CALL_FP8, CALL_PER_TOKEN_HEAD)
        ],
    ]


def _launch(operands: HostOperands) -> Call:
    return ours.call(ours.BOUND, operands.problem, [operands], None, guarded=True)


def _call(operands: HostOperands) -> Call:
    return ours.call(ours.ONE_LINER, operands.problem, [operands], None, guarded=True)


def _checked(
    check: Callable[[HostOperands, Call], None], operands: HostOperands, build: Callable[[], Call]
) -> Call:
    """The call, once it has written what it should."""
    call = build()
    check(operands, call)
    return call
