"""torch's tensors that are read where they lie, and those that are left to torch's own function."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import dataclasses
import random
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi import ElementKind
from baracuda_ffi._interop import arrays, exchange, tensors, torch_tensors
from baracuda_ffi._interop.layouts import torch_tensors as layouts
from baracuda_ffi._native.accelerator import TensorLayout, describers
from support.c_abi import abi
from support.calls.builtin_calls import (
    NOT_JUDGED,
    Calls,
    assert_left_to_others,
    members,
    unbound,
)
from support.calls.operands import NAMES
from support.problems.elements import ALL_ELEMENTS, Element
from support.problems.problem import SMALL, Problem, assert_appended

torch: Any = pytest.importorskip("torch")

READER = exchange.find_reader(torch.Tensor)
pytestmark = pytest.mark.skipif(READER == 0, reason="needs a torch with the exchange table")

STRIDED = unbound(flags=abi.INFER | abi.STRIDED)


def layout_of(torch: Any) -> TensorLayout | None:
    return layouts.layout_of(torch, torch_tensors._keys_of_others)


def as_tensor(array: Any) -> Any:
    """Of NumPy's memory, also of types that torch does not take from it."""
    if array.dtype.name in ("float16", "float32") or array.dtype.kind in "iu":
        return torch.from_numpy(array)
    plain = array.view(np.uint8 if array.itemsize == 1 else np.int16)
    return torch.from_numpy(plain).view(getattr(torch, array.dtype.name))


class Tensors(Calls):
    """With tensors for operands, and how often torch's own function was asked."""

    def __init__(self, problem: Problem, layout: TensorLayout | None = None) -> None:
        super().__init__(problem)
        self.reads = 0
        read = abi.ObjectReader(READER)

        def counted(operand: Any, out: Any) -> int:
            self.reads += 1
            try:
                return int(read(operand, out))
            except Exception:  # ctypes would print it
                return -1

        self._counted = abi.ObjectReader(counted)
        address = ctypes.cast(self._counted, ctypes.c_void_p).value
        found = layout or layout_of(torch)
        assert found is not None
        self.describers[torch.Tensor] = self.describers[torch.nn.Parameter] = address
        self.describers[address] = (bytes(found), attrgetter("requires_grad"), False)
        self.operands = {name: as_tensor(array) for name, array in problem.arrays.items()}


def test_what_is_found_of_this_torch() -> None:
    layout = layout_of(torch)
    assert layout is not None
    assert layout.num_types == len(layouts._TYPES) <= TensorLayout.MOST_TYPES


def test_nothing_behind_a_tensor_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """How large torch's own object is differs by its release, and is nowhere said."""
    allocated = getattr(ctypes.CDLL(None), "malloc_usable_size", None)
    if allocated is None:
        pytest.skip("needs an allocator that tells how much there is")
    allocated.restype, allocated.argtypes = ctypes.c_size_t, (ctypes.c_void_p,)
    read = ctypes.string_at
    sizes = []

    def watched(address: int, size: int) -> bytes:
        if size != torch.Tensor.__basicsize__:  # not Python's own, which is not allocated by itself
            sizes.append((size, allocated(address)))
        return read(address, size)

    monkeypatch.setattr(ctypes, "string_at", watched)
    layout = layout_of(torch)
    assert layout is not None
    assert layout.num_types == len(layouts._TYPES)
    assert all(size <= there for size, there in sizes)


def without_places() -> TensorLayout:
    """By which every tensor is left to torch's own function."""
    layout = layout_of(torch)
    assert layout is not None
    layout.num_types = 0
    return layout


def assert_read_alike(calls: Tensors, operands: tuple[Any, ...]) -> None:
    """All where they lie, and so that the same is bound as by torch's own function."""
    others = Tensors(Problem(), without_places())
    status, bound = calls.bind((STRIDED, ()), operands)
    assert (status, calls.reads) == (abi.OK, 0), abi.message()
    status, expected = others.bind((STRIDED, ()), operands)
    assert (status, others.reads) == (abi.OK, len(NAMES))
    assert members(bound[0]) == members(expected[0])


@pytest.mark.parametrize("element", ALL_ELEMENTS, ids=lambda element: str(element.kind))
def test_tensors_are_read_where_they_lie(element: Element) -> None:
    problem = Problem(dataclasses.replace(SMALL, element=element))
    before = problem.snapshot()
    calls = Tensors(problem)
    assert calls.append(STRIDED, None, calls.given()) == abi.OK
    assert_appended(problem, before)
    assert_read_alike(calls, calls.given())


