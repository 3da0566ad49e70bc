"""validate_page_table: every fault is found and nothing else; any kind of operand; what it refuses."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page_table.table_faults import faults_of

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference
from support.damaged.damage import cases, damaged, right_tables
from support.devices.backends import Backend
from support.devices.bits import Array, assert_same_bits

AFTER, BEFORE = bf.LengthConvention.AFTER_APPEND, bf.LengthConvention.BEFORE_APPEND
Table = dict[str, Array]


def table_of(indices: list[int], indptr: list[int], last_page_len: list[int]) -> Table:
    return {
        "indices": np.array(indices, np.int32),
        "indptr": np.array(indptr, np.int32),
        "last_page_len": np.array(last_page_len, np.int32),
    }


def validate(table: Table, **how: Any) -> list[bf.PageTableFinding]:
    usual = {"page_size": 4, "num_total_pages": 10, "length_convention": BEFORE, "stream": None}
    return bf.validate_page_table(**(usual | table | how))


def as_faults(findings: list[bf.PageTableFinding]) -> list[Any]:
    return [(f.kind.name, f.requests, f.operand, f.position, f.value) for f in findings]


RIGHT = table_of([3, 1, 4, 0, 5], [0, 2, 3, 5], [0, 1, 3])

ONE_FAULT = [
    ("indptr", 0, 1, ("INDPTR_START", (0,), "indptr", 0, 1)),
    ("indptr", 3, 6, ("INDPTR_RANGE", (2,), "indptr", 3, 6)),
    ("indices", 1, 10, ("PAGE_ID", (0,), "indices", 1, 10)),
    ("indices", 0, -1, ("PAGE_ID", (0,), "indices", 0, -1)),
    ("indices", 1, 3, ("REPEATED_PAGE", (0,), "indices", 1, 3)),
    ("indices", 3, 3, ("SHARED_PAGE", (0, 2), "indices", 0, 3)),
    ("last_page_len", 2, 4, ("LAST_PAGE_LEN", (2,), "last_page_len", 2, 4)),
    ("last_page_len", 0, -1, ("LAST_PAGE_LEN", (0,), "last_page_len", 0, -1)),
]


def test_a_right_table_has_none() -> None:
    assert validate(RIGHT) == []
    assert validate(RIGHT, guarded=True) == []
    assert validate(RIGHT | {"last_page_len": np.array([1, 2, 4], np.int32)}, length_convention=AFTER) == []


@pytest.mark.parametrize(("part", "at", "value", "fault"), ONE_FAULT)
@pytest.mark.parametrize("guarded", [False, True])
def test_one_fault(part: str, at: int, value: int, fault: Any, guarded: bool) -> None:
    table = RIGHT | {part: RIGHT[part].copy()}
    table[part][at] = value
    (finding,) = validate(table, guarded=guarded)
    assert as_faults([finding]) == [fault]
    assert finding.message.startswith(
        f"{part if fault[0] != 'SHARED_PAGE' else 'indices'}[{fault[3]}] is {value}"
    )


def test_order_and_overlap() -> None:
    table = table_of([0, 1, 2, 3], [0, 3, 1, 4], [0, 0, 0])
    assert as_faults(validate(table)) == [
        ("INDPTR_ORDER", (1,), "indptr", 2, 1),
        ("INDPTR_OVERLAP", (2,), "indptr", 2, 1),
    ]


def test_a_slot_that_two_requests_would_write() -> None:
    table = table_of([7, 2, 7, 7], [0, 1, 3, 4], [2, 2, 1])
    assert as_faults(validate(table)) == [
        ("SHARED_PAGE", (0, 1, 2), "indices", 0, 7),
        ("SHARED_SLOT", (0, 1), "indices", 0, 7),
    ]
    assert "slot 2" in validate(table)[1].message
    assert "0, 1" in validate(table)[1].message


def test_padding_is_a_fault_unless_guarded() -> None:
    table = table_of([3, -5], [0, 1, 1, 2], [0, 99, 99])
    assert as_faults(validate(table)) == [
        ("NO_PAGES", (1,), "indptr", 1, 1),
        ("PAGE_ID", (2,), "indices", 1, -5),
        ("LAST_PAGE_LEN", (2,), "last_page_len", 2, 99),
    ]
    assert validate(table, guarded=True) == []


def test_nothing_but_padding() -> None:
    table = table_of([], [0, 0, 0], [0, 0])
    assert validate(table, guarded=True) == []
    assert [f.kind.name for f in validate(table)] == ["NO_PAGES", "NO_PAGES"]
    assert validate(table_of([], [0], [])) == []


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), guarded=st.booleans(), pages_fewer=st.integers(0, 2))
def test_against_plain_loops(data: st.DataObject, guarded: bool, pages_fewer: int) -> None:
    """Complete and exact, over tables with random damage and pages used twice."""
    case = data.draw(cases())
    num_pages, table = data.draw(right_tables(case, padded=data.draw(st.booleans())))
    if data.draw(st.booleans()):
        table = data.draw(damaged(case, num_pages, table))
    if data.draw(st.booleans()):
        table["indices"] %= max(1, num_pages // 2)
    how: Any = {
        "page_size": case.page_size,
        "num_total_pages": max(1, num_pages - pages_fewer),
        "guarded": guarded,
    }
    before = {name: array.copy() for name, array in table.items()}
    convention = case.length_convention
    found = as_faults(bf.validate_page_table(**table, **how, length_convention=convention, stream=None))
    assert len(found) == len(set(found))
    assert set(found) == faults_of(table, **how, counts_new=convention is AFTER)
    for name, array in table.items():
        assert_same_bits(array, before[name], name)


@pytest.mark.parametrize("seed", range(20))
def test_against_plain_loops_with_no_structure_at_all(seed: int) -> None:
    """indptr jumps about, so that parts overlap in every way."""
    rng = np.random.default_rng(seed)
    batch, total = int(rng.integers(1, 60)), int(rng.integers(1, 80))
    table = {
        "indices": rng.integers(-2, 50, total).astype(np.int32),
        "indptr": rng.integers(-3, total + 4, batch + 1).astype(np.int32),
        "last_page_len": rng.integers(-1, 6, batch).astype(np.int32),
    }
    for guarded in (False, True):
        how: Any = {
            "page_size": 4,
            "num_total_pages": 45,
            "guarded": guarded,
        }
        found = as_faults(bf.validate_page_table(**table, **how, length_convention=AFTER, stream=None))
        assert len(found) == len(set(found))
        assert set(found) == faults_of(table, **how, counts_new=True)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_the_guard_refuses_is_found(data: st.DataObject) -> None:
    """Every request that a guarded append would record is one of some finding's."""
    case = data.draw(cases())
    num_pages, table = data.draw(right_tables(case, padded=True))
    table = data.draw(damaged(case, num_pages, table))
    rows = np.zeros(case.row_shape, np.uint8)
    caches = [np.zeros(case.cache_shape(num_pages), np.uint8) for _ in range(2)]
    corrupt = append_paged_kv_reference(
        rows,
        rows,
        *caches,
        **table,
        layout=case.kv_layout,
        length_convention=case.length_convention,
        guarded=True,
    )
    findings = bf.validate_page_table(
        **table,
        page_size=case.page_size,
        num_total_pages=num_pages,
        length_convention=case.length_convention,
        stream=None,
        guarded=True,
    )
    concerned = {request for finding in findings for request in finding.requests}
    assert {request for request, _, _ in corrupt} <= concerned


