"""Every line of the header's refusals of copies of pages: the status, the message, the order, and that
nothing is written.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.header import HEADER
from support.devices.bits import Array, assert_same_bits
from support.pages.copy_problem import OTHERS, can_implement, make_arrays, make_copy, pack, preload, run

#: Who asks: the backend, and its flags.
HOST = (abi.HOST, 0)
HOST_GUARDED = (abi.HOST, abi.GUARDED)
BESPOKE = (abi.BESPOKE, abi.GUARDED)
CALLERS = (HOST, HOST_GUARDED, BESPOKE)
NAMES = {HOST: "host", HOST_GUARDED: "host-guarded", BESPOKE: "bespoke"}

INT32_MIN = -(2**31)
_RECORDS = np.zeros(32, np.int64)

Caller = tuple[int, int]
Spoil = Callable[[abi.Copy, dict[str, Array]], None]

LAST_OF_THE_PROBLEM = 4


@dataclass(frozen=True)
class Refusal:
    """`line` is one of the header's list, by number; `says`: what the message must contain."""

    name: str
    line: int
    status: int
    spoil: Spoil
    says: tuple[str, ...]
    movements: tuple[str, ...] = tuple(OTHERS)
    callers: tuple[Caller, ...] = CALLERS


def _set(**values: int) -> Spoil:
    def spoil(op: abi.Copy, arrays: dict[str, Array]) -> None:
        for name, value in values.items():
            setattr(op, name, value)

    return spoil


def _page(name: str, *extents: int) -> Spoil:
    def spoil(op: abi.Copy, arrays: dict[str, Array]) -> None:
        getattr(op, name)[:] = (*extents, *[0] * (5 - len(extents)))

    return spoil


def _packed_but(name: str, at: int, stride: int) -> Spoil:
    def spoil(op: abi.Copy, arrays: dict[str, Array]) -> None:
        pack(op)
        getattr(op, name)[at] = stride

    return spoil


def _entry(name: str, at: int, value: int) -> Spoil:
    def spoil(op: abi.Copy, arrays: dict[str, Array]) -> None:
        arrays[name][at] = value

    return spoil


def _moved(name: str, by: int) -> Spoil:
    def spoil(op: abi.Copy, arrays: dict[str, Array]) -> None:
        setattr(op, name, arrays[name].ctypes.data + by)

    return spoil


def _at(name: str, other: str, by: int = 0) -> Spoil:
    """An operand at the address of another."""

    def spoil(op: abi.Copy, arrays: dict[str, Array]) -> None:
        setattr(op, name, arrays[other].ctypes.data + by)

    return spoil


def _record(by: int) -> Spoil:
    return _set(error_record=_RECORDS.ctypes.data + by)


_COPY, _GATHER, _SCATTER = ("COPY",), ("GATHER",), ("SCATTER",)
_FROM, _TO, _BY_BUFFER = ("COPY", "GATHER"), ("COPY", "SCATTER"), ("GATHER", "SCATTER")
_HOST, _GUARDED = (HOST,), (HOST_GUARDED, BESPOKE)

