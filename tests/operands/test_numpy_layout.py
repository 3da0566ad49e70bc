"""NumPy's arrays that are read where they lie, and those that are left to what exports them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._interop.layouts import numpy_arrays
from baracuda_ffi._native.accelerator import ArrayLayout, ArrayType, describers
from support.c_abi import abi
from support.calls.builtin_calls import Calls, assert_left_to_others, bound_to_nothing, members, unbound
from support.calls.operands import INPUTS, NAMES
from support.problems.elements import BF16, FP8_E4M3, FP8_E5M2, Element
from support.problems.problem import SMALL, Problem, assert_appended, assert_unchanged

pytestmark = pytest.mark.skipif(
    sys.implementation.name != "cpython" or "t" in sys.abiflags, reason="arrays are exported there"
)


class Arrays(Calls):
    """With arrays for operands, and how often one was exported."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.exports = 0
        layout = numpy_arrays._layout(np)
        assert layout is not None
        self.describers[np.ndarray] = self._export
        self.describers[self.describers[np.ndarray]] = bytes(layout)
        self.operands = dict(problem.arrays)

    def _export(self, array: Any) -> object:
        self.exports += 1
        return array.__dlpack__()


def test_arrays_are_read_where_they_lie() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Arrays(problem)
    assert calls.append(unbound(), None, calls.given()) == abi.OK
    assert_appended(problem, before)
    status, bound = calls.bind(bound_to_nothing(), calls.given())
    assert status == abi.OK
    assert calls.exports == 0
    others = Arrays(problem)
    del others.describers[others.describers[np.ndarray]]
    status, exported = others.bind(bound_to_nothing(), others.given())
    assert (status, others.exports) == (abi.OK, len(NAMES))
    assert members(bound[0]) == members(exported[0])


@pytest.mark.parametrize("element", [BF16, FP8_E4M3, FP8_E5M2], ids=lambda element: element.symbol)
def test_arrays_of_ml_dtypes_are_read_so_once_they_have_been_met(element: Element) -> None:
    problem = Problem(replace(SMALL, element=element))
    before = problem.snapshot()
    bf.append_paged_kv(**problem.arrays, stream=None)
    assert_appended(problem, before)
    problem = Problem(problem.case)
    calls = Arrays(problem)
    assert calls.append(unbound(), None, calls.given()) == abi.OK
    assert calls.exports == 0
    assert_appended(problem, before)


def test_arrays_of_ml_dtypes_are_left_to_others_until_then() -> None:
    problem = Problem(replace(SMALL, element=BF16))
    before = problem.snapshot()
    calls = Arrays(problem)
    place = numpy_arrays._PLACES["bfloat16"]
    met = ArrayType.from_buffer_copy(numpy_arrays._types[place])
    numpy_arrays._types[place] = ArrayType(id(calls))
    try:
        assert_left_to_others(calls, calls.given())
    finally:
        numpy_arrays._types[place] = met
    assert calls.exports == 2
    assert_unchanged(problem.arrays, before)


def swapped(array: Any) -> Any:
    return array.astype(array.dtype.newbyteorder())


def frozen(array: Any) -> Any:
    array = array.copy()
    array.flags.writeable = False
    return array


def between_bytes(array: Any) -> Any:
    """By strides that are no multiples of what they step over."""
    records = np.zeros(array.shape, np.dtype([("byte", "u1"), ("entry", array.dtype)]))
    records["entry"] = array
    return records["entry"]


LEFT: dict[str, Callable[[Any], Any]] = {
    "in the other byte order": swapped,
    "read-only": frozen,
    "between bytes": between_bytes,
}


@pytest.mark.parametrize("change", LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("name", INPUTS)
def test_arrays_that_are_not_exported_either(name: str, change: Callable[[Any], Any]) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Arrays(problem)
    assert_left_to_others(calls, calls.given(**{name: change(problem.arrays[name])}))
    assert calls.exports == 2
    assert_unchanged(problem.arrays, before)


def in_foreign_memory(array: Any) -> Any:
    return np.frombuffer(bytearray(array.tobytes()), array.dtype).reshape(array.shape)


def of_a_copied_type(array: Any) -> Any:
    return array.view(np.dtype(array.dtype, metadata={"of": "its own"}))


EXPORTED: dict[str, Callable[[Any], Any]] = {
    "in foreign memory": in_foreign_memory,
    "of a copied type": of_a_copied_type,
}


@pytest.mark.parametrize("change", EXPORTED.values(), ids=EXPORTED)
@pytest.mark.parametrize("name", INPUTS)
def test_arrays_that_are_exported(name: str, change: Callable[[Any], Any]) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Arrays(problem)
    assert calls.append(unbound(), None, calls.given(**{name: change(problem.arrays[name])})) == abi.OK
    assert calls.exports == 1
    assert_appended(problem, before)


def test_a_view_of_a_view_is_read_where_it_lies() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Arrays(problem)
    key = problem.arrays["key"]
    wide = np.zeros((2, *key.shape[:-1], 2 * key.shape[-1]), key.dtype)
    view = wide[1][..., : key.shape[-1]]
    view[...] = key
    strided = unbound(flags=abi.INFER | abi.STRIDED)
    assert calls.append(strided, None, calls.given(key=view)) == abi.OK
    assert calls.exports == 0
    assert_appended(problem, before)


def test_an_array_of_too_many_dimensions_is_refused_as_ever() -> None:
    problem = Problem()
    before = problem.snapshot()
    key = problem.arrays["key"]
    with pytest.raises(bf.InvalidProblem, match=r"key has shape .* 5 dimensions"):
        bf.append_paged_kv(**problem.arrays | {"key": key[None, None]}, stream=None)
    assert_unchanged(problem.arrays, before)


def test_the_package_reads_arrays_so() -> None:
    bf.append_paged_kv(**Problem().arrays, stream=None)
    bf.append_paged_kv(**Problem().arrays, stream=None)
    assert type(describers[np.ndarray.__dlpack__]) is bytes


@pytest.mark.parametrize("member", ["data", "rank", "extents", "strides", "base", "type", "flags"])
def test_a_numpy_that_is_made_otherwise(member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose arrays have something else there: it is found out, and they are exported."""
    is_at = numpy_arrays._is_at

    def elsewhere(layout: ArrayLayout, array: Any) -> bool:
        # What it is taken for is in the object too, or this might read what is nobody's.
        setattr(layout, member, layout.rank if member in ("data", "base", "type") else layout.base)
        if member in ("extents", "strides"):
            setattr(layout, member, layout.strides if member == "extents" else layout.extents)
        return is_at(layout, array)

    monkeypatch.setattr(numpy_arrays, "_is_at", elsewhere)
    assert numpy_arrays._layout(np) is None
