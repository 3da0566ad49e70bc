"""Prefill on one rank, decode on another: the pages of a prompt are gathered, sent and scattered."""

from __future__ import annotations

import numpy as np

import baracuda_ffi as bf

from .engine import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .ranks import Ranks
    from .workload import Request

PREFILL, DECODE = 0, 1


class _Transfer:
    """Of a request: its number among all and how many pages, then the pages."""

    def __init__(self, engine: Engine, ranks: Ranks, requests: list[Request]) -> None:
        self._cache, self._arrays, self._ranks = engine.cache, engine.model.arrays, ranks
        self._numbers = {request.name: number for number, request in enumerate(requests)}

    def send(self, request: Request) -> None:
        pages = self._cache.manager.pages(request.sequence)
        header = np.array([self._numbers[request.name], len(pages)])
        buffer = self._buffer(len(pages))
        bf.gather_pages(
            self._cache.k_pool, self._cache.v_pool, self._ids(pages), buffer, stream=self._arrays.stream
        )
        self._ranks.send(self._arrays.asarray(header), DECODE)
        self._ranks.send(buffer, DECODE)

    def next(self) -> tuple[int, int]:
        """The number of the request that comes, and its pages; waits until one does."""
        header = self._arrays.asarray(np.zeros(2, np.int64))
        self._ranks.receive(header, PREFILL)
        number, pages = (int(entry) for entry in header)
        return number, pages

    def receive(self, pages: list[int]) -> None:
        buffer = self._buffer(len(pages))
        self._ranks.receive(buffer, PREFILL)
        bf.scatter_pages(
            self._cache.k_pool, self._cache.v_pool, self._ids(pages), buffer, stream=self._arrays.stream
        )

    def _buffer(self, pages: int) -> Any:
        pool = self._cache.k_pool
        return self._arrays.bytes(pages, 2 * pool.nbytes // len(pool))

    def _ids(self, pages: list[int]) -> Any:
        return self._arrays.asarray(np.array(pages, np.int32))


class Prefill(Engine):
    """Computes prompts, and hands each over with its first token."""

    def tokens_of(self, requests: list[Request]) -> int:
        return len(requests)

    def start(self, requests: list[Request], ranks: Ranks | None) -> None:
        assert ranks is not None
        self._transfer = _Transfer(self, ranks, requests)
        self.waiting.extend(requests)

    def _next_token(self, request: Request, best: int, second: int) -> None:
        self._choose(request, best)
        self._transfer.send(request)
        self._leave(request)


class Decode(Engine):
    """Goes on with what is handed over, as places and pages are free."""

    def start(self, requests: list[Request], ranks: Ranks | None) -> None:
        assert ranks is not None
        self._transfer = _Transfer(self, ranks, requests)
        self._requests, self._coming = requests, len(requests)
        self._announced: tuple[int, int] | None = None

    @property
    def is_idle(self) -> bool:
        return not self._coming and super().is_idle

    def _admit(self) -> None:
        super()._admit()
        while self._coming and None in self.places and not self.waiting:
            self._announced = self._announced or self._transfer.next()
            number, pages = self._announced
            if pages >= self.manager.num_free:
                return
            request = self._requests[number]
            request.sequence = self.manager.add()
            self.manager.grow(request.sequence, request.prompt)
            self._transfer.receive(self.manager.pages(request.sequence))
            self.manager.commit()
            request.tokens.append(request.expected[0][0])
            self.places[self.places.index(None)] = request
            self._announced, self._coming = None, self._coming - 1
