"""The host backend beside a plain copy, NumPy's indexing and a call that does nothing."""

from __future__ import annotations

import time
from itertools import product

from ...._native.about import host_max_threads, set_host_max_threads
from ...operands.forms import SLICES
from ...operands.numpy_operands import host_operands
from ...operands.places import PREFILLS
from ...operands.problem import Problem
from ...ours import statements as ours
from ...ours.c_loop import THROUGH_CTYPES
from ...peers import indexing
from ...report.machine import cores, l2_bytes
from ...report.results import MEASURED, Case, SuiteResult
from ...report.targets import at_least, at_most
from ...running.paths import Candidate, Path, build_all
from ...running.progress import Progress
from ...running.sampling import in_order, interleave
from . import quantised
from .paths import COPY, GUARDED, NOTHING, ONE_THREAD, OVER_VIEWS, packed, prefill, strided

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...report.results import Target
    from ...settings import Settings

    Parameters = dict[str, str | int]

_BATCHES = (1, 4, 16, 64, 256, 512, 1024, 4096, 16384)
_QUICK_BATCHES = (1, 16, 256, 4096, 8192)
_LARGE_BYTES = 32 << 20  # of key and value: more than the caches of a few cores hold
_L2_IF_UNKNOWN = 1 << 20
_STRIDED_ELEMENTS = ("f16",)
_REQUESTS = 16  # of a prefill
_SAMPLE_SECONDS = 1e-3  # a sample takes at least this long, so that the clock's own cost disappears
_MOST_CALLS = 2000
_ROUNDS, _QUICK_ROUNDS = 30, 9
_SECONDS, _QUICK_SECONDS = 1.0, 0.4  # a case


def run(settings: Settings) -> SuiteResult:
    started = time.perf_counter()
    batches = _QUICK_BATCHES if settings.quick else _BATCHES
    problems = [
        Problem(batch, element=element, layout=layout)
        for element, layout, batch in product(("f16", "f32"), ("HND", "NHD"), batches)
    ]
    cases: list[Case] = []
    with Progress("host", len(problems)) as progress:
        for problem in problems:
            progress.step(f"{problem.element} {problem.layout}, batch {problem.batch}")
            cases += _cases(problem, settings)
    l2 = l2_bytes()
    notes = {
        "L2": f"{(l2 or _L2_IF_UNKNOWN) >> 10} KiB{'' if l2 else ', assumed'}",
        "threads": f"at most {host_max_threads() or cores()}, {cores()} cores",
        "samples": f"{_ROUNDS} rounds, or as many as fit in {_SECONDS:g} s a case",
    }
    return SuiteResult(
        "host",
        MEASURED,
        time.perf_counter() - started,
        "",
        COPY,
        cases,
        [*_targets(cases, l2 or _L2_IF_UNKNOWN), *_prefill_targets(cases), *quantised.targets(cases)],
        notes,
    )


def _cases(problem: Problem, settings: Settings) -> list[Case]:
    operands = host_operands(problem, seed=problem.batch)
    parameters: Parameters = {
        "element": problem.element,
        "layout": problem.layout,
        "batch": problem.batch,
        "heads": problem.heads,
        "head_dim": problem.head_dim,
    }
    cases = [case_of(parameters, packed(operands), settings)]
    if problem.element in _STRIDED_ELEMENTS:
        of_transforms = quantised.candidates(operands)
        cases.append(case_of({**parameters, "operands": "quantised"}, of_transforms, settings))
        cases.append(case_of({**parameters, "operands": "strided"}, strided(operands), settings))
        if problem.layout == "NHD":
            requests = min(problem.batch, _REQUESTS)
            cases.append(case_of({**parameters, "operands": "places"}, prefill(operands, requests), settings))
    return cases


def case_of(parameters: Parameters, candidates: list[Candidate], settings: Settings) -> Case:
    """Of calls that are finished when they return."""
    limit = host_max_threads()

    def limited(sample: Callable[[], float]) -> Callable[[], float]:
        def sample_with_one_thread() -> float:
            set_host_max_threads(1)
            try:
                return sample()
            finally:
                set_host_max_threads(limit)

        return sample_with_one_thread

    def to_path(candidate: Candidate, call: Any) -> Path:
        number = _calls_a_sample(call)

        def sample() -> float:
            seconds: float = call.seconds(number)
            return seconds * 1e6

        return Path(
            candidate.name,
            candidate.role,
            limited(sample) if candidate.name == ONE_THREAD else sample,
            call.statement,
        )

    paths, missing = build_all(candidates, to_path)
    rows = interleave(
        paths,
        rounds=_QUICK_ROUNDS if settings.quick else _ROUNDS,
        budget=_QUICK_SECONDS if settings.quick else _SECONDS,
    )
    names = [candidate.name for candidate in candidates]
    return Case(parameters, "us a call", in_order(names, rows + missing))


def _calls_a_sample(call: Any) -> int:
    call.seconds(1)
    return max(1, min(_MOST_CALLS, int(_SAMPLE_SECONDS / max(call.seconds(1), 1e-9))))


def _targets(cases: list[Case], l2: int) -> list[Target]:
    return [
        at_least(
            f"memcpy, one thread / bound launch, NHD, {_LARGE_BYTES >> 20} MiB up",
            cases,
            COPY,
            ours.BOUND,
            1.5,
            lambda p: _bytes(p) >= _LARGE_BYTES and p["layout"] == "NHD",
        ),
        at_most("bound launch / NumPy indexing", cases, ours.BOUND, indexing.NUMPY, 1.0),
        at_most("plan.run / NumPy indexing", cases, ours.RUN, indexing.NUMPY, 1.0),
        at_most(
            "bound launch, batch 1 / ctypes call of the C function",
            cases,
            ours.BOUND,
            THROUGH_CTYPES,
            1.5,
            lambda p: p["batch"] == 1,
        ),
        at_most(
            "bound launch, batch 1 / ctypes call of nothing",
            cases,
            ours.BOUND,
            NOTHING,
            1.5,
            lambda p: p["batch"] == 1,
        ),
        at_most(
            "plan.run over TensorView, batch 1 / over NumPy arrays",
            cases,
            OVER_VIEWS,
            ours.RUN,
            1.1,
            lambda p: p["batch"] == 1,
        ),
        *[
            at_most(
                f"{path}, slices of a fused QKV / packed, where rows and their places fit the L2 cache",
                cases,
                SLICES.of(path),
                path,
                1.25,
                lambda p: 2 * _bytes(p) <= l2,
            )
            for path in (GUARDED, ours.ONE_LINER)
        ],
    ]


def _prefill_targets(cases: list[Case]) -> list[Target]:
    return [
        target
        for way in PREFILLS
        for target in (
            at_least(
                f"memcpy, one thread / bound launch, {way}, 4096 rows",
                cases,
                COPY,
                ours.over(ours.BOUND, way),
                1.3,
                lambda p: p["batch"] == 4096,
            ),
            *[
                at_most(f"bound launch, {way} / {peer}", cases, ours.over(ours.BOUND, way), peer, 1.0)
                for peer in (indexing.NUMPY, indexing.TORCH)
            ],
        )
    ]


def _bytes(parameters: Parameters) -> int:
    """Of key and value together."""
    batch, heads, head_dim = (int(parameters[name]) for name in ("batch", "heads", "head_dim"))
    return Problem(batch, heads=heads, head_dim=head_dim, element=str(parameters["element"])).bytes
