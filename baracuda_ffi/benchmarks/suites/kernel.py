"""GPU time of an append, by graph replay, over a grid of shapes."""

from __future__ import annotations

import gc
import time
from functools import partial
from itertools import product

from ..absent import Absent
from ..operands.problem import Problem
from ..operands.torch_operands import Operands, check_writes, operand_sets
from ..peers import device_copy, empty_kernel, flashinfer_python, header, indexing, vllm
from ..report.results import FAILED, FLOOR, LIMIT, MEASURED, OURS, PEER, Case, Row, SuiteResult
from ..report.targets import at_most, same
from ..running.gpu import torch_with_gpu
from ..running.paths import Call, Candidate, Path, build_all, describe
from ..running.progress import Progress
from ..running.replay import Replay
from ..running.sampling import in_order, interleave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..report.results import Target
    from ..settings import Settings

FLASHINFER = "FlashInfer path"
GUARDED = "guarded"

_BATCHES = (1, 64, 1024, 4096, 16384)
_LAUNCHES = 50
_LARGE_LAUNCHES = 10  # where one launch takes long enough by itself
_LARGE_BYTES = 128 << 20
_L2_IF_UNKNOWN = 64 << 20
_ROUNDS, _QUICK_ROUNDS = 30, 10
_SECONDS, _QUICK_SECONDS = 100.0, 10.0  # for the sampling of all cases together


def run(settings: Settings) -> SuiteResult:
    started = time.perf_counter()
    torch = torch_with_gpu()
    l2_bytes = int(getattr(torch.cuda.get_device_properties(0), "L2_cache_size", _L2_IF_UNKNOWN))
    problems = _grid(settings)
    seconds_a_case = (_QUICK_SECONDS if settings.quick else _SECONDS) / len(problems)
    stream = torch.cuda.Stream()
    cases = []
    with Progress("kernel", len(problems)) as progress, torch.cuda.stream(stream):
        for problem in problems:
            progress.step(f"{problem.element}, {problem.heads} x {problem.head_dim}, batch {problem.batch}")
            cases.append(_case(torch, stream, problem, settings, l2_bytes, seconds_a_case))
            if problem.cache_bytes > _LARGE_BYTES:
                gc.collect()
            torch.cuda.empty_cache()
    notes = {
        "device": str(torch.cuda.get_device_name()),
        "L2": f"{l2_bytes / 2**20:.0f} MiB, {settings.l2}",
        "samples": f"replays of one graph, at most {_ROUNDS} rounds",
    }
    return SuiteResult(
        "kernel",
        MEASURED,
        time.perf_counter() - started,
        "",
        device_copy.NAME,
        cases,
        _targets(cases),
        notes,
    )


def _grid(settings: Settings) -> list[Problem]:
    heads: Iterable[int] = (8,)
    head_dims: Iterable[int] = (128,)
    elements: Iterable[str] = ("f16",)
    if settings.grid == "full":
        heads, head_dims, elements = (1, 2, 8, 32), (64, 128, 256), ("f16", "f32", "fp8_e4m3")
    elif not settings.quick:
        heads = (1, 8)
    return [
        Problem(batch, heads=head_count, head_dim=head_dim, element=element)
        for element, head_dim, head_count, batch in product(elements, head_dims, heads, _BATCHES)
    ]


def _case(
    torch: Any, stream: Any, problem: Problem, settings: Settings, l2_bytes: int, seconds: float
) -> Case:
    launches = _LARGE_LAUNCHES if problem.bytes > _LARGE_BYTES else _LAUNCHES
    count = 1 if settings.l2 == "warm" else _sets(problem, l2_bytes, launches)
    parameters: dict[str, str | int] = {
        "element": problem.element,
        "heads": problem.heads,
        "head_dim": problem.head_dim,
        "batch": problem.batch,
        "layout": problem.layout,
        "launches": launches,
        "sets": count,
    }
    try:
        _check_memory(torch, problem, count, caches=count if settings.l2 == "decode" else 1)
        sets = operand_sets(torch, problem, "cuda", count, settings.l2)
    except Exception as error:
        row = Row(FLASHINFER, OURS, FAILED, why=f"no operands: {describe(error)}")
        return Case(parameters, "us a launch", [row])
    candidates = _candidates(problem, sets, stream, settings)

    def to_path(candidate: Candidate, calls: list[Call]) -> Path:
        if candidate.role not in (FLOOR, LIMIT):
            for i in {0, count - 1}:
                check_writes(sets[i], calls[i])
        return Path(
            candidate.name,
            candidate.role,
            Replay(torch, stream, calls, launches).sample,
            calls[0].statement,
        )

    paths, missing = build_all(candidates, to_path)
    rounds = _QUICK_ROUNDS if settings.quick else _ROUNDS
    rows = interleave(paths, rounds=rounds, budget=seconds)
    return Case(
        parameters, "us a launch", in_order([candidate.name for candidate in candidates], rows + missing)
    )