REFUSALS = (
    Refusal("struct_size=8", 1, 2, _set(struct_size=8), ("struct_size is 8", "baracuda_paged_kv_copy")),
    Refusal("struct_size=2^32-8", 1, 2, _set(struct_size=2**32 - 8), ("struct_size is 4294967288",)),
    Refusal("flags", 2, 3, _set(flags=4 | 1), ("flags is 0x5",)),
    Refusal("backend=0", 2, 3, _set(backend=0), ("backend is 0", "HOST (2) or BESPOKE (3)")),
    Refusal("FlashInfer", 2, 3, _set(backend=abi.FLASHINFER), ("backend is 1",)),
    Refusal("unguarded", 2, 3, _set(flags=0), ("not guarded", "only guarded ones"), callers=(BESPOKE,)),
    Refusal("movement=3", 2, 3, _set(movement=3), ("movement is 3", "SCATTER (2)")),
    Refusal("movement=-1", 2, 3, _set(movement=-1), ("movement is -1",)),
    Refusal("parts=2", 2, 3, _set(parts=2), ("parts is 2", "KEY (1)")),
    Refusal("pages=0", 3, 2, _set(num_total_pages=0), ("num_total_pages is 0", "at least 1")),
    Refusal("pages<0", 3, 2, _set(num_total_pages=INT32_MIN), ("num_total_pages is -2147483648",)),
    Refusal("copies<0", 3, 2, _set(num_copies=-1), ("num_copies is -1",)),
    Refusal("page<0", 3, 2, _page("k_page", 2, -4, 8), ("k_data has pages of extent -4",)),
    Refusal("hole", 3, 2, _page("v_page", 2, 0, 8), ("v_data has pages of extent 8 in dimension 2",)),
    Refusal("element=3", 4, 3, _set(k_element_bytes=3), ("k_data has elements of 3 bytes",)),
    Refusal("element=32", 4, 3, _set(v_element_bytes=32), ("v_data has elements of 32 bytes",)),
    Refusal("element=0", 4, 3, _set(k_element_bytes=0), ("k_data has elements of 0 bytes",)),
    Refusal("no k_data", 5, 2, _set(k_data=0), ("k_data is NULL",)),
    Refusal("no v_data", 5, 2, _set(v_data=0), ("v_data is NULL",)),
    Refusal("no source", 5, 2, _set(source=0), ("source is NULL",), _FROM),
    Refusal("no destination", 5, 2, _set(destination=0), ("destination is NULL",), _TO),
    Refusal("no buffer", 5, 2, _set(buffer=0), ("buffer is NULL",), _BY_BUFFER),
    Refusal(
        "too large",
        5,
        2,
        _page("k_page", 2**62, 2**62, 2**62),
        ("larger than the address space",),
    ),
    Refusal("far", 5, 2, _packed_but("k_data_strides", 0, -(2**62)), ("k_data at", "address space")),
    Refusal("stream", 5, 2, _set(stream=8), ("stream is 0x8", "NULL"), callers=(HOST, HOST_GUARDED)),
    Refusal("record", 5, 2, _record(0), ("error_record is", "only what is guarded"), callers=(HOST,)),
    Refusal("k_data+1", 6, 1, _moved("k_data", 1), ("k_data is at", "aligned to 2 bytes")),
    Refusal("source+2", 6, 1, _moved("source", 2), ("source is at", "to 4 bytes"), _FROM),
    Refusal("record+4", 6, 1, _record(4), ("error_record is at", "8 bytes"), callers=_GUARDED),
    Refusal(
        "page stride 0",
        7,
        2,
        _packed_but("v_data_strides", 0, 0),
        ("v_data has a page stride of 0 over 6 places",),
        _TO,
    ),
    Refusal(
        "stride 0",
        7,
        2,
        _packed_but("k_data_strides", 2, 0),
        ("k_data has a third stride of 0 over 4 places",),
        _TO,
    ),
    Refusal("K in V", 7, 2, _at("v_data", "k_data", 2), ("k_data (", "v_data (", "overlap"), _TO),
    Refusal("buffer in K", 7, 2, _at("buffer", "k_data", 16), ("buffer (", "k_data (", "overlap"), _GATHER),
    Refusal("buffer in V", 7, 2, _at("buffer", "v_data", 16), ("v_data (", "buffer (", "overlap"), _SCATTER),
    Refusal("list in K", 7, 2, _at("source", "k_data"), ("k_data (", "source (", "overlap"), _COPY),
    Refusal("list in the buffer", 7, 2, _at("source", "buffer"), ("buffer (", "source ("), _GATHER),
    Refusal(
        "record in K",
        7,
        2,
        _at("error_record", "k_data"),
        ("error_record", "overlap"),
        callers=_GUARDED,
        movements=_COPY,
    ),
    Refusal("id", 8, 2, _entry("source", 1, 6), ("source[1] is 6", "which is 6"), _FROM, _HOST),
    Refusal("id to", 8, 2, _entry("destination", 0, 99), ("destination[0] is 99",), _TO, _HOST),
    Refusal("twice", 8, 2, _entry("destination", 1, 4), ("destination[0] and destination[1]",), _COPY, _HOST),
    Refusal("both", 8, 2, _entry("source", 1, 4), ("source[1] and destination[0]",), _COPY, _HOST),
)

