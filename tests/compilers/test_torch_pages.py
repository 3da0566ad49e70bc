"""Copies of pages in a compiled function, and as torch's operators: the functions of `baracuda_ffi.torch`,
the operators, and the package's own as they are. On the host, and on a GPU where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import baracuda_ffi as bf
from support.processes.python import output_of

torch: Any = pytest.importorskip("torch")

from torch._inductor.utils import run_and_get_code  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

import baracuda_ffi.torch as bf_torch  # noqa: E402
from baracuda_ffi._compilers import torch_library  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.skipif(not hasattr(torch, "compile"), reason="needs torch.compile"),
]

PAGES, PAGE = 6, (2, 4, 16)
OPERATORS = torch.ops.baracuda_ffi

Copies = tuple[Callable[..., None], Callable[..., None], Callable[..., None]]


def as_it_is(copy: Callable[..., None]) -> Callable[..., None]:
    """On torch's current stream, whatever that is in the function that is compiled."""

    def copied(cache: Any, *others: Any, **options: Any) -> None:
        copy(cache, *others, stream=torch.cuda.current_stream() if cache.is_cuda else None, **options)

    return copied


WAYS = {
    "function": (bf_torch.copy_pages, bf_torch.gather_pages, bf_torch.scatter_pages),
    "operator": (OPERATORS.copy_pages, OPERATORS.gather_pages, OPERATORS.scatter_pages),
    "as it is": (as_it_is(bf.copy_pages), as_it_is(bf.gather_pages), as_it_is(bf.scatter_pages)),
}
by_each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def where(request: pytest.FixtureRequest) -> str:
    torch._dynamo.reset()
    found: str = request.param
    return found


class Problem:
    """Caches of which no two pages are alike, and what three copies should make of them."""

    def __init__(self, where: str, *, pinned: bool = False) -> None:
        numbers = torch.arange(PAGES * 2 * 128, dtype=torch.float32).reshape(PAGES, 2, *PAGE)
        self.k_data, self.v_data = (numbers[:, i].clone().to(where) for i in range(2))
        self.source, self.destination = (torch.tensor(ids, device=where) for ids in ([1, 2], [3, -1]))
        self.buffer = torch.zeros(3, 2, *PAGE, device="cpu" if pinned else where, pin_memory=pinned)
        self.k_right, self.v_right = (numbers[:, i].clone() for i in range(2))
        self.gathered = torch.zeros(3, 2, *PAGE)
        # What step() does.
        for right, part in ((self.k_right, 0), (self.v_right, 1)):
            right[3] = right[1]  # the other pair is padding
            self.gathered[:2, part] = right[[1, 2]]
            right[3] = self.gathered[0, part]
            right[1] = 2 * right[1]

    @property
    def operands(self) -> tuple[Any, ...]:
        return self.k_data, self.v_data, self.source, self.destination, self.buffer

    def check(self) -> None:
        if self.k_data.is_cuda:
            torch.cuda.synchronize()
        assert torch.equal(self.k_data.cpu(), self.k_right)
        assert torch.equal(self.v_data.cpu(), self.v_right)
        assert torch.equal(self.buffer.cpu(), self.gathered)


def step(copies: Copies) -> Callable[..., Any]:
    copy, gather, scatter = copies

    def stepped(k_data: Any, v_data: Any, source: Any, destination: Any, buffer: Any) -> Any:
        copy(k_data, v_data, source, destination)
        gather(k_data, v_data, source, buffer)
        scatter(k_data, v_data, destination, buffer)
        k_data[1] = k_data[1] * 2  # of torch's own, behind them and before
        v_data[1] = v_data[1] * 2
        return k_data.sum()

    return stepped


@by_each_way
def test_as_they_are_called(way: str, where: str) -> None:
    problem = Problem(where)
    step(WAYS[way])(*problem.operands)
    problem.check()


@by_each_way
def test_a_whole_graph(way: str, where: str) -> None:
    compiled = torch.compile(step(WAYS[way]), fullgraph=True, backend="aot_eager")
    for _ in range(2):
        problem = Problem(where)
        total = compiled(*problem.operands)
        problem.check()
        assert total == problem.k_right.sum()


@by_each_way
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.slow
def test_inductor(way: str, mode: str, where: str) -> None:
    compiled = torch.compile(step(WAYS[way]), fullgraph=True, mode=mode)
    for _ in range(4):
        problem = Problem(where)
        compiled(*problem.operands)
        problem.check()


