"""From a stream object to its handle, and what is refused as a stream."""

from __future__ import annotations

from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi._interop.streams import stream_handle
from support.calls.streams import MAKERS, NO_STREAMS, Raising, RaisingMethod, WithProtocol
from support.devices.device import device_count
from support.problems.problem import SMALL

HANDLES = [0, 1, 2, 0x7F00DEADBEE0, 2**64 - 1]


@pytest.mark.parametrize("handle", HANDLES)
@pytest.mark.parametrize("kind", MAKERS)
def test_the_handle(kind: str, handle: int) -> None:
    found = stream_handle("test", MAKERS[kind](handle))
    assert found == handle
    assert type(found) is int


@pytest.mark.parametrize("handle", [0, 2, 0x7F00DEADBEE0])
def test_streams_of_cuda_bindings(handle: int) -> None:
    """The types alone: no driver is asked."""
    driver = pytest.importorskip("cuda.bindings.driver")
    runtime = pytest.importorskip("cuda.bindings.runtime")
    assert stream_handle("test", driver.CUstream(handle)) == handle
    assert stream_handle("test", runtime.cudaStream_t(handle)) == handle


@pytest.mark.parametrize("what", NO_STREAMS)
def test_what_is_no_stream(what: str) -> None:
    stream = NO_STREAMS[what]
    with pytest.raises(bf.InvalidProblem, match="stream") as caught:
        bf.PagedKvAppendPlan.select(stream, SMALL.descriptor(8), bf.PlanPreference())
    assert caught.value.code == 2
    assert caught.value.function.startswith("PagedKvAppendPlan")


@pytest.mark.parametrize("stream", [Raising(), RaisingMethod()])
def test_what_a_stream_raises_is_the_cause(stream: Any) -> None:
    with pytest.raises(bf.InvalidProblem, match="closed") as caught:
        bf.PagedKvAppendPlan.select(stream, SMALL.descriptor(8), bf.PlanPreference())
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_the_descriptor_is_judged_before_a_device_is_looked_for() -> None:
    """What is wrong with the problem is told on every machine."""
    from support.problems.cases import Case
    from support.problems.elements import F16

    wrong = Case(F16, "HND", "BEFORE_APPEND", 4, 0, 2, 64).descriptor(8)
    with pytest.raises(bf.InvalidProblem, match="batch_size"):
        bf.PagedKvAppendPlan.select(0, wrong, bf.PlanPreference())
    many = Case(F16, "HND", "BEFORE_APPEND", 4, 1, 129, 64).descriptor(8)
    with pytest.raises(bf.Unsupported, match="num_heads is 129"):
        bf.PagedKvAppendPlan.select(0, many, bf.PlanPreference())


@pytest.mark.skipif(device_count() > 0, reason="needs a machine without a CUDA device, this one has one")
@pytest.mark.parametrize("kind", MAKERS)
def test_every_stream_without_a_device(kind: str) -> None:
    """Understood as a stream, and refused for want of a device, by an error of ours that says so."""
    expected = bf.CudaError if bf.build_info().cuda else bf.Unsupported
    with pytest.raises(expected) as caught:
        bf.PagedKvAppendPlan.select(MAKERS[kind](0), SMALL.descriptor(8), bf.PlanPreference())
    error = caught.value
    assert error.__cause__ is None
    if isinstance(error, bf.CudaError):
        assert error.code >= 1000
        assert error.name.startswith(("CUDA_ERROR_", "cudaErrorInsufficientDriver"))
        assert "driver" in error.message
    else:
        assert error.code == 3
        assert "built without CUDA" in error.message


@pytest.mark.skipif(device_count() > 0, reason="needs a machine without a CUDA device, this one has one")
def test_the_one_liner_without_a_device() -> None:
    from support.problems.problem import Problem, assert_unchanged

    problem = Problem()
    before = problem.snapshot()
    # The operands are judged first: host memory is nothing that a CUDA stream can reach.
    with pytest.raises(bf.BaracudaError) as caught:
        bf.append_paged_kv(**problem.arrays, stream=WithProtocol(0))
    assert isinstance(caught.value, (bf.InvalidProblem, bf.CudaError, bf.Unsupported))
    assert_unchanged(problem.arrays, before)