BY_CALLER = [
    pytest.param(refusal, caller, movement, id=f"{refusal.name}-{NAMES[caller]}-{movement}")
    for refusal in REFUSALS
    for caller in refusal.callers
    for movement in refusal.movements
]


def assert_says(refusal: Refusal, status: int, what: str = "") -> None:
    assert status == refusal.status, f"{what}: {abi.message()}"
    for part in refusal.says:
        assert part in abi.message(), (what, abi.message())


@pytest.mark.parametrize(("refusal", "caller", "movement"), BY_CALLER)
def test_refused_before_anything_is_written(refusal: Refusal, caller: Caller, movement: str) -> None:
    arrays = make_arrays()
    op = make_copy(arrays, movement, backend=caller[0], flags=caller[1])
    refusal.spoil(op, arrays)
    before = {name: array.copy() for name, array in arrays.items()}
    spoilt = bytes(op)
    for call in (can_implement, run):
        assert_says(refusal, call(op))
        for name, array in arrays.items():
            assert_same_bits(array, before[name], name)
        assert bytes(op) == spoilt
    assert not _RECORDS.any()


@pytest.mark.parametrize("movement", OTHERS)
@pytest.mark.parametrize("caller", CALLERS, ids=NAMES.get)
def test_what_is_not_spoilt_is_not_refused(caller: Caller, movement: str) -> None:
    arrays = make_arrays()
    op = make_copy(arrays, movement, backend=caller[0], flags=caller[1])
    assert can_implement(op) == abi.OK, abi.message()
    pack(op)
    assert can_implement(op) == abi.OK, abi.message()


@pytest.mark.parametrize("movement", OTHERS)
@pytest.mark.parametrize("caller", CALLERS, ids=NAMES.get)
def test_the_order_of_the_checks(caller: Caller, movement: str) -> None:
    """Of two things wrong at once, the one that the header lists first is what the caller is told."""
    refusals = [r for r in REFUSALS if caller in r.callers and movement in r.movements]
    pristine, arrays = make_arrays(), make_arrays()

    def spoilt(*by: Refusal) -> tuple[abi.Copy, bytes]:
        for name in ("source", "destination"):
            arrays[name][...] = pristine[name]
        op = make_copy(arrays, movement, backend=caller[0], flags=caller[1])
        for refusal in by:
            refusal.spoil(op, arrays)
        return op, bytes(op) + arrays["source"].tobytes() + arrays["destination"].tobytes()

    seen = 0
    for first, second in itertools.combinations(refusals, 2):
        op, one = spoilt(first, second)
        if first.line == second.line or one != spoilt(second, first)[1]:
            continue  # any order, or both change one thing
        assert_says(first, can_implement(op), f"{first.name} and {second.name}")
        seen += 1
    assert seen > 200


def listed() -> list[int]:
    found = re.search(r"Refusals, in this order;(.*?)then as above", HEADER.read_text(), re.DOTALL)
    assert found
    return [int(status) for status in re.findall(r"^ \*   status (\d)", found[1], re.MULTILINE)]


def test_every_line_of_the_headers_list_is_provoked() -> None:
    provoked = {refusal.line: refusal.status for refusal in REFUSALS}
    assert listed() == [provoked[line] for line in sorted(provoked)]
    assert len({(refusal.line, refusal.status) for refusal in REFUSALS}) == len(provoked)


