"""What a run found, and its JSON.

The JSON is the dataclasses' fields by name. ``SCHEMA_VERSION`` goes up when a reader of older files would be
misled; fields may be added without.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from .saving import save_text
from .statistics import Summary, paired_difference, paired_ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SCHEMA = "baracuda-ffi bench"
SCHEMA_VERSION = 1

_NUMBERS = re.compile(r"\[[\s\d.,e+-]+\]")

# What a row is to the others.
OURS = "ours"
FLOOR = "floor"  # nothing of the kind can cost less
LIMIT = "limit"  # what the hardware would allow
PEER = "peer"
PART = "part"  # a piece of another row's time
ROLES = (OURS, FLOOR, LIMIT, PEER, PART)

MEASURED = "measured"
ABSENT = "absent"  # not installed, or not for this machine
FAILED = "failed"
STATUSES = (MEASURED, ABSENT, FAILED)


@dataclass(frozen=True)
class Row:
    """One path through one case. ``why`` says why it was not measured; ``statement`` is the Python that was
    timed, where it was Python; ``by_round`` has each round's sample, where the case's paths were sampled in
    rounds."""

    path: str
    role: str
    status: str
    summary: Summary | None = None
    why: str = ""
    statement: str = ""
    by_round: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """Paths that were measured in alternation, over the same operands. ``unit`` is of every row's summary."""

    parameters: dict[str, str | int]
    unit: str
    rows: list[Row]

    @property
    def swept(self) -> str:
        """The parameter that a series of such cases runs over."""
        return "pages" if "pages" in self.parameters else "batch"

    def row(self, path: str) -> Row | None:
        return next((row for row in self.rows if row.path == path), None)

    def median(self, path: str) -> float | None:
        row = self.row(path)
        return row.summary.median if row and row.summary else None

    def ratio(self, path: str, other: str) -> float | None:
        """How many times as long ``path`` took as ``other``: by round, or of the medians where there are no
        rounds. None where one of them was not measured."""
        return self._compared(path, other, paired_ratio, lambda above, below: above / below)

    def difference(self, path: str, other: str) -> float | None:
        """How much longer ``path`` took than ``other``, as ``ratio``."""
        return self._compared(path, other, paired_difference, lambda above, below: above - below)

    def _compared(
        self,
        path: str,
        other: str,
        by_round: Callable[[Sequence[float], Sequence[float]], float],
        of_medians: Callable[[float, float], float],
    ) -> float | None:
        above, below = self.row(path), self.row(other)
        if above is None or below is None or above.summary is None or below.summary is None:
            return None
        if above.by_round and len(above.by_round) == len(below.by_round):
            return by_round(above.by_round, below.by_round)
        return of_medians(above.summary.median, below.summary.median)


@dataclass(frozen=True)
class Target:
    """``value`` is the worst ratio (or time) in this run, ``where`` the case that it is of. ``met`` is None
    where this run could not judge it, and ``why`` says why."""

    name: str
    limit: str
    value: float | None
    met: bool | None
    where: str = ""
    why: str = ""


@dataclass(frozen=True)
class SuiteResult:
    """``status`` is ``measured``, ``absent`` (it could not run here) or ``failed``."""

    name: str
    status: str
    seconds: float = 0.0
    why: str = ""
    reference: str = ""
    """The path that the table's ratios are against."""
    cases: list[Case] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    date: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    suites: list[SuiteResult]

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **asdict(self)}

    def save(self, path: Path) -> None:
        text = json.dumps(_rounded(self.to_json()), indent=1)
        save_text(path, _NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n")  # on one line


def suite_to_json(suite: SuiteResult) -> dict[str, Any]:
    return asdict(suite)


def _rounded(value: Any) -> Any:
    """Six digits say all that a clock knows, and keep the file readable."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