def _sets(problem: Problem, l2_bytes: int, launches: int) -> int:
    """As many operand sets as it takes for their rows, read and written, to exceed the L2 cache three times:
    no launch then finds in it what is not shared. Small appends stay in it all the same."""
    touched = 2 * problem.bytes
    return max(1, min(launches, -(-3 * l2_bytes // touched)))


def _check_memory(torch: Any, problem: Problem, sets: int, caches: int) -> None:
    free, _ = torch.cuda.mem_get_info()
    # Rows of every set, as much again for the plain copies, and one set's worth to check with.
    needed = caches * problem.cache_bytes + (3 * sets + 4) * problem.bytes
    if needed > 0.9 * free:
        raise MemoryError(f"it takes {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free")


def _candidates(problem: Problem, sets: list[Operands], stream: Any, settings: Settings) -> list[Candidate]:
    handle = stream.cuda_stream

    def each(build: Callable[..., Call], *arguments: Any) -> Callable[[], list[Call]]:
        return lambda: [build(operands, *arguments) for operands in sets]

    def compiled(build: Callable[..., Call], *arguments: Any) -> Callable[[], list[Call]]:
        if not settings.quick:
            return each(build, *arguments)

        def skip() -> list[Call]:
            raise Absent("left out by --quick: it has to be compiled first")

        return skip

    return [
        Candidate(empty_kernel.NAME, FLOOR, lambda: [empty_kernel.launch(handle)]),
        Candidate(device_copy.NAME, LIMIT, partial(device_copy.copies, sets)),
        Candidate(FLASHINFER, OURS, partial(_bound_launches, problem, sets, handle, False)),
        Candidate(GUARDED, OURS, partial(_bound_launches, problem, sets, handle, True)),
        Candidate(header.NAME, PEER, compiled(header.append, handle)),
        Candidate(flashinfer_python.NAME, PEER, compiled(flashinfer_python.append)),
        Candidate(vllm.NAME, PEER, each(vllm.append)),
        Candidate(indexing.TORCH, PEER, each(indexing.torch_index_put)),
    ]


def _bound_launches(problem: Problem, sets: list[Operands], stream: int, guarded: bool) -> list[Call]:
    plan = problem.select(stream, guarded=guarded)
    return [Call("launch()", {"launch": plan.bind(stream, operands.args())}) for operands in sets]


def _targets(cases: list[Case]) -> list[Target]:
    def batch(parameters: dict[str, str | int]) -> int:
        return int(parameters["batch"])

    copy = device_copy.NAME
    return [
        same("FlashInfer path as the header called directly", cases, FLASHINFER, header.NAME, 0.03),
        at_most(
            "FlashInfer path / flashinfer-python, 8 heads, batch 1 to 64",
            cases,
            FLASHINFER,
            flashinfer_python.NAME,
            0.7,
            lambda p: batch(p) <= 64 and p["heads"] == 8,
        ),
        at_most(
            "FlashInfer path / flashinfer-python, 8 heads",
            cases,
            FLASHINFER,
            flashinfer_python.NAME,
            1.0,
            lambda p: p["heads"] == 8,
        ),
        at_most(
            "FlashInfer path / flashinfer-python, one head",
            cases,
            FLASHINFER,
            flashinfer_python.NAME,
            1.0,
            lambda p: p["heads"] == 1,
        ),
        at_most("guarded / flashinfer-python", cases, GUARDED, flashinfer_python.NAME, 1.0),
        at_most("guarded / FlashInfer path", cases, GUARDED, FLASHINFER, 1.05),
        at_most(
            "guarded / FlashInfer path, one head, batch 4096 up",
            cases,
            GUARDED,
            FLASHINFER,
            0.6,
            lambda p: batch(p) >= 4096 and p["heads"] == 1,
        ),
        at_most(
            "guarded / device copy, batch 4096 up", cases, GUARDED, copy, 1.3, lambda p: batch(p) >= 4096
        ),
    ]