@pytest.mark.parametrize("caller", CALLERS, ids=NAMES.get)
@pytest.mark.parametrize(
    "refusal", [r for r in REFUSALS if r.line <= LAST_OF_THE_PROBLEM], ids=lambda r: r.name
)
def test_can_implement_judges_a_problem_without_operands(refusal: Refusal, caller: Caller) -> None:
    if caller not in refusal.callers:
        pytest.skip("not refused to this caller")
    arrays = make_arrays()
    op = make_copy(arrays, backend=caller[0], flags=caller[1])
    for name in abi.COPY_OPERANDS:
        setattr(op, name, None)
    assert can_implement(op) == abi.OK, abi.message()
    refusal.spoil(op, arrays)
    assert_says(refusal, can_implement(op))
    arch = ctypes.c_int32(-5)
    assert_says(refusal, preload(op, arch))
    assert arch.value == -5


def test_no_copies_look_at_no_operand_but_the_record() -> None:
    for movement in OTHERS:
        op = make_copy(make_arrays(), movement, flags=abi.GUARDED)
        op.num_copies = 0
        for name in abi.COPY_OPERANDS:
            setattr(op, name, 1)
        assert run(op) == abi.OK, abi.message()
        op.error_record = _RECORDS.ctypes.data + 1
        assert run(op) == abi.MISALIGNED_OPERAND


def test_op_is_null() -> None:
    library = abi.library()
    for name in ("run", "can_implement"):
        assert getattr(library, f"baracuda_paged_kv_copy_{name}")(None) == abi.INVALID_PROBLEM
        assert "op is NULL" in abi.message()
    assert library.baracuda_paged_kv_copy_preload(None, None) == abi.INVALID_PROBLEM
    assert library.baracuda_paged_kv_copy_bind(None, None, 0) == abi.INVALID_PROBLEM


def test_what_touches_does_not_overlap() -> None:
    """K and V end to end, and the buffer behind them."""
    for movement in OTHERS:
        arrays = make_arrays()
        whole = np.zeros(3 * arrays["k_data"].nbytes, np.uint8)
        op = make_copy(arrays, movement)
        op.k_data = whole.ctypes.data
        op.v_data = whole.ctypes.data + arrays["k_data"].nbytes
        if op.buffer:
            op.buffer = whole.ctypes.data + 2 * arrays["k_data"].nbytes
        assert can_implement(op) == abi.OK, abi.message()


def test_caches_that_are_only_read_may_overlap() -> None:
    arrays = make_arrays()
    op = make_copy(arrays, "GATHER")
    op.v_data = op.k_data
    assert run(op) == abi.OK, abi.message()
    assert_same_bits(arrays["buffer"][1, 0], arrays["k_data"][1], "K's half")
    assert_same_bits(arrays["buffer"][1, 1], arrays["k_data"][1], "V's half")
    pack(op)
    op.k_data_strides[:] = op.v_data_strides[:] = [0] * 6
    assert run(op) == abi.OK, abi.message()
    assert (arrays["buffer"][:2].view("u2") == arrays["k_data"].view("u2")[0, 0, 0, 0]).all()


@pytest.mark.parametrize("stride", [0, -(2**62), 2**62])
def test_the_page_stride_of_one_page_means_nothing(stride: int) -> None:
    """Nor do strides of dimensions of one place."""
    for movement in ("GATHER", "SCATTER"):
        arrays = make_arrays()
        arrays["source"][:] = arrays["destination"][:] = (0, -1, -1)
        op = make_copy(arrays, movement)
        pack(op)
        op.num_total_pages = 1
        op.k_page[:4] = (1, *op.k_page[:3])
        op.k_data_strides[:5] = (stride, stride, *op.k_data_strides[1:4])
        assert run(op) == abi.OK, abi.message()
        assert_same_bits(arrays["buffer"][0, 0], arrays["k_data"][0], "K's half")
