"""GPU time of an append, by graph replay, over a grid of shapes."""

from __future__ import annotations

import gc
import time
from functools import partial
from itertools import product

from ...operands.problem import Problem
from ...operands.torch_operands import Operands, operand_sets
from ...peers import device_copy, flashinfer_python
from ...report.results import FAILED, MEASURED, OURS, Case, Row, SuiteResult
from ...running.gpu import torch_with_gpu
from ...running.paths import Candidate, reason_of
from ...running.progress import Progress
from ...running.replay import l2_bytes_of, replay_all, sets_beyond
from ...settings import ELEMENTS
from . import paths, places, quantised, targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ...settings import Settings

    Parameters = dict[str, str | int]

_BATCHES = (1, 64, 256, 512, 1024, 4096, 16384)
_LAUNCHES = 50
_LARGE_LAUNCHES = 10  # where one launch takes long enough by itself
_LARGE_BYTES = 128 << 20
_ROUNDS, _QUICK_ROUNDS = 30, 10
_SECONDS, _QUICK_SECONDS = 100.0, 10.0  # for the sampling of all cases together
_REQUESTS, _QUICK_REQUESTS = (1, 16, 256, 1024), (16,)
_QUANTISED_REQUESTS = 16  # of which rows that are quantised are prefilled


def run(settings: Settings) -> SuiteResult:
    started = time.perf_counter()
    torch = torch_with_gpu()
    l2_bytes = l2_bytes_of(torch)
    problems = _grid(settings)
    num_cases = sum(
        2 + len(_requests(problem, settings)) + len(_quantised(problem, settings)) for problem in problems
    )
    seconds_a_case = (_QUICK_SECONDS if settings.quick else _SECONDS) / num_cases
    stream = torch.cuda.Stream()
    cases: list[Case] = []
    with Progress("kernel", len(problems)) as progress, torch.cuda.stream(stream):
        for problem in problems:
            progress.step(f"{problem.element}, {problem.heads} x {problem.head_dim}, batch {problem.batch}")
            cases += _cases(torch, stream, problem, settings, l2_bytes, seconds_a_case)
            if problem.cache_bytes > _LARGE_BYTES:
                gc.collect()
            torch.cuda.empty_cache()
    notes = {
        "device": str(torch.cuda.get_device_name()),
        "L2": f"{l2_bytes / 2**20:.0f} MiB, {settings.l2}",
        "flashinfer-python": flashinfer_python.release(),
        "samples": f"replays of one graph, at most {_ROUNDS} rounds",
    }
    return SuiteResult(
        "kernel",
        MEASURED,
        time.perf_counter() - started,
        "",
        device_copy.NAME,
        cases,
        targets.targets(cases),
        notes,
    )


def _grid(settings: Settings) -> list[Problem]:
    heads: Iterable[int] = (8,)
    head_dims: Iterable[int] = (128,)
    elements: Iterable[str] = (settings.element,)
    if settings.grid == "full":
        heads, head_dims, elements = (1, 2, 8, 32), (64, 128, 256), ("f16", "f32", "fp8_e4m3")
    elif not settings.quick:
        heads = (1, 8)
    return [
        Problem(batch, heads=head_count, head_dim=head_dim, element=element)
        for element, head_dim, head_count, batch in product(elements, head_dims, heads, _BATCHES)
    ]


def _cases(
    torch: Any, stream: Any, problem: Problem, settings: Settings, l2_bytes: int, seconds: float
) -> list[Case]:
    launches = _LARGE_LAUNCHES if problem.bytes > _LARGE_BYTES else _LAUNCHES
    count = 1 if settings.l2 == "warm" else sets_beyond(l2_bytes, 2 * problem.bytes, launches)
    parameters: Parameters = {
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
        return [_no_operands(parameters, error)]

    def measured(parameters: Parameters, candidates: list[Candidate]) -> Case:
        rounds = _QUICK_ROUNDS if settings.quick else _ROUNDS
        rows = replay_all(torch, stream, candidates, launches, rounds=rounds, seconds=seconds)
        return Case(parameters, "us a launch", rows)

    return [
        _case(parameters, sets, stream, settings, paths.packed, measured),
        _case({**parameters, "operands": "strided"}, sets, stream, settings, paths.strided, measured),
        *[
            _case(
                {**parameters, "operands": "places", "requests": requests},
                sets,
                stream,
                settings,
                partial(places.by_places, requests=requests),
                measured,
            )
            for requests in _requests(problem, settings)
        ],
        *[
            _case(
                {**parameters, "operands": "quantised", "places": way},
                sets,
                stream,
                settings,
                partial(quantised.candidates, way=way, requests=min(_QUANTISED_REQUESTS, problem.batch)),
                measured,
            )
            for way in _quantised(problem, settings)
        ],
    ]


def _requests(problem: Problem, settings: Settings) -> list[int]:
    """Of how many requests the problem's rows are prefilled."""
    return [n for n in (_QUICK_REQUESTS if settings.quick else _REQUESTS) if n <= problem.batch]


def _quantised(problem: Problem, settings: Settings) -> tuple[str, ...]:
    """The ways to say places by which the problem's rows are quantised too."""
    if problem.element not in ELEMENTS:
        return ()
    return quantised.QUICK_WAYS if settings.quick else quantised.WAYS


def _case(
    parameters: Parameters,
    sets: list[Operands],
    stream: Any,
    settings: Settings,
    candidates: Callable[[list[Operands], int, bool], list[Candidate]],
    measured: Callable[[Parameters, list[Candidate]], Case],
) -> Case:
    try:
        found = candidates(sets, stream.cuda_stream, settings.quick)
    except Exception as error:
        return _no_operands(parameters, error)
    return measured(parameters, found)


def _no_operands(parameters: Parameters, error: Exception) -> Case:
    row = Row(paths.GUARDED, OURS, FAILED, why=f"no operands: {reason_of(error)}")
    return Case(parameters, "us a launch", [row])


def _check_memory(torch: Any, problem: Problem, sets: int, caches: int) -> None:
    free, _ = torch.cuda.mem_get_info()
    # Caches apart and interleaved, and those of each format, half as large or less. Of every set the
    # rows, the fused projection that they are slices of, which is three times as much, and twice the rows for
    # the plain copies; one set's worth to check with.
    needed = 4 * caches * problem.cache_bytes + (6 * sets + 4) * problem.bytes
    if needed > 0.9 * free:
        raise MemoryError(f"it takes {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free")
