"""Ways to do the same append, ready to be timed, and those that cannot be."""

from __future__ import annotations

import timeit
from dataclasses import dataclass, field

from ..absent import Absent
from ..report.results import ABSENT, FAILED, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


class Call:
    """A Python statement, timed as ``timeit`` does: in a compiled loop, with no function call of ours around
    it and the garbage collector off."""

    def __init__(
        self, statement: str, names: Mapping[str, Any], *, layout: str = "", appends: int = 1
    ) -> None:
        self.statement = statement
        self.names = names
        self.appends = appends
        """How many appends the statement makes; its time is divided by it."""
        self.layout = layout
        """The layout in which it takes the cache's memory, if that is not the operands' own."""
        self._timer = timeit.Timer(statement, globals=dict(names))

    def once(self) -> None:
        self._timer.timeit(1)

    def seconds(self, number: int) -> float:
        """Seconds an append, the mean of about ``number``."""
        executions = max(1, number // self.appends)
        return self._timer.timeit(executions) / (executions * self.appends)


@dataclass(frozen=True)
class Candidate:
    """A path by name. ``build`` makes it ready, or raises ``Absent``, or fails."""

    name: str
    role: str
    build: Callable[[], Any]


@dataclass
class Path:
    """``sample`` takes one sample, in the case's unit."""

    name: str
    role: str
    sample: Callable[[], float]
    statement: str = ""
    samples: list[float] = field(default_factory=list)


def build_all(
    candidates: Iterable[Candidate], to_path: Callable[[Candidate, Any], Path]
) -> tuple[list[Path], list[Row]]:
    """The candidates that work here as paths, and rows for those that do not. A failure stops no other."""
    paths: list[Path] = []
    rows: list[Row] = []
    for candidate in candidates:
        try:
            paths.append(to_path(candidate, candidate.build()))
        except Absent as error:
            rows.append(Row(candidate.name, candidate.role, ABSENT, why=str(error)))
        except Exception as error:
            rows.append(Row(candidate.name, candidate.role, FAILED, why=reason_of(error)))
    return paths, rows


def reason_of(error: BaseException) -> str:
    """An error in one line of at most 300 characters."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 300 else f"{text[:297]}..."
