"""The error classes: what they are caught as, what they carry, and that they travel between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

import baracuda_ffi as bf

CLASSES = [
    (bf.MisalignedOperand, 1, ValueError),
    (bf.InvalidProblem, 2, ValueError),
    (bf.Unsupported, 3, NotImplementedError),
    (bf.WorkspaceTooSmall, 4, Exception),
    (bf.BufferTooSmall, 5, ValueError),
    (bf.CudaError, 1100, RuntimeError),
    (bf.OutOfPages, -2, RuntimeError),
]


@pytest.mark.parametrize(("kind", "code", "base"), CLASSES)
def test_hierarchy(kind: type[bf.BaracudaError], code: int, base: type[Exception]) -> None:
    assert issubclass(kind, bf.BaracudaError)
    assert issubclass(kind, base)
    others = {other for other, *_ in CLASSES} - {kind}
    assert not any(issubclass(kind, other) for other in others)


@pytest.mark.parametrize(("kind", "code", "base"), [*CLASSES, (bf.BaracudaError, 77, Exception)])
def test_what_an_error_carries_survives_pickling_and_copying(
    kind: type[bf.BaracudaError], code: int, base: type[Exception]
) -> None:
    error = kind(code, "PagedKvAppendPlan.run", "key has shape [1]; it should be [2]")
    for again in (error, pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert (again.code, again.function) == (code, "PagedKvAppendPlan.run")
        assert again.message == "key has shape [1]; it should be [2]"
        assert str(again) == again.message  # nothing but what a user reads


def test_an_error_that_was_raised() -> None:
    """From the library to a pickle and back, with CUDA's or the library's status in it."""
    cache = bf.PagedKvCacheDescriptor(
        page_size=4, num_total_pages=4, num_kv_heads=1, head_dim=96, element=bf.ElementKind.F16
    )
    with pytest.raises(bf.Unsupported, match="head_dim is 96") as caught:
        bf.PagedKvAppendPlan.select(None, bf.PagedKvAppendDescriptor(batch_size=1, paged_kv=cache))
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.code, str(error)) == (3, str(caught.value))
    assert error.function
    with pytest.raises(NotImplementedError):
        raise error


def test_a_cuda_error_has_cudas_name() -> None:
    error = bf.CudaError(1100, "PagedKvAppendPlan.select", "no device", "CUDA_ERROR_NO_DEVICE")
    assert error.name == "CUDA_ERROR_NO_DEVICE"
    again = pickle.loads(pickle.dumps(error))
    assert again.name == "CUDA_ERROR_NO_DEVICE"
    assert str(again) == "no device"
