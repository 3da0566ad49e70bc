"""The error record: what claims it, that it stays, how it is read and cleared, and whose memory it is."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi import abi
from support.calls.operands import make_args
from support.damaged.guarded import (
    GUARDED,
    INT32,
    UNCLAIMED,
    GuardedProblem,
    record_of,
    run_and_check,
    select_guarded,
)
from support.devices.backends import Backend
from support.devices.bits import Array, assert_same_bits
from support.devices.host_memory import Guarded
from support.problems.cases import Case
from support.problems.elements import F16, F32

CASE = Case(F16, "HND", "BEFORE_APPEND", page_size=4, batch_size=4, num_heads=2, head_dim=24)
PAGES = 9
INDICES, INDPTR, LENGTHS = (3, 1, 4, 0), (0, 1, 2, 3, 4), (0, 1, 2, 3)


def make_problem(dtype: Any = np.int32, **parts: tuple[int, ...]) -> GuardedProblem:
    """Four requests of one page each, with whole parts of the table replaced."""
    table = {"indices": INDICES, "indptr": INDPTR, "last_page_len": LENGTHS, **parts}
    return GuardedProblem(CASE, PAGES, **{name: np.array(part, dtype) for name, part in table.items()})


# One corrupt request each, of every kind and at both edges: the table's part, which is the operand that is
# named, request, reason; the value seen, what it was held against, the page if one was read.
CORRUPT: list[tuple[str, tuple[int, ...], int, bf.Corruption, tuple[int, int, int | None]]] = [
    ("indices", (3, 1, PAGES, 0), 2, bf.Corruption.PAGE, (PAGES, PAGES, PAGES)),
    ("indices", (3, 1, 4, INT32.max), 3, bf.Corruption.PAGE, (INT32.max, PAGES, INT32.max)),
    ("last_page_len", (0, 4, 2, 3), 1, bf.Corruption.LAST_PAGE_LEN, (4, 4, 1)),
    ("last_page_len", (-1, 1, 2, 3), 0, bf.Corruption.LAST_PAGE_LEN, (-1, 0, 3)),
    ("last_page_len", (INT32.min, 1, 2, 3), 0, bf.Corruption.LAST_PAGE_LEN, (INT32.min, 0, 3)),
    ("last_page_len", (INT32.max, 1, 2, 3), 0, bf.Corruption.LAST_PAGE_LEN, (INT32.max, 4, 3)),
    ("indptr", (0, 1, 2, 3, 5), 3, bf.Corruption.INDPTR, (5, 5, None)),
    ("indptr", (-1, 1, 2, 3, 4), 0, bf.Corruption.INDPTR, (-1, 0, None)),
    ("indptr", (0, 1, 2, 3, 2), 3, bf.Corruption.INDPTR, (2, 3, None)),
    ("indptr", (INT32.min, 1, 2, 3, 4), 0, bf.Corruption.INDPTR, (INT32.min, 0, None)),
    ("indptr", (0, 1, 2, 3, INT32.max), 3, bf.Corruption.INDPTR, (INT32.max, 5, None)),
]


@pytest.mark.parametrize(("part", "values", "request_", "reason", "seen"), CORRUPT)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_what_check_raises(
    backend: Backend,
    part: str,
    values: tuple[int, ...],
    request_: int,
    reason: bf.Corruption,
    seen: tuple[int, int, int | None],
    dtype: Any,
) -> None:
    problem = make_problem(dtype, **{part: values})
    operands = problem.put(backend)
    plan = select_guarded(backend, problem)
    plan.check(backend.stream)
    plan.run(backend.stream, bf.Workspace.NONE, make_args(operands))
    with pytest.raises(bf.CorruptPageTable) as raised:
        plan.check(backend.stream)
    error = raised.value
    assert isinstance(error, (bf.BaracudaError, ValueError))
    assert (error.request, error.reason, error.code) == (request_, reason, 2)
    value, limit, page = seen
    assert error.values == bf.SeenValues(operand=part, row=request_, seen=value, limit=limit, page=page)
    assert error.function == "PagedKvAppendPlan.check"
    assert f"request {request_} " in str(error)
    should_be = f"at least {limit}" if value < limit else f"below {limit}"
    assert f"its {part} is {value}; it should be {should_be} (" in str(error)
    problem.check(backend, operands)


@pytest.mark.parametrize(
    ("part", "values", "reason", "seen"),
    [
        ("indices", (3, 1, 4 + 2**32, 0), bf.Corruption.PAGE, (4 + 2**32, PAGES, 4 + 2**32)),
        ("last_page_len", (0, 1, 2 + 2**40, 3), bf.Corruption.LAST_PAGE_LEN, (2 + 2**40, 4, 4)),
        ("last_page_len", (0, 1, -(2**63), 3), bf.Corruption.LAST_PAGE_LEN, (-(2**63), 0, 4)),
        ("indptr", (0, 1, 2, 3 + 2**32, 4), bf.Corruption.INDPTR, (3 + 2**32, 5, None)),
    ],
)
def test_entries_beyond_32_bits(
    backend: Backend,
    part: str,
    values: tuple[int, ...],
    reason: bf.Corruption,
    seen: tuple[int, int, int | None],
) -> None:
    """int64 tables are judged as they are: entries whose low half would do are corrupt."""
    problem = make_problem(np.int64, **{part: values})
    corrupt = {request: (why, values) for request, why, values in problem.corrupt}
    value, limit, page = seen
    assert corrupt[2] == (reason, bf.SeenValues(operand=part, row=2, seen=value, limit=limit, page=page))
    run_and_check(backend, problem)


def test_the_first_claim_stays_until_reset(backend: Backend) -> None:
    """Over any number of appends, right or wrong, of the plan and of its launches."""
    problem = make_problem(indices=(3, 1, PAGES, 0))
    operands = problem.put(backend)
    plan = select_guarded(backend, problem)
    args = make_args(operands)
    launch = plan.bind(backend.stream, args)
    plan.run(backend.stream, bf.Workspace.NONE, args)
    backend.overwrite(operands["indices"], np.array(INDICES, np.int32))
    backend.overwrite(operands["last_page_len"], np.array((0, 1, 2, 99), np.int32))
    launch()
    for _ in range(2):
        with pytest.raises(bf.CorruptPageTable) as raised:
            plan.check(backend.stream)
        assert (raised.value.request, raised.value.reason) == (2, bf.Corruption.PAGE)
    plan.reset(backend.stream)
    plan.check(backend.stream)
    launch()
    with pytest.raises(bf.CorruptPageTable) as raised:
        plan.check(backend.stream)
    assert (raised.value.request, raised.value.reason) == (3, bf.Corruption.LAST_PAGE_LEN)
    backend.overwrite(operands["last_page_len"], np.array(LENGTHS, np.int32))
    plan.reset(backend.stream)
    launch()
    plan.run(backend.stream, bf.Workspace.NONE, args)
    plan.check(backend.stream)


def test_plans_have_records_of_their_own(backend: Backend) -> None:
    problem = make_problem(indices=(3, 1, PAGES, 0))
    one, other = select_guarded(backend, problem), select_guarded(backend, problem)
    one.run(backend.stream, bf.Workspace.NONE, make_args(problem.put(backend)))
    other.check(backend.stream)
    with pytest.raises(bf.CorruptPageTable):
        one.check(backend.stream)
    assert one.error_record is not other.error_record


def test_a_record_that_plans_share(backend: Backend) -> None:
    problem = make_problem(indices=(3, 1, PAGES, 0))
    record = bf.ErrorRecord.allocate(backend.stream)
    preference = GUARDED.replace(error_record=record)
    assert hash(preference) == hash(GUARDED.replace(error_record=record))
    plans = [bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor, preference) for _ in range(2)]
    assert [plan.error_record for plan in plans] == [record, record]
    plans[0].run(backend.stream, bf.Workspace.NONE, make_args(problem.put(backend)))
    with pytest.raises(bf.CorruptPageTable) as raised:
        record.check(backend.stream)
    assert raised.value.function == "ErrorRecord.check"
    with pytest.raises(bf.CorruptPageTable):
        plans[1].check(backend.stream)
    plans[1].reset(backend.stream)
    plans[0].check(backend.stream)


def test_a_record_in_the_callers_memory(backend: Backend) -> None:
    problem = make_problem(last_page_len=(0, 1, 2, 4))
    memory = backend.put(UNCLAIMED)
    plan = select_guarded(backend, problem, memory)
    plan.run(backend.stream, bf.Workspace.NONE, make_args(problem.put(backend)))
    expected = record_of(*problem.corrupt[0])
    assert backend.get(memory).tolist() == expected
    with pytest.raises(bf.CorruptPageTable):
        plan.check(backend.stream)
    plan.reset(backend.stream)
    assert_same_bits(backend.get(memory), UNCLAIMED, "the record")
    backend.check_guards()


def test_a_launch_outlives_its_plan_and_its_record(backend: Backend) -> None:
    problem = make_problem(indices=(3, 1, PAGES, 0))
    operands = problem.put(backend)
    plan = select_guarded(backend, problem)
    launch = plan.bind(backend.stream, make_args(operands))
    del plan
    others = [select_guarded(backend, problem) for _ in range(50)]
    launch()
    for other in others:
        other.check(backend.stream)
    problem.check(backend, operands)


def test_the_error_survives_pickling_and_copying() -> None:
    error = bf.CorruptPageTable(
        2,
        "f",
        "m",
        request=3,
        reason=bf.Corruption.PAGE,
        values=bf.SeenValues(operand="indices", row=3, seen=9, limit=9, page=9),
    )
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is bf.CorruptPageTable
        assert (again.request, again.reason, again.values) == (error.request, error.reason, error.values)
        assert str(again) == str(error)


def test_many_threads_claim_one_record(host_backend: Backend) -> None:
    """Each of them with another corrupt request: the record is all of one, whoever was first."""
    problems = [make_problem(last_page_len=(0, 1, 2, 100 + i)) for i in range(16)]
    record = UNCLAIMED.copy()
    plan = select_guarded(host_backend, problems[0], record)
    operands = [make_args(problem.put(host_backend)) for problem in problems]
    for _ in range(100):
        start = threading.Barrier(len(problems))

        def work(args: bf.PagedKvAppendArgs, start: threading.Barrier = start) -> None:
            start.wait(30)
            plan.run(None, bf.Workspace.NONE, args)

        threads = [threading.Thread(target=work, args=(args,)) for args in operands]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert record.tolist() in [record_of(*problem.corrupt[0]) for problem in problems]
        plan.reset(None)


@pytest.mark.parametrize(
    ("memory", "error", "says"),
    [
        (np.zeros(7, np.int64), bf.InvalidProblem, ("7", "8")),
        (np.zeros((1, 8), np.int64), bf.InvalidProblem, ("2 dimensions", "1")),
        (np.zeros(16, np.int32), bf.Unsupported, ("int64",)),
        (np.zeros(8, np.uint64), bf.Unsupported, ("int64",)),
        (np.zeros(16, np.int64)[::2], bf.Unsupported, ("stride 2", "contiguous")),
        (None, bf.InvalidProblem, ("None",)),
        (bf.TensorView(ptr=0, shape=(8,), element="i64"), bf.InvalidProblem, ("NULL",)),
        (bf.TensorView(ptr=4, shape=(8,), element="i64"), bf.InvalidProblem, ("aligned", "8")),
    ],
)
def test_memory_that_is_no_record(memory: Any, error: type[Exception], says: tuple[str, ...]) -> None:
    with pytest.raises(error) as raised:
        bf.ErrorRecord(memory)
    assert raised.value.function == "ErrorRecord"
    assert all(text in str(raised.value) for text in ("error_record", *says))


def test_read_only_memory_is_no_record() -> None:
    memory = UNCLAIMED.copy()
    memory.flags.writeable = False
    with pytest.raises(bf.InvalidProblem, match=r"error_record.*read-only"):
        bf.ErrorRecord(memory)


def test_a_record_in_cuda_memory_is_none_for_the_host() -> None:
    """Said before anything reads it."""
    record = bf.ErrorRecord(bf.TensorView(ptr=64, shape=(8,), element="i64", device=0))
    assert not record.cpu_can_reach
    assert bf.ErrorRecord.allocate(None).cpu_can_reach
    problem = make_problem()
    with pytest.raises(bf.InvalidProblem, match=r"error_record is in CUDA memory"):
        bf.PagedKvAppendPlan.select(None, problem.descriptor, GUARDED.replace(error_record=record))
    for call in (record.check, record.reset):
        with pytest.raises(bf.InvalidProblem, match=r"stream is None and the record is in CUDA memory"):
            call(None)


def test_a_record_without_the_guard_is_refused() -> None:
    with pytest.raises(bf.InvalidProblem, match=r"error_record is given and guarded is False"):
        bf.PlanPreference(error_record=bf.ErrorRecord(UNCLAIMED.copy()))
    with pytest.raises(bf.InvalidProblem, match=r"error_record is 5; it should be an ErrorRecord"):
        bf.PlanPreference(guarded=True, error_record=5)  # type: ignore[arg-type]


def test_an_unguarded_plan_has_no_record() -> None:
    plan = bf.PagedKvAppendPlan.select(None, Case(F32, "HND", "BEFORE_APPEND", 4, 2, 2, 64).descriptor(4))
    assert plan.error_record is None
    for call in (plan.check, plan.reset):
        with pytest.raises(bf.Unsupported, match=r"not guarded.*PlanPreference\(guarded=True\)"):
            call(None)


def test_a_stream_of_the_wrong_kind(host_backend: Backend) -> None:
    plan = select_guarded(host_backend, make_problem())
    for call in (plan.check, plan.reset):
        with pytest.raises(bf.InvalidProblem, match=r"stream is 0 and the plan is for the host"):
            call(0)


class TestInC:
    """What Python does not reach."""

    def append(self, problem: GuardedProblem, record: Guarded | None) -> tuple[abi.Append, dict[str, Array]]:
        arrays = {name: Guarded(array).array for name, array in problem.arrays.items()}
        op = abi.make_append(CASE, arrays)
        op.flags = abi.GUARDED
        op.error_record = record.array.ctypes.data if record else None
        return op, arrays

    def test_no_record(self) -> None:
        problem = make_problem(indices=(3, 1, PAGES, 0))
        op, arrays = self.append(problem, None)
        assert abi.run(op) == abi.OK
        assert abi.can_implement(op) == abi.OK
        assert_same_bits(arrays["k_data"], problem.expected["k_data"], "k_data")
        assert_same_bits(arrays["v_data"], problem.expected["v_data"], "v_data")

    def test_the_record_and_its_bands(self) -> None:
        record = Guarded(UNCLAIMED)
        problem = make_problem(indptr=(0, 1, 9, 3, 4))
        op, arrays = self.append(problem, record)
        assert abi.can_implement(op) == abi.OK
        assert_same_bits(record.array, UNCLAIMED, "the record after can_implement")
        assert abi.run(op) == abi.OK
        assert record.array.tolist() in [record_of(*corrupt) for corrupt in problem.corrupt]
        record.check_guards("the record")
        assert arrays

    def test_a_claimed_record_is_left_alone(self) -> None:
        """Whatever it says, reasons that this version does not know included."""
        record = Guarded(np.arange(70, 78))
        op, arrays = self.append(make_problem(indices=(3, 1, PAGES, 0)), record)
        assert abi.run(op) == abi.OK
        assert record.array.tolist() == list(range(70, 78))
        assert arrays

    @pytest.mark.parametrize("by", [1, 2, 4])
    def test_a_misaligned_record(self, by: int) -> None:
        record = Guarded(np.zeros(16, np.int64))
        op, arrays = self.append(make_problem(), record)
        op.error_record += by
        assert abi.run(op) == abi.MISALIGNED_OPERAND
        assert "error_record" in abi.message()
        assert "8 bytes" in abi.message()
        assert arrays

    @pytest.mark.parametrize(
        "name", ["key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len"]
    )
    def test_a_record_inside_an_operand(self, name: str) -> None:
        op, arrays = self.append(make_problem(), Guarded(UNCLAIMED))
        before = {name: array.copy() for name, array in arrays.items()}
        op.error_record = arrays[name].ctypes.data
        assert abi.run(op) == abi.INVALID_PROBLEM
        assert "error_record" in abi.message()
        assert name in abi.message()
        assert "overlap" in abi.message()
        for operand, array in arrays.items():
            assert_same_bits(array, before[operand], operand)

    def test_a_record_without_the_guard(self) -> None:
        record = Guarded(UNCLAIMED)
        problem = GuardedProblem(
            Case(F16, "HND", "BEFORE_APPEND", 4, 4, 2, 64), PAGES, *map(np.int32, (INDICES, INDPTR, LENGTHS))
        )
        arrays = {name: Guarded(array).array for name, array in problem.arrays.items()}
        op = abi.make_append(problem.case, arrays)
        op.error_record = record.array.ctypes.data
        assert abi.run(op) == abi.INVALID_PROBLEM
        assert "error_record" in abi.message()
        op.error_record = None
        assert abi.run(op) == abi.OK
