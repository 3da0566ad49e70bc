"""Exporters that copy, mask, lend, let go, or come back into the package while they are asked."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.every_call import Call, assert_refused, every_call
from support.calls.exporters import IS_COPIED, LegacyExporter, OneCapsule, VersionedExporter
from support.calls.operands import CACHES, INPUTS, NAMES, make_args, select
from support.devices.backends import HostBackend
from support.problems.cases import Case
from support.problems.elements import BF16
from support.problems.problem import SMALL, Problem, assert_appended, assert_unchanged


def plan_for(problem: Problem) -> bf.PagedKvAppendPlan:
    return select(HostBackend(), problem.case.descriptor(problem.num_pages))


def calls(problem: Problem, operands: dict[str, Any]) -> list[Call]:
    return every_call(problem, problem.arrays, operands)


@pytest.mark.parametrize("name", CACHES)
def test_a_cache_that_exports_a_copy_of_itself(name: str) -> None:
    """What is written there nobody would see."""
    problem = Problem()
    exporter = VersionedExporter(problem.arrays[name], flags=IS_COPIED)
    assert_refused(
        problem,
        calls(problem, {name: exporter}),
        bf.InvalidProblem,
        f"{name}.*exports a copy.*its own memory",
    )
    gc.collect()
    assert exporter.alive == 0


def test_a_record_that_exports_a_copy_of_itself() -> None:
    with pytest.raises(bf.InvalidProblem, match=r"error_record.*exports a copy"):
        bf.ErrorRecord(VersionedExporter(np.zeros(8, np.int64), flags=IS_COPIED))


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_read_may_be_a_copy_and_is_kept(name: str) -> None:
    problem = Problem()
    exporter = VersionedExporter(problem.arrays[name], flags=IS_COPIED)
    plan = plan_for(problem)
    launch = plan.bind(None, make_args(problem.arrays | {name: exporter}))
    gc.collect()
    assert exporter.alive == 1
    before = problem.snapshot()
    launch()
    assert_appended(problem, before)


def test_only_what_is_written_is_asked_not_to_be_copied() -> None:
    problem = Problem()
    operands = {name: VersionedExporter(array) for name, array in problem.arrays.items()}
    plan_for(problem).run(None, bf.Workspace.NONE, make_args(operands))
    asked = {name: [call["copy"] for call in operand.calls] for name, operand in operands.items()}
    assert asked == {name: [False] if name in CACHES else [None] for name in NAMES}


class BeforeCopy(VersionedExporter):
    """DLPack 1.0 as its first exporters had it: they know max_version and no copy."""

    def __dlpack__(self, *, stream: Any = None, max_version: Any = None) -> Any:  # type: ignore[override]
        return super().__dlpack__(stream=stream, max_version=max_version)


class BeforeOne(LegacyExporter):
    def __dlpack__(self, stream: Any = None) -> Any:
        return super().__dlpack__(stream=stream)


@pytest.mark.parametrize("exporter", [BeforeCopy, BeforeOne])
def test_exporters_that_know_no_copy(exporter: Any) -> None:
    problem = Problem()
    before = problem.snapshot()
    plan_for(problem).run(
        None,
        bf.Workspace.NONE,
        make_args({name: exporter(array) for name, array in problem.arrays.items()}),
    )
    assert_appended(problem, before)


class Confused(VersionedExporter):
    def __dlpack__(self, **options: Any) -> Any:
        self.calls.append(options)
        raise TypeError("not today")


def test_an_exporter_that_raises_type_errors_is_not_asked_for_ever() -> None:
    problem = Problem()
    exporter = Confused(problem.arrays["k_data"])
    with pytest.raises(bf.InvalidProblem, match=r"k_data.*not today"):
        plan_for(problem).can_implement(make_args(problem.arrays | {"k_data": exporter}))
    assert [sorted(call) for call in exporter.calls] == [
        ["copy", "max_version", "stream"],
        ["max_version", "stream"],
        ["stream"],
    ]


@pytest.mark.parametrize("name", NAMES)
def test_masked_arrays(name: str) -> None:
    problem = Problem()
    array = problem.arrays[name]
    for mask in (np.zeros(array.shape, bool), np.arange(array.size).reshape(array.shape) == 1):
        masked = np.ma.MaskedArray(array, mask)
        assert_refused(problem, calls(problem, {name: masked}), bf.Unsupported, f"{name} has a mask")
        assert_refused(
            problem, calls(problem, {name: weakref.proxy(masked)}), bf.Unsupported, f"{name} has a mask"
        )
    before = problem.snapshot()
    bf.append_paged_kv(**problem.arrays | {name: np.ma.MaskedArray(array)}, stream=None)
    assert_appended(problem, before)


@pytest.mark.parametrize("element", [SMALL.element, BF16], ids=lambda element: element.symbol)
@pytest.mark.parametrize("name", INPUTS)
def test_a_weak_proxy_of_an_array_that_goes(name: str, element: Any) -> None:
    """The launch keeps the array, not the proxy."""
    problem = Problem(Case(element, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    array = problem.arrays[name].copy()
    gone = weakref.ref(array)
    launch = plan_for(problem).bind(None, make_args(problem.arrays | {name: weakref.proxy(array)}))
    del array
    gc.collect()
    assert gone() is not None
    before = problem.snapshot()
    launch()
    assert_appended(problem, before)
    launch.rebind(**{name: problem.arrays[name]})
    gc.collect()
    assert gone() is None


def test_a_weak_proxy_of_what_keeps_nothing() -> None:
    class Interface:
        @property
        def __cuda_array_interface__(self) -> dict[str, Any]:
            return {"shape": (3,), "typestr": "<i4", "data": (4096, False), "version": 3}

    array = Interface()
    problem = Problem()
    with pytest.raises(bf.Unsupported, match=r"last_page_len is .*Proxy.*keeps no memory alive"):
        plan_for(problem).can_implement(make_args(problem.arrays | {"last_page_len": weakref.proxy(array)}))


def test_a_proxy_of_one_kind_says_nothing_of_another() -> None:
    """All weak proxies have one type; what they stand for differs."""
    problem = Problem()
    plan = plan_for(problem)
    arrays = {name: weakref.proxy(array) for name, array in problem.arrays.items()}
    plan.can_implement(make_args(arrays))
    exporter = VersionedExporter(problem.arrays["key"])
    launch = plan.bind(None, make_args(arrays | {"key": weakref.proxy(exporter)}))
    assert exporter.alive == 1  # its capsule was taken, and is the launch's
    del launch
    assert exporter.alive == 0


class Lender(np.ndarray):
    """Gives out one capsule, of memory that it does not have itself, and takes it back."""

    def lend(self) -> Lender:
        self.memory = np.array(self)
        self.capsule = self.memory.__dlpack__()
        return self

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule


def test_a_subclass_of_ndarray_cannot_take_its_capsule_back() -> None:
    problem = Problem()
    lender = problem.arrays["key"].copy().view(Lender).lend()
    launch = plan_for(problem).bind(None, make_args(problem.arrays | {"key": lender}))
    with pytest.raises(ValueError, match="PyCapsule"):
        np.from_dlpack(OneCapsule(lender.capsule))
    lender.memory = lender.capsule = None
    del lender
    gc.collect()
    before = problem.snapshot()
    launch()
    assert_appended(problem, before)


class Reentrant(VersionedExporter):
    """Does something with the package whenever it is asked."""

    then: Callable[[], Any] = staticmethod(lambda: None)

    def __dlpack__(self, **options: Any) -> Any:
        self.then()
        return super().__dlpack__(**options)


def test_an_exporter_that_rebinds_the_launch_that_it_is_bound_to() -> None:
    """Both rebindings count, and the exporter is asked once: it would change the launch at every asking."""
    problem, other = Problem(), Problem(seed=1)
    launch = plan_for(problem).bind(None, make_args(problem.arrays))
    key = Reentrant(other.arrays["key"])
    key.then = lambda: launch.rebind(**{name: other.arrays[name] for name in NAMES if name != "key"})
    launch.rebind(key=key)
    assert key.exports == 1
    before, untouched = other.snapshot(), problem.snapshot()
    launch()
    assert_appended(other, before)
    assert_unchanged(problem.arrays, untouched)


def test_an_exporter_that_appends_and_collects() -> None:
    problem = Problem()
    plan = plan_for(problem)
    args = make_args(problem.arrays)

    def then() -> None:
        plan.run(None, bf.Workspace.NONE, args)
        plan.bind(None, args)()
        gc.collect()

    key = Reentrant(problem.arrays["key"])
    key.then = then
    before = problem.snapshot()
    plan.run(None, bf.Workspace.NONE, make_args(problem.arrays | {"key": key}))
    assert_appended(problem, before)
    assert key.alive == 0


class Finalised:
    """Comes back into the package when the launch lets go of it."""

    def __init__(self, array: Any, then: Callable[[], Any]) -> None:
        self.array, self.then = array, then

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __del__(self) -> None:
        self.then()


def test_an_operand_that_rebinds_when_it_is_let_go() -> None:
    problem, other = Problem(), Problem(seed=1)
    launch = plan_for(problem).bind(None, make_args(problem.arrays))
    done: list[str] = []

    def then() -> None:
        launch.rebind(**{name: other.arrays[name] for name in NAMES if name != "key"})
        done.append("rebound")

    launch.rebind(key=Finalised(problem.arrays["key"], then))
    launch.rebind(key=other.arrays["key"])
    gc.collect()
    assert done == ["rebound"]
    before = other.snapshot()
    launch()
    assert_appended(other, before)


def test_an_interface_whose_dictionary_holds_the_memory() -> None:
    """What a launch is given it keeps, the dictionary too."""
    import baracuda_ffi._interop.tensors as interop

    class Memory(dict[str, Any]):
        pass

    class Interface:
        @property
        def __cuda_array_interface__(self) -> Memory:
            array = np.arange(3, dtype=np.int32)
            given = Memory(shape=(3,), typestr="<i4", data=(array.ctypes.data, False), version=3)
            given["array"] = array
            seen.append(weakref.ref(given))
            return given

    seen: list[weakref.ref[Memory]] = []
    _, keep = interop.tensor_of(Interface(), "last_page_len")
    gc.collect()
    assert seen[0]() is not None
    del keep
    gc.collect()
    assert seen[0]() is None
