"""`baracuda_ffi.torch.append_paged_kv` as it is called: torch's modes, transforms and tracers around it, and
what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi._append import addressing
from support.calls.operands import CACHES
from support.problems.problem import Problem, assert_appended, assert_unchanged

torch: Any = pytest.importorskip("torch")

from torch._subclasses import FakeTensorMode  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

from baracuda_ffi.torch import append_paged_kv  # noqa: E402

OPERATOR = torch.ops.baracuda_ffi.append_paged_kv


def tensors_of(problem: Problem) -> dict[str, Any]:
    return {name: torch.from_numpy(array) for name, array in problem.arrays.items()}


def through_the_operator(*operands: Any, **options: Any) -> None:
    OPERATOR(*operands, **options)


WAYS = pytest.mark.parametrize("append", [append_paged_kv, through_the_operator])


@WAYS
def test_a_decode(append: Callable[..., None]) -> None:
    problem = Problem()
    before = problem.snapshot()
    append(*tensors_of(problem).values())
    assert_appended(problem, before)


@WAYS
def test_by_name(append: Callable[..., None]) -> None:
    problem = Problem()
    before = problem.snapshot()
    append(**tensors_of(problem))
    assert_appended(problem, before)


def by_slots(append: Callable[..., None], **options: Any) -> Any:
    kv_data = torch.zeros(3, 2, 4, 2, 8, dtype=torch.bfloat16)
    rows = torch.arange(1, 33, dtype=torch.bfloat16).reshape(2, 2, 8)
    append(rows, rows + 32, kv_data=kv_data, slot_mapping=torch.tensor([5, 0]), layout="NHD", **options)
    assert torch.equal(kv_data[1, 0, 1], rows[0])
    assert torch.equal(kv_data[1, 1, 1], rows[0] + 32)
    return kv_data


@WAYS
def test_options(append: Callable[..., None]) -> None:
    assert by_slots(append).count_nonzero() == 2 * 32
    assert by_slots(append, skip_slot=0).count_nonzero() == 32
    assert by_slots(append, guarded=True, backend="HOST", element="bf16").count_nonzero() == 2 * 32


def test_enumerations_and_dtypes_go_by_their_names() -> None:
    def calls() -> None:
        by_slots(append_paged_kv, backend=bf.BackendKind.HOST, element=torch.bfloat16)
        by_slots(append_paged_kv, length_convention=bf.LengthConvention.AFTER_APPEND)

    assert by_a_mode(calls).count("baracuda_ffi.append_paged_kv.default") == 2


@WAYS
def test_an_error_record_is_a_tensor(append: Callable[..., None]) -> None:
    problem = Problem()
    record = torch.zeros(8, dtype=torch.int64)
    tensors = tensors_of(problem)
    tensors["indices"][:] = 1000
    append(**tensors, guarded=True, error_record=record)
    with pytest.raises(bf.CorruptPageTable, match="indices is 1000"):
        bf.ErrorRecord(record).check(None)


def watched(watch: Callable[[Callable[[], None]], list[str]], problem: Problem) -> list[str]:
    tensors = tensors_of(problem)
    return watch(lambda: append_paged_kv(**tensors))


def by_a_mode(call: Callable[[], None]) -> list[str]:
    seen = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    with Watch():
        call()
    return seen


def test_a_dispatch_mode_sees_the_operator() -> None:
    problem = Problem()
    before = problem.snapshot()
    assert watched(by_a_mode, problem) == ["baracuda_ffi.append_paged_kv.last_page_len"]
    assert_appended(problem, before)


def i32(*values: int) -> Any:
    return torch.tensor(values, dtype=torch.int32)


#: By the name of the overload that is a set's, how the same two places are said.
SETS: dict[str, dict[str, Any]] = {
    "last_page_len": {"indices": i32(1, 0), "indptr": i32(0, 1, 2), "last_page_len": i32(1, 0)},
    "seq_lens": {"indices": i32(1, 0), "indptr": i32(0, 1, 2), "seq_lens": i32(1, 0)},
    "block_table_seq_lens": {"block_table": i32(1, 0).reshape(2, 1), "seq_lens": i32(1, 0)},
    "last_page_len_append_indptr": {
        "indices": i32(1, 0),
        "indptr": i32(0, 1, 2),
        "last_page_len": i32(2, 1),
        "append_indptr": i32(0, 1, 2),
    },
    "seq_lens_append_indptr": {
        "indices": i32(1, 0),
        "indptr": i32(0, 1, 2),
        "seq_lens": i32(1, 0),
        "append_indptr": i32(0, 1, 2),
        "length_convention": "BEFORE_APPEND",
    },
    "block_table_seq_lens_append_indptr": {
        "block_table": i32(1, 0).reshape(2, 1),
        "seq_lens": i32(1, 0),
        "append_indptr": i32(0, 1, 2),
        "length_convention": "BEFORE_APPEND",
    },
    "batch_indices_positions": {
        "indices": i32(1, 0),
        "indptr": i32(0, 1, 2),
        "batch_indices": i32(0, 1),
        "positions": i32(1, 0),
    },
    "slot_mapping": {"slot_mapping": i32(5, 0)},
}


def test_an_overload_for_each_set() -> None:
    assert sorted(OPERATOR.overloads()) == sorted(["default", *SETS])
    assert len(SETS) == len(addressing.SETS)


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("name", SETS)
def test_a_set_has_an_overload_of_its_own(name: str, layout: str) -> None:
    """It is called where nothing else is given; and it and the default one write the same."""
    rows = torch.arange(1, 33, dtype=torch.bfloat16).reshape(2, 2, 8)
    others, places = -rows, SETS[name] | {"layout": layout}
    shape = (3, 4, 2, 8) if layout == "NHD" else (3, 2, 4, 8)

    def caches() -> tuple[Any, Any]:
        return torch.zeros(shape, dtype=torch.bfloat16), torch.zeros(shape, dtype=torch.bfloat16)

    right = caches()
    bf.append_paged_kv(rows, others, *right, **places, stream=None)
    assert right[0].count_nonzero() == 32
    for operator in (OPERATOR.default, getattr(OPERATOR, name)):
        found = caches()
        operator(rows, others, *found, **places)
        assert all(map(torch.equal, found, right))
    found = caches()
    by_position = [places.get(each) for each in ("indices", "indptr", "last_page_len")]
    by_name = {
        each: value for each, value in places.items() if each not in ("indices", "indptr", "last_page_len")
    }
    seen = by_a_mode(lambda: append_paged_kv(rows, others, *found, *by_position, **by_name))
    assert seen == [f"baracuda_ffi.append_paged_kv.{name}"]
    assert all(map(torch.equal, found, right))
    seen = by_a_mode(lambda: append_paged_kv(rows, others, *found, *by_position, **by_name, guarded=True))
    assert seen == ["baracuda_ffi.append_paged_kv.default"]
    checked = torch.library.opcheck(getattr(OPERATOR, name), (rows, others, *found), places)
    assert set(checked.values()) == {"SUCCESS"}
    assert len(checked) >= 4


def test_fake_tensors_are_traced_and_not_read() -> None:
    problem = Problem()
    before = problem.snapshot()
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fake = {name: mode.from_tensor(tensor) for name, tensor in tensors_of(problem).items()}
    append_paged_kv(**fake)
    with mode:
        append_paged_kv(**tensors_of(problem))
    assert_unchanged(problem.arrays, before)


def f32(*shape: int) -> Any:
    return torch.full(shape, 0.5)


def u8(*shape: int) -> Any:
    return torch.zeros(shape, dtype=torch.uint8)


#: What is written: the caches and scales of two heads of 16, three pages of four tokens, and how it is said.
TRANSFORMS: dict[str, Callable[[], dict[str, Any]]] = {
    "COPY": lambda: {"k_data": torch.zeros(3, 2, 4, 16), "v_data": torch.zeros(3, 2, 4, 16)},
    "COPY, both in one": lambda: {"kv_data": torch.zeros(3, 2, 2, 4, 16)},
    "COPY, key alone": lambda: {"k_data": torch.zeros(3, 2, 4, 16)},
    "FP8": lambda: {
        "k_data": torch.zeros(3, 2, 4, 16).to(torch.float8_e4m3fn),
        "v_data": torch.zeros(3, 2, 4, 16).to(torch.float8_e4m3fn),
        "k_scale": f32(1),
        "v_scale": f32(2),
    },
    "FP8, as bytes": lambda: {
        "k_data": u8(3, 2, 4, 16),
        "v_data": u8(3, 2, 4, 16),
        "k_scale": f32(1),
        "v_scale": f32(1),
        "element": torch.float8_e5m2,
    },
    "PER_TOKEN_HEAD": lambda: {
        "k_data": u8(3, 2, 4, 16).view(torch.int8),
        "v_data": u8(3, 2, 4, 16).view(torch.int8),
        "k_scales": f32(3, 4, 2),
        "v_scales": f32(3, 4, 2),
    },
    "NVFP4": lambda: {
        "k_data": u8(3, 2, 4, 8),
        "v_data": u8(3, 2, 4, 8),
        "k_scale": f32(1),
        "v_scale": f32(1),
        "k_scales": u8(3, 2, 4, 1),
        "v_scales": u8(3, 2, 4, 1),
        "transform": bf.Transform.NVFP4,
    },
    "FP8_DS_MLA": lambda: {"k_data": u8(3, 4, 656), "transform": "FP8_DS_MLA"},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("as_it_is", [False, True], ids=["function", "as it is"])
def test_every_variant_in_a_compiled_function(transform: str, as_it_is: bool) -> None:
    """Every set of operands, whatever is written: the bytes that the call writes by itself."""
    width = 512 if transform == "FP8_DS_MLA" else 16
    shape = (2, width) if width == 512 else (2, 2, width)
    rows: dict[str, Any] = {"key": torch.randn(shape), "value": torch.randn(shape)}
    if width == 512:
        rows = {"key": rows["key"].half(), "value": rows["value"][:, :64].half()}
    elif transform == "COPY, key alone":
        rows["value"] = None
    for places in SETS.values():

        def step(given: dict[str, Any], places: dict[str, Any] = places) -> None:
            if as_it_is:
                bf.append_paged_kv(**rows, **given, **places, stream=None)
            else:
                append_paged_kv(**rows, **given, **places)

        right, found = TRANSFORMS[transform](), TRANSFORMS[transform]()
        bf.append_paged_kv(**rows, **right, **places, stream=None)
        torch._dynamo.reset()
        torch.compile(step, fullgraph=True, backend="aot_eager")(found)
        tensors = [name for name, value in right.items() if isinstance(value, torch.Tensor)]
        for name in tensors:
            assert torch.equal(found[name].view(torch.uint8), right[name].view(torch.uint8)), name
        assert any(
            right[name].view(torch.uint8).count_nonzero() for name in ("k_data", "kv_data") if name in right
        )


@pytest.mark.parametrize("name", ["key", "k_data", "indices"])
def test_the_plain_append_refuses_fake_tensors(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    tensors = tensors_of(problem)
    bf.append_paged_kv(**tensors_of(Problem()), stream=None)  # from here on the type is known
    tensors[name] = FakeTensorMode().from_tensor(tensors[name])
    with pytest.raises(bf.Unsupported, match=rf"{name}, .*FakeTensor, stands for .*baracuda_ffi\.torch"):
        bf.append_paged_kv(**tensors, stream=None)
    assert_unchanged(problem.arrays, before)


def test_what_is_said_wrongly_is_refused_while_it_is_traced() -> None:
    mode = FakeTensorMode()
    fake = {name: mode.from_tensor(tensor) for name, tensor in tensors_of(Problem()).items()}
    del fake["last_page_len"]
    with pytest.raises(bf.InvalidProblem, match="seq_lens should be given too"):
        append_paged_kv(**fake)
    with pytest.raises(bf.InvalidProblem, match="layout is 'HDN'"):
        append_paged_kv(**fake, seq_lens=fake["indptr"], layout="HDN")
    fake["k_data"].requires_grad_()
    with pytest.raises(bf.Unsupported, match=r"k_data requires grad.*k_data\.detach"):
        append_paged_kv(**fake, seq_lens=fake["indptr"])


def test_vmap_and_functionalize_refuse() -> None:
    problem = Problem()
    before = problem.snapshot()
    tensors = tensors_of(problem)
    keys = torch.stack([tensors["key"]] * 2)

    def appended(key: Any) -> Any:
        append_paged_kv(**tensors | {"key": key})
        return key

    with pytest.raises(RuntimeError, match="Batching rule not implemented for baracuda_ffi::append_paged_kv"):
        torch.vmap(appended)(keys)
    with pytest.raises(RuntimeError, match="baracuda_ffi::append_paged_kv"):
        torch.func.functionalize(appended)(tensors["key"])
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("transform", ["vmap", "functionalize", "grad"])
def test_the_plain_append_refuses_what_a_transform_wrapped(transform: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    tensors = tensors_of(problem)

    def appended(key: Any) -> Any:
        bf.append_paged_kv(**tensors | {"key": key}, stream=None)
        return key.sum()

    transformed = getattr(torch.func, transform)(appended)
    with pytest.raises(bf.Unsupported, match=r"key, .*, stands for .*baracuda_ffi\.torch"):
        transformed(tensors["key"])
    assert_unchanged(problem.arrays, before)


@WAYS
@pytest.mark.parametrize("name", CACHES)
def test_autograd_is_off_limits(append: Callable[..., None], name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    tensors = tensors_of(problem)
    with pytest.raises(bf.Unsupported, match=rf"{name} requires grad.*{name}\.detach\(\)"):
        append(**tensors | {name: tensors[name].requires_grad_()})
    assert_unchanged(problem.arrays, before)


@WAYS
def test_rows_that_require_grad_are_constants(append: Callable[..., None]) -> None:
    problem = Problem()
    before = problem.snapshot()
    tensors = tensors_of(problem)
    tensors["key"].requires_grad_()
    append(**tensors)
    assert_appended(problem, before)
    assert not tensors["k_data"].requires_grad


def graph_of(trace: Callable[[Callable[..., Any], Any], Any], problem: Problem) -> str:
    tensors = tensors_of(problem)

    def appended(key: Any, k_data: Any) -> Any:
        append_paged_kv(**tensors | {"key": key, "k_data": k_data})
        return k_data.sum()

    return str(trace(appended, (tensors["key"], tensors["k_data"])))


def test_tracers_record_the_operator() -> None:
    problem = Problem()
    assert "append_paged_kv" in graph_of(lambda f, args: make_fx(f)(*args).graph, problem)
    assert "append_paged_kv" in graph_of(lambda f, _: torch.fx.symbolic_trace(f).graph, problem)


@pytest.mark.filterwarnings("ignore:`torch.jit.*deprecated:DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_records_the_operator() -> None:
    assert "baracuda_ffi::append_paged_kv" in graph_of(
        lambda f, args: torch.jit.trace(f, args, check_trace=False).graph, Problem()
    )


@pytest.mark.parametrize("kind", ["plain", "interleaved", "both in one"])
def test_opcheck(kind: str) -> None:
    problem = Problem()
    tensors = tensors_of(problem)
    kv_data = torch.stack([tensors.pop("k_data"), tensors.pop("v_data")], dim=1)
    caches = {
        "plain": {"k_data": kv_data[:, 0].clone(), "v_data": kv_data[:, 1].clone()},
        "interleaved": {"k_data": kv_data[:, 0], "v_data": kv_data[:, 1]},
        "both in one": {"kv_data": kv_data},
    }[kind]
    rows = [tensors.pop(name) for name in ("key", "value")]
    found = torch.library.opcheck(OPERATOR.default, rows, tensors | caches)
    assert set(found.values()) == {"SUCCESS"}
    assert len(found) >= 4


def test_operands_that_are_no_tensors_or_elsewhere() -> None:
    problem = Problem()
    with pytest.raises(RuntimeError, match="key"):
        append_paged_kv(*problem.arrays.values())
    with pytest.raises(bf.InvalidProblem, match="key"):
        append_paged_kv(**{name: tensor.to("meta") for name, tensor in tensors_of(problem).items()})
    with pytest.raises(TypeError, match="stream"):
        append_paged_kv(**tensors_of(problem), stream=None)
