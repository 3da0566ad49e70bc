"""An append in a compiled function: torch's operator, the function of ours that calls it, and the package's
own one-liner as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import baracuda_ffi as bf
from support.processes.python import output_of

torch: Any = pytest.importorskip("torch")

from torch._inductor.utils import run_and_get_code  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

import baracuda_ffi.torch as bf_torch  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.skipif(not hasattr(torch, "compile"), reason="needs torch.compile"),
]

BATCH, HEADS, WIDTH, PAGE_SIZE, PAGES = 4, 2, 16, 4, 20
INDICES, INDPTR = torch.tensor([3, 5, 7, 9]), torch.arange(BATCH + 1)


def with_the_function(*operands: Any, **options: Any) -> None:
    bf_torch.append_paged_kv(*operands, **options)


def with_the_operator(*operands: Any, **options: Any) -> None:
    torch.ops.baracuda_ffi.append_paged_kv(*operands, **options)


def as_it_is(*operands: Any, **options: Any) -> None:
    bf.append_paged_kv(*operands, **options, stream=None)


WAYS = pytest.mark.parametrize("append", [with_the_function, with_the_operator, as_it_is])


@pytest.fixture(autouse=True)
def _forget_what_was_compiled() -> None:
    torch._dynamo.reset()


def caches() -> tuple[Any, Any]:
    return torch.zeros(PAGES, HEADS, PAGE_SIZE, WIDTH), torch.zeros(PAGES, HEADS, PAGE_SIZE, WIDTH)


def rows(count: int = BATCH) -> Any:
    return torch.randn(count, HEADS, WIDTH)


def check_steps(append: Callable[..., None], **how: Any) -> None:
    def step(key: Any, value: Any, k_data: Any, v_data: Any, last_page_len: Any) -> Any:
        append(key * 2, value + 1, k_data, v_data, INDICES, INDPTR, last_page_len)
        return k_data.sum() + v_data.sum()

    compiled = torch.compile(step, **how)
    k_data, v_data = caches()
    k_right, v_right = caches()
    with torch.no_grad():
        for slot in range(3):
            key, value = rows(), rows()
            k_right[INDICES, :, slot], v_right[INDICES, :, slot] = key * 2, value + 1
            total = compiled(key, value, k_data, v_data, torch.full((BATCH,), slot))
            assert torch.equal(k_data, k_right)
            assert torch.equal(v_data, v_right)
            torch.testing.assert_close(total, k_right.sum() + v_right.sum())


@WAYS
def test_a_whole_graph(append: Callable[..., None]) -> None:
    check_steps(append, fullgraph=True, backend="aot_eager")


@WAYS
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.slow
def test_inductor(append: Callable[..., None], mode: str) -> None:
    check_steps(append, fullgraph=True, mode=mode)


@pytest.mark.slow
def test_nothing_is_copied() -> None:
    """Slices of a projection into an interleaved cache: the operator is given views of the same memory."""

    def step(qkv: Any, kv_data: Any, slots: Any) -> Any:
        key, value = qkv[:, HEADS : 2 * HEADS], qkv[:, 2 * HEADS :]
        bf_torch.append_paged_kv(key, value, kv_data[:, 0], kv_data[:, 1], slot_mapping=slots)
        return kv_data.sum()

    kv_data = torch.zeros(PAGES, 2, HEADS, PAGE_SIZE, WIDTH)
    qkv = torch.randn(BATCH, 3 * HEADS, WIDTH)
    slots = torch.tensor([0, 5, 6, 79])
    _, (code,) = run_and_get_code(torch.compile(step, fullgraph=True), qkv, kv_data, slots)
    body = code[code.index("def call") : code.index("def get_args")]
    (call,) = [line for line in body.splitlines() if "ops.baracuda_ffi.append_paged_kv" in line]
    assert call.count("reinterpret_tensor(arg") == 4
    assert "copy_" not in body
    for page, slot, row in zip([0, 1, 1, 19], [0, 1, 2, 3], qkv, strict=True):
        assert torch.equal(kv_data[page, 0, :, slot], row[HEADS : 2 * HEADS])
        assert torch.equal(kv_data[page, 1, :, slot], row[2 * HEADS :])
    assert kv_data.count_nonzero() == BATCH * 2 * HEADS * WIDTH


@WAYS
def test_any_number_of_rows(append: Callable[..., None]) -> None:
    def step(key: Any, k_data: Any, v_data: Any, slots: Any) -> None:
        append(key, key, k_data, v_data, slot_mapping=slots)

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager", dynamic=True)
    for count in (3, 2, 4, 1, 0):
        k_data, v_data = caches()
        key = rows(count)
        compiled(key, k_data, v_data, torch.arange(count) + 8)
        assert torch.equal(k_data[2, :, :count].transpose(0, 1), key)
        assert torch.equal(v_data[2, :, :count].transpose(0, 1), key)
        assert k_data.count_nonzero() == key.numel()


@WAYS
def test_options(append: Callable[..., None]) -> None:
    def step(key: Any, kv_data: Any, table: Any, lengths: Any, record: Any) -> None:
        given = {} if append is as_it_is else {"error_record": record}
        append(
            key,
            key,
            kv_data=kv_data,
            block_table=table,
            seq_lens=lengths,
            layout="NHD",
            length_convention="AFTER_APPEND",
            guarded=True,
            **given,
        )

    kv_data = torch.zeros(PAGES, 2, PAGE_SIZE, HEADS, WIDTH)
    key, record = rows(2), torch.zeros(8, dtype=torch.int64)
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    compiled(key, kv_data, torch.tensor([[1, 2], [3, 4]]), torch.tensor([3, 100]), record)
    assert torch.equal(kv_data[1, 0, 2], key[0])
    assert kv_data.count_nonzero() == 2 * HEADS * WIDTH
    if append is not as_it_is:
        with pytest.raises(bf.CorruptPageTable, match="seq_lens is 100"):
            bf.ErrorRecord(record).check(None)


@WAYS
def test_a_quantised_cache_and_its_scales(append: Callable[..., None]) -> None:
    """Scales that are written are mutated as the caches are."""

    def step(key: Any, k_data: Any, v_data: Any, k_scales: Any, v_scales: Any, slots: Any) -> Any:
        append(key, key * 3, k_data, v_data, slot_mapping=slots, k_scales=k_scales, v_scales=v_scales)
        return k_scales.sum()

    def operands() -> list[Any]:
        data = [torch.zeros(PAGES, HEADS, PAGE_SIZE, WIDTH, dtype=torch.int8) for _ in range(2)]
        return [*data, *[torch.zeros(PAGES, PAGE_SIZE, HEADS) for _ in range(2)]]

    key, slots, found, right = rows(2), torch.tensor([5, 79]), operands(), operands()
    total = torch.compile(step, fullgraph=True, backend="aot_eager")(key, *found, slots)
    assert total == step(key, *right, slots) != 0
    for one, other in zip(found, right, strict=True):
        assert torch.equal(one, other)
        assert one.count_nonzero() > 0


def test_enumerations_and_dtypes() -> None:
    def step(key: Any, k_data: Any, v_data: Any, slots: Any) -> None:
        bf_torch.append_paged_kv(
            key,
            key,
            k_data,
            v_data,
            slot_mapping=slots,
            layout=bf.KvLayout.HND,
            transform=bf.Transform.COPY,
            backend=bf.BackendKind.HOST,
            element=torch.float32,
        )

    k_data, v_data = caches()
    key = rows(1)
    torch.compile(step, fullgraph=True, backend="aot_eager")(key, k_data, v_data, torch.tensor([0]))
    assert torch.equal(k_data[0, :, 0], key[0])


@WAYS
def test_beside_a_backward_pass(append: Callable[..., None]) -> None:
    """Rows that a layer made of its weights are appended, and the layer learns as if they were not."""
    layer = torch.nn.Linear(WIDTH, WIDTH)

    def step(inputs: Any, k_data: Any, v_data: Any, slots: Any) -> Any:
        key = layer(inputs)
        append(key, key, k_data, v_data, slot_mapping=slots)
        return key.sum()

    inputs, (k_data, v_data) = rows(1), caches()
    torch.compile(step, fullgraph=True, backend="aot_eager")(
        inputs, k_data, v_data, torch.tensor([0])
    ).backward()
    assert torch.equal(layer.bias.grad, torch.full((WIDTH,), float(HEADS)))
    assert torch.equal(k_data[0, :, 0], layer(inputs)[0])
    assert not k_data.requires_grad


def test_a_stream_that_is_not_of_the_caches_device() -> None:
    def step(key: Any, k_data: Any, v_data: Any, slots: Any) -> None:
        bf.append_paged_kv(key, key, k_data, v_data, slot_mapping=slots, stream=0)

    operands = (rows(1), *caches(), torch.tensor([0]))
    with pytest.raises(Exception, match="stream should be torch's current stream"):
        torch.compile(step, fullgraph=True, backend="aot_eager")(*operands)
    with pytest.raises(bf.BaracudaError):  # as it is refused where nothing is compiled
        torch.compile(step, backend="aot_eager")(*operands)
    assert operands[1].count_nonzero() == 0


def test_a_stream_of_a_cache_on_a_cuda_device_is_not_looked_at() -> None:
    """What Dynamo looks at it has guards for, and compiles anew. Fake tensors need no device."""
    graphs = []

    def keep(graph: Any, operands: Any) -> Callable[..., Any]:
        graphs.append(graph)
        return lambda *operands: ()

    def step(key: Any, kv_data: Any, slots: Any, stream: Any) -> None:
        bf.append_paged_kv(key, key, kv_data=kv_data, slot_mapping=slots, stream=stream)

    with FakeTensorMode():
        key = torch.empty(1, HEADS, WIDTH, device="cuda")
        kv_data = torch.empty(PAGES, 2, HEADS, PAGE_SIZE, WIDTH, device="cuda")
        slots = torch.empty(1, dtype=torch.int32, device="cuda")
    compiled = torch.compile(step, fullgraph=True, backend=keep)
    for stream in (object(), 5, None):
        compiled(key, kv_data, slots, stream)
    (graph,) = graphs
    assert "baracuda_ffi.append_paged_kv" in str(graph.graph)


def test_the_function_by_itself() -> None:
    """It is what is compiled, where in a function of somebody's Dynamo reads another in its place."""
    key, (k_data, v_data) = rows(1), caches()
    compiled = torch.compile(bf_torch.append_paged_kv, fullgraph=True, backend="aot_eager")
    compiled(key, key, k_data, v_data, slot_mapping=torch.tensor([5]))
    assert torch.equal(k_data[1, :, 1], key[0])


