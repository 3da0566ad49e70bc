"""Operands in host memory, by every protocol: NumPy, TensorView, DLPack of either version, torch on the
CPU.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi.tensors import as_view
from support.calls.exporters import LegacyExporter, VersionedExporter
from support.calls.operands import CACHES, INPUTS, NAMES, make_args, select
from support.devices.backends import HostBackend
from support.devices.bits import Array
from support.problems.cases import Case
from support.problems.elements import ELEMENTS, F16, F32, Element
from support.problems.problem import Problem, assert_appended


class Named(np.ndarray):
    pass


class Owner(bf.TensorView):
    """A view that keeps its memory."""

    __slots__ = ("array",)

    def __init__(self, array: Array) -> None:
        view = as_view(array)
        super().__init__(ptr=view.ptr, shape=view.shape, strides=view.strides, element=view.element)
        object.__setattr__(self, "array", array)


class Lent(np.ndarray):
    """Exports copies of itself that are overwritten as soon as nobody has their capsules."""

    def __dlpack__(self, **options: Any) -> Any:
        memory = np.array(self)
        lent = memory.view()
        weakref.finalize(lent, memory.view(np.uint8).fill, 0xEE)
        return lent.__dlpack__(**options)


def as_torch(array: Array) -> Any:
    """A tensor over the same memory; torch has no way from NumPy for bfloat16 and fp8, hence the detour."""
    torch = pytest.importorskip("torch")
    signed = array.view(f"i{array.itemsize}")
    return torch.from_numpy(signed).view(getattr(torch, array.dtype.name))


KINDS: dict[str, Callable[[Array], Any]] = {
    "TensorView": as_view,
    "subclass of TensorView": Owner,
    "DLPack 0": LegacyExporter,
    "DLPack 1": VersionedExporter,
    "torch": as_torch,
    "subclass of ndarray": lambda array: array.view(Named),
    "weak proxy of an ndarray": weakref.proxy,
}


def append(problem: Problem, operands: dict[str, Any]) -> None:
    before = problem.snapshot()
    plan = select(HostBackend(), problem.case.descriptor(problem.num_pages))
    args = make_args(operands)
    assert plan.can_implement(args) is None
    plan.run(None, bf.Workspace.NONE, args)
    assert_appended(problem, before)
    problem.arrays["last_page_len"][:] = 0 if problem.case.convention == "BEFORE_APPEND" else 1
    again = problem.snapshot()
    plan.bind(None, args)()
    assert_appended(problem, again)


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
@pytest.mark.parametrize("kind", KINDS)
def test_all_operands_of_one_kind(kind: str, element: Element) -> None:
    problem = Problem(Case(element, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    append(problem, {name: KINDS[kind](array) for name, array in problem.arrays.items()})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_one_operand_of_another_kind(name: str, kind: str) -> None:
    problem = Problem(Case(F16, "NHD", "AFTER_APPEND", 4, 3, 2, 64))
    append(problem, problem.arrays | {name: KINDS[kind](problem.arrays[name])})


@pytest.mark.parametrize("name", NAMES)
def test_a_numpy_array_among_torch_tensors(name: str) -> None:
    problem = Problem(Case(F32, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    tensors = {other: as_torch(array) for other, array in problem.arrays.items()}
    append(problem, tensors | {name: problem.arrays[name]})


def test_a_view_of_an_array_in_the_middle_of_another() -> None:
    """An offset, as slices of torch and NumPy have, is part of the address."""
    problem = Problem()
    torch = pytest.importorskip("torch")
    whole = torch.zeros((3, *problem.arrays["key"].shape), dtype=torch.float16)
    whole[1] = as_torch(problem.arrays["key"])
    problem.arrays["key"] = problem.arrays["key"].copy()
    append(problem, problem.arrays | {"key": whole[1]})


@pytest.mark.parametrize("name", INPUTS)
def test_memory_that_only_a_capsule_keeps(name: str) -> None:
    problem = Problem()
    operands = problem.arrays | {name: problem.arrays[name].view(Lent)}
    append(problem, operands)
    plan = select(HostBackend(), problem.case.descriptor(problem.num_pages))
    launch = plan.bind(None, make_args(operands))
    for _ in range(2):
        before = problem.snapshot()
        launch()
        assert_appended(problem, before)
        launch.rebind(**{name: operands[name]})


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_view_of_a_device_given_to_a_host_plan(name: str) -> None:
    """`device` says whose memory it is; the host backend takes none but the CPU's."""
    problem = Problem()
    view = as_view(problem.arrays[name])
    wrong = bf.TensorView(ptr=view.ptr, shape=view.shape, element=view.element, device=0)
    plan = select(HostBackend(), problem.case.descriptor(problem.num_pages))
    with pytest.raises(bf.InvalidProblem, match=f"{name}.*CUDA"):
        plan.can_implement(make_args(problem.arrays | {name: wrong}))


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_view_is_checked_like_an_array(name: str) -> None:
    problem = Problem()
    plan = select(HostBackend(), problem.case.descriptor(problem.num_pages))
    views = {other: as_view(array) for other, array in problem.arrays.items()}
    view = views[name]

    def refused(error: type[bf.BaracudaError], **changes: Any) -> None:
        fields = {
            "ptr": view.ptr,
            "shape": view.shape,
            "strides": None,
            "element": view.element,
            "device": None,
        } | changes
        with pytest.raises(error, match=name):
            plan.can_implement(make_args(views | {name: bf.TensorView(**fields)}))

    refused(bf.InvalidProblem, ptr=0)
    refused(bf.MisalignedOperand, ptr=view.ptr + 2)
    refused(bf.Unsupported, element="i32" if view.element != "i32" else bf.ElementKind.F32)
    refused(bf.Unsupported, strides=tuple(2 * stride for stride in view.strides))
    refused(bf.Unsupported, strides=(0,) * len(view.shape))
    if name in CACHES:
        refused(bf.InvalidProblem, shape=(view.shape[0] - 1, *view.shape[1:]))


@pytest.mark.parametrize(
    "changes",
    [
        {"ptr": -1},
        {"ptr": 2**64},
        {"ptr": 1.0},
        {"ptr": None},
        {"ptr": True},
        {"shape": (-1,)},
        {"shape": 5},
        {"shape": (1.0,)},
        {"strides": (1, 1)},
        {"strides": ("1",)},
        {"element": "f17"},
        {"element": "int16"},
        {"element": 1},
        {"element": None},
        {"device": -1},
        {"device": "cuda"},
        {"device": 1.0},
        {"device": True},
    ],
    ids=str,
)
def test_a_tensor_view_of_nonsense(changes: dict[str, Any]) -> None:
    fields = {
        "ptr": 4096,
        "shape": (4,),
        "strides": None,
        "element": bf.ElementKind.F16,
        "device": None,
    } | changes
    with pytest.raises(bf.InvalidProblem, match=next(iter(changes))):
        bf.TensorView(**fields)


def test_while_another_thread_imports_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not its array has nothing to do with a module that is empty as yet."""
    problem = Problem()
    before = problem.snapshot()
    exporters = {name: VersionedExporter(array) for name, array in problem.arrays.items()}
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "numpy", types.ModuleType("numpy"))
        bf.append_paged_kv(**exporters, stream=None)
    assert_appended(problem, before)