def large_table(pages: int, batch: int) -> Table:
    rng = np.random.default_rng(1)
    cuts = np.sort(rng.choice(np.arange(1, pages), batch - 1, replace=False))
    return {
        "indices": rng.permutation(2 * pages)[:pages].astype(np.int32),
        "indptr": np.concatenate(([0], cuts, [pages])).astype(np.int32),
        "last_page_len": rng.integers(0, 16, batch).astype(np.int32),
    }


def test_a_million_pages_take_well_under_a_second() -> None:
    """Of the processor's time, since others may be using the machine."""
    table = large_table(1_000_000, 20_000)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        assert validate(table, page_size=16, num_total_pages=2_000_000) == []
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.8


def test_a_table_of_nonsense_takes_no_more_memory_than_its_entries() -> None:
    """Ten thousand parts that each span all of a million entries."""
    table = large_table(1_000_000, 20_000)
    table["indptr"][0::2] = 0
    table["indptr"][1::2] = 1_000_000
    findings = validate(table, page_size=16, num_total_pages=2_000_000)
    kinds = [finding.kind.name for finding in findings]
    assert kinds.count("INDPTR_ORDER") == 10_000
    assert kinds.count("INDPTR_OVERLAP") == 9_999


def test_operands_of_either_memory(backend: Backend) -> None:
    """The same findings, wherever the table is; nothing is written there."""
    table = RIGHT | {"indices": np.array([3, 1, 4, 1, 77], np.int32)}
    operands = {name: backend.put(array) for name, array in table.items()}
    assert as_faults(validate(operands, stream=backend.stream)) == as_faults(validate(table))
    for name, operand in operands.items():
        assert_same_bits(backend.get(operand), table[name], name)
    backend.check_guards()


