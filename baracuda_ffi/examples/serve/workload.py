"""Who asks for what, and when; and what a dense cache answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .caches import greedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import Model

NOT_ADMITTED = -1


@dataclass(eq=False)
class Request:
    """``expected``: the tokens that a dense cache gives, each with how close the decision was. ``fork``:
    another that goes on, after so many tokens of this one, with its second best token."""

    name: str
    prompt: list[int]
    arrives: int
    expected: list[tuple[int, float]] = field(default_factory=list)
    fork_after: int = 0
    fork: Request | None = None
    tokens: list[int] = field(default_factory=list)
    sequence: int = NOT_ADMITTED

    def __post_init__(self) -> None:
        self.tokens = list(self.prompt)

    @property
    def generated(self) -> int:
        return len(self.tokens) - len(self.prompt)

    @property
    def is_done(self) -> bool:
        return self.generated == len(self.expected)


def make_requests(
    model: Model, count: int, new_tokens: int, seed: int, told: Callable[[], None]
) -> list[Request]:
    """Half of them begin with one of two common prefixes; every fifth forks. ``told`` is called after each
    that the dense cache has answered."""
    rng = np.random.default_rng(seed)
    vocabulary = model.shape.vocabulary

    def random_tokens(least: int, most: int) -> list[int]:
        drawn: list[int] = rng.integers(0, vocabulary, rng.integers(least, most + 1)).tolist()
        return drawn

    prefixes = [random_tokens(40, 60) for _ in range(2)]
    requests, step = [], 0
    for i in range(count):
        prompt = random_tokens(5, 60)
        if i % 2:
            prompt = prefixes[i // 2 % 2] + prompt
        length = int(rng.integers(new_tokens // 2, new_tokens + 1))
        request = Request(f"request {i}", prompt, step)
        answer = greedy(model, prompt, length)
        request.expected = [(best, gap) for best, _, gap, _ in answer]
        if i % 5 == 0 and length > 4:
            request.fork_after = at = length // 3
            before = [best for best, *_ in answer[:at]]
            _, second, gap, next_gap = answer[at]
            twin = Request(f"fork of request {i}", prompt + before, step)
            rest = greedy(model, [*twin.prompt, second], length - at - 1)
            twin.expected = [(second, min(gap, next_gap)), *[(best, near) for best, _, near, _ in rest]]
            request.fork = twin
        told()
        requests.append(request)
        step += int(rng.integers(0, 4))
    return requests
