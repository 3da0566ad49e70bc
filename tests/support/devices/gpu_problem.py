"""A Problem whose operands are in device memory, and the comparison of all of them with the oracle."""

from __future__ import annotations

from typing import Any

import baracuda_ffi as bf

from ..calls.operands import NAMES, make_args
from ..problems.cases import Case
from ..problems.problem import SMALL, Problem, expected_caches
from . import cuda
from .bits import Array, assert_same_bits
from .cuda_backend import CudaBackend


class GpuProblem:
    """`memory` by name, `operands` describing it by pointer, and the content that it had."""

    def __init__(self, backend: CudaBackend, case: Case = SMALL, **options: Any) -> None:
        self.problem = Problem(case, **options)
        self.case = case
        self.before = self.problem.snapshot()
        self.memory = {name: backend.new(array) for name, array in self.before.items()}
        self.operands = {name: backend.describe(memory) for name, memory in self.memory.items()}

    @property
    def descriptor(self) -> bf.PagedKvAppendDescriptor:
        return self.case.descriptor(self.problem.num_pages)

    @property
    def args(self) -> bf.PagedKvAppendArgs:
        return make_args(self.operands)

    def after(self) -> dict[str, Array]:
        """What all operands should hold after the append."""
        return self.before | expected_caches(self.case, self.before)

    def check(self, expected: dict[str, Array]) -> None:
        """All seven operands bit for bit, once the device is idle."""
        cuda.synchronize()
        for name in NAMES:
            assert_same_bits(self.memory[name].read(), expected[name], name)

    def check_on(self, stream: Any, expected: dict[str, Array]) -> None:
        """The same as `stream` finds them, without waiting for any other."""
        for name in NAMES:
            assert_same_bits(self.memory[name].read_on(stream), expected[name], name)

    def check_appended(self) -> None:
        self.check(self.after())

    def check_untouched(self) -> None:
        self.check(self.before)