def test_what_is_said_wrongly_is_refused_before_it_runs() -> None:
    def step(key: Any, k_data: Any, v_data: Any) -> None:
        bf_torch.append_paged_kv(key, key, k_data, v_data)

    with pytest.raises(Exception, match="nothing says where the rows go"):
        torch.compile(step, fullgraph=True, backend="aot_eager")(rows(1), *caches())


class Layer(torch.nn.Module):  # type: ignore[misc]
    """A module that owns its caches, as ``torch.export`` has it."""

    def __init__(self, append: Callable[..., None]) -> None:
        super().__init__()
        self.append = append
        for name, cache in zip(("k_data", "v_data"), caches(), strict=True):
            self.register_buffer(name, cache)

    def forward(self, key: Any, slots: Any) -> Any:
        self.append(key * 2, key, self.k_data, self.v_data, slot_mapping=slots)
        return self.k_data.sum()


@pytest.mark.parametrize("append", [with_the_function, with_the_operator])
@pytest.mark.parametrize("strict", [False, True])
def test_export(append: Callable[..., None], strict: bool) -> None:
    key, slots = rows(2), torch.tensor([9, 0])
    exported = torch.export.export(Layer(append), (key, slots), strict=strict)
    for program in (exported, exported.run_decompositions()):
        module = program.module()
        module(key, slots)
        assert torch.equal(module.k_data[2, :, 1], key[0] * 2)
        assert torch.equal(module.v_data[0, :, 0], key[1])
        assert module.k_data.count_nonzero() == key.numel()


def test_export_refuses_the_plain_append() -> None:
    """Without Dynamo nothing reads another function in its place; strict, Dynamo does."""
    key, slots = rows(2), torch.tensor([9, 0])
    with pytest.raises(bf.Unsupported, match=r"stands for .*baracuda_ffi\.torch"):
        torch.export.export(Layer(as_it_is), (key, slots), strict=False)
    assert "append_paged_kv" in str(torch.export.export(Layer(as_it_is), (key, slots), strict=True).graph)


def test_the_plain_append_needs_nothing_imported_before() -> None:
    """Neither a name that was used before, nor ``baracuda_ffi.torch``."""
    program = (
        "import torch, baracuda_ffi as bf\n"
        "@torch.compile(fullgraph=True, backend='aot_eager')\n"
        "def step(key, kv_data, slots):\n"
        "    bf.append_paged_kv(key, key, kv_data=kv_data, slot_mapping=slots, stream=None)\n"
        "kv_data = torch.zeros(2, 2, 1, 1, 16)\n"
        "step(torch.ones(1, 1, 16), kv_data, torch.tensor([1]))\n"
        "print(kv_data.count_nonzero().item())\n"
    )
    assert output_of(program).strip() == "32"
