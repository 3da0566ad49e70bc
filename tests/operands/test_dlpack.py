"""DLPack exporters: capsules are taken and given back, flags are heeded, and what goes wrong is told as
ours.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.exporters import READ_ONLY, Exporter, LegacyExporter, VersionedExporter
from support.calls.operands import CACHES, NAMES, make_args, select
from support.devices.backends import HostBackend
from support.devices.bits import assert_same_bits
from support.problems.problem import SMALL, Problem, assert_unchanged, expected_caches

EXPORTERS = [LegacyExporter, VersionedExporter]


def plan_for(problem: Problem) -> bf.PagedKvAppendPlan:
    return select(HostBackend(), SMALL.descriptor(problem.num_pages))


def export_all(problem: Problem, exporter: type[Exporter]) -> dict[str, Exporter]:
    return {name: exporter(array) for name, array in problem.arrays.items()}


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_every_capsule_is_given_back(exporter: type[Exporter]) -> None:
    problem = Problem()
    plan = plan_for(problem)
    operands = export_all(problem, exporter)
    args = make_args(operands)
    for round_number in range(1, 21):
        plan.run(None, bf.Workspace.NONE, args)
        plan.can_implement(args)
        gc.collect()
        for name, operand in operands.items():
            assert operand.exports == 2 * round_number, name
            assert operand.alive == 0, name


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_bound_launch_holds_what_it_was_given(exporter: type[Exporter]) -> None:
    problem = Problem()
    plan = plan_for(problem)
    operands = export_all(problem, exporter)
    launch = plan.bind(None, make_args(operands))
    gc.collect()
    assert [operand.alive for operand in operands.values()] == [1] * len(NAMES)
    launch()
    fresh = exporter(problem.arrays["key"])
    launch.rebind(key=fresh)
    gc.collect()
    assert operands["key"].alive == 0
    assert fresh.alive == 1
    del launch
    gc.collect()
    assert [operand.alive for operand in (*operands.values(), fresh)] == [0] * (len(NAMES) + 1)


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_gives_everything_back(name: str, exporter: type[Exporter]) -> None:
    problem = Problem()
    plan = plan_for(problem)
    operands = export_all(problem, exporter)
    operands[name] = exporter(problem.arrays[name][:0])
    with pytest.raises(bf.BaracudaError, match=name):
        plan.bind(None, make_args(operands))
    gc.collect()
    assert [operand.alive for operand in operands.values()] == [0] * len(NAMES)


def test_reference_counts_do_not_grow() -> None:
    problem = Problem()
    plan = plan_for(problem)
    arrays = list(problem.arrays.values())
    args = make_args(problem.arrays)
    plan.run(None, bf.Workspace.NONE, args)
    before = [sys.getrefcount(array) for array in arrays]
    for _ in range(100):
        plan.run(None, bf.Workspace.NONE, args)
        plan.bind(None, args)()
    gc.collect()
    assert [sys.getrefcount(array) for array in arrays] == before


def test_no_exporter_is_asked_to_synchronise_or_copy() -> None:
    problem = Problem()
    operands = export_all(problem, VersionedExporter)
    plan_for(problem).run(None, bf.Workspace.NONE, make_args(operands))
    for operand in operands.values():
        (call,) = operand.calls
        assert call["stream"] in (None, -1)
        assert call["max_version"][0] == 1
        assert not call["copy"]


@pytest.mark.parametrize("name", NAMES)
def test_the_read_only_flag(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    plan = plan_for(problem)
    exporter = VersionedExporter(problem.arrays[name], flags=READ_ONLY)
    args = make_args(problem.arrays | {name: exporter})
    if name not in CACHES:
        assert plan.can_implement(args) is None
        return
    with pytest.raises(bf.InvalidProblem, match=f"{name}.*read-only"):
        plan.run(None, bf.Workspace.NONE, args)
    gc.collect()
    assert exporter.alive == 0
    assert_unchanged(problem.arrays, before)


def test_a_dlpack_of_the_next_major_version_is_not_read() -> None:
    problem = Problem()
    exporter = VersionedExporter(problem.arrays["key"], major=2)
    with pytest.raises(bf.BaracudaError, match="key"):
        plan_for(problem).can_implement(make_args(problem.arrays | {"key": exporter}))


class Failing:
    """An exporter that raises, or returns what is no capsule."""

    def __init__(self, *, device: Any = (1, 0), capsule: Any = None) -> None:
        self.device = device
        self.capsule = capsule

    def __dlpack_device__(self) -> Any:
        if isinstance(self.device, BaseException):
            raise self.device
        return self.device

    def __dlpack__(self, **_: Any) -> Any:
        if isinstance(self.capsule, BaseException):
            raise self.capsule
        return self.capsule


@pytest.mark.parametrize("error", [RuntimeError("busy"), BufferError("no"), ValueError("v"), KeyError("k")])
@pytest.mark.parametrize("name", NAMES)
def test_what_an_exporter_raises_is_the_cause(name: str, error: Exception) -> None:
    problem = Problem()
    plan = plan_for(problem)
    for exporter in (Failing(capsule=error), Failing(device=error)):
        args = make_args(problem.arrays | {name: exporter})
        for call in (
            lambda args=args: plan.can_implement(args),
            lambda args=args: plan.run(None, bf.Workspace.NONE, args),
            lambda args=args: plan.bind(None, args),
        ):
            with pytest.raises(bf.BaracudaError, match=name) as caught:
                call()
            assert caught.value.__cause__ is error
            assert type(error).__name__ in str(caught.value)


@pytest.mark.parametrize("capsule", [None, 3, "dltensor", object()])
def test_what_is_no_capsule(capsule: Any) -> None:
    problem = Problem()
    with pytest.raises(bf.BaracudaError, match="value"):
        plan_for(problem).can_implement(make_args(problem.arrays | {"value": Failing(capsule=capsule)}))


def test_a_capsule_that_is_used_already() -> None:
    problem = Problem()
    capsule = np.asarray(problem.arrays["key"]).__dlpack__()

    class Given:
        def __dlpack__(self, **_: Any) -> Any:
            return capsule

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

    np.from_dlpack(Given())
    with pytest.raises(bf.BaracudaError, match="key"):
        plan_for(problem).can_implement(make_args(problem.arrays | {"key": Given()}))


def test_keyboard_interrupts_are_not_wrapped() -> None:
    problem = Problem()
    with pytest.raises(KeyboardInterrupt):
        plan_for(problem).can_implement(
            make_args(problem.arrays | {"key": Failing(capsule=KeyboardInterrupt())})
        )


def test_a_tensor_of_torch_that_needs_grad() -> None:
    """torch's exporters differ on it: its memory is appended, or it is refused by name."""
    torch = pytest.importorskip("torch")
    problem = Problem()
    key = torch.ones(problem.arrays["key"].shape, dtype=torch.float16, requires_grad=True)
    before = problem.snapshot()
    appended = expected_caches(SMALL, before | {"key": key.detach().numpy()})
    try:
        plan_for(problem).run(None, bf.Workspace.NONE, make_args(problem.arrays | {"key": key}))
    except bf.BaracudaError as refusal:
        appended, said = before, refusal.message
        assert "key" in said
    for name in CACHES:
        assert_same_bits(problem.arrays[name], appended[name], name)