def test_views_are_read_where_they_lie() -> None:
    """Of any strides, from the middle of a storage, of each rank."""
    problem = Problem()
    calls = Tensors(problem)
    key, cache = calls.operands["key"], calls.operands["k_data"]
    fused = torch.zeros((key.shape[0], 3, *key.shape[1:]), dtype=key.dtype)
    pair = torch.zeros((cache.shape[0], 2, *cache.shape[1:]), dtype=cache.dtype)
    table = torch.zeros((3, len(problem.arrays["indices"]) + 2), dtype=torch.int64)
    table[1, 2:] = calls.operands["indices"]
    views = {
        "key": fused[:, 1],
        "value": fused[:, 2],
        "k_data": pair[:, 0],
        "v_data": pair[:, 1],
        "indices": table[1, 2:],
    }
    assert_read_alike(calls, calls.given(**views))


def test_tensors_of_other_modes_and_types_are_read_where_they_lie() -> None:
    problem = Problem()
    calls = Tensors(problem)
    key = calls.operands["key"]
    with torch.inference_mode():
        inferred = key.clone()
    stopped = calls.operands["k_data"].requires_grad_().requires_grad_(False)
    parameter = torch.nn.Parameter(calls.operands["value"])
    assert_read_alike(calls, calls.given(key=inferred, value=parameter, k_data=stopped))


def test_a_tensor_of_no_rows_is_read_where_it_lies() -> None:
    calls = Tensors(Problem())
    empty = {name: calls.operands[name][:0] for name in ("key", "value", "indices", "last_page_len")}
    assert_read_alike(calls, calls.given(**empty, indptr=calls.operands["indptr"][:1]))


LEFT: dict[str, Callable[[Any], Any]] = {
    "shared until it is written": lambda tensor: torch._lazy_clone(tensor),
    "lent": lambda tensor: (tensor, tensor.__dict__.update(clone=torch._lazy_clone(tensor)))[0],
    "of six dimensions": lambda tensor: tensor.expand((1,) * (6 - tensor.dim()) + tensor.shape),
    "of another type": lambda tensor: tensor.to(torch.float64),
    "without memory": lambda tensor: tensor.to("meta"),
    "sparse": lambda tensor: tensor.to_sparse(),
}


@pytest.mark.parametrize("change", LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("name", NAMES)
def test_tensors_that_are_left_to_torch(name: str, change: Callable[[Any], Any]) -> None:
    """Whatever it makes of them."""
    problem = Problem()
    calls = Tensors(problem)
    others = Tensors(Problem(), without_places())
    operand = change(calls.operands[name].clone())
    status, bound = calls.bind((STRIDED, ()), calls.given(**{name: operand}))
    assert calls.reads == 1
    message = abi.message()
    expected = others.bind((STRIDED, ()), calls.given(**{name: operand}))
    assert status == expected[0]
    if status == abi.OK:
        assert members(bound[0]) == members(expected[1][0])
    elif status != NOT_JUDGED:
        assert message == abi.message()


def storage_replaced(tensor: Any) -> Any:
    tensor.set_(torch.zeros_like(tensor))
    return tensor


def data_replaced(tensor: Any) -> Any:
    tensor.data = torch.zeros_like(tensor)[None].transpose(0, -1)
    return tensor


def resized(tensor: Any) -> Any:
    return tensor.resize_(
        (2,) * (1 + tensor.dim() % 8)
    )  # to more dimensions than fit into a tensor, and back


def swapped(tensor: Any) -> Any:
    torch.utils.swap_tensors(tensor, torch.zeros((2, 3), dtype=tensor.dtype))
    return tensor


KEPT: list[Any] = []


def shared(tensor: Any) -> Any:
    KEPT.append(tensor)  # or the memory would be the clone's alone
    return torch._lazy_clone(tensor)


def lent(tensor: Any) -> Any:
    KEPT.append(torch._lazy_clone(tensor))
    return tensor


def told(tensor: Any) -> Any:
    tensor.data_ptr()  # what was shared has memory of its own from here on
    return tensor


HISTORY: tuple[Callable[[Any], Any], ...] = (
    lambda tensor: tensor.transpose(0, -1),
    lambda tensor: tensor[1:] if tensor.dim() else tensor,
    lambda tensor: tensor.select(-1, 0),
    lambda tensor: tensor[None],
    lambda tensor: tensor.expand(3, *tensor.shape),
    lambda tensor: tensor.as_strided((2, 2), (1, 0), 1),
    lambda tensor: tensor.clone(),
    lambda tensor: torch.stack([tensor, tensor])[1],
    lambda tensor: torch.nn.Parameter(tensor, requires_grad=False),
    storage_replaced,
    data_replaced,
    resized,
    swapped,
    shared,
    lent,
    told,
)


@pytest.mark.parametrize("name", ["key", "k_data", "last_page_len"])
def test_tensors_with_a_past_are_read_alike(name: str) -> None:
    """Whatever was done to one, and whether it is right or refused, with the same words."""
    problem = Problem()
    calls, others = Tensors(problem), Tensors(problem, without_places())
    rng = random.Random(0)
    outcomes = collections.Counter()
    for _ in range(1000):
        operand = as_tensor(problem.arrays[name].copy())
        for change in rng.choices(HISTORY, k=rng.randrange(4)):
            with contextlib.suppress(RuntimeError, IndexError):  # what torch does not do
                operand = change(operand)
        given = calls.given(**{name: operand})
        status, bound = calls.bind((STRIDED, ()), given)
        message = abi.message()
        expected_status, expected = others.bind((STRIDED, ()), given)
        assert status == expected_status
        if status == abi.OK:
            assert members(bound[0]) == members(expected[0])
        elif status != NOT_JUDGED:
            assert message == abi.message()
        outcomes[status] += 1
    assert min(outcomes[abi.OK], outcomes[abi.INVALID_PROBLEM]) > 100
    assert calls.reads < others.reads // 10
    KEPT.clear()


@pytest.mark.parametrize("name", NAMES)
def test_negative_tensors_are_left_to_others(name: str) -> None:
    problem = Problem()
    calls = Tensors(problem)
    assert_left_to_others(calls, calls.given(**{name: torch._neg_view(calls.operands[name])}))
    assert calls.reads == 0


def test_the_package_reads_tensors_so() -> None:
    problem = Problem()
    operands = {name: as_tensor(array) for name, array in problem.arrays.items()}
    before = problem.snapshot()
    bf.append_paged_kv(**operands, stream=None)
    assert_appended(problem, before)
    caution: Any = describers[READER]
    assert TensorLayout.from_buffer_copy(caution[0]).num_types == len(layouts._TYPES)


def with_types_of_other_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "_TYPES", (("float16", 6, ElementKind.F16), *layouts._TYPES[1:]))


