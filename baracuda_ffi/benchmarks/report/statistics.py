"""Medians and their spread."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Summary:
    """Of ``samples`` samples: the median, and the 10th and 90th percentiles as its spread."""

    median: float
    p10: float
    p90: float
    samples: int

    def overlaps(self, other: Summary) -> bool:
        """Whether the two spreads have a value in common."""
        return self.p10 <= other.p90 and other.p10 <= self.p90


def summarise(samples: Sequence[float]) -> Summary:
    if not samples:
        raise ValueError("there are no samples to summarise")
    ordered = sorted(samples)
    return Summary(
        median=quantile(ordered, 0.5),
        p10=quantile(ordered, 0.1),
        p90=quantile(ordered, 0.9),
        samples=len(ordered),
    )


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of samples that were taken together. A machine whose speed changes while it
    measures changes both, where the ratio of two medians may be of a slow sample and a fast one."""
    ratios = sorted([a / b for a, b in zip(above, below, strict=True)])
    return quantile(ratios, 0.5)


def paired_difference(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the differences of samples that were taken together."""
    return quantile(sorted([a - b for a, b in zip(above, below, strict=True)]), 0.5)


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """Between the two neighbours, linearly, as ``numpy.quantile`` does. ``ordered`` is sorted."""
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
