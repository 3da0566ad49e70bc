"""Every line of the header's list of refusals: the status, the message, the order, and that nothing is
written.
"""

from __future__ import annotations

import itertools

import pytest

from support import abi
from support.problem import Problem, assert_unchanged
from support.refusals import OF_THE_PROBLEM, REFUSALS, Refusal, name_of, with_backend


@pytest.mark.parametrize(("refusal", "backend"), with_backend(), ids=name_of)
def test_refused_before_anything_is_written(refusal: Refusal, backend: int) -> None:
    problem = Problem()
    before = problem.snapshot()
    op = abi.make_append(problem.case, problem.arrays, backend=backend)
    refusal.spoil(op)
    spoiled = bytes(op)
    for call in (abi.can_implement, abi.run):
        assert call(op) == refusal.status, abi.message()
        for part in refusal.says:
            assert part in abi.message()
        assert_unchanged(problem.arrays, before)
        assert bytes(op) == spoiled


@pytest.mark.parametrize("backend", [abi.FLASHINFER, abi.HOST], ids=name_of)
def test_the_order_of_the_checks(backend: int) -> None:
    """Of two things wrong at once, the one that the header lists first is what the caller is told."""
    problem = Problem()
    able = [refusal for refusal in REFUSALS if backend in refusal.backends]
    seen = 0
    for first, second in itertools.combinations(able, 2):
        if first.line == second.line or first.changes & second.changes:
            continue
        op = abi.make_append(problem.case, problem.arrays, backend=backend)
        second.spoil(op)
        first.spoil(op)
        assert abi.can_implement(op) == first.status, f"{first.name} and {second.name}: {abi.message()}"
        for part in first.says:
            assert part in abi.message(), f"{first.name} and {second.name}"
        seen += 1
    assert seen > 1000


@pytest.mark.parametrize("refusal", OF_THE_PROBLEM, ids=name_of)
def test_can_implement_judges_a_problem_without_operands(refusal: Refusal) -> None:
    for backend in refusal.backends:
        problem = Problem()
        op = abi.make_append(problem.case, problem.arrays, backend=backend)
        for name in ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len"):
            setattr(op, name, None)
        assert abi.can_implement(op) == abi.OK, abi.message()
        refusal.spoil(op)
        assert abi.can_implement(op) == refusal.status
        for part in refusal.says:
            assert part in abi.message()


@pytest.mark.parametrize("backend", [abi.FLASHINFER, abi.HOST], ids=name_of)
def test_what_touches_does_not_overlap(backend: int) -> None:
    """Operands that lie end to end, and one memory for key and value, are allowed."""
    problem = Problem()
    op = abi.make_append(problem.case, problem.arrays, backend=backend)
    op.value = op.key
    assert abi.can_implement(op) == abi.OK, abi.message()
    op.v_data = op.k_data + problem.arrays["k_data"].nbytes
    op.key = op.k_data - problem.arrays["key"].nbytes
    op.value = op.key
    assert abi.can_implement(op) == abi.OK, abi.message()
    op.key += 16
    assert abi.can_implement(op) == abi.INVALID_PROBLEM


def test_op_is_null() -> None:
    for name in ("run", "can_implement"):
        function = getattr(abi.library(), f"baracuda_paged_kv_append_{name}")
        assert function(None) == abi.INVALID_PROBLEM
        assert "op" in abi.message()
        assert "NULL" in abi.message()


def test_the_largest_that_flashinfer_takes() -> None:
    """One step inside each limit is accepted: the limits are not tighter than they should be."""
    problem = Problem()

    def judge(**values: int) -> int:
        op = abi.make_append(problem.case, problem.arrays, backend=abi.FLASHINFER)
        for name in ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len"):
            setattr(op, name, None)
        for name, value in values.items():
            setattr(op, name, value)
        return abi.can_implement(op)

    assert judge(num_heads=128) == abi.OK, abi.message()
    assert judge(num_heads=64, head_dim=128) == abi.OK, abi.message()
    assert judge(num_heads=32, head_dim=256) == abi.OK, abi.message()
    few = (1 << 19) - 1
    assert judge(num_heads=64, head_dim=128, page_size=few, total_used_pages=4) == abi.OK, abi.message()
    assert judge(num_heads=64, head_dim=128, batch_size=few, total_used_pages=few) == abi.OK, abi.message()
    assert judge(page_size=1 << 20, total_used_pages=2049) == abi.OK, abi.message()
    assert judge(page_size=1 << 20, total_used_pages=0) == abi.OK, abi.message()
