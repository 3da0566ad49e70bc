"""The host backend, one call."""

from __future__ import annotations

from functools import partial

from ...operands.pages import MOVEMENTS, PageProblem, numpy_operands
from ...ours import pages as ours
from ...peers import page_copies
from ...report.results import LIMIT, OURS, PEER
from ...running.paths import Candidate
from ...running.progress import Progress
from ..host import case_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...operands.pages import PageOperands
    from ...report.results import Case
    from ...running.paths import Call
    from ...settings import Settings

HOST = "host"

_PAGES, _QUICK_PAGES = (1, 4, 16, 64, 256, 1024), (1, 16, 256)


def cases(settings: Settings) -> list[Case]:
    pages = _QUICK_PAGES if settings.quick else _PAGES
    kinds = [(movement, count) for movement in MOVEMENTS for count in pages]
    found = []
    with Progress("pages", len(kinds)) as progress:
        for movement, count in kinds:
            progress.step(f"{movement}, host, {count} pages")
            parameters: dict[str, str | int] = {"movement": movement, "memory": HOST, "pages": count}
            candidates = paths(numpy_operands(PageProblem(movement, count)))
            found.append(case_of(parameters, candidates, settings))
    return found


def paths(operands: PageOperands) -> list[Candidate]:
    def checked(build: Any) -> Call:
        call: Call = build(operands)
        operands.check(call)
        return call

    name = ours.NAME[operands.problem.movement]
    return [
        Candidate(page_copies.ONE_COPY, LIMIT, partial(page_copies.one_numpy_copy, operands.problem)),
        Candidate(name, OURS, partial(checked, lambda o: ours.call(o, None))),
        Candidate(page_copies.NUMPY, PEER, partial(checked, page_copies.by_index)),
    ]
