"""Operands as objects of other kinds, over the same memory: what the package asks them by differs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..._append.arguments import PagedKvAppendArgs
from ..._interop.tensor_view import TensorView
from ..._native.abi import WRITTEN_OPERANDS
from ..absent import Absent, optional
from .addresses import address_of, is_torch, ordinal_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .problem import Problem

NUMPY = "NumPy arrays"
TENSOR_VIEW = "TensorView"
TORCH = "torch tensors"
CUPY = "CuPy arrays"
JAX = "JAX arrays"

# Those that can be where the operands are.
ON_HOST = (NUMPY, TENSOR_VIEW, TORCH, JAX)
ON_GPU = (TENSOR_VIEW, TORCH, CUPY, JAX)


@dataclass(frozen=True)
class OfKind:
    """One set of the seven as objects of one kind."""

    problem: Problem
    objects: dict[str, Any]

    def seven(self) -> dict[str, Any]:
        return self.objects

    def args(self) -> PagedKvAppendArgs:
        return PagedKvAppendArgs(**self.objects)


def of_kind(kind: str, operands: Any) -> OfKind:
    """``operands`` are of torch or NumPy, and have to outlive what is made of them; the caches are the same
    memory. ``Absent`` where the kind is not installed, or has nothing where they are."""
    make = _KINDS[kind]
    seven: dict[str, Any] = operands.seven()
    return OfKind(
        operands.problem, {name: make(operands.problem, name, array) for name, array in seven.items()}
    )


def _torch(problem: Problem, name: str, array: Any) -> Any:
    return array if is_torch(array) else optional("torch", "PyTorch").from_numpy(array)


def _numpy(problem: Problem, name: str, array: Any) -> Any:
    return array.numpy() if is_torch(array) else array


def _tensor_view(problem: Problem, name: str, array: Any) -> TensorView:
    return TensorView(
        ptr=address_of(array),
        shape=tuple(array.shape),
        element="i32" if name in ("indices", "indptr", "last_page_len") else problem.kind,
        device=ordinal_of(array),
    )


def _cupy(problem: Problem, name: str, array: Any) -> Any:
    return optional("cupy", "CuPy").from_dlpack(array)


def _jax(problem: Problem, name: str, array: Any) -> Any:
    # Else its first array takes three quarters of the GPU's memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax = optional("jax", "JAX")
    platform = "cpu" if ordinal_of(array) is None else "cuda"
    try:
        jax.devices(platform)
    except RuntimeError as error:
        raise Absent(f"the JAX that is installed has no {platform}: {error}") from error
    taken = optional("jax.numpy", "JAX").from_dlpack(array)
    # What is only read may be a copy.
    if name in WRITTEN_OPERANDS and taken.unsafe_buffer_pointer() != address_of(array):
        raise Absent(f"JAX made a copy of {name}: it takes no memory that is not aligned to 64 bytes")
    return taken


_KINDS: dict[str, Callable[[Problem, str, Any], Any]] = {
    NUMPY: _numpy,
    TENSOR_VIEW: _tensor_view,
    TORCH: _torch,
    CUPY: _cupy,
    JAX: _jax,
}
