"""Every line of the header's list of refusals: the status, the message, the order, and that nothing is
written.
"""

from __future__ import annotations

import ctypes
import itertools
import re

import pytest

from support.c_abi import abi
from support.c_abi.header import HEADER
from support.calls.operands import CACHES, NAMES
from support.problems.problem import Problem, assert_unchanged
from support.refusals.of_problem import MOST_ROWS
from support.refusals.refusal import CALLERS, FLASHINFER, ON_HOST, OURS, Caller, Refusal, pack
from support.refusals.refusals import OF_THE_PROBLEM, REFUSALS, by_caller, name_of, refusals_of


def make(caller: Caller, problem: Problem) -> abi.Append:
    return abi.make_append(problem.case, problem.arrays, backend=caller.backend, flags=caller.flags)


def without_operands(caller: Caller, problem: Problem) -> abi.Append:
    op = make(caller, problem)
    for name in NAMES:
        setattr(op, name, None)
    return op


def assert_says(refusal: Refusal, status: int, what: str = "") -> None:
    assert status == refusal.status, f"{what}: {abi.message()}"
    for part in refusal.says:
        assert part in abi.message(), what


@pytest.mark.parametrize(("refusal", "caller"), by_caller(REFUSALS), ids=name_of)
def test_refused_before_anything_is_written(refusal: Refusal, caller: Caller) -> None:
    problem = Problem()
    op = make(caller, problem)
    refusal.spoil(op)
    spoiled = bytes(op)
    before = problem.snapshot()
    for call in (abi.can_implement, abi.run):
        assert_says(refusal, call(op))
        assert_unchanged(problem.arrays, before)
        assert bytes(op) == spoiled


@pytest.mark.parametrize("caller", CALLERS, ids=name_of)
def test_what_is_not_spoiled_is_not_refused(caller: Caller) -> None:
    """The append that the refusals are provoked on; and with strides that say the same."""
    problem = Problem()
    op = make(caller, problem)
    assert abi.can_implement(op) == abi.OK, abi.message()
    if not caller.flags & abi.MIRRORED:
        pack(op)
        assert abi.can_implement(op) == abi.OK, abi.message()


@pytest.mark.parametrize("caller", CALLERS, ids=name_of)
def test_the_order_of_the_checks(caller: Caller) -> None:
    """Of two things wrong at once, the one that the header lists first is what the caller is told."""
    pristine = Problem()
    problem = Problem()
    seen = 0
    for first, second in itertools.combinations(refusals_of(caller), 2):
        if first.line == second.line or not first.goes_with(second):
            continue
        for name in ("indices", "indptr", "last_page_len"):
            problem.arrays[name][...] = pristine.arrays[name]
        op = make(caller, problem)
        second.spoil(op)
        first.spoil(op)
        assert_says(first, abi.can_implement(op), f"{first.name} and {second.name}")
        seen += 1
    assert seen > 1000


def test_every_line_of_the_headers_list_is_provoked() -> None:
    """But for the last two: a build without CUDA has a test below, and CUDA's own words need a GPU."""
    listed = re.search(r"REFUSALS, IN THE ORDER OF THE CHECKS(.*?)ABI POLICY", HEADER.read_text(), re.DOTALL)
    assert listed
    statuses = [int(status) for status in re.findall(r"^ \*   status (\d)", listed[1], re.MULTILINE)]
    provoked = {refusal.line: refusal.status for refusal in REFUSALS}
    assert statuses == [*(provoked[line] for line in sorted(provoked)), abi.UNSUPPORTED]
    assert len({(refusal.line, refusal.status) for refusal in REFUSALS}) == len(provoked)
    of_the_problem = listed[1].split("Of operands")[0]
    assert len(re.findall(r"^ \*   status", of_the_problem, re.MULTILINE)) == OF_THE_PROBLEM[-1].line


@pytest.mark.parametrize(("refusal", "caller"), by_caller(OF_THE_PROBLEM), ids=name_of)
def test_can_implement_judges_a_problem_without_operands(refusal: Refusal, caller: Caller) -> None:
    op = without_operands(caller, Problem())
    assert abi.can_implement(op) == abi.OK, abi.message()
    refusal.spoil(op)
    assert_says(refusal, abi.can_implement(op))
    arch = ctypes.c_int32(-5)
    preload = abi.library().baracuda_paged_kv_append_preload
    assert_says(refusal, preload(ctypes.addressof(op), ctypes.addressof(arch)))
    assert arch.value == -5


@pytest.mark.parametrize("caller", CALLERS, ids=name_of)
def test_what_touches_does_not_overlap(caller: Caller) -> None:
    """Operands that lie end to end, and one memory for key and value, are allowed."""
    problem = Problem()
    op = make(caller, problem)
    op.value = op.key
    assert abi.can_implement(op) == abi.OK, abi.message()
    op.v_data = op.k_data + problem.arrays["k_data"].nbytes
    op.key = op.k_data - problem.arrays["key"].nbytes
    op.value = op.key
    assert abi.can_implement(op) == abi.OK, abi.message()
    op.key += 16
    assert abi.can_implement(op) == abi.INVALID_PROBLEM
    assert "overlap" in abi.message()


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
        op = without_operands(FLASHINFER, problem)
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
    assert judge(num_total_pages=0) == abi.OK, abi.message()
    assert judge(batch_size=0) == abi.OK, abi.message()
    assert judge(value_head_dim=64) == abi.OK, abi.message()
    positions = abi.ADDRESSINGS["POSITIONS"]
    for rows in (0, MOST_ROWS):
        assert judge(addressing=positions, num_rows=rows, batch_size=1 << 20) == abi.OK, abi.message()
    assert judge(addressing=positions, page_size=1 << 20, total_used_pages=2048) == abi.OK, abi.message()
    unread = 1 << abi.OPERANDS.index("last_page_len")
    assert judge(addressing=positions, int64_operands=unread) == abi.OK, abi.message()


