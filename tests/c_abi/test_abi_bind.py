"""baracuda_paged_kv_append_bind over host tensors: what it fills in, what it refuses, and what it leaves
alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest

from support import abi
from support.cases import CONVENTIONS, LAYOUTS, Case
from support.elements import ELEMENTS
from support.operands import CACHES, NAMES, TABLE
from support.problem import Problem, assert_appended
from support.tensors import HostTensor, bind

CASES = [
    Case(element, layout, convention, page_size=4, batch_size=3, num_heads=2, head_dim=64)
    for element in ELEMENTS
    for layout in LAYOUTS
    for convention in CONVENTIONS
]


def empty_op(case: Case) -> abi.Append:
    """Only what the caller decides; the rest is for bind to find."""
    return abi.Append(
        struct_size=ctypes.sizeof(abi.Append),
        backend=abi.HOST,
        layout=abi.LAYOUTS[case.layout],
        length_convention=abi.CONVENTIONS[case.convention],
    )


def tensors_of(problem: Problem) -> dict[str, HostTensor]:
    return {name: HostTensor(problem.arrays[name]) for name in NAMES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_is_found_from_the_operands(case: Case) -> None:
    problem = Problem(case)
    before = problem.snapshot()
    op = empty_op(case)
    assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
    assert bytes(op) == bytes(abi.make_append(case, problem.arrays))
    assert abi.run(op) == abi.OK, abi.message()
    assert_appended(problem, before)


def test_what_is_stated_is_checked() -> None:
    problem = Problem()
    stated = abi.make_append(problem.case, problem.arrays)
    for name in ("batch_size", "page_size", "num_heads", "head_dim", "num_total_pages", "element"):
        op = empty_op(problem.case)
        setattr(op, name, getattr(stated, name))
        assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
        assert bytes(op) == bytes(stated)
    for name in ("batch_size", "page_size", "num_heads", "num_total_pages"):
        op = empty_op(problem.case)
        setattr(op, name, getattr(stated, name) + 1)
        assert bind(op, tensors_of(problem)) == abi.INVALID_PROBLEM
        assert "shape" in abi.message()


def test_no_strides_means_contiguous_and_the_byte_offset_counts() -> None:
    problem = Problem()
    before = problem.snapshot()
    tensors = {name: HostTensor(problem.arrays[name], strides=False) for name in NAMES}
    for tensor in tensors.values():
        tensor.c.data -= 64
        tensor.c.byte_offset = 64
    op = empty_op(problem.case)
    assert bind(op, tensors) == abi.OK, abi.message()
    assert abi.run(op) == abi.OK, abi.message()
    assert_appended(problem, before)


def test_the_stride_of_an_extent_of_one_may_be_anything() -> None:
    case = Case(ELEMENTS[0], "HND", "BEFORE_APPEND", page_size=1, batch_size=1, num_heads=1, head_dim=64)
    problem = Problem(case)
    tensors = tensors_of(problem)
    for name in ("key", "value", *CACHES):
        tensors[name].strides[1] = 12345
    assert bind(empty_op(case), tensors) == abi.OK, abi.message()


@pytest.mark.parametrize("name", NAMES)
def test_an_operand_that_is_null_stays(name: str) -> None:
    problem, other = Problem(), Problem(seed=9)
    op = empty_op(problem.case)
    assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
    tensors = tensors_of(other)
    del tensors[name]
    assert bind(op, tensors) == abi.OK, abi.message()
    assert bytes(op) == bytes(abi.make_append(other.case, other.arrays | {name: problem.arrays[name]}))


@pytest.mark.parametrize("name", NAMES)
def test_an_operand_that_is_null_and_was_never_there(name: str) -> None:
    problem = Problem()
    tensors = tensors_of(problem)
    del tensors[name]
    op = abi.make_append(problem.case, problem.arrays)
    for every in NAMES:
        setattr(op, every, None)
    before = bytes(op)
    assert bind(op, tensors) == abi.INVALID_PROBLEM
    assert name in abi.message()
    assert bytes(op) == before


def _shape(axis: int, by: int) -> Callable[[HostTensor], None]:
    def spoil(tensor: HostTensor) -> None:
        tensor.shape[axis] += by

    return spoil


def _stride(axis: int, by: int) -> Callable[[HostTensor], None]:
    def spoil(tensor: HostTensor) -> None:
        tensor.strides[axis] += by

    return spoil


def _field(**values: int) -> Callable[[HostTensor], None]:
    def spoil(tensor: HostTensor) -> None:
        for name, value in values.items():
            setattr(tensor.c, name, value)

    return spoil


KV = ("key", "value", *CACHES)
WRONG: list[tuple[str, tuple[str, ...], Callable[[HostTensor], None], int, tuple[str, ...]]] = [
    ("a row too many", KV, _shape(0, 1), abi.INVALID_PROBLEM, ("shape",)),
    ("a row too few", KV, _shape(0, -1), abi.INVALID_PROBLEM, ("shape",)),
    ("a longer row", KV, _shape(-1, 64), abi.INVALID_PROBLEM, ("shape",)),
    ("another length", ("indptr", "last_page_len"), _shape(0, 1), abi.INVALID_PROBLEM, ("shape",)),
    ("a dimension less", KV, _field(ndim=2), abi.INVALID_PROBLEM, ()),
    ("no dimension", NAMES, _field(ndim=0), abi.INVALID_PROBLEM, ()),
    ("a negative rank", NAMES, _field(ndim=-1), abi.INVALID_PROBLEM, ()),
    ("a last stride of 2", KV, _stride(-1, 1), abi.UNSUPPORTED, ("strides", "contiguous")),
    ("a padded row", KV, _stride(0, 64), abi.UNSUPPORTED, ("strides", "contiguous")),
    ("a strided table", TABLE, _stride(0, 1), abi.UNSUPPORTED, ("strides", "contiguous")),
    ("int64", TABLE, _field(type_bits=64), abi.UNSUPPORTED, ("int64", "int32")),
    ("uint32", TABLE, _field(type_code=1), abi.UNSUPPORTED, ("uint32", "int32")),
    ("float32", TABLE, _field(type_code=2), abi.UNSUPPORTED, ("int32",)),
    ("float64", KV, _field(type_bits=64), abi.UNSUPPORTED, ("float64", "f16")),
    ("float32 rows", KV, _field(type_bits=32), abi.UNSUPPORTED, ("f32", "f16")),
    ("bfloat16 rows", KV, _field(type_code=4), abi.UNSUPPORTED, ("bf16", "f16")),
    ("lanes", NAMES, _field(type_lanes=2), abi.UNSUPPORTED, ("2",)),
    ("CUDA memory", NAMES, _field(device_type=2, device_id=3), abi.INVALID_PROBLEM, ("CUDA", "3", "host")),
    ("Vulkan memory", NAMES, _field(device_type=7), abi.INVALID_PROBLEM, ("7", "host")),
    ("one byte off", KV, _field(byte_offset=1), abi.MISALIGNED_OPERAND, ("16",)),
    ("half a word off", TABLE, _field(byte_offset=2), abi.MISALIGNED_OPERAND, ("4",)),
    ("NULL memory", NAMES, _field(data=0), abi.INVALID_PROBLEM, ("NULL",)),
]


@pytest.mark.parametrize(
    ("what", "name"),
    [(what, name) for what, names, *_ in WRONG for name in names],
    ids=lambda v: str(v).replace(" ", "-"),
)
def test_refused_and_the_struct_is_as_it_was(what: str, name: str) -> None:
    _, _, spoil, status, says = next(row for row in WRONG if row[0] == what)
    problem = Problem()
    op = abi.make_append(problem.case, problem.arrays)
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


def test_the_order_is_the_seeds() -> None:
    """Shapes of all before contiguity, contiguity before types, types before alignment."""
    problem = Problem()

    def refusal(**spoil: Callable[[HostTensor], None]) -> str:
        tensors = tensors_of(problem)
        for name, change in spoil.items():
            change(tensors[name])
        op = abi.make_append(problem.case, problem.arrays)
        assert bind(op, tensors) != abi.OK
        return abi.message()

    assert "last_page_len has shape" in refusal(key=_stride(0, 8), last_page_len=_shape(0, 1))
    assert "v_data" in refusal(key=_field(type_bits=32), v_data=_stride(0, 8))
    assert "last_page_len is of type" in refusal(
        key=_field(byte_offset=8), last_page_len=_field(type_bits=64)
    )


def test_no_operands_and_no_struct() -> None:
    problem = Problem()
    op = abi.make_append(problem.case, problem.arrays)
    assert abi.library().baracuda_paged_kv_append_bind(ctypes.addressof(op), None) == abi.INVALID_PROBLEM
    assert "operands" in abi.message()
    assert bind_null(problem) == abi.INVALID_PROBLEM
    assert "op is NULL" in abi.message()


def bind_null(problem: Problem) -> int:
    from support.tensors import pointers

    tensors = tensors_of(problem)
    return int(abi.library().baracuda_paged_kv_append_bind(None, pointers(tensors)))


def test_an_empty_page_table() -> None:
    problem = Problem()
    tensors = tensors_of(problem) | {"indices": HostTensor(np.empty(0, np.int32))}
    assert bind(empty_op(problem.case), tensors) == abi.INVALID_PROBLEM
    assert "indices" in abi.message()
