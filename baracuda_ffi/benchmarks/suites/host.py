"""The host backend beside a plain copy, NumPy's indexing and a call that does nothing."""

from __future__ import annotations

import ctypes
import time
from functools import partial
from itertools import product

from ..._native.about import host_max_threads, set_host_max_threads
from ..._native.library import library
from ..absent import Absent
from ..operands.numpy_operands import HostOperands, check_writes, host_operands
from ..operands.problem import Problem
from ..ours import statements as ours
from ..ours.c_loop import THROUGH_CTYPES, address_of, append_struct
from ..peers import indexing
from ..report.machine import cores
from ..report.results import FLOOR, LIMIT, MEASURED, OURS, PEER, Case, SuiteResult
from ..report.targets import at_least, at_most
from ..running.compiled import launch_loop
from ..running.paths import Call, Candidate, Path, build_all
from ..running.progress import Progress
from ..running.sampling import in_order, interleave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..report.results import Target
    from ..settings import Settings

ONE_THREAD = "bound launch, one thread"
COPY = "memcpy of the same bytes, one thread"
NOTHING = "ctypes call of a C function that does nothing"

_BATCHES = (1, 4, 16, 64, 256, 1024, 4096, 16384)
_QUICK_BATCHES = (1, 16, 256, 4096)
_LARGE_BYTES = 32 << 20  # of key and value: more than the caches of a few cores hold
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
    cases = []
    with Progress("host", len(problems)) as progress:
        for problem in problems:
            progress.step(f"{problem.element} {problem.layout}, batch {problem.batch}")
            cases.append(_case(problem, settings))
    notes = {
        "threads": f"at most {host_max_threads() or cores()}, {cores()} cores",
        "samples": f"{_ROUNDS} rounds, or as many as fit in {_SECONDS:g} s a case",
    }
    return SuiteResult(
        "host", MEASURED, time.perf_counter() - started, "", COPY, cases, _targets(cases), notes
    )


def _case(problem: Problem, settings: Settings) -> Case:
    operands = host_operands(problem, seed=problem.batch)
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
        if candidate.role in (OURS, PEER):
            check_writes(operands, call)
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

    candidates = [
        Candidate(NOTHING, FLOOR, _nothing),
        Candidate(COPY, LIMIT, partial(_copy, operands)),
        Candidate(ours.BOUND, OURS, partial(ours.call, ours.BOUND, problem, [operands], None)),
        Candidate(ONE_THREAD, OURS, partial(ours.call, ours.BOUND, problem, [operands], None)),
        Candidate(THROUGH_CTYPES, OURS, partial(_through_ctypes, operands)),
        Candidate(ours.RUN, OURS, partial(ours.call, ours.RUN, problem, [operands], None)),
        Candidate(
            indexing.NUMPY,
            PEER,
            lambda: indexing.numpy_indexing(problem.layout, operands.arrays, operands.pages, operands.slots),
        ),
    ]
    paths, missing = build_all(candidates, to_path)
    rows = interleave(
        paths,
        rounds=_QUICK_ROUNDS if settings.quick else _ROUNDS,
        budget=_QUICK_SECONDS if settings.quick else _SECONDS,
    )
    parameters: dict[str, str | int] = {
        "element": problem.element,
        "layout": problem.layout,
        "batch": problem.batch,
        "heads": problem.heads,
        "head_dim": problem.head_dim,
    }
    names = [candidate.name for candidate in candidates]
    return Case(parameters, "us a call", in_order(names, rows + missing))


def _calls_a_sample(call: Any) -> int:
    call.seconds(1)
    return max(1, min(_MOST_CALLS, int(_SAMPLE_SECONDS / max(call.seconds(1), 1e-9))))


def _nothing() -> Call:
    function = launch_loop().bench_nothing
    return Call("nothing(pointer)", {"nothing": function, "pointer": 4096})


def _through_ctypes(operands: HostOperands) -> Call:
    op = append_struct(operands.problem, operands.seven(), None)
    run = library().function("baracuda_paged_kv_append_run")
    return Call("run(pointer)", {"run": run, "pointer": ctypes.addressof(op), "keep": (op, operands)})


class _CopyLoop:
    """A loop in C, so that no call from Python is counted."""

    statement = ""

    def __init__(self, operands: HostOperands) -> None:
        import numpy as np

        self._loop = launch_loop()
        rows = operands.arrays["key"], operands.arrays["value"]
        self._keep = [*[np.zeros_like(array) for array in rows], *rows]
        self._pointers = [address_of(array) for array in self._keep]
        self._bytes = rows[0].nbytes

    def seconds(self, number: int) -> float:
        started = time.perf_counter()
        self._loop.bench_copy(*self._pointers, self._bytes, number)
        return (time.perf_counter() - started) / number


def _copy(operands: HostOperands) -> Any:
    try:
        return _CopyLoop(operands)
    except Absent:  # no C compiler: the same memcpy through ctypes, each call costing a little more
        rows = operands.arrays["key"], operands.arrays["value"]
        names = {
            "memmove": ctypes.memmove,
            "key": address_of(rows[0]),
            "value": address_of(rows[1]),
            "k_copy": (ctypes.c_char * rows[0].nbytes)(),
            "v_copy": (ctypes.c_char * rows[1].nbytes)(),
            "size": rows[0].nbytes,
        }
        return Call("memmove(k_copy, key, size); memmove(v_copy, value, size)", names)


def _targets(cases: list[Case]) -> list[Target]:
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
    ]


def _bytes(parameters: dict[str, str | int]) -> int:
    """Of key and value together."""
    batch, heads, head_dim = (int(parameters[name]) for name in ("batch", "heads", "head_dim"))
    return Problem(batch, heads=heads, head_dim=head_dim, element=str(parameters["element"])).bytes
