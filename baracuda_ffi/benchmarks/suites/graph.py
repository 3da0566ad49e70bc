"""A decode step's appends for 32 layers: launched one by one, and captured once and replayed.

Host time of a step. The GPU is left to itself, as in the launch suite.
"""

from __future__ import annotations

import time
from functools import partial

from ..._append.one_call import append_paged_kv
from ..._model.workspace import Workspace
from ..absent import Absent
from ..operands.problem import Problem
from ..operands.torch_operands import caches, check_writes, operand_set
from ..ours.c_loop import CLoop, append_struct
from ..peers import empty_kernel, flashinfer_python
from ..report.results import FLOOR, MEASURED, OURS, PEER, Case, SuiteResult
from ..report.targets import same
from ..running.gpu import torch_with_gpu
from ..running.paths import Call, Candidate, Path, build_all
from ..running.progress import Progress
from ..running.replay import capture
from ..running.sampling import in_order, interleave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..settings import Settings

_LAYERS = 32
_STEPS = 15  # a sample; 480 launches, fewer than CUDA queues before it makes the caller wait
_ROUNDS, _QUICK_ROUNDS = 40, 12

_C_LOOP = "C loop over 32 layers"
_BOUND = "32 bound launches"
_RUN = "32 plan.run"
_ONE_LINER = "32 append_paged_kv"
_FLASHINFER = "32 flashinfer-python appends"
_REPLAY = "replay of 32 appends"
_EMPTY_REPLAY = "replay of 32 empty kernels"


def run(settings: Settings) -> SuiteResult:
    started = time.perf_counter()
    torch = torch_with_gpu()
    problem = Problem(batch=64)
    rounds = _QUICK_ROUNDS if settings.quick else _ROUNDS
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        layers = [
            operand_set(torch, problem, "cuda", *caches(torch, problem, "cuda"), seed)
            for seed in range(_LAYERS)
        ]
        case = _case(torch, stream, problem, layers, rounds, settings)
    target = same("replay of 32 appends as of 32 empty kernels", [case], _REPLAY, _EMPTY_REPLAY, 0.1)
    notes = {
        "device": str(torch.cuda.get_device_name()),
        "samples": f"{_STEPS} steps each, not synchronised in between; {rounds} rounds",
    }
    return SuiteResult("graph", MEASURED, time.perf_counter() - started, "", _C_LOOP, [case], [target], notes)


def _case(
    torch: Any, stream: Any, problem: Problem, layers: list[Any], rounds: int, settings: Settings
) -> Case:
    handle = stream.cuda_stream
    plan = problem.select(handle)
    args = [layer.args() for layer in layers]
    launches = [plan.bind(handle, each) for each in args]

    def replay(calls: list[Call]) -> Call:
        graph = capture(torch, stream, calls, _LAYERS)
        return Call("graph.replay()", {"graph": graph, "calls": calls})

    def c_loop() -> CLoop:
        return CLoop([append_struct(problem, layer.seven(), handle) for layer in layers], layers)

    def peer() -> Call:
        if settings.quick:
            raise Absent("left out by --quick: it has to be compiled first")
        appends = _once_each(flashinfer_python.append, layers)
        return Call("for append in appends: append()", {"appends": appends})

    names = {
        "plan": plan,
        "stream": handle,
        "workspace": Workspace.NONE,
        "args": args,
        "launches": launches,
        "append_paged_kv": append_paged_kv,
        "operands": [tuple(layer.seven().values()) for layer in layers],
    }
    candidates = [
        Candidate(_C_LOOP, FLOOR, c_loop),
        Candidate(_BOUND, OURS, partial(Call, "for launch in launches: launch()", names)),
        Candidate(_RUN, OURS, partial(Call, "for each in args: plan.run(stream, workspace, each)", names)),
        Candidate(
            _ONE_LINER, OURS, partial(Call, "for o in operands: append_paged_kv(*o, stream=stream)", names)
        ),
        Candidate(_FLASHINFER, PEER, peer),
        Candidate(
            _EMPTY_REPLAY, FLOOR, lambda: replay([empty_kernel.launch(handle) for _ in range(_LAYERS)])
        ),
        Candidate(
            _REPLAY, OURS, lambda: replay([Call("launch()", {"launch": launch}) for launch in launches])
        ),
    ]
    with Progress("graph", len(candidates) + 1) as progress:

        def to_path(candidate: Candidate, call: Any) -> Path:
            progress.step(candidate.name)
            if candidate.name != _EMPTY_REPLAY:
                check_writes(layers[-1], call)
            # The C loop counts appends, the others steps.
            count, scale = (_STEPS * _LAYERS, _LAYERS) if candidate.name == _C_LOOP else (_STEPS, 1)

            def sample() -> float:
                torch.cuda.synchronize()
                seconds: float = call.seconds(count)
                torch.cuda.synchronize()
                return seconds * 1e6 * scale

            return Path(candidate.name, candidate.role, sample, call.statement)

        paths, missing = build_all(candidates, to_path)
        progress.step(f"{rounds} rounds of {len(paths)} paths")
        rows = interleave(paths, rounds=rounds)
    parameters: dict[str, str | int] = {"layers": _LAYERS, "batch": problem.batch, "heads": problem.heads}
    return Case(
        parameters, "us a step", in_order([candidate.name for candidate in candidates], rows + missing)
    )


def _once_each(build: Callable[[Any], Call], layers: list[Any]) -> list[Callable[[], None]]:
    """Functions instead of statements, so that one loop can go over all layers."""
    functions = []
    for layer in layers:
        call = build(layer)
        names = dict(call.names)
        exec(f"def append(): {call.statement}", names)
        functions.append(names["append"])
    return functions
