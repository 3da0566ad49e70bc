"""Tensors of torch whose memory is not what they show, is not there, or is autograd's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi._interop import exchange, torch_tensors
from baracuda_ffi._interop.layouts import torch_tensors as layouts
from baracuda_ffi._interop.layouts.torch_tensors import layout_of
from baracuda_ffi._native.accelerator import describers
from support.calls.every_call import Call, assert_refused, every_call
from support.calls.operands import CACHES, INPUTS, NAMES, make_args, select
from support.devices.backends import HostBackend
from support.problems.cases import Case
from support.problems.elements import F32
from support.problems.problem import Problem, assert_appended, assert_unchanged

torch: Any = pytest.importorskip("torch")

CASE = Case(F32, "HND", "BEFORE_APPEND", page_size=4, batch_size=3, num_heads=2, head_dim=64)


class Older(torch.Tensor):
    """A tensor of a torch before the exchange table: described by `__dlpack__`."""

    def __dlpack__(self, **options: Any) -> Any:
        return super().__dlpack__(**options)


def as_older(tensor: Any) -> Any:
    return tensor.as_subclass(Older)


KINDS: dict[str, Callable[[Any], Any]] = {"by the table": lambda tensor: tensor, "by __dlpack__": as_older}


def tensors_of(problem: Problem) -> dict[str, Any]:
    return {name: torch.from_numpy(array) for name, array in problem.arrays.items()}


def calls(problem: Problem, operands: dict[str, Any]) -> list[Call]:
    bf.append_paged_kv(**tensors_of(Problem(CASE)), stream=None)  # from here on the type is known
    return every_call(problem, tensors_of(problem), operands)


def assert_taken(operands: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    problem = Problem(CASE)
    tensors = tensors_of(problem)
    for call in calls(problem, operands(tensors)):
        before = problem.snapshot()
        call()
    bf.append_paged_kv(**tensors | operands(tensors), stream=None)
    assert_appended(problem, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_negative_view(name: str, kind: str) -> None:
    problem = Problem(CASE)
    tensor = KINDS[kind](torch._neg_view(tensors_of(problem)[name]))
    assert tensor.is_neg()
    assert_refused(
        problem,
        calls(problem, {name: tensor}),
        bf.Unsupported,
        rf"{name} is a negative view.*resolve_neg\(\)",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_negative_view_that_was_resolved(kind: str) -> None:
    problem = Problem(CASE)
    key = torch.from_numpy(problem.arrays["key"])
    resolved = KINDS[kind](torch._neg_view(-key).resolve_neg())
    assert not resolved.is_neg()
    problem.arrays["key"] = resolved.as_subclass(torch.Tensor).numpy()
    before = problem.snapshot()
    bf.append_paged_kv(**tensors_of(problem) | {"key": resolved}, stream=None)
    assert_appended(problem, before)


def test_a_negative_view_of_torchs_own_making() -> None:
    """The imaginary part of a conjugate."""
    problem = Problem(CASE)
    conjugate = torch.zeros(CASE.row_shape, dtype=torch.complex64).conj()
    assert conjugate.imag.is_neg()
    assert_refused(
        problem, calls(problem, {"value": conjugate.imag}), bf.Unsupported, "value is a negative view"
    )
    assert_refused(problem, calls(problem, {"value": conjugate}), bf.Unsupported, "value")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CACHES)
def test_a_cache_that_requires_grad(name: str, kind: str) -> None:
    problem = Problem(CASE)
    leaf = tensors_of(problem)[name].requires_grad_()
    says = rf"{name} requires grad.*{name}\.detach\(\)"
    assert_refused(problem, calls(problem, {name: KINDS[kind](leaf)}), bf.Unsupported, says)
    with torch.no_grad():
        assert_refused(problem, calls(problem, {name: KINDS[kind](leaf)}), bf.Unsupported, says)
    parameter = torch.nn.Parameter(leaf.detach())
    assert_refused(problem, calls(problem, {name: parameter}), bf.Unsupported, says)
    made = (leaf * 2).view(leaf.shape)
    assert made.grad_fn is not None
    assert_refused(problem, calls(problem, {name: KINDS[kind](made)}), bf.Unsupported, says)


@pytest.mark.parametrize("name", CACHES)
def test_a_cache_that_was_detached_or_stopped_requiring_grad(name: str) -> None:
    def operands(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: tensors[name].requires_grad_().detach()}

    assert_taken(operands)
    assert_taken(lambda tensors: {name: tensors[name].requires_grad_().requires_grad_(False)})
    assert_taken(lambda tensors: {name: torch.nn.Parameter(tensors[name], requires_grad=False)})


@pytest.mark.parametrize("name", ["key", "value"])
def test_rows_that_require_grad_are_read(name: str) -> None:
    assert_taken(lambda tensors: {name: tensors[name].requires_grad_()})


def test_a_record_that_requires_grad_or_is_negative() -> None:
    with pytest.raises(bf.Unsupported, match="error_record is a negative view"):
        bf.ErrorRecord(torch._neg_view(torch.zeros(8, dtype=torch.int64)))


def test_version_counters_stay() -> None:
    """As the documentation says: torch is not told."""
    problem = Problem(CASE)
    tensors = tensors_of(problem)
    bf.append_paged_kv(**tensors, stream=None)
    assert [tensors[name]._version for name in CACHES] == [0, 0]


NOT_THERE: dict[str, Callable[[Any], Any]] = {
    "sparse": lambda tensor: tensor.to_sparse(),
    "meta": lambda tensor: tensor.to("meta"),
    "zero": lambda tensor: torch._efficientzerotensor(tensor.shape),
    "resized to nothing": lambda tensor: emptied(tensor.clone()),
    "a view of what was resized to nothing": lambda tensor: emptied(
        torch.cat([tensor, tensor])[len(tensor) :]
    ),
}


def emptied(tensor: Any) -> Any:
    tensor.untyped_storage().resize_(0)
    return tensor


@pytest.mark.parametrize(
    ("what", "kind"),
    # torch has no sparse tensors of subclasses.
    [pair for pair in itertools.product(NOT_THERE, KINDS) if pair != ("sparse", "by __dlpack__")],
)
@pytest.mark.parametrize("name", ["key", "k_data"])
def test_tensors_without_memory(name: str, what: str, kind: str) -> None:
    problem = Problem(CASE)
    tensor = KINDS[kind](NOT_THERE[what](tensors_of(problem)[name]))
    assert_refused(problem, calls(problem, {name: tensor}), bf.BaracudaError, name)


def test_tensors_inside_a_transformation() -> None:
    """vmap's and grad's own tensors have no memory that could be told."""
    problem = Problem(CASE)
    before = problem.snapshot()
    tensors = tensors_of(problem)
    plan = select(HostBackend(), CASE.descriptor(problem.num_pages))
    launch = plan.bind(None, make_args(tensors))
    said: list[str] = []

    def inside(key: Any) -> Any:
        for call in (
            lambda: bf.append_paged_kv(**tensors | {"key": key}, stream=None),
            lambda: plan.run(None, bf.Workspace.NONE, make_args(tensors | {"key": key})),
            lambda: launch.rebind(key=key),
        ):
            with pytest.raises(bf.BaracudaError, match="key") as refused:
                call()
            said.append(refused.value.message)
        return key.sum()

    torch.vmap(inside)(tensors["key"][None])
    torch.func.grad(inside)(tensors["key"])
    assert len(said) == 6
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_that_shares_its_memory_until_it_is_written(kind: str) -> None:
    """A lazy clone has memory of its own from the moment that it is described."""
    problem = Problem(CASE)
    tensors = tensors_of(problem)
    first = tensors["k_data"].clone()
    lazy = KINDS[kind](torch._lazy_clone(first))
    before = problem.snapshot()
    expected = problem.expected()
    bf.append_paged_kv(**tensors | {"k_data": lazy}, stream=None)
    assert first.numpy().tobytes() == before["k_data"].tobytes()
    assert lazy.as_subclass(torch.Tensor).numpy().tobytes() == expected["k_data"].tobytes()


def test_the_built_in_functions_know_which_tensors_to_leave() -> None:
    """Asking a tensor whether it is negative would take longer than reading all of it."""
    reader = exchange.find_reader(torch.Tensor)
    if not reader:
        pytest.skip("needs a torch with the exchange table")
    assert torch_tensors.caution(torch.Tensor, reader) == reader
    assert reader in describers
    assert torch_tensors.caution(torch.nn.Parameter, reader) == reader


def without_dispatch_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C, "_dispatch_keys")


def with_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    class Keys:
        def raw_repr(self) -> int:
            return 0x1234_5678_9ABC

    monkeypatch.setattr(torch._C, "_dispatch_keys", lambda tensor: Keys())


def without_negative_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "_neg_view", lambda tensor: tensor)


@pytest.mark.parametrize("change", [without_dispatch_keys, with_other_keys, without_negative_views])
def test_a_torch_that_is_made_otherwise(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then tensors are described in Python, where each is asked."""
    negative = torch._neg_view
    change(monkeypatch)
    assert layout_of(torch, torch_tensors._keys_of_others) is None
    monkeypatch.setattr(torch_tensors, "describers", {})
    assert torch_tensors.caution(torch.Tensor, 4096) == 0
    problem = Problem(CASE)
    before = problem.snapshot()
    kind = type("Fresh", (torch.Tensor,), {})
    tensors = {name: tensor.as_subclass(kind) for name, tensor in tensors_of(problem).items()}
    bf.append_paged_kv(**tensors, stream=None)
    assert_appended(problem, before)
    for name in INPUTS:
        tensor = negative(torch.from_numpy(problem.arrays[name])).as_subclass(kind)
        with pytest.raises(bf.Unsupported, match="negative view"):
            bf.append_paged_kv(**tensors | {name: tensor}, stream=None)


def test_a_tensor_that_never_required_grad_is_not_asked() -> None:
    """Where what autograd has of a tensor was found, it says so by being nothing."""
    layout = layout_of(torch, torch_tensors._keys_of_others)
    if layout is None:
        pytest.skip("this torch does not tell its keys")
    assert layout.watched != layout.keys


def test_a_torch_whose_autograd_is_elsewhere() -> None:
    assert layouts._place_of_change(torch.zeros(2), 64, lambda: None) is None
