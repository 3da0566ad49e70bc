"""Targets, judged over the cases of one run. A target that is missed is a finding, not an error.

They were set on machines with the GPUs of ``SET_ON``; on others they are information, and without a GPU not
shown.
"""

from __future__ import annotations

from dataclasses import replace

from .results import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .results import Case

    Parameters = dict[str, str | int]


SET_ON = ("NVIDIA H100", "NVIDIA H200")

_SAMPLING = ("launches", "sets")


def _everywhere(parameters: Parameters) -> bool:
    return True


def at_most(
    name: str,
    cases: Sequence[Case],
    ours: str,
    other: str,
    limit: float,
    where: Callable[[Parameters], bool] = _everywhere,
) -> Target:
    """The largest ratio of ``ours`` to ``other`` is at most ``limit``."""
    return _worst_at_most(name, cases, ours, other, limit, where, lambda case: case.ratio(ours, other))


def at_most_above(
    name: str,
    cases: Sequence[Case],
    ours: str,
    other: str,
    limit: float,
    where: Callable[[Parameters], bool] = _everywhere,
) -> Target:
    """``ours`` takes at most ``limit`` longer than ``other``, in the cases' unit."""
    return _worst_at_most(name, cases, ours, other, limit, where, lambda case: case.difference(ours, other))


def at_least(
    name: str,
    cases: Sequence[Case],
    other: str,
    ours: str,
    limit: float,
    where: Callable[[Parameters], bool] = _everywhere,
) -> Target:
    """``ours`` is at least ``limit`` times as fast as ``other``, where it is slowest."""
    slowest = at_most(name, cases, ours, other, 1 / limit, where)
    if slowest.value is None:
        return replace(slowest, limit=f"≥ {limit:g}")
    return replace(slowest, limit=f"≥ {limit:g}", value=1 / slowest.value)


def same(name: str, cases: Sequence[Case], ours: str, other: str, noise: float) -> Target:
    """Every ratio is at most 1 + ``noise``, or the two spreads have values in common."""
    limit = f"≤ {1 + noise:g}, or within the spread"
    worst: tuple[float, str, bool] | None = None
    for case in cases:
        one, two, ratio = case.row(ours), case.row(other), case.ratio(ours, other)
        if ratio is not None and one and two and one.summary and two.summary:
            met = ratio <= 1 + noise or one.summary.overlaps(two.summary)
            # A miss outweighs any ratio that is excused by its spread.
            if worst is None or (not met, ratio) > (not worst[2], worst[0]):
                worst = ratio, label(case.parameters), met
    if worst is None:
        return _not_judged(name, limit, cases, ours, other)
    return Target(name, limit, worst[0], worst[2], where=worst[1])


def bind_here(machine: Mapping[str, Any]) -> bool:
    """Whether a run on the machine (``describe_machine``) meets or misses targets, and not just compares."""
    return any(gpu.startswith(SET_ON) for gpu in machine["gpus"])


def label(parameters: Parameters) -> str:
    """The shape in words; how it was sampled is left out."""
    return ", ".join(f"{name} {value}" for name, value in parameters.items() if name not in _SAMPLING)


def _worst_at_most(
    name: str,
    cases: Sequence[Case],
    ours: str,
    other: str,
    limit: float,
    where: Callable[[Parameters], bool],
    compared: Callable[[Case], float | None],
) -> Target:
    found = [
        (value, label(case.parameters))
        for case in cases
        if where(case.parameters) and (value := compared(case)) is not None
    ]
    if not found:
        return _not_judged(name, f"≤ {limit:g}", cases, ours, other)
    worst, at = max(found)
    return Target(name, f"≤ {limit:g}", worst, worst <= limit, where=at)


def _not_judged(name: str, limit: str, cases: Sequence[Case], *paths: str) -> Target:
    for path in paths:
        rows = [row for case in cases if (row := case.row(path))]
        missing = next((row for row in rows if row.summary is None), None)
        if missing:
            return Target(name, limit, None, None, why=f"{path}: {missing.status}, {missing.why}")
        if not rows:
            return Target(name, limit, None, None, why=f"{path} is not part of this run")
    return Target(name, limit, None, None, why="no case of this run is one that it is about")
