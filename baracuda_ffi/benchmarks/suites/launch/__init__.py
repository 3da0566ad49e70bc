"""What a call costs on the host: from the statement in Python to its return, the GPU left to itself."""

from __future__ import annotations

import time
from functools import partial
from itertools import product

from ...absent import Absent, optional
from ...operands import kinds
from ...operands.places import RAGGED, WAYS, placed
from ...operands.problem import Problem
from ...ours import statements as ours
from ...ours.c_loop import NAME as C_LOOP
from ...ours.c_loop import CLoop, append_struct
from ...peers import custom_op, empty_operator, flashinfer_python, indexing, vllm
from ...report.results import FLOOR, MEASURED, OURS, PEER, Case, SuiteResult
from ...report.targets import at_most
from ...running.gpu import torch_with_gpu
from ...running.paths import Candidate, Path, build_all
from ...running.progress import Progress
from ...running.sampling import in_order, interleave
from . import places
from .places import REQUESTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ...report.results import Target
    from ...running.paths import Call
    from ...settings import Settings
    from .places import Checks

# Fewer launches than CUDA queues before it makes the caller wait.
_LAUNCHES = 500
_ROUNDS, _QUICK_ROUNDS = 40, 12
_PLACES: dict[str, str | int] = {"operands": "places"}


def run(settings: Settings) -> SuiteResult:
    started = time.perf_counter()
    rounds = _QUICK_ROUNDS if settings.quick else _ROUNDS
    notes = {"samples": f"{_LAUNCHES} calls each, not synchronised in between; {rounds} rounds"}
    cases: list[Case] = []
    targets: list[Target] = []
    try:
        torch = torch_with_gpu()
    except Absent as error:
        notes["device"] = f"host backend: {error}"
    else:
        notes["device"] = f"{torch.cuda.get_device_name()}, then the host backend"
        notes["flashinfer-python"] = flashinfer_python.release()
        cases += _on_gpu(torch, settings, rounds)
        targets += _targets(cases)
    on_host = [_on_host(settings, rounds, beside_gpu=bool(cases)), _places_on_host(rounds)]
    cases += on_host
    targets += _host_targets(on_host)
    targets += places.targets(cases)
    return SuiteResult("launch", MEASURED, time.perf_counter() - started, "", C_LOOP, cases, targets, notes)


def _on_gpu(torch: Any, settings: Settings, rounds: int) -> list[Case]:
    from ...operands.torch_operands import caches, check_writes, elsewhere, operand_set

    problem = Problem(batch=64)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        sets = [
            operand_set(torch, problem, "cuda", *caches(torch, problem, "cuda"), seed) for seed in range(2)
        ]
        handle = stream.cuda_stream
        candidates = [
            *_common(problem, sets, handle, stream),
            *_of_torch(sets[0]),
            *_of_kinds(kinds.ON_GPU, problem, sets[0], handle),
            Candidate(custom_op.NAME, FLOOR, _unless(settings.quick, custom_op.append, sets[0])),
            Candidate(vllm.NAME, PEER, partial(vllm.append, sets[0])),
            Candidate(
                flashinfer_python.NAME, PEER, _unless(settings.quick, flashinfer_python.append, sets[0])
            ),
            Candidate(
                flashinfer_python.CONVERSION,
                PEER,
                _unless(settings.quick, flashinfer_python.index_conversion, sets[0]),
            ),
            Candidate(indexing.TORCH, PEER, partial(indexing.torch_index_put, sets[0])),
            Candidate(indexing.CUPY, PEER, partial(indexing.cupy_indexing, sets[0], handle)),
        ]
        check = partial(check_writes, sets[0])
        checks = _each(candidates, check)
        del checks[flashinfer_python.CONVERSION]
        moved = {way: elsewhere(sets[:1], way, REQUESTS)[0] for way in WAYS}
        elsewhere_too, places_checks = places.candidates(problem, moved, handle, check_writes)
        step = _unless(settings.quick, flashinfer_python.step, moved[RAGGED])
        elsewhere_too.append(Candidate(flashinfer_python.STEP, PEER, step))
        places_checks[flashinfer_python.STEP] = partial(check_writes, moved[RAGGED])
        where: dict[str, str | int] = {"device": "cuda"}
        synchronise = torch.cuda.synchronize
        return [
            _measure(problem, candidates, rounds, checks, synchronise, where),
            _measure(problem, elsewhere_too, rounds, places_checks, synchronise, where | _PLACES),
        ]


