"""An append in functions that torch compiles, exports and captures, on torch's own current stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import baracuda_ffi as bf
from support.processes.python import output_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

torch: Any = pytest.importorskip("torch")

import baracuda_ffi.torch as bf_torch  # noqa: E402

BATCH, HEADS, WIDTH, PAGE_SIZE, PAGES = 4, 8, 128, 16, 20
PAGE_IDS = [3, 5, 7, 9]


def with_the_function(*operands: Any, **options: Any) -> None:
    bf_torch.append_paged_kv(*operands, **options)


def with_the_operator(*operands: Any, **options: Any) -> None:
    torch.ops.baracuda_ffi.append_paged_kv(*operands, **options)


def as_it_is(key: Any, *operands: Any, **options: Any) -> None:
    bf.append_paged_kv(key, *operands, stream=torch.cuda.current_stream(), **options)


def as_it_is_on_the_device_s(key: Any, *operands: Any, **options: Any) -> None:
    bf.append_paged_kv(key, *operands, stream=current_stream_of("cuda:0"), **options)


def current_stream_of(device: Any) -> Any:
    return torch.cuda.current_stream(device)


WAYS = pytest.mark.parametrize(
    "append", [with_the_function, with_the_operator, as_it_is, as_it_is_on_the_device_s]
)


@pytest.fixture(autouse=True)
def _forget_what_was_compiled(device: Any) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def i32(values: list[int]) -> Any:
    return torch.tensor(values, dtype=torch.int32, device="cuda")


def caches(dtype: Any = torch.float16) -> tuple[Any, Any]:
    k_data, v_data = (
        torch.zeros(PAGES, HEADS, PAGE_SIZE, WIDTH, device="cuda", dtype=dtype) for _ in range(2)
    )
    return k_data, v_data


def rows() -> Any:
    return torch.randn(BATCH, HEADS, WIDTH, device="cuda", dtype=torch.float16)


def check_steps(append: Callable[..., None], static: bool = False, **how: Any) -> None:
    indices, indptr = i32(PAGE_IDS), i32(list(range(BATCH + 1)))

    def step(key: Any, value: Any, k_data: Any, v_data: Any, last_page_len: Any) -> Any:
        append(key * 2, value + 1, k_data, v_data, indices, indptr, last_page_len)
        return k_data.sum(dtype=torch.float32)

    k_data, v_data = caches()
    k_right, v_right = caches()
    last_page_len = i32([0] * BATCH)
    if static:
        for tensor in (k_data, v_data, last_page_len):
            torch._dynamo.mark_static_address(tensor)
    compiled = torch.compile(step, **how)
    with torch.no_grad():
        for slot in range(6):
            key, value = rows(), rows()
            last_page_len.fill_(slot)
            k_right[PAGE_IDS, :, slot], v_right[PAGE_IDS, :, slot] = key * 2, value + 1
            if how.get("mode") == "reduce-overhead":
                torch.compiler.cudagraph_mark_step_begin()
            total = compiled(key, value, k_data, v_data, last_page_len)
            assert torch.equal(k_data, k_right), slot
            assert torch.equal(v_data, v_right), slot
            # Sums of floats in two orders.
            torch.testing.assert_close(total.clone(), k_right.sum(dtype=torch.float32), rtol=1e-3, atol=1e-3)


@WAYS
@pytest.mark.parametrize("fullgraph", [True, False])
def test_compiled(append: Callable[..., None], fullgraph: bool) -> None:
    check_steps(append, fullgraph=fullgraph)


@WAYS
def test_reduce_overhead(append: Callable[..., None]) -> None:
    check_steps(append, mode="reduce-overhead")


@WAYS
def test_reduce_overhead_in_a_cuda_graph(append: Callable[..., None]) -> None:
    """Caches that stay where they are: Inductor captures the append, and says of nothing that it did not.

    In some releases torch's cache of compiled functions knows no marks of addresses, and may have the same
    function without them."""
    with torch._functorch.config.patch(enable_autograd_cache=False):
        check_steps(append, static=True, fullgraph=True, mode="reduce-overhead")
    assert torch._dynamo.utils.counters["inductor"]["cudagraph_skips"] == 0


# Dynamo cannot read current_stream(None), stops there, and goes on with a torch.cuda.Stream among its inputs.
# What is wrong with its reference to that shows when the next function is compiled.
STREAM_OF_A_GRAPH_BREAK = """
import torch, baracuda_ffi as bf
def current(device=None):
    return torch.cuda.current_stream(device)
def step(key, kv_data, slots):
    bf.append_paged_kv(key * 2, key + 1, kv_data=kv_data, slot_mapping=slots, stream=current())
    return kv_data.sum()
key, slots = torch.ones(2, 2, 64, device="cuda"), torch.tensor([0, 17], device="cuda")
for how in ({}, {"mode": "reduce-overhead"}, {}):
    torch._dynamo.reset()
    kv_data = torch.zeros(2, 2, 2, 16, 64, device="cuda")
    compiled = torch.compile(step, **how)
    for _ in range(3):
        total = compiled(key, kv_data, slots)
    assert total.item() == 4 * key.sum().item(), total
