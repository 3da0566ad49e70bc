"""Array frameworks on a GPU behind one face: an operand from NumPy, its bits back, a stream of theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from .bits import Array


@dataclass(frozen=True)
class Framework:
    """Its operands are on device 0."""

    put: Callable[[Array], Any]
    get: Callable[[Any], Array]
    stream: Callable[[], Any]
    handle: Callable[[Any], int]


def torch() -> Framework:
    torch = pytest.importorskip("torch")

    def put(array: Array) -> Any:
        plain = torch.from_numpy(np.array(array.view(f"i{array.itemsize}")))
        return plain.cuda().view(getattr(torch, array.dtype.name))

    def get(tensor: Any) -> Array:
        return np.asarray(tensor.contiguous().view(torch.uint8).cpu().numpy())

    return Framework(put, get, torch.cuda.Stream, lambda stream: int(stream.cuda_stream))


def cupy() -> Framework:
    cupy = pytest.importorskip("cupy")
    return Framework(
        lambda array: cupy.asarray(array),
        lambda array: np.asarray(cupy.asnumpy(array)),
        lambda: cupy.cuda.Stream(non_blocking=True),
        lambda stream: int(stream.ptr),
    )


def numba() -> Framework:
    cuda = pytest.importorskip("numba.cuda")

    def handle(stream: Any) -> int:
        return int(getattr(stream.handle, "value", stream.handle) or 0)

    return Framework(
        lambda array: cuda.to_device(np.array(array)),
        lambda array: np.asarray(array.copy_to_host()),
        cuda.stream,
        handle,
    )


def jax() -> Framework:
    """JAX's arrays are not to be written: inputs only, and no streams."""
    jax = pytest.importorskip("jax")

    def no_stream() -> Any:
        raise NotImplementedError

    return Framework(
        lambda array: jax.device_put(np.array(array), jax.devices("gpu")[0]).block_until_ready(),
        lambda array: np.asarray(array),
        no_stream,
        int,
    )


WRITABLE: dict[str, Callable[[], Framework]] = {"torch": torch, "cupy": cupy, "numba": numba}

#: The symbols of the element types that each has.
TYPES = {
    "torch": ("f16", "bf16", "f32", "fp8_e4m3", "fp8_e5m2"),
    "cupy": ("f16", "f32"),
    "numba": ("f16", "f32"),
}
