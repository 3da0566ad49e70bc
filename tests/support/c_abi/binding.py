"""A problem as a caller of baracuda_paged_kv_append_bind has it."""

from __future__ import annotations

import ctypes

from ..calls.operands import CACHES, NAMES
from ..problems.cases import Case
from ..problems.problem import Problem
from . import abi
from .tensors import HostTensor

KV = ("key", "value", *CACHES)


def empty_op(case: Case, flags: int = abi.INFER) -> abi.Append:
    """Only what the caller decides; the rest is for bind to find."""
    return abi.Append(
        struct_size=ctypes.sizeof(abi.Append),
        flags=flags,
        backend=abi.HOST,
        layout=abi.LAYOUTS[case.layout],
        length_convention=abi.CONVENTIONS[case.convention],
    )


def tensors_of(problem: Problem) -> dict[str, HostTensor]:
    return {name: HostTensor(problem.arrays[name]) for name in NAMES}