def with_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "_ON_META", bytes((13, 0xFF)))


def without_lazy_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C, "_lazy_clone", raising=False)
    monkeypatch.delattr(torch, "_lazy_clone")


def with_clones_that_are_not_lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "_lazy_clone", lambda tensor: tensor.clone())


def without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "_PLAIN", (*layouts._PLAIN, "NoSuchKey"))


@pytest.mark.parametrize(
    "change",
    [
        with_types_of_other_numbers,
        with_other_devices,
        without_lazy_clones,
        with_clones_that_are_not_lazy,
        without_a_key,
    ],
)
def test_a_torch_that_is_made_otherwise(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then its own function is asked for all of them."""
    change(monkeypatch)
    layout = layout_of(torch)
    assert layout is not None
    assert layout.num_types == 0
    problem = Problem()
    before = problem.snapshot()
    calls = Tensors(problem, layout)
    assert calls.append(unbound(), None, calls.given()) == abi.OK
    assert calls.reads == len(NAMES)
    assert_appended(problem, before)


def inside_a_transform(call: Callable[[], None]) -> None:
    def inside(given: Any) -> Any:
        call()
        return given

    torch.vmap(inside)(torch.zeros(2, 3))


def among_fake_tensors(call: Callable[[], None]) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        call()


def under_a_mode_that_makes_nothing(call: Callable[[], None]) -> None:
    from torch.overrides import TorchFunctionMode

    class Refusing(TorchFunctionMode):
        def __torch_function__(self, function: Any, *others: Any) -> Any:
            raise RuntimeError("nothing is made here")

    with Refusing():
        call()


@pytest.mark.parametrize("so", [inside_a_transform, among_fake_tensors, under_a_mode_that_makes_nothing])
def test_places_are_not_told_by_tensors_that_are_not_plain(
    so: Callable[[Callable[[], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first append of a process is under a mode, the next one that is not tells them."""
    known: dict[Any, Any] = {}
    monkeypatch.setattr(arrays, "describers", known)
    monkeypatch.setattr(torch_tensors, "describers", known)
    problem = Problem()
    operand = as_tensor(problem.arrays["key"])
    read: list[int] = []
    so(lambda: read.append(arrays._reader_of(type(operand))))
    assert (read, known) == ([READER], {})
    assert tensors.tensor_of(operand, "key")
    assert known[torch.Tensor] == READER
    assert TensorLayout.from_buffer_copy(known[READER][0]).num_types == len(layouts._TYPES)


@pytest.mark.gpu
def test_tensors_on_a_gpu_are_read_where_they_lie() -> None:
    problem = Problem()
    calls = Tensors(problem)
    operands = tuple(operand.cuda() for operand in calls.given())
    op = unbound(abi.BESPOKE, abi.INFER | abi.STRIDED | abi.GUARDED)
    status, bound = calls.bind((op, ()), operands)
    assert (status, calls.reads) == (abi.OK, 0), abi.message()
    others = Tensors(Problem(), without_places())
    status, expected = others.bind((op, ()), operands)
    assert (status, others.reads) == (abi.OK, len(NAMES))
    assert members(bound[0]) == members(expected[0])
