"""What baracuda_paged_kv_append_bind refuses of host tensors, in its order; the struct is then as it was."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.binding import KV, empty_op, tensors_of
from support.c_abi.tensors import HostTensor, bind, pointers
from support.calls.operands import CACHES, NAMES, TABLE
from support.problems.problem import Problem, assert_appended


def _shape(axis: int, by: int) -> Callable[[HostTensor], None]:
    def spoil(tensor: HostTensor) -> None:
        tensor.shape[axis] += by

    return spoil


def _stride(axis: int, by: int) -> Callable[[HostTensor], None]:
    def spoil(tensor: HostTensor) -> None:
        tensor.strides[axis] += by  # type: ignore[index]

    return spoil


def _field(**values: int) -> Callable[[HostTensor], None]:
    def spoil(tensor: HostTensor) -> None:
        for name, value in values.items():
            setattr(tensor.c, name, value)

    return spoil


GENERAL, STRIDED, MIRRORED = 0, abi.STRIDED, abi.MIRRORED
EVERY = (GENERAL, STRIDED, MIRRORED)
UNSUPPORTED, INVALID_PROBLEM, MISALIGNED = abi.UNSUPPORTED, abi.INVALID_PROBLEM, abi.MISALIGNED_OPERAND
ROW_OPERANDS = ("key", "value")

Wrong = tuple[tuple[str, ...], tuple[int, ...], Callable[[HostTensor], None], int, tuple[str, ...]]
WRONG: dict[str, Wrong] = {
    "a page too many": (
        CACHES,
        EVERY,
        _shape(0, 1),
        INVALID_PROBLEM,
        ("shape [9, 2, 4, 64]", "[8, 2, 4, 64]"),
    ),
    "a row too few": (ROW_OPERANDS, EVERY, _shape(0, -1), INVALID_PROBLEM, ("shape [2, 2, 64]", "[3")),
    "a row too many": (
        ROW_OPERANDS,
        (MIRRORED,),
        _shape(0, 1),
        INVALID_PROBLEM,
        ("[4, 2, 64]", "[3, 2, 64]"),
    ),
    "a longer row": (KV, EVERY, _shape(-1, 64), INVALID_PROBLEM, ("shape", "128]", "64]")),
    "the other layout": (
        CACHES,
        EVERY,
        lambda tensor: tensor.shape.__setitem__(slice(1, 3), [4, 2]),
        INVALID_PROBLEM,
        ("shape [8, 4, 2, 64]", "[8, 2, 4, 64]", "pass layout=NHD"),
    ),
    "another length": (("indptr", "last_page_len"), EVERY, _shape(0, 1), INVALID_PROBLEM, ("shape",)),
    "a dimension less": (
        KV,
        EVERY,
        _field(ndim=2),
        INVALID_PROBLEM,
        ("2 dimensions", "should have", "head_dim]"),
    ),
    "no dimension": (NAMES, EVERY, _field(ndim=0), INVALID_PROBLEM, ()),
    "a negative rank": (NAMES, EVERY, _field(ndim=-1), INVALID_PROBLEM, ("ndim -1",)),
    "a last stride of 2": (KV, (STRIDED,), _stride(-1, 1), UNSUPPORTED, ("strides", "last stride be 1")),
    "a padded row": (KV, (GENERAL,), _stride(0, 64), UNSUPPORTED, ("contiguous", "STRIDED")),
    "a padded mirrored row": (
        KV,
        (MIRRORED,),
        _stride(0, 64),
        UNSUPPORTED,
        ("strides", "baracuda-kernels' checks", "contiguous", "a guarded plan", "append_paged_kv"),
    ),
    "a strided table": (TABLE, EVERY, _stride(0, 1), UNSUPPORTED, ("strides", "contiguous")),
    "int64": (TABLE, (MIRRORED,), _field(type_bits=64), UNSUPPORTED, ("int64", "int32", "a guarded plan")),
    "int16": (TABLE, EVERY, _field(type_bits=16), UNSUPPORTED, ("int16", "int32")),
    "uint32": (TABLE, EVERY, _field(type_code=1), UNSUPPORTED, ("uint32", "int32")),
    "uint64": (TABLE, EVERY, _field(type_code=1, type_bits=64), UNSUPPORTED, ("uint64", "int32")),
    "float32": (TABLE, EVERY, _field(type_code=2), UNSUPPORTED, ("f32", "int32")),
    "float64": (KV, EVERY, _field(type_bits=64), UNSUPPORTED, ("float64", "f16")),
    "float32 rows": (KV, EVERY, _field(type_bits=32), UNSUPPORTED, ("f32", "f16")),
    "bfloat16 rows": (KV, EVERY, _field(type_code=4), UNSUPPORTED, ("bf16", "f16")),
    "lanes": (NAMES, EVERY, _field(type_lanes=2), UNSUPPORTED, ("2",)),
    "CUDA memory": (
        NAMES,
        EVERY,
        _field(device_type=2, device_id=3),
        INVALID_PROBLEM,
        ("CUDA device 3", "host"),
    ),
    "Vulkan memory": (NAMES, EVERY, _field(device_type=7), INVALID_PROBLEM, ("type 7", "host")),
    "one byte off": (KV, (GENERAL, STRIDED), _field(byte_offset=1), MISALIGNED, ("aligned to 2 bytes",)),
    "an element off": (KV, (MIRRORED,), _field(byte_offset=2), MISALIGNED, ("aligned to 16 bytes",)),
    "half a word off": (TABLE, EVERY, _field(byte_offset=2), MISALIGNED, ("aligned to 4 bytes",)),
    "NULL memory": (NAMES, EVERY, _field(data=0), INVALID_PROBLEM, ("NULL",)),
    "a cache stride of 0": (
        CACHES,
        (STRIDED,),
        lambda tensor: tensor.strides.__setitem__(0, 0),  # type: ignore[union-attr]
        INVALID_PROBLEM,
        ("page stride of 0 over 8 places",),
    ),
    "out of the address space": (KV, (STRIDED,), _stride(0, 1 << 62), INVALID_PROBLEM, ("address space",)),
}


@pytest.mark.parametrize(
    ("what", "name", "flags"),
    [(what, name, flags) for what, (names, every, *_) in WRONG.items() for name in names for flags in every],
    ids=lambda value: str(value).replace(" ", "-"),
)
def test_refused_and_the_struct_is_as_it_was(what: str, name: str, flags: int) -> None:
    _, _, spoil, status, says = WRONG[what]
    problem = Problem()
    op = abi.make_append(problem.case, problem.arrays, flags=flags)
    assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
    before = bytes(op)
    contents = problem.snapshot()
    tensors = tensors_of(Problem(seed=5))
    spoil(tensors[name])
    assert bind(op, tensors) == status, abi.message()
    for part in (name, *says):
        assert part in abi.message()
    assert bytes(op) == before
    assert abi.run(op) == abi.OK, abi.message()  # and still works
    assert_appended(problem, contents)


def test_overlap_is_refused() -> None:
    problem = Problem()
    tensors = tensors_of(problem)
    tensors["v_data"].c.data = tensors["k_data"].c.data
    op = empty_op(problem.case)
    before = bytes(op)
    assert bind(op, tensors) == abi.INVALID_PROBLEM
    assert "overlap" in abi.message()
    assert bytes(op) == before


@pytest.mark.parametrize("flags", EVERY)
def test_the_order_is_baracuda_kernels(flags: int) -> None:
    """Shapes of all before strides, strides before types, types before alignment."""
    problem = Problem()

    def refusal(**spoil: Callable[[HostTensor], None]) -> str:
        tensors = tensors_of(problem)
        for name, change in spoil.items():
            change(tensors[name])
        op = abi.make_append(problem.case, problem.arrays, flags=flags)
        assert bind(op, tensors) != abi.OK
        return abi.message()

    assert "last_page_len has shape" in refusal(key=_stride(-1, 8), last_page_len=_shape(0, 1))
    assert "v_data of shape" in refusal(key=_field(type_bits=32), v_data=_stride(-1, 8))
    assert "last_page_len is of type" in refusal(
        key=_field(byte_offset=1), last_page_len=_field(type_bits=16)
    )


def test_an_empty_page_table() -> None:
    """baracuda-kernels has no request without a page; elsewhere it is a batch of padding."""
    for flags, status in ((abi.MIRRORED, abi.INVALID_PROBLEM), (0, abi.OK), (abi.GUARDED, abi.OK)):
        problem = Problem()
        problem.arrays["indptr"][...] = 0
        before = problem.snapshot()
        tensors = tensors_of(problem) | {"indices": HostTensor(np.empty(0, np.int32))}
        op = abi.make_append(problem.case, problem.arrays, flags=flags)
        assert bind(op, tensors) == status, abi.message()
        if status == abi.OK:
            assert op.total_used_pages == 0
            assert abi.run(op) == abi.OK, abi.message()
        else:
            assert "indices" in abi.message()
        for name in NAMES:
            assert problem.arrays[name].tobytes() == before[name].tobytes()


@pytest.mark.parametrize("size", [120, 184, 400])
def test_a_struct_that_is_too_small_for_what_is_bound(size: int) -> None:
    """What could not be said in it is refused; what can be said is bound."""
    problem = Problem()

    def small(flags: int = 0) -> Any:
        op = abi.make_append(problem.case, problem.arrays, flags=flags)
        op.struct_size = size
        return (ctypes.c_uint8 * size).from_buffer_copy(bytes(op)[:size])

    def bind_small(op: Any, tensors: dict[str, HostTensor]) -> int:
        function = abi.library().baracuda_paged_kv_append_bind
        return int(function(ctypes.addressof(op), pointers(tensors), 17))

    op = small()
    assert bind_small(op, tensors_of(problem)) == abi.OK, abi.message()
    assert bytes(op) == bytes(small())
    wide = tensors_of(problem) | {"indptr": HostTensor(problem.arrays["indptr"].astype(np.int64))}
    before = bytes(op)
    status = bind_small(op, wide)
    assert status == (abi.INVALID_PROBLEM if size < 152 else abi.OK), abi.message()
    if status != abi.OK:
        for part in (f"struct_size is {size}", "byte 148", "408"):
            assert part in abi.message()
        assert bytes(op) == before
    op = small(abi.STRIDED)
    before = bytes(op)
    status = bind_small(op, tensors_of(problem))
    assert status == (abi.INVALID_PROBLEM if size < 264 else abi.OK), abi.message()
    assert (bytes(op) == before) == (status != abi.OK)