def _on_host(settings: Settings, rounds: int, beside_gpu: bool) -> Case:
    """One request, so that the call and not the copy is what is measured. Beside a GPU, where the other paths
    were measured, only what depends on the kind of operands."""
    problem = Problem(batch=1)
    try:
        torch = optional("torch", "PyTorch")
    except Absent as error:
        from ...operands.numpy_operands import check_writes as check_numpy
        from ...operands.numpy_operands import host_operands

        arrays = [host_operands(problem, seed) for seed in range(2)]
        candidates = _common(problem, arrays, None)
        candidates += _of_kinds(kinds.ON_HOST, problem, arrays[0], None)
        candidates += _absent(str(error), custom_op.NAME, indexing.TORCH)
        check: Callable[[Any], None] = partial(check_numpy, arrays[0])
    else:
        from ...operands.torch_operands import caches, check_writes, operand_set

        sets = [operand_set(torch, problem, "cpu", *caches(torch, problem, "cpu"), seed) for seed in range(2)]
        if beside_gpu:
            candidates = [
                _c_loop(problem, sets, None),
                *_of_torch(sets[0]),
                *_of_kinds(kinds.ON_HOST, problem, sets[0], None),
            ]
            checks = _each(candidates, partial(check_writes, sets[0]))
            return _measure(problem, candidates, rounds, checks, lambda: None, {"device": "host"})
        candidates = [
            *_common(problem, sets, None),
            *_of_torch(sets[0]),
            *_of_kinds(kinds.ON_HOST, problem, sets[0], None),
            Candidate(custom_op.NAME, FLOOR, _unless(settings.quick, custom_op.append, sets[0])),
            Candidate(indexing.TORCH, PEER, partial(indexing.torch_index_put, sets[0])),
        ]
        check = partial(check_writes, sets[0])
    candidates += _absent("it needs a GPU", vllm.NAME, flashinfer_python.NAME, indexing.CUPY)
    return _measure(problem, candidates, rounds, _each(candidates, check), lambda: None, {"device": "host"})


def _places_on_host(rounds: int) -> Case:
    from ...operands.numpy_operands import check_writes, elsewhere, host_operands

    problem = Problem(batch=1)
    operands = host_operands(problem, seed=0)
    moved = {way: elsewhere(operands, placed(problem, way, 1, seed=0)) for way in WAYS}
    candidates, checks = places.candidates(problem, moved, None, check_writes)
    return _measure(problem, candidates, rounds, checks, lambda: None, {"device": "host", **_PLACES})


def _each(candidates: list[Candidate], check: Callable[[Any], None]) -> Checks:
    return {candidate.name: check for candidate in candidates if candidate.name not in empty_operator.NAMES}


def _common(
    problem: Problem, sets: list[Any], stream: int | None, stream_object: object = None
) -> list[Candidate]:
    names = [name for name in ours.NAMES if stream_object is not None or name != ours.RUN_STREAM_OBJECT]
    return [
        _c_loop(problem, sets, stream),
        *[
            Candidate(name, OURS, partial(ours.call, name, problem, sets, stream, stream_object))
            for name in names
        ],
    ]


def _of_torch(operands: Any) -> list[Candidate]:
    return [
        *[Candidate(name, OURS, partial(ours.call_of_torch, name, operands)) for name in ours.NAMES_OF_TORCH],
        *[
            Candidate(name, FLOOR, partial(empty_operator.call, name, operands))
            for name in empty_operator.NAMES
        ],
    ]


