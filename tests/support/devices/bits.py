"""Arrays of random bits, and comparing arrays bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def as_bytes(array: Array) -> NDArray[np.uint8]:
    """The array's memory; C-contiguous arrays only, so that it is a view and not a copy."""
    assert array.flags.c_contiguous
    return array.reshape(-1).view(np.uint8)


def random_bits(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Every bit pattern of the type may occur: NaNs of both kinds, infinities, denormals."""
    count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return np.frombuffer(bytearray(rng.bytes(count)), np.uint8).view(dtype).reshape(shape)


def assert_same_bits(actual: Array, expected: Array, what: str) -> None:
    """The whole of both, untouched elements included; the message names the first element that differs."""
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    assert actual.dtype == expected.dtype, f"{what}: dtype {actual.dtype}, expected {expected.dtype}"
    if np.array_equal(as_bytes(actual), as_bytes(expected)):
        return
    wide = (*actual.shape, actual.dtype.itemsize)
    differs = (as_bytes(actual).reshape(wide) != as_bytes(expected).reshape(wide)).any(axis=-1)
    first = tuple(int(i) for i in np.argwhere(differs)[0])
    raise AssertionError(
        f"{what}: {int(differs.sum())} of {actual.size} elements differ, the first at {first}: "
        f"{actual[first].tobytes().hex()} and not {expected[first].tobytes().hex()}"
    )
