"""baracuda_paged_kv_append_bind over host tensors: what it fills in, what it keeps, and what descriptions it
reads.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.binding import KV, empty_op, tensors_of
from support.c_abi.real_tensors import OnHost, Tensors
from support.c_abi.tensors import HostTensor, bind, dlpack_type, pointers
from support.calls.operands import CACHES, NAMES
from support.problems.cases import CONVENTIONS, LAYOUTS, Case
from support.problems.elements import ALL_ELEMENTS, ELEMENTS, F16, FP8_E4M3, FP8_E5M2, I8, U8, Element
from support.problems.problem import Problem, assert_appended
from support.views.views import CACHES as CACHE_FORMS
from support.views.views import ROWS, Extents

CASES = [
    Case(element, layout, convention, page_size=4, batch_size=3, num_heads=2, head_dim=64)
    for element in ELEMENTS
    for layout in LAYOUTS
    for convention in CONVENTIONS
]
#: What BARACUDA_FLAG_INFER takes from the operands.
INFERRED = (
    "element",
    "batch_size",
    "page_size",
    "num_heads",
    "head_dim",
    "value_head_dim",
    "num_total_pages",
)


def found(problem: Problem, flags: int = abi.INFER) -> dict[str, Any]:
    """The struct when all of it was found from the operands."""
    op = abi.make_append(problem.case, problem.arrays, flags=flags)
    op.value_head_dim = problem.case.head_dim
    return abi.describe(op)


class TestInfer:
    """BARACUDA_FLAG_INFER."""

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_all_is_found_from_the_operands(self, case: Case) -> None:
        problem = Problem(case)
        before = problem.snapshot()
        op = empty_op(case)
        assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
        assert abi.describe(op) == found(problem)
        assert abi.run(op) == abi.OK, abi.message()
        assert_appended(problem, before)

    @pytest.mark.parametrize("name", INFERRED)
    def test_what_is_stated_is_checked(self, name: str) -> None:
        """The right number is kept, and found by itself where it alone is missing; a wrong one is refused."""
        problem = Problem()
        right = found(problem)
        op = empty_op(problem.case)
        setattr(op, name, right[name])
        assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
        assert abi.describe(op) == right
        setattr(op, name, 0)
        assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
        assert abi.describe(op) == right
        op = empty_op(problem.case)
        setattr(op, name, right[name] + 1)
        before = bytes(op)
        assert bind(op, tensors_of(problem)) == (
            abi.UNSUPPORTED if name == "element" else abi.INVALID_PROBLEM
        )
        assert ("type" if name == "element" else "shape") in abi.message()
        assert bytes(op) == before

    @pytest.mark.parametrize("name", [name for name in INFERRED if name != "value_head_dim"])
    def test_without_the_flag_0_is_0(self, name: str) -> None:
        problem = Problem()
        op = abi.make_append(problem.case, problem.arrays)
        assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
        setattr(op, name, 0)
        before = bytes(op)
        assert bind(op, tensors_of(problem)) != abi.OK
        assert bytes(op) == before

    def test_without_the_flag_a_width_of_0_is_the_keys(self) -> None:
        problem = Problem()
        op = abi.make_append(problem.case, problem.arrays)
        assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
        assert op.value_head_dim == 0
        tensors = Tensors(extents=Extents(width=64, value_width=32))
        op = tensors.stated(OnHost())
        op.value_head_dim = 0
        assert bind(op, tensors.described(OnHost())) == abi.INVALID_PROBLEM
        assert "value has shape" in abi.message()

    def test_a_batch_of_0(self) -> None:
        """last_page_len says it; without the flag 0 is stated."""
        for flags in (abi.INFER, 0):
            problem = Problem()
            before = problem.snapshot()
            tensors = tensors_of(problem)
            tensors["last_page_len"].shape[0] = 0
            tensors["indptr"].shape[0] = 1
            op = abi.make_append(problem.case, problem.arrays, flags=flags)
            op.batch_size = 0
            assert bind(op, tensors) == abi.OK, abi.message()
            assert op.batch_size == 0
            assert abi.run(op) == abi.OK, abi.message()
            assert abi.can_implement(op) == abi.OK, abi.message()
            for name in NAMES:
                assert problem.arrays[name].tobytes() == before[name].tobytes()

    def test_an_extent_of_0_is_no_extent(self) -> None:
        problem = Problem()
        for name, axis, field in (
            ("key", -1, "head_dim"),
            ("key", 1, "num_heads"),
            ("value", -1, "value_head_dim"),
            ("k_data", 2, "page_size"),
            ("k_data", 0, "num_total_pages"),
        ):
            tensors = tensors_of(problem)
            tensors[name].shape[axis] = 0
            assert bind(empty_op(problem.case), tensors) == abi.INVALID_PROBLEM
            for part in (field, name, "0", "1 .. 2^31 - 1"):
                assert part in abi.message()

    def test_an_extent_beyond_32_bits(self) -> None:
        problem = Problem()
        tensors = tensors_of(problem)
        tensors["key"].shape[2] = 1 << 31
        assert bind(empty_op(problem.case), tensors) == abi.INVALID_PROBLEM
        for part in ("head_dim", str(1 << 31), "key"):
            assert part in abi.message()


class TestElements:
    """Types, and uint8 for what frameworks have no type for."""

    @pytest.mark.parametrize("element", ALL_ELEMENTS, ids=lambda element: element.symbol)
    def test_each_is_found(self, element: Element) -> None:
        tensors = Tensors(extents=Extents(element=element))
        assert tensors.bound(OnHost()).element == element.value

    @pytest.mark.parametrize("element", [FP8_E4M3, FP8_E5M2], ids=lambda element: element.symbol)
    @pytest.mark.parametrize(
        "as_uint8", [CACHES, ("key", "value"), ("key",), ("value", *CACHES), KV], ids="+".join
    )
    def test_uint8_stands_for_fp8(self, element: Element, as_uint8: tuple[str, ...]) -> None:
        """For what the struct says, or the other operands."""
        tensors = Tensors(ROWS["fused-qkv"], CACHE_FORMS["interleaved"], Extents(element=element))
        described = tensors.described(OnHost())
        for name in as_uint8:
            described[name].c.type_code = dlpack_type(np.uint8)[0]
        op = tensors.asked(OnHost())
        stated = as_uint8 == KV
        op.element = element.value if stated else 0
        assert bind(op, described) == abi.OK, abi.message()
        assert op.element == element.value
        tensors.run_and_check(OnHost(), op)

    def test_uint8_for_all_is_uint8(self) -> None:
        tensors = Tensors(extents=Extents(element=U8))
        assert tensors.bound(OnHost()).element == U8.value

    def test_uint8_stands_for_nothing_else(self) -> None:
        for element in (F16, I8):
            tensors = Tensors(extents=Extents(element=element))
            described = tensors.described(OnHost())
            described["k_data"].c.type_code, described["k_data"].c.type_bits = dlpack_type(np.uint8)
            for stated in (0, element.value):
                op = tensors.asked(OnHost())
                op.element = stated
                assert bind(op, described) == abi.UNSUPPORTED
                assert f"k_data is of type uint8; it should be {element.symbol}" in abi.message()

    def test_one_fp8_is_not_the_other(self) -> None:
        tensors = Tensors(extents=Extents(element=FP8_E4M3))
        described = tensors.described(OnHost())
        described["v_data"].c.type_code = FP8_E5M2.dlpack[0]
        assert bind(tensors.asked(OnHost()), described) == abi.UNSUPPORTED
        assert "v_data is of type fp8_e5m2; it should be fp8_e4m3" in abi.message()


class TestGiven:
    """Which operands there are, and how many the caller knows."""

    @pytest.mark.parametrize("name", abi.OPERANDS[len(NAMES) :])
    def test_an_operand_that_is_not_wanted(self, name: str) -> None:
        problem = Problem()
        op = abi.make_append(problem.case, problem.arrays)
        before = bytes(op)
        tensors = tensors_of(problem) | {name: HostTensor(problem.arrays["last_page_len"])}
        assert bind(op, tensors) == abi.INVALID_PROBLEM
        for part in (
            f"{name} is given",
            "addressing LAST_PAGE",
            "table CSR",
            "lengths LAST_PAGE_LEN",
            "transform COPY",
            "parts KEY_AND_VALUE",
        ):
            assert part in abi.message()
        assert bytes(op) == before

    @pytest.mark.parametrize("name", ["value", "v_data"])
    def test_a_value_where_there_is_key_alone(self, name: str) -> None:
        problem = Problem()
        op = abi.make_append(problem.case, problem.arrays)
        op.parts = abi.KEY
        tensors = {
            each: tensor for each, tensor in tensors_of(problem).items() if each not in ("value", "v_data")
        }
        assert bind(op, tensors) == abi.OK, abi.message()
        assert bind(op, tensors | {name: tensors_of(problem)[name]}) == abi.INVALID_PROBLEM
        for part in (f"{name} is given", "parts KEY there"):
            assert part in abi.message()

    def test_a_caller_that_knows_fewer(self) -> None:
        """7 operands are all that a decode has; with fewer, those beyond are kept."""
        problem, other = Problem(), Problem(seed=4)
        op = empty_op(problem.case)
        assert bind(op, tensors_of(problem), count=len(NAMES)) == abi.OK, abi.message()
        assert abi.describe(op) == found(problem)
        assert bind(op, tensors_of(other), count=2) == abi.OK, abi.message()
        assert (op.key, op.value) == tuple(other.arrays[name].ctypes.data for name in ("key", "value"))
        assert op.k_data == problem.arrays["k_data"].ctypes.data
        before = bytes(op)
        assert bind(op, {}, count=0) == abi.OK, abi.message()
        assert abi.library().baracuda_paged_kv_append_bind(ctypes.addressof(op), None, 0) == abi.OK
        assert bytes(op) == before

    def test_a_caller_that_knows_more(self) -> None:
        problem = Problem()
        for at in (17, 18, 24):
            op = empty_op(problem.case)
            before = bytes(op)
            tensors = tensors_of(problem)
            array = pointers(tensors, 25)
            function = abi.library().baracuda_paged_kv_append_bind
            array[at] = ctypes.addressof(tensors["key"].c)
            assert function(ctypes.addressof(op), array, 25) == abi.INVALID_PROBLEM
            for part in (f"operands[{at}]", "17 operands"):
                assert part in abi.message()
            assert bytes(op) == before
            assert function(ctypes.addressof(op), array, at) == abi.OK, abi.message()
            assert abi.describe(op) == found(problem)

    def test_no_operands_and_no_struct(self) -> None:
        problem = Problem()
        op = abi.make_append(problem.case, problem.arrays)
        function = abi.library().baracuda_paged_kv_append_bind
        assert function(ctypes.addressof(op), None, 17) == abi.INVALID_PROBLEM
        assert "operands is NULL" in abi.message()
        assert function(ctypes.addressof(op), pointers(tensors_of(problem)), -1) == abi.INVALID_PROBLEM
        assert "num_operands is -1" in abi.message()
        assert function(None, pointers(tensors_of(problem)), 17) == abi.INVALID_PROBLEM
        assert "op is NULL" in abi.message()

    @pytest.mark.parametrize("name", NAMES)
    def test_an_operand_that_is_null_and_was_never_there(self, name: str) -> None:
        problem = Problem()
        tensors = tensors_of(problem)
        del tensors[name]
        op = abi.make_append(problem.case, problem.arrays)
        for every in NAMES:
            setattr(op, every, None)
        before = bytes(op)
        assert bind(op, tensors) == abi.INVALID_PROBLEM
        assert f"{name} is NULL" in abi.message()
        assert bytes(op) == before


class TestRebind:
    """An operand that is NULL keeps what the struct has of it."""

    @pytest.mark.parametrize("name", NAMES)
    def test_all_but_one(self, name: str) -> None:
        problem, other = Problem(), Problem(seed=9)
        op = empty_op(problem.case)
        assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
        tensors = tensors_of(other)
        del tensors[name]
        assert bind(op, tensors) == abi.OK, abi.message()
        op.value_head_dim = 0
        kept = other.arrays | {name: problem.arrays[name]}
        assert abi.describe(op) == abi.describe(abi.make_append(other.case, kept, flags=abi.INFER))

    @pytest.mark.parametrize("flag", [0, abi.INFER])
    @pytest.mark.parametrize("name", KV)
    def test_strides_are_kept_with_the_pointer(self, name: str, flag: int) -> None:
        """One operand of another form; the others stay where and as they were."""
        tensors = Tensors(ROWS["fused-qkv"], CACHE_FORMS["interleaved"])
        op = tensors.bound(OnHost())
        op.flags = abi.STRIDED | flag
        before = abi.describe(op)
        form = ROWS["padded-heads"] if name in ("key", "value") else CACHE_FORMS["odd-rows"]
        arguments: tuple[Any, ...] = (tensors.memory, tensors.extents)
        pair = form(*arguments, *([] if name in ("key", "value") else [tensors.layout]))  # type: ignore[operator]
        tensors.views[name] = pair[name in ("value", "v_data")]
        assert bind(op, {name: tensors.described(OnHost())[name]}) == abi.OK, abi.message()
        changed = {name, f"{name}_strides"}
        after = abi.describe(op)
        assert {key for key in after if after[key] != before[key]} == changed
        assert after[f"{name}_strides"] == list(tensors.strides_of(name))
        tensors.run_and_check(OnHost(), op)

    def test_one_table_of_64_bits(self) -> None:
        """The bit of the operand that is given changes, and no other."""
        tensors = Tensors(index_types={"indptr": np.int64})
        op = tensors.bound(OnHost())
        assert op.int64_operands == 1 << 5
        tensors.views["last_page_len"] = tensors.memory.of(tensors.views["last_page_len"].astype(np.int64))
        assert bind(op, {"last_page_len": tensors.described(OnHost())["last_page_len"]}) == abi.OK
        assert op.int64_operands == 1 << 5 | 1 << 6
        tensors.views["indptr"] = tensors.memory.of(tensors.views["indptr"].astype(np.int32))
        assert bind(op, {"indptr": tensors.described(OnHost())["indptr"]}) == abi.OK
        assert op.int64_operands == 1 << 6
        tensors.run_and_check(OnHost(), op)

    def test_indices_of_another_length(self) -> None:
        problem = Problem()
        op = empty_op(problem.case)
        assert bind(op, tensors_of(problem)) == abi.OK, abi.message()
        longer = HostTensor(np.concatenate([problem.arrays["indices"]] * 2))
        assert bind(op, {"indices": longer}) == abi.OK, abi.message()
        assert op.total_used_pages == 2 * problem.arrays["indices"].size


class TestWithoutHeads:
    """Rows of rank 2 with caches of rank 3."""

    @pytest.mark.parametrize("stated", [0, 1])
    def test_the_rank_is_one_for_all(self, stated: int) -> None:
        for name in KV:
            tensors = Tensors(extents=Extents(heads=1))
            views = tensors.views
            for each in KV:
                if each == name:
                    continue
                views[each] = views[each][:, 0]
            described = tensors.described(OnHost())
            op = tensors.asked(OnHost())
            op.num_heads = stated
            before = bytes(op)
            assert bind(op, described) == abi.INVALID_PROBLEM, name
            assert "shape" in abi.message() or "dimensions" in abi.message()
            assert bytes(op) == before

    def test_more_heads_than_one_have_a_dimension(self) -> None:
        tensors = Tensors(extents=Extents(heads=1))
        for name in KV:
            tensors.views[name] = tensors.views[name][:, 0]
        op = tensors.asked(OnHost())
        op.num_heads = 2
        assert bind(op, tensors.described(OnHost())) == abi.INVALID_PROBLEM
        assert "key has" in abi.message()


class TestDescriptions:
    def test_no_strides_means_contiguous_and_the_byte_offset_counts(self) -> None:
        problem = Problem()
        before = problem.snapshot()
        tensors = {name: HostTensor(problem.arrays[name], strides=False) for name in NAMES}
        for tensor in tensors.values():
            tensor.c.data -= 64
            tensor.c.byte_offset = 64
        for flags in (abi.INFER, abi.INFER | abi.STRIDED):
            op = empty_op(problem.case, flags)
            assert bind(op, tensors) == abi.OK, abi.message()
            assert list(op.k_data_strides) == ([512, 64, 256] if flags & abi.STRIDED else [0, 0, 0])
        assert abi.run(op) == abi.OK, abi.message()
        assert_appended(problem, before)

    def test_the_stride_of_an_extent_of_one_may_be_anything(self) -> None:
        case = Case(ELEMENTS[0], "HND", "BEFORE_APPEND", page_size=1, batch_size=1, num_heads=1, head_dim=64)
        problem = Problem(case)
        for flags in (abi.INFER, abi.INFER | abi.STRIDED):
            tensors = tensors_of(problem)
            for name in KV:
                tensors[name].strides[1] = 12345  # type: ignore[index]
            assert bind(empty_op(case, flags), tensors) == abi.OK, abi.message()

    def test_the_last_stride_of_a_row_of_one_element(self) -> None:
        tensors = Tensors(extents=Extents(width=1, value_width=1))
        described = tensors.described(OnHost())
        for name in KV:
            described[name].strides[-1] = 99  # type: ignore[index]
        op = tensors.asked(OnHost())
        assert bind(op, described) == abi.OK, abi.message()
        tensors.run_and_check(OnHost(), op)
