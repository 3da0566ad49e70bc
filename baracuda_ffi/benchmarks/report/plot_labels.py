"""Labels that do not lie on each other: of lines that end close together, and of points of an axis."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def spread(values: Sequence[float], low: float, high: float, gap: float) -> list[float]:
    """Heights for labels of lines that end at ``values``, on a log axis from ``low`` to ``high``.

    No two are closer than ``gap``, a fraction of the axis, none is beyond its ends if there is room, and each
    is as near to its line as that allows.
    """
    scale = math.log(high / low)
    places = [math.log(value / low) / scale for value in values]
    order = sorted(range(len(places)), key=lambda i: places[i])
    # Groups of labels that touch share one middle; merging goes on until no two groups touch.
    groups: list[list[int]] = []
    for i in order:
        groups.append([i])
        while len(groups) > 1 and _bottom(groups[-1], places, gap) < _top(groups[-2], places, gap) + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    heights = list(places)
    for group in groups:
        for position, i in enumerate(group):
            heights[i] = _bottom(group, places, gap) + position * gap
    return [low * math.exp(height * scale) for height in heights]


def apart(values: Sequence[int], factor: float) -> list[str]:
    """Names for points of a log axis, in order: none for one below ``factor`` times the last that has one."""
    names: list[str] = []
    last = 0
    for value in values:
        is_named = value >= factor * last
        names.append(str(value) if is_named else "")
        last = value if is_named else last
    return names


def _bottom(group: Sequence[int], places: Sequence[float], gap: float) -> float:
    height = gap * (len(group) - 1)
    middle = sum(places[i] for i in group) / len(group)
    return max(0.0, min(middle - height / 2, 1.0 - height))


def _top(group: Sequence[int], places: Sequence[float], gap: float) -> float:
    return _bottom(group, places, gap) + gap * (len(group) - 1)
