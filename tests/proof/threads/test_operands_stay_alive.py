"""Operands that nobody else keeps while a launch is bound: the launch keeps their memory, and lets it go."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from proof.modes import MODES, preference

import baracuda_ffi as bf
from support.calls.operands import CACHES, NAMES, make_args
from support.devices.bits import assert_same_bits
from support.problems.problem import SMALL, Problem

pytestmark = pytest.mark.gpu


def owned_by_bindings(problem: Problem) -> dict[str, Any]:
    """Memory that is freed with the object, and zeroed before: a launch that did not keep it would show."""
    from support.devices.cuda import DeviceArray

    class Owned(DeviceArray):
        def __del__(self) -> None:
            self.write(np.full(self.shape, 0, self.dtype))
            self.free()

    return {name: Owned(array) for name, array in problem.arrays.items()}


def owned_by_torch(problem: Problem) -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    return {name: torch.from_numpy(array).cuda() for name, array in problem.arrays.items()}


def owned_by_cupy(problem: Problem) -> dict[str, Any]:
    cupy = pytest.importorskip("cupy")
    return {name: cupy.asarray(array) for name, array in problem.arrays.items()}


def to_host(array: Any) -> Any:
    if hasattr(array, "read"):
        return array.read()
    return array.cpu().numpy() if hasattr(array, "cpu") else array.get()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("owner", [owned_by_bindings, owned_by_torch, owned_by_cupy])
def test_a_bound_launch_keeps_its_operands(cuda_backend: Any, owner: Any, mode: str) -> None:
    from support.devices import cuda

    problem, others = Problem(), Problem(seed=1)
    arrays = owner(problem)
    cuda.synchronize()
    plan = bf.PagedKvAppendPlan.select(
        cuda_backend.stream, SMALL.descriptor(problem.num_pages), preference(mode)
    )
    launch = plan.bind(cuda_backend.stream, make_args(arrays))
    seen = {name: weakref.ref(array) for name, array in arrays.items()}
    arrays.clear()
    gc.collect()
    assert [name for name, ref in seen.items() if ref() is None] == []
    replacing = [
        owner(others) for _ in range(4)
    ]  # where an allocator would put them, had the memory come back
    cuda.synchronize()
    launch()
    cuda.synchronize()
    expected = problem.expected()
    for name in CACHES:
        assert_same_bits(to_host(seen[name]()), expected[name], name)
    for other in replacing:
        for name in NAMES:
            assert_same_bits(to_host(other[name]), others.arrays[name], name)
    del launch
    gc.collect()
    assert [name for name, ref in seen.items() if ref() is not None] == []
