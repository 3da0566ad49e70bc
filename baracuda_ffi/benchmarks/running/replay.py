"""GPU time by replaying a CUDA graph: many launches of one kind, back to back, and no host in between."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .paths import Call


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