@pytest.mark.slow
def test_nothing_is_copied() -> None:
    """The operators are given the tensors that the compiled function was."""
    _, (code,) = run_and_get_code(
        torch.compile(step(WAYS["function"]), fullgraph=True), *Problem("cpu").operands
    )
    body = code[code.index("def call") :]
    calls = [line for line in body.splitlines() if "ops.baracuda_ffi" in line]
    assert len(calls) == 3
    for call in calls:
        assert len(re.findall(r"\(arg\d+_1, arg\d+_1, arg\d+_1, arg\d+_1, ", call)) == 1


@by_each_way
@pytest.mark.gpu
def test_pinned_memory(way: str) -> None:
    """A buffer that the host reads, and not a copy of it, which would not be pinned."""
    for run in (step(WAYS[way]), torch.compile(step(WAYS[way]), fullgraph=True)):
        problem = Problem("cuda", pinned=True)
        run(*problem.operands)
        problem.check()


@by_each_way
@pytest.mark.parametrize("together", [False, True])
def test_operands_by_name(way: str, together: bool, where: str) -> None:
    problem = Problem(where)
    kv_data = torch.stack([problem.k_data, problem.v_data], 1)
    caches = {"kv_data": kv_data} if together else {"k_data": kv_data[:, 0], "v_data": kv_data[:, 1]}
    lists = {"source": problem.source, "destination": problem.destination}
    copy = bf.copy_pages if way == "as it is" else WAYS[way][0]
    stream: dict[str, Any] = {} if way != "as it is" else {"stream": 0 if where == "cuda" else None}

    def stepped(caches: Any, lists: Any) -> None:
        copy(**caches, **lists, **stream)

    torch.compile(stepped, fullgraph=True, backend="aot_eager")(caches, lists)
    assert torch.equal(kv_data[3], kv_data[1])
    assert torch.equal(kv_data[4, 0], problem.k_data[4])


def test_key_alone(where: str) -> None:
    problem = Problem(where)
    untouched = problem.v_data.clone()
    copied = torch.compile(bf_torch.copy_pages, fullgraph=True, backend="aot_eager")
    copied(problem.k_data, None, problem.source, problem.destination)
    assert torch.equal(problem.k_data[3], problem.k_data[1])
    assert torch.equal(problem.v_data, untouched)


@pytest.mark.parametrize("name", ["copy_pages", "gather_pages", "scatter_pages"])
@pytest.mark.parametrize("form", ["two caches", "one", "key alone", "with a record"])
def test_opcheck(name: str, form: str, where: str) -> None:
    problem = Problem(where)
    others = {
        "copy_pages": {"source": problem.source, "destination": problem.destination},
        "gather_pages": {"source": problem.source, "buffer": problem.buffer},
        "scatter_pages": {"destination": problem.destination, "buffer": problem.buffer},
    }[name]
    caches: dict[str, Any] = {"k_data": problem.k_data, "v_data": problem.v_data}
    if form == "one":
        caches = {"kv_data": torch.stack([problem.k_data, problem.v_data], 1)}
    elif form == "key alone":
        caches = {"k_data": problem.k_data}
        if "buffer" in others:
            others["buffer"] = problem.buffer[:, 0].contiguous()
    elif form == "with a record":
        caches |= {"guarded": True, "error_record": torch.zeros(8, dtype=torch.int64, device=where)}
    found = torch.library.opcheck(getattr(OPERATORS, name).default, (), caches | others)
    assert set(found.values()) == {"SUCCESS"}
    assert len(found) >= 4


def test_an_error_record_is_a_tensor(where: str) -> None:
    problem = Problem(where)
    record = torch.zeros(8, dtype=torch.int64, device=where)
    problem.source[1] = PAGES

    def stepped(k_data: Any, v_data: Any, source: Any, destination: Any, record: Any) -> None:
        bf_torch.copy_pages(k_data, v_data, source, destination + 1, guarded=True, error_record=record)

    compiled = torch.compile(stepped, fullgraph=True, backend="aot_eager")
    compiled(*problem.operands[:4], record)
    with pytest.raises(bf.CorruptPageTable, match=rf"source is {PAGES}"):
        bf.ErrorRecord(record).check(torch.cuda.current_stream() if where == "cuda" else None)