@pytest.mark.parametrize("name", NAMES)
def test_a_cuda_array_interface_on_a_machine_or_plan_without_cuda(name: str) -> None:
    """The address is the CPU's, and no CUDA driver knows it: a host plan takes it from no such protocol."""
    problem = Problem()

    class Interface:
        def __init__(self, **changes: Any) -> None:
            array = problem.arrays[name]
            data = (array.ctypes.data, False)
            self.__cuda_array_interface__ = {
                "shape": array.shape,
                "typestr": array.dtype.str,
                "data": data,
                "version": 3,
            } | changes

    plan = plan_for(problem)
    with pytest.raises(bf.InvalidProblem, match=f"{name}.*CUDA"):
        plan.can_implement(make_args(problem.arrays | {name: Interface()}))
    with pytest.raises(bf.Unsupported, match=f"{name}.*mask"):
        plan.can_implement(make_args(problem.arrays | {name: Interface(mask=object())}))
    with pytest.raises(bf.BaracudaError, match=name) as caught:
        plan.can_implement(make_args(problem.arrays | {name: Interface(data=None)}))
    assert caught.value.__cause__ is not None
    if name in CACHES:
        with pytest.raises(bf.InvalidProblem, match=f"{name}.*read-only"):
            plan.can_implement(make_args(problem.arrays | {name: Interface(data=(4096, True))}))
