"""GPU time of one call, by graph replay."""

from __future__ import annotations

import gc
from functools import partial

from ...operands.pages import MOVEMENTS, PageProblem, torch_operands
from ...ours import pages as ours
from ...peers import empty_kernel, page_copies
from ...report.results import FAILED, FLOOR, LIMIT, OURS, PEER, Case, Row
from ...running.gpu import torch_with_gpu
from ...running.paths import Candidate, reason_of
from ...running.progress import Progress
from ...running.replay import l2_bytes_of, replay_all, sets_beyond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...running.paths import Call
    from ...settings import Settings

NAMES = ours.NAME
DEVICE = "device"
PINNED = "pinned"  # the buffer's

_PAGES, _QUICK_PAGES = (1, 4, 16, 64, 256, 1024, 4096), (1, 16, 256)
_PINNED_PAGES = (1, 16, 256, 1024)
_LAUNCHES, _FEW_LAUNCHES = 50, 10
_FEW_FROM_BYTES = 4 << 20
_ROUNDS, _QUICK_ROUNDS = 30, 10
_SECONDS, _QUICK_SECONDS = 40.0, 6.0  # for the sampling of all cases together


def cases(settings: Settings) -> list[Case]:
    """``Absent`` where there is no GPU."""
    torch = torch_with_gpu()
    l2_bytes = l2_bytes_of(torch)
    pages = _QUICK_PAGES if settings.quick else _PAGES
    kinds = [(movement, DEVICE, count) for movement in MOVEMENTS for count in pages]
    kinds += [
        (movement, PINNED, count) for movement in MOVEMENTS[1:] for count in pages if count in _PINNED_PAGES
    ]
    seconds = (_QUICK_SECONDS if settings.quick else _SECONDS) / len(kinds)
    stream = torch.cuda.Stream()
    found = []
    with Progress("pages", len(kinds)) as progress, torch.cuda.stream(stream):
        for movement, memory, count in kinds:
            progress.step(f"{movement}, {memory}, {count} pages")
            found.append(_case(torch, stream, settings, l2_bytes, seconds, movement, memory, count))
            gc.collect()
            torch.cuda.empty_cache()
    return found


def _case(
    torch: Any,
    stream: Any,
    settings: Settings,
    l2_bytes: int,
    seconds: float,
    movement: str,
    memory: str,
    pages: int,
) -> Case:
    problem = PageProblem(movement, pages)
    launches = _FEW_LAUNCHES if problem.bytes >= _FEW_FROM_BYTES else _LAUNCHES
    # A layer after another: the lists are in the L2 cache, and what they name has been pushed out of it.
    sets = sets_beyond(l2_bytes, 2 * problem.bytes, launches)
    parameters: dict[str, str | int] = {
        "movement": movement,
        "memory": memory,
        "pages": pages,
        "launches": launches,
        "sets": sets,
    }
    name = NAMES[movement]
    try:
        operands = torch_operands(torch, problem, "cuda", sets, pinned=memory == PINNED)
    except Exception as error:
        row = Row(name, OURS, FAILED, why=f"no operands: {reason_of(error)}")
        return Case(parameters, "us a call", [row])

    def copies() -> list[Call]:
        return [
            page_copies.one_copy(torch, problem, "cuda", pinned=memory == PINNED)
            for _ in range(len(operands))
        ]

    def each(build: Any) -> list[Call]:
        calls = [build(one_set) for one_set in operands]
        for i in {0, len(operands) - 1}:
            operands[i].check(_Synchronised(torch, calls[i]))
        return calls

    candidates = [
        Candidate(empty_kernel.NAME, FLOOR, lambda: [empty_kernel.launch(stream.cuda_stream)]),
        Candidate(page_copies.ONE_COPY, LIMIT, copies),
        Candidate(name, OURS, partial(each, lambda one_set: ours.call(one_set, stream.cuda_stream))),
        Candidate(page_copies.EACH, PEER, partial(each, page_copies.each_page)),
    ]
    if memory == DEVICE:
        candidates.append(Candidate(page_copies.TORCH, PEER, partial(each, page_copies.by_index)))

    rounds = _QUICK_ROUNDS if settings.quick else _ROUNDS
    rows = replay_all(torch, stream, candidates, launches, rounds=rounds, seconds=seconds)
    return Case(parameters, "us a call", rows)


class _Synchronised:
    """A call that is finished when it returns."""

    def __init__(self, torch: Any, call: Call) -> None:
        self._torch = torch
        self._call = call

    def once(self) -> None:
        self._torch.cuda.synchronize()
        self._call.once()
        self._torch.cuda.synchronize()
