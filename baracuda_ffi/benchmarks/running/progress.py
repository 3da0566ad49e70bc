"""Progress on stderr: a bar in a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_LINE_EVERY_SECONDS = 5.0


class Progress:
    """``with Progress(suite, steps) as progress``, then ``progress.step(label)`` before each step."""

    def __init__(self, suite: str, steps: int) -> None:
        self._suite = suite
        self._steps = steps
        self._done = 0
        self._last_line = 0.0
        self._bar = None
        if sys.stderr.isatty():
            self._bar = Bar(
                TextColumn(f"{suite:7}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=steps)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def step(self, label: str) -> None:
        self._done += 1
        if self._bar:
            self._bar.update(self._task, completed=self._done - 1, description=label)
        elif time.monotonic() - self._last_line > _LINE_EVERY_SECONDS or self._done in (1, self._steps):
            self._last_line = time.monotonic()
            print(f"{self._suite}: {self._done} of {self._steps}: {label}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
