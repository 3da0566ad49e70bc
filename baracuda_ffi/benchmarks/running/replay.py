"""GPU time by replaying a CUDA graph: many launches of one kind, back to back, and no host in between."""

from __future__ import annotations

from .paths import Path, build_all
from .sampling import in_order, interleave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..report.results import Row
    from .paths import Call, Candidate

_L2_IF_UNKNOWN = 64 << 20


def l2_bytes_of(torch: Any) -> int:
    """Of the current device's second-level cache."""
    return int(getattr(torch.cuda.get_device_properties(0), "L2_cache_size", _L2_IF_UNKNOWN))


def sets_beyond(l2_bytes: int, touched: int, launches: int) -> int:
    """As many operand sets as it takes for what a launch touches of each to exceed the L2 cache three times:
    no launch then finds in it what is not shared. Small ones stay in it all the same."""
    return max(1, min(launches, -(-3 * l2_bytes // touched)))


def replay_all(
    torch: Any, stream: Any, candidates: Sequence[Candidate], launches: int, *, rounds: int, seconds: float
) -> list[Row]:
    """A row for each candidate, in their order: replays of a graph of its calls, in alternation."""

    def to_path(candidate: Candidate, calls: list[Call]) -> Path:
        replay = Replay(torch, stream, calls, launches)
        return Path(candidate.name, candidate.role, replay.sample, calls[0].statement)

    paths, missing = build_all(candidates, to_path)
    rows = interleave(paths, rounds=rounds, budget=seconds)
    return in_order([candidate.name for candidate in candidates], rows + missing)


def capture(torch: Any, stream: Any, calls: Sequence[Call], launches: int) -> Any:
    """A graph of ``launches`` launches, the calls in turn. ``stream`` is torch's current one.

    Each call is made once before, so that what is loaded, compiled or cached at a first call is not captured.
    """
    for call in calls:
        call.once()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    graph.capture_begin()
    try:
        for i in range(launches):
            calls[i % len(calls)].once()
    except BaseException:
        _abandon(graph)
        raise
    graph.capture_end()
    graph.replay()  # uploads it
    stream.synchronize()
    return graph


def _abandon(graph: Any) -> None:
    try:
        graph.capture_end()
    except Exception:
        return  # the capture was invalidated; what did that is raised


class Replay:
    """``sample()`` is microseconds a launch, between two events around one replay."""

    def __init__(self, torch: Any, stream: Any, calls: Sequence[Call], launches: int) -> None:
        self._graph = capture(torch, stream, calls, launches)
        self._keep = calls
        self._stream = stream
        self._launches = launches
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)

    def sample(self) -> float:
        self._start.record(self._stream)
        self._graph.replay()
        self._end.record(self._stream)
        self._end.synchronize()
        milliseconds: float = self._start.elapsed_time(self._end)
        return milliseconds * 1000 / self._launches