class Exporter:
    """An object that has DLPack and nothing else."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __dlpack__(self, **how: Any) -> Any:
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


def test_operands_by_dlpack_and_by_pointer() -> None:
    assert validate({name: Exporter(array) for name, array in RIGHT.items()}) == []
    views = {
        name: bf.TensorView(ptr=array.ctypes.data, shape=array.shape, element="i32")
        for name, array in RIGHT.items()
    }
    assert validate(views) == []
    read_only = {name: array.copy() for name, array in RIGHT.items()}
    for array in read_only.values():
        array.flags.writeable = False
    assert validate(read_only) == []


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"indptr": np.zeros(3, np.int32)}, bf.InvalidProblem, ("indptr has 3", "last_page_len has 3")),
        ({"indices": np.zeros(5, np.int16)}, bf.Unsupported, ("indices", "int32 or int64")),
        ({"indptr": np.zeros(4, np.uint32)}, bf.Unsupported, ("indptr", "int32 or int64")),
        ({"indices": np.zeros((5, 1), np.int32)}, bf.InvalidProblem, ("indices has 2 dimensions", "1")),
        ({"indices": np.zeros(10, np.int32)[::2]}, bf.Unsupported, ("indices has stride 2", "contiguous")),
        ({"last_page_len": [0, 1, 3]}, bf.InvalidProblem, ("last_page_len", "list")),
        ({"page_size": 0}, bf.InvalidProblem, ("page_size is 0",)),
        ({"num_total_pages": -1}, bf.InvalidProblem, ("num_total_pages is -1",)),
        ({"page_size": 2.0}, bf.InvalidProblem, ("page_size is 2.0",)),
        ({"length_convention": 1}, bf.InvalidProblem, ("length_convention is 1", "LengthConvention")),
        ({"length_convention": "AFTER"}, bf.InvalidProblem, ("length_convention is 'AFTER'", "AFTER_APPEND")),
        ({"guarded": 1}, bf.InvalidProblem, ("guarded is 1", "bool")),
        (
            {"indptr": bf.TensorView(ptr=0, shape=(4,), element="i32")},
            bf.InvalidProblem,
            ("indptr is NULL",),
        ),
        (
            {"indptr": bf.TensorView(ptr=64, shape=(4,), element="i32", device=0)},
            bf.InvalidProblem,
            ("indptr is in CUDA memory", "stream is None"),
        ),
    ],
)
def test_what_is_no_page_table(changes: Any, error: type[Exception], says: tuple[str, ...]) -> None:
    with pytest.raises(error) as raised:
        validate(RIGHT | changes)
    assert raised.value.function == "validate_page_table"
    assert all(text in str(raised.value) for text in says)


@pytest.mark.parametrize("dtypes", list(itertools.product(("i4", "i8"), repeat=3)), ids="-".join)
def test_operands_of_either_width(dtypes: tuple[str, ...]) -> None:
    """Each by itself; an entry whose low half alone would do is told as it is."""
    table = {name: part.astype(dtype) for (name, part), dtype in zip(RIGHT.items(), dtypes, strict=True)}
    assert validate(table) == []
    for name, array in table.items():
        if array.itemsize == 8:
            far = array.copy()
            far[-1] += 2**32
            assert int(far[-1]) in [finding.value for finding in validate(table | {name: far})]


def test_a_convention_by_its_name() -> None:
    table = RIGHT | {"last_page_len": np.array([1, 2, 4], np.int32)}
    for convention in ("AFTER_APPEND", "after_append", bf.LengthConvention.AFTER_APPEND):
        assert validate(table | {"length_convention": convention}) == []
    for convention in (None, "BEFORE_APPEND"):
        found = validate(table | {"length_convention": convention})
        assert as_faults(found) == [
            ("LAST_PAGE_LEN", (2,), "last_page_len", 2, 4),
            ("OTHER_CONVENTION", (2,), "last_page_len", 2, 4),
        ]
        assert "with AFTER_APPEND all lengths fit" in found[1].message


def test_findings_are_values() -> None:
    table = RIGHT | {"last_page_len": np.array([0, 9, 3], np.int32)}
    (one,), (other,) = validate(table), validate(table)
    assert one == other
    assert hash(one) == hash(other)
    assert one.kind is bf.PageTableFault.LAST_PAGE_LEN
    assert "it should be 0 to 3" in one.message


@pytest.mark.gpu
class TestOnAStream:
    def test_the_copies_are_in_the_streams_order(self, cuda_backend: Any) -> None:
        """Entries that the stream is still to write are seen written."""
        from support.devices import cuda

        operands = {name: cuda_backend.put(array) for name, array in RIGHT.items()}
        view = operands["last_page_len"]
        with cuda.held(cuda_backend.stream) as gate:
            cuda.check(cuda.driver.cuMemsetD32Async(view.ptr, 9, 3, cuda_backend.stream))
            gate.open()
            findings = validate(operands, stream=cuda_backend.stream)
        assert [f.kind.name for f in findings] == ["LAST_PAGE_LEN"] * 3

    def test_a_table_in_both_memories(self, cuda_backend: Any) -> None:
        operands = RIGHT | {"indices": cuda_backend.put(RIGHT["indices"])}
        assert validate(operands, stream=cuda_backend.stream) == []

    def test_a_stream_that_is_being_captured_is_refused(self, cuda_backend: Any) -> None:
        from support.devices import cuda

        operands = {name: cuda_backend.put(array) for name, array in RIGHT.items()}
        with (
            cuda.capture(cuda_backend.stream),
            pytest.raises(bf.InvalidProblem, match=r"is being captured into a graph"),
        ):
            validate(operands, stream=cuda_backend.stream)

    def test_the_current_context_stays(self, cuda_backend: Any) -> None:
        from support.devices import cuda

        operands = {name: cuda_backend.put(array) for name, array in RIGHT.items()}
        with cuda.current(None):
            assert validate(operands, stream=cuda_backend.stream) == []
            assert cuda.current_context() == 0