def _c_loop(problem: Problem, sets: list[Any], stream: int | None) -> Candidate:
    return Candidate(C_LOOP, FLOOR, lambda: CLoop([append_struct(problem, sets[0].seven(), stream)], sets))


def _of_kinds(which: Sequence[str], problem: Problem, operands: Any, stream: int | None) -> list[Candidate]:
    def build(path: str, kind: str) -> Call:
        return ours.call(path, problem, [kinds.of_kind(kind, operands)], stream)

    return [
        Candidate(ours.over(path, kind), OURS, partial(build, path, kind))
        for path, kind in product((ours.RUN, ours.ONE_LINER), which)
    ]


def _unless(quick: bool, build: Callable[[Any], Any], operands: Any) -> Callable[[], Any]:
    def skip() -> Any:
        raise Absent("left out by --quick: it has to be compiled first")

    return skip if quick else partial(build, operands)


def _absent(why: str, *names: str) -> list[Candidate]:
    def raise_absent() -> Any:
        raise Absent(why)

    return [Candidate(name, PEER, raise_absent) for name in names]


def _measure(
    problem: Problem,
    candidates: list[Candidate],
    rounds: int,
    checks: Checks,
    synchronise: Callable[[], None],
    where: dict[str, str | int],
) -> Case:
    with Progress("launch", len(candidates) + 1) as progress:

        def to_path(candidate: Candidate, call: Any) -> Path:
            progress.step(candidate.name)
            if candidate.name in checks:
                checks[candidate.name](call)

            def sample() -> float:
                synchronise()
                seconds: float = call.seconds(_LAUNCHES)
                synchronise()
                return seconds * 1e6

            return Path(candidate.name, candidate.role, sample, call.statement)

        paths, missing = build_all(candidates, to_path)
        progress.step(f"{rounds} rounds of {len(paths)} paths")
        rows = interleave(paths, rounds=rounds)
    parameters: dict[str, str | int] = {
        **where,
        "batch": problem.batch,
        "heads": problem.heads,
        "head_dim": problem.head_dim,
        "element": problem.element,
        "layout": problem.layout,
    }
    names = [candidate.name for candidate in candidates]
    return Case(parameters, "us a call", in_order(names, rows + missing))


def _targets(cases: list[Case]) -> list[Target]:
    return [
        at_most("bound launch / C loop", cases, ours.BOUND, C_LOOP, 1.25),
        at_most("plan.run / C loop", cases, ours.RUN, C_LOOP, 2.0),
        at_most("plan.run / flashinfer-python", cases, ours.RUN, flashinfer_python.NAME, 0.5),
        at_most("plan.run / torch custom op", cases, ours.RUN, custom_op.NAME, 1.0),
        at_most("append_paged_kv / C loop", cases, ours.ONE_LINER, C_LOOP, 3.0),
        at_most(
            "append_paged_kv of baracuda_ffi.torch / append_paged_kv",
            cases,
            ours.TORCH_FUNCTION,
            ours.ONE_LINER,
            1.3,
        ),
        at_most(
            "torch.ops.baracuda_ffi.append_paged_kv / append_paged_kv",
            cases,
            ours.TORCH_OVERLOAD,
            ours.ONE_LINER,
            1.3,
        ),
        at_most("rebind key and value, launch / C loop", cases, ours.REBIND_ROWS, C_LOOP, 1.5),
        at_most("rebind a layer's four, launch / C loop", cases, ours.REBIND_LAYER, C_LOOP, 1.5),
    ]


def _host_targets(cases: list[Case]) -> list[Target]:
    view, array = (ours.over(ours.ONE_LINER, kind) for kind in (kinds.TENSOR_VIEW, kinds.NUMPY))
    return [at_most("append_paged_kv over TensorView / over NumPy arrays", cases, view, array, 1.1)]