print("right")
"""


def test_a_stream_of_a_graph_break() -> None:
    assert output_of(STREAM_OF_A_GRAPH_BREAK).strip() == "right"


def test_on_another_current_stream() -> None:
    """The operator and the function go to whichever stream is current when they run."""
    key, (k_data, v_data) = rows(), caches()
    slots = i32([0, 17, 34, 51])

    def step(key: Any, k_data: Any, v_data: Any, slots: Any) -> None:
        bf_torch.append_paged_kv(key, key, k_data, v_data, slot_mapping=slots)

    compiled = torch.compile(step, fullgraph=True)
    compiled(key, k_data, v_data, slots)
    for call in (step, compiled):
        k_data.zero_()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            torch.cuda._sleep(50_000_000)  # some 25 ms; what is on another stream would not wait for it
            before = k_data.clone()
            call(key, k_data, v_data, slots)
            after = k_data.clone()
        side.synchronize()
        assert before.count_nonzero() == 0
        assert after.count_nonzero() == key.count_nonzero()


def test_captured_by_torch_s_own_graph() -> None:
    key, (k_data, v_data) = rows(), caches()
    slots = i32([0, 17, 34, 51])
    bf_torch.append_paged_kv(key, key, k_data, v_data, slot_mapping=slots)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        bf_torch.append_paged_kv(key, key, k_data, v_data, slot_mapping=slots)
        torch.ops.baracuda_ffi.append_paged_kv(key, key, v_data, k_data, slot_mapping=slots + 1)
    k_data.zero_()
    graph.replay()
    assert torch.equal(k_data[0, :, 0], key[0])
    assert torch.equal(k_data[3, :, 4], key[3])
    assert k_data.count_nonzero() == 2 * key.count_nonzero()


@pytest.mark.parametrize("kind", ["plain", "interleaved", "both in one"])
def test_opcheck(kind: str) -> None:
    k_data, v_data = caches()
    kv_data = torch.stack([k_data, v_data], dim=1)
    given = {
        "plain": {"k_data": k_data, "v_data": v_data},
        "interleaved": {"k_data": kv_data[:, 0], "v_data": kv_data[:, 1]},
        "both in one": {"kv_data": kv_data},
    }[kind]
    operator = torch.ops.baracuda_ffi.append_paged_kv.default
    options = given | {"slot_mapping": i32([0, 17, 34, 51])}
    found = torch.library.opcheck(operator, (rows(), rows()), options)
    assert set(found.values()) == {"SUCCESS"}


class Layer(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        for name, cache in zip(("k_data", "v_data"), caches(), strict=True):
            self.register_buffer(name, cache)

    def forward(self, key: Any, slots: Any) -> Any:
        bf_torch.append_paged_kv(key * 2, key, self.k_data, self.v_data, slot_mapping=slots)
        return self.k_data.sum()


def test_export() -> None:
    key, slots = rows(), i32([0, 17, 34, 51])
    module = torch.export.export(Layer(), (key, slots)).module()
    module(key, slots)
    assert torch.equal(module.k_data[1, :, 1], key[1] * 2)
    assert torch.equal(module.v_data[2, :, 2], key[2])


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "bfloat16"])
def test_other_types(dtype: str) -> None:
    kind = getattr(torch, dtype)
    key, (k_data, v_data) = rows().to(kind), caches(kind)
    torch.compile(bf_torch.append_paged_kv, fullgraph=True)(
        key, key, k_data, v_data, slot_mapping=i32([0, 17, 34, 51])
    )
    assert torch.equal(k_data.view(torch.uint8)[3, :, 3], key.view(torch.uint8)[3])


def test_a_cache_on_the_host_given_torch_s_stream() -> None:
    def step(key: Any, kv_data: Any, slots: Any) -> None:
        bf.append_paged_kv(key, key, kv_data=kv_data, slot_mapping=slots, stream=torch.cuda.current_stream())

    kv_data = torch.zeros(2, 2, HEADS, PAGE_SIZE, WIDTH)
    with pytest.raises(Exception, match="stream should be torch's current stream"):
        torch.compile(step, fullgraph=True)(rows().float().cpu(), kv_data, torch.zeros(BATCH).int())


@pytest.mark.multigpu
def test_on_the_device_of_key() -> None:
    with torch.cuda.device(0):
        k_data = torch.zeros(PAGES, HEADS, PAGE_SIZE, WIDTH, device="cuda:1")
        key = torch.randn(1, HEADS, WIDTH, device="cuda:1")
        for append in (bf_torch.append_paged_kv, torch.ops.baracuda_ffi.append_paged_kv):
            append(key, key, k_data, k_data.clone(), slot_mapping=torch.tensor([17], device="cuda:1"))
            assert torch.equal(k_data[1, :, 1], key[0])
            k_data.zero_()
