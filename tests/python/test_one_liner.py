"""append_paged_kv's own refusals: what it infers from the operands must fit together."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference
from support.calls.operands import CACHES, NAMES, TABLE
from support.devices.bits import assert_same_bits
from support.problems.cases import CONVENTIONS, Case
from support.problems.elements import F16
from support.problems.problem import Problem, assert_appended, assert_unchanged


def append(arrays: dict[str, Any], **options: Any) -> None:
    bf.append_paged_kv(*(arrays[name] for name in NAMES), **({"stream": None} | options))


def test_the_defaults_are_hnd_and_before_append() -> None:
    problem = Problem()
    before = problem.snapshot()
    append(problem.arrays)
    assert_appended(problem, before)


def test_operands_by_name() -> None:
    problem = Problem()
    before = problem.snapshot()
    bf.append_paged_kv(**problem.arrays, stream=None)
    assert_appended(problem, before)


def test_the_stream_must_be_said() -> None:
    problem = Problem()
    with pytest.raises(TypeError, match="stream"):
        bf.append_paged_kv(*problem.arrays.values())  # type: ignore[call-arg]


@pytest.mark.parametrize("stream", [True, False, "0", 1.5, object()])
def test_what_is_no_stream(stream: Any) -> None:
    problem = Problem()
    with pytest.raises(bf.InvalidProblem, match="stream"):
        append(problem.arrays, stream=stream)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("layout", "HDN"),
        ("layout", 1),
        ("layout", None),
        ("length_convention", 1),
        ("length_convention", "AFTER"),
        ("backend", "CPU"),
        ("backend", 2),
        ("backend", 0),
        ("element", "f17"),
        ("element", 0),
        ("element", ""),
        ("guarded", 1),
        ("guarded", None),
        ("error_record", 0),
        ("error_record", np.zeros(8, np.int64)),
    ],
)
def test_options_of_the_wrong_kind(name: str, wrong: Any) -> None:
    problem = Problem()
    before = problem.snapshot()
    with pytest.raises(bf.InvalidProblem, match=name) as refused:
        append(problem.arrays, **{name: wrong})
    assert refused.value.function == "append_paged_kv"
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "NHD", "length_convention": "AFTER_APPEND"},
        {"layout": bf.KvLayout.NHD, "length_convention": bf.LengthConvention.AFTER_APPEND},
        {"layout": "nhd", "length_convention": "after_append", "element": "f16", "backend": "host"},
        {"layout": "NHD", "length_convention": "AFTER_APPEND", "element": np.float16, "guarded": True},
    ],
)
def test_options_by_name(options: dict[str, Any]) -> None:
    problem = Problem(Case(F16, "NHD", "AFTER_APPEND", 4, 3, 2, 64))
    before = problem.snapshot()
    append(problem.arrays, **options)
    assert_appended(problem, before)


def test_no_convention_is_baracuda_kernels() -> None:
    problem = Problem(last_page_len=[0, 3, 1])
    before = problem.snapshot()
    append(problem.arrays, length_convention=None)
    assert_appended(problem, before)


def test_the_layout_decides_what_fits() -> None:
    """HND caches of 2 heads and 4 slots read as NHD have 4 heads: that contradicts key."""
    problem = Problem()
    before = problem.snapshot()
    with pytest.raises(bf.InvalidProblem, match="shape"):
        append(problem.arrays, layout=bf.KvLayout.NHD)
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("name", NAMES)
def test_an_operand_that_does_not_fit_the_others(name: str) -> None:
    problem = Problem()
    array = problem.arrays[name]
    for wrong in (array[None], array[:0], array.astype(np.float64), object()):
        with pytest.raises(bf.BaracudaError):
            append(problem.arrays | {name: wrong})


def test_elements_that_differ() -> None:
    problem = Problem()
    wrong = np.zeros(problem.arrays["value"].shape, np.float32)
    with pytest.raises(bf.Unsupported, match=r"value.*f32.*f16"):
        append(problem.arrays | {"value": wrong})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("guarded", [False, True])
def test_an_operand_that_is_missing(name: str, guarded: bool) -> None:
    """Nothing is written, and nothing passes for an append of no rows."""
    problem = Problem()
    before = problem.snapshot()
    missing = problem.arrays | {name: None}
    nothing = missing | {"indptr": None if name == "indptr" else np.zeros(1, np.int32)}
    if name != "last_page_len":
        nothing["last_page_len"] = np.zeros(0, np.int32)
    wanted = "seq_lens" if name == "last_page_len" else name  # the safer of the two
    says = rf"given: {wanted} should be given too; .* one of: " if name in TABLE else rf"^{name} is None"
    for operands in (missing, nothing):
        with pytest.raises(bf.InvalidProblem, match=says) as refused:
            append(operands, guarded=guarded)
        assert refused.value.function == "append_paged_kv"
        if name == "v_data":  # which a transform may do without: the plan says
            plan = bf.PagedKvAppendPlan.select(None, problem.case.descriptor(problem.num_pages))
            with pytest.raises(bf.InvalidProblem, match=says) as refused:
                plan.run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**operands))
            assert refused.value.function == "PagedKvAppendPlan.run"
            continue
        with pytest.raises(bf.InvalidProblem, match=says) as refused:
            bf.PagedKvAppendArgs(**operands)
        assert refused.value.function == "PagedKvAppendArgs"
    assert_unchanged(problem.arrays, before)


def test_nothing_but_a_key() -> None:
    key = Problem().arrays["key"]
    with pytest.raises(bf.InvalidProblem, match=r"^nothing says where the rows go; .*\(slot_mapping\)"):
        bf.append_paged_kv(key, stream=None)  # type: ignore[call-overload]
    with pytest.raises(bf.InvalidProblem, match=r"^k_data is None; .*kv_data"):
        bf.PagedKvAppendArgs(key=key)
    with pytest.raises(bf.InvalidProblem, match=r"^k_data is None; .*kv_data"):
        bf.append_paged_kv(key, slot_mapping=np.zeros(3, np.int32), stream=None)  # type: ignore[call-overload]


def test_key_alone() -> None:
    problem = Problem()
    before = problem.snapshot()
    expected = before | {"k_data": problem.expected()["k_data"]}
    append(problem.arrays | {"value": None, "v_data": None})
    assert_unchanged(problem.arrays, expected)


@pytest.mark.parametrize("head_dim", [1, 3, 40, 63, 96, 192, 257, 512])
def test_any_head_dim(head_dim: int) -> None:
    for convention in CONVENTIONS:
        problem = Problem(Case(F16, "HND", convention, 4, 3, 2, head_dim))
        before = problem.snapshot()
        append(problem.arrays, length_convention=convention)
        assert_appended(problem, before)


@pytest.mark.parametrize("names", [("indices",), ("indptr",), ("last_page_len",), TABLE], ids="+".join)
def test_a_page_table_of_64_bits_is_taken_as_it_is(names: tuple[str, ...]) -> None:
    problem = Problem()
    expected = problem.expected()
    wide = problem.arrays | {name: problem.arrays[name].astype(np.int64) for name in names}
    append(wide)
    for name in CACHES:
        assert_same_bits(wide[name], expected[name], name)
    entry = {"indices": 1, "indptr": 1, "last_page_len": 0}  # the first request's
    for name in names:
        far = wide[name].copy()
        far[entry[name]] += 2**32
        with pytest.raises(bf.InvalidProblem, match=rf"request 0: .*{name}.* is {far[entry[name]]}"):
            append(wide | {name: far})


class TestOnTheHost:
    """What becomes of a table in which something is wrong, or nothing to do."""

    def test_padding_is_skipped(self) -> None:
        problem = Problem()
        problem.arrays["indices"][1] = -1
        problem.arrays["indptr"][2:] = 4  # the last request has no pages
        problem.arrays["indices"] = problem.arrays["indices"][:4]
        guarded = Problem()
        guarded.arrays |= problem.snapshot()
        before = problem.snapshot()
        expected = {name: before[name].copy() for name in NAMES}
        append_paged_kv_reference(**expected, guarded=True)
        for each, how in ((problem, False), (guarded, True)):
            append(each.arrays, guarded=how)
            assert_unchanged(each.arrays, expected)
        with pytest.raises(AssertionError):
            assert_unchanged(expected, before)  # the middle one was served

    def test_what_is_corrupt_is_refused_whole(self) -> None:
        problem = Problem()
        problem.arrays["last_page_len"][2] = 4
        before = problem.snapshot()
        with pytest.raises(bf.InvalidProblem, match=r"request 2: last_page_len\[2\] is 4"):
            append(problem.arrays)
        assert_unchanged(problem.arrays, before)

    def test_guarded_it_is_skipped_and_recorded(self) -> None:
        problem = Problem()
        problem.arrays["last_page_len"][1] = 4
        expected = problem.snapshot()
        ((request, reason, seen),) = append_paged_kv_reference(**expected, guarded=True)
        record = bf.ErrorRecord.allocate(None)
        append(problem.arrays, guarded=True, error_record=record)
        assert_unchanged(problem.arrays, expected)
        with pytest.raises(bf.CorruptPageTable) as raised:
            record.check(None)
        assert (raised.value.request, raised.value.reason, raised.value.values) == (request, reason, seen)
        append(problem.arrays, guarded=True)  # a record is optional

    def test_a_record_wants_the_guard(self) -> None:
        with pytest.raises(bf.InvalidProblem, match=r"error_record is given .* guarded=True"):
            append(Problem().arrays, error_record=bf.ErrorRecord.allocate(None))

    @pytest.mark.parametrize("guarded", [False, True])
    def test_no_requests(self, guarded: bool) -> None:
        """Rows of key that nobody asked for are not read."""
        problem = Problem()
        before = problem.snapshot()
        empty = problem.arrays | {
            "indptr": np.zeros(1, np.int32),
            "last_page_len": np.zeros(0, np.int32),
        }
        append(empty, guarded=guarded)
        append(empty | {"indices": np.zeros(0, np.int64)}, guarded=guarded)
        append(empty | {name: problem.arrays[name][:0] for name in ("key", "value")}, guarded=guarded)
        assert_unchanged(problem.arrays, before)

    def test_more_rows_than_requests(self) -> None:
        """As engines pad graphs."""
        problem = Problem()
        expected = problem.expected()
        longer = problem.arrays | {
            name: np.concatenate([problem.arrays[name], problem.arrays[name]]) for name in ("key", "value")
        }
        append(longer)
        for name in CACHES:
            assert_same_bits(problem.arrays[name], expected[name], name)
        with pytest.raises(bf.InvalidProblem, match=r"key has shape \[2, 2, 64\]; it should be \[3 or more"):
            append(problem.arrays | {"key": problem.arrays["key"][:2]})


@pytest.mark.parametrize(
    ("backend", "stream", "says"),
    [
        ("BESPOKE", None, "backend is BESPOKE and stream is None; .* HOST$"),
        ("FLASHINFER", None, "backend is FLASHINFER and stream is None; .* HOST$"),
        ("HOST", 0, "backend is HOST and stream is a CUDA stream; .* BESPOKE or FLASHINFER$"),
    ],
)
def test_a_backend_that_the_stream_contradicts(backend: str, stream: Any, says: str) -> None:
    with pytest.raises(bf.InvalidProblem) as refused:
        append(Problem().arrays, backend=backend, stream=stream)
    assert re.search(says, refused.value.message)


def test_flashinfers_kernel_is_not_guarded() -> None:
    with pytest.raises(bf.Unsupported, match=r"backend is FLASHINFER and guarded is True.*BESPOKE"):
        append(Problem().arrays, backend="FLASHINFER", guarded=True, stream=0)