def far_apart(caller: Caller) -> abi.Append:
    """Operands at addresses that are never read: 2^40 bytes between them."""
    op = make(caller, Problem())
    for i, name in enumerate(NAMES):
        setattr(op, name, (i + 1) << 40)
    pack(op)
    return op


@pytest.mark.parametrize("dimension", [1, 2])
def test_strides_of_flashinfer_in_32_bits(dimension: int) -> None:
    """The slot's and the head's too; a stride that no extent uses means nothing."""
    for stride, status in (((1 << 32) - 8, abi.OK), (1 << 32, abi.UNSUPPORTED)):
        op = far_apart(FLASHINFER)
        for name in CACHES:
            getattr(op, f"{name}_strides")[dimension] = stride
        assert abi.can_implement(op) == status, abi.message()
    assert f"{2 << 32} bytes" in abi.message()
    assert "2^32 elements" in abi.message()
    op.num_heads = op.page_size = 1
    op.key_strides[0] = op.value_strides[0] = op.head_dim
    assert abi.can_implement(op) == abi.OK, abi.message()


def test_the_page_stride_of_flashinfer_in_32_bits() -> None:
    op = far_apart(FLASHINFER)
    for name in CACHES:
        getattr(op, f"{name}_strides")[0] = (1 << 32) - 8
    assert abi.can_implement(op) == abi.OK, abi.message()
    for stride in (1 << 32, -8):
        for name in CACHES:
            getattr(op, f"{name}_strides")[0] = stride
        op.num_total_pages = 2
        assert abi.can_implement(op) == abi.UNSUPPORTED
        op.num_total_pages = 1
        assert abi.can_implement(op) == abi.OK, abi.message()


def test_what_baracuda_kernels_does_not_ask_for() -> None:
    """The general append of our own backends: any width, two widths, K alone, int64, element alignment."""
    problem = Problem()
    for caller in OURS:
        op = make(caller, problem)
        op.head_dim, op.value_head_dim = 63, 1
        assert abi.can_implement(op) == abi.OK, abi.message()
        op = make(caller, problem)
        op.parts = abi.KEY
        op.value = op.v_data = None
        assert abi.can_implement(op) == abi.OK, abi.message()
        op = make(caller, problem)
        op.batch_size -= 1  # so that what is moved by one element stays in its memory
        op.num_total_pages -= 1
        problem.arrays["indices"][...] = 0
        for name in ("key", "value", *CACHES):
            setattr(op, name, getattr(op, name) + 2)
        assert abi.can_implement(op) == abi.OK, abi.message()


@pytest.mark.parametrize("caller", [c for c in CALLERS if not c.flags & abi.MIRRORED], ids=name_of)
def test_no_rows(caller: Caller) -> None:
    """A batch of 0 does nothing and looks at no operand; what the problem is counts."""
    problem = Problem()
    before = problem.snapshot()
    op = make(caller, problem)
    op.batch_size = 0
    for null in (False, True):
        if null:
            for name in NAMES:
                setattr(op, name, None)
        assert abi.can_implement(op) == abi.OK, abi.message()
        assert abi.run(op) == abi.OK, abi.message()
        assert_unchanged(problem.arrays, before)
    op.num_heads = 0
    assert abi.run(op) == abi.INVALID_PROBLEM
    assert "num_heads" in abi.message()
    op.num_heads = 2
    if caller in ON_HOST:
        op.stream = 8
        assert abi.run(op) == abi.INVALID_PROBLEM
        assert "stream" in abi.message()
        op.stream = None
    op.error_record = 4
    assert abi.run(op) in (abi.INVALID_PROBLEM, abi.MISALIGNED_OPERAND)
    assert "error_record" in abi.message()


@pytest.mark.skipif(b"cuda=none" not in abi.library().baracuda_ffi_build_info(), reason="built with CUDA")
@pytest.mark.parametrize("caller", [c for c in CALLERS if c not in ON_HOST], ids=name_of)
def test_a_library_without_cuda_judges_and_does_not_launch(caller: Caller) -> None:
    problem = Problem()
    before = problem.snapshot()
    op = make(caller, problem)
    assert abi.can_implement(op) == abi.OK, abi.message()
    assert abi.run(op) == abi.UNSUPPORTED
    assert "CUDA" in abi.message()
    assert abi.library().baracuda_paged_kv_append_preload(ctypes.addressof(op), None) == abi.UNSUPPORTED
    assert "CUDA" in abi.message()
    assert_unchanged(problem.arrays, before)
