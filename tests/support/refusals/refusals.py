"""The header's list of refusals, in its order: how to provoke each on an append that is otherwise right.

One table for the general entry points, for their order, and for the GPU, where a refusal must leave no
error pending.
"""

from __future__ import annotations

from .of_operands import refusals_of_operands
from .of_problem import refusals_of_problem
from .refusal import Caller, Refusal

#: The header's lines, by number: those up to the last of the problem need no operand.
LAST_OF_THE_PROBLEM = 12

REFUSALS: list[Refusal] = sorted(
    [*refusals_of_problem(), *refusals_of_operands()],
    key=lambda refusal: refusal.line,
)

#: Refusals that are judged from the problem alone, with no pointer looked at.
OF_THE_PROBLEM = [refusal for refusal in REFUSALS if refusal.line <= LAST_OF_THE_PROBLEM]


def refusals_of(caller: Caller) -> list[Refusal]:
    return [refusal for refusal in REFUSALS if caller in refusal.callers]


def by_caller(refusals: list[Refusal]) -> list[tuple[Refusal, Caller]]:
    return [(refusal, caller) for refusal in refusals for caller in refusal.callers]


def name_of(value: object) -> str:
    assert isinstance(value, Refusal | Caller)
    return value.name