@pytest.mark.parametrize("strict", [False, True])
def test_export(strict: bool) -> None:
    class Layer(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("cache", torch.arange(4.0).reshape(4, 1).repeat(1, 8))

        def forward(self, source: Any, destination: Any) -> Any:
            bf_torch.copy_pages(self.cache, None, source, destination)
            return self.cache.sum()

    lists = (torch.tensor([2]), torch.tensor([0]))
    exported = torch.export.export(Layer(), lists, strict=strict)
    for program in (exported, exported.run_decompositions()):
        module = program.module()
        assert module(*lists) == 8 * (2 + 1 + 2 + 3)
        assert torch.equal(module.cache[0], module.cache[2])


@by_each_way
def test_what_is_wrong_is_refused(way: str) -> None:
    """At once, and while it is compiled as far as shapes do not matter."""
    problem = Problem("cpu")
    copy = WAYS[way][0]
    k_data, v_data, source, destination, _ = problem.operands

    def refused(message: str, *operands: Any, traced: bool = True) -> None:
        with pytest.raises(bf.BaracudaError, match=message):
            copy(*operands)
        torch._dynamo.reset()
        before = k_data.clone()
        with pytest.raises(Exception, match=message if traced else ""):
            torch.compile(copy, fullgraph=True, backend="aot_eager")(*operands)
        assert torch.equal(k_data, before)

    refused("destination is None", k_data, v_data, source, None)
    refused("v_data has 5 pages", k_data, v_data[:5], source, destination)
    refused(r"source.* is of type f32", k_data, v_data, source.float(), destination)
    refused(r"source\[1\] is 6", k_data, v_data, source + 4, source)
    k_data.requires_grad_()
    refused("requires grad", k_data, v_data, source, destination)


def test_a_stream_that_is_not_of_the_caches_device() -> None:
    problem = Problem("cpu")

    def stepped(k_data: Any, v_data: Any, source: Any, destination: Any) -> None:
        bf.copy_pages(k_data, v_data, source, destination, stream=0)

    with pytest.raises(Exception, match="stream should be torch's current stream"):
        torch.compile(stepped, fullgraph=True, backend="aot_eager")(*problem.operands[:4])


def test_fake_tensors_are_traced_and_not_read() -> None:
    problem = Problem("cpu")
    mode = FakeTensorMode()
    fake = [mode.from_tensor(operand) for operand in problem.operands]
    bf_torch.copy_pages(*fake[:4])
    bf_torch.gather_pages(*fake[:3], fake[4])
    with pytest.raises(bf.InvalidProblem, match="source is None"):
        bf_torch.gather_pages(*fake[:2], None, fake[4])
    with pytest.raises(bf.Unsupported, match=r"stands for other tensors"):
        bf.copy_pages(*fake[:4], stream=None)


def test_the_plain_copy_needs_nothing_imported_before() -> None:
    program = (
        "import torch, baracuda_ffi as bf\n"
        "@torch.compile(fullgraph=True, backend='aot_eager')\n"
        "def step(cache, source, destination):\n"
        "    bf.copy_pages(cache, None, source, destination, stream=None)\n"
        "cache = torch.arange(3)[:, None].repeat(1, 4)\n"
        "step(cache, torch.tensor([2]), torch.tensor([0]))\n"
        "print(cache.sum().item())\n"
    )
    assert output_of(program).strip() == "20"


@pytest.mark.skipif(
    torch.cuda.device_count() == 1, reason="with one GPU torch makes no tensor without memory of a second"
)
@pytest.mark.parametrize("first", [None, "cpu", "cuda:1"])
def test_the_stream_is_that_of_the_device_that_an_operand_is_on(
    first: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever operand that is: the first may be left out (an interleaved cache has no k_data) or be in host
    memory. Seen without a GPU, by tensors without memory and a library that keeps what it is given."""
    kernels: dict[str, Callable[..., None]] = {}

    class Library:
        def define(self, *_: Any, **__: Any) -> None: ...

        def impl(self, _name: str, kernel: Callable[..., None], key: str) -> None:
            kernels[key] = kernel

    monkeypatch.setattr(torch_library, "_LIBRARY", Library())
    monkeypatch.setattr(torch_library, "raw_stream", lambda device: f"stream of {device}")
    monkeypatch.setattr(torch.library, "register_fake", lambda *_, **__: None)
    streams = []
    torch_library.register(
        "copy_pages", "", lambda *_, stream, **__: streams.append(stream), lambda **_: None
    )
    with FakeTensorMode():
        operand = None if first is None else torch.empty(3, device=first)
        kernels["CUDA"](operand, None, kv_data=torch.empty(3, device="cuda:1"))
        kernels["CPU"](operand, None)
    assert streams == ["stream of 1", None]
