"""The serving loop: continuous batching over pages."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

import baracuda_ffi as bf

from .padded import PaddedDecode
from .workload import NOT_ADMITTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from .caches import PagedCache
    from .model import Model
    from .ranks import Ranks
    from .workload import Request

    Array = NDArray[Any]


@dataclass
class Tally:
    """What happened."""

    steps: int = 0
    rows: int = 0
    generated: int = 0
    finished: int = 0
    found: int = 0
    forks: int = 0
    preempted: int = 0
    chunks: int = 0
    forced: int = 0
    padded: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    pages: list[tuple[int, int]] = field(default_factory=list)  # used, and cached, after each step


class Engine:
    """Places for ``max_requests``; a step takes at most ``max_rows`` tokens, those of who decodes first. When
    pages run out who came last is preempted.

    A token that is not the dense cache's is taken to be right, and counted as forced, where that cache's
    decision was closer than ``tolerance``; else it is wrong.
    """

    def __init__(
        self,
        model: Model,
        cache: PagedCache,
        max_requests: int,
        max_rows: int,
        tolerance: float,
        decode: PaddedDecode | None = None,
    ) -> None:
        self.model, self.cache, self.manager = model, cache, cache.manager
        self.max_rows, self.tolerance = max_rows, tolerance
        self.places: list[Request | None] = [None] * max_requests
        self.waiting: deque[Request] = deque()
        self.tally = Tally()
        self.decode = decode  # a step of nothing but decoding, if there is a faster way to do it

    def tokens_of(self, requests: list[Request]) -> int:
        """How many tokens are to be generated here."""
        forks = [request.fork for request in requests if request.fork]
        return sum(len(request.expected) for request in [*requests, *forks])

    def start(self, requests: list[Request], ranks: Ranks | None) -> None:
        """With these to be served."""
        self.waiting.extend(requests)

    def append_share(self) -> float:
        """Of the time of a step, once all are served."""
        if isinstance(self.decode, PaddedDecode) and self.decode.graph:
            return self.decode.append_share()
        return self.cache.append_seconds / self.tally.seconds

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not any(self.places)

    def step(self) -> None:
        """Admit, make room, forward, and take the next tokens."""
        begin = perf_counter()
        self._admit()
        batch = self._grow()
        if batch:
            logits = self._forward(batch)
            self.manager.commit()
            self._take(logits, [r for r in self.places if r and r.name in batch])
        self.tally.steps += 1
        self.tally.seconds += perf_counter() - begin
        self.tally.pages.append((self.manager.num_used, self.manager.num_cached))

    def _admit(self) -> None:
        while self.waiting and None in self.places:
            request = self.waiting[0]
            first = -(-min(len(request.tokens), self.max_rows) // self.manager.page_size)
            if request.arrives > self.tally.steps or first > self.manager.num_free:
                return
            self.waiting.popleft()
            if request.sequence == NOT_ADMITTED:
                request.sequence = self.manager.add(request.tokens)
            else:
                self.manager.resume(request.sequence, request.tokens)
            self.tally.found += self.manager.length(request.sequence)
            self.places[self.places.index(None)] = request

    def _missing(self, request: Request) -> int:
        return len(request.tokens) - self.manager.length(request.sequence)

    def _grow(self) -> dict[str, int]:
        """How many tokens of whom are in this step, by name, once there are pages for them."""
        batch: dict[str, int] = {}
        budget = self.max_rows
        running = [request for request in self.places if request]
        for request in sorted(running, key=lambda r: (self._missing(r) > 1, r.arrives, r.name)):
            while request in self.places:
                rows = min(self._missing(request), budget)
                done = len(request.tokens) - self._missing(request)
                try:
                    self.manager.grow(request.sequence, request.tokens[done : done + rows])
                except bf.OutOfPages:
                    last = max((r for r in self.places if r), key=lambda r: (r.arrives, r.name))
                    budget += batch.pop(last.name, 0)
                    self._preempt(last)
                    continue
                if rows:
                    batch[request.name] = rows
                    budget -= rows
                break
        return batch

    def _preempt(self, request: Request) -> None:
        self.manager.preempt(request.sequence)
        self.places[self.places.index(request)] = None
        self.waiting.appendleft(request)
        self.tally.preempted += 1

    def _forward(self, batch: dict[str, int]) -> Any:
        """The logits behind those that have nothing left to compute, in the order of their places."""
        sequences: list[int | None] = []
        new: list[int] = []
        tokens: list[int] = []
        positions: list[int] = []
        wanted: list[int] = []
        for request in self.places:
            rows = batch.get(request.name, 0) if request else 0
            if not rows:
                sequences.append(None)
                new.append(0)
                continue
            assert request is not None
            end = len(request.tokens) - self._missing(request)
            tokens += request.tokens[end - rows : end]
            positions += range(end - rows, end)
            sequences.append(request.sequence)
            new.append(rows)
            if end == len(request.tokens):
                wanted.append(len(tokens) - 1)
        self.tally.rows += len(tokens)
        self.tally.chunks += len(new) - new.count(0) > len(wanted)
        padded = self.decode is not None and max(new) == 1 and len(wanted) == len(tokens)
        self.cache.begin(sequences, new, padded)
        if self.decode is not None and padded:
            self.tally.padded += 1
            return self.decode([place for place, rows in enumerate(new) if rows], tokens, positions)
        which, where, last = (
            self.model.arrays.asarray(np.array(x, np.int64)) for x in (tokens, positions, wanted)
        )
        return self.model.forward(which, where, last, self.cache)

    def _take(self, logits: Any, batch: list[Request]) -> None:
        """The next token of each request that has nothing left to compute."""
        ready = [request for request in batch if not self._missing(request)]
        if not ready:
            return
        for request, row in zip(ready, self.model.arrays.to_numpy(logits), strict=True):
            best, second = np.argsort(row, kind="stable")[:-3:-1].tolist()
            self._next_token(request, best, second)

    def _next_token(self, request: Request, best: int, second: int) -> None:
        if request.fork and request.generated == request.fork_after:
            self._fork(request, request.fork, second)
        self._choose(request, best)
        if request.is_done:
            self._leave(request)
            self.tally.finished += 1

    def _choose(self, request: Request, token: int) -> None:
        right, gap = request.expected[request.generated]
        if token != right:
            if gap < self.tolerance:
                self.tally.forced += 1
            else:
                self.tally.wrong.append(
                    f"{request.name}: token {request.generated} is {token}; a dense cache gives {right}, "
                    f"its logit {gap:.6f} above the next"
                )
        # Right or wrong, so that the tokens behind it can be compared too.
        request.tokens.append(right)
        self.tally.generated += 1

    def _fork(self, request: Request, twin: Request, token: int) -> None:
        """It has all of the request's tokens, in the same pages, and goes another way from here on."""
        twin.sequence = self.manager.fork(request.sequence)
        twin.arrives = request.arrives
        self.tally.forks += 1
        self._choose(twin, token)
        if None in self.places:
            self.places[self.places.index(None)] = twin
        else:
            self.manager.preempt(twin.sequence)
            self.waiting.appendleft(twin)

    def _leave(self, request: Request) -> None:
        self.manager.free(request.sequence)
        self.places[self.places.index(request)] = None
