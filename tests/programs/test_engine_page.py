"""docs/engine.md: both of its engines run, give a dense cache's tokens, and have as many lines as it says."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from support.processes.installed import REPOSITORY

PAGE = REPOSITORY / "docs" / "engine.md"
NUM_PAGES, PAGE_SIZE, MAX_REQUESTS, MAX_ROWS = 30, 4, 6, 16


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)


def lines_of(block: str) -> int:
    return sum(
        bool(line.strip()) and not line.strip().startswith(("#", '"""')) for line in block.splitlines()
    )


def engine_of(block: str) -> Any:
    found: dict[str, Any] = {}
    exec(compile(block, str(PAGE), "exec"), found)
    return found["Engine"]


@pytest.fixture(scope="module")
def model() -> Any:
    from baracuda_ffi.examples.serve.arrays import NumPyArrays
    from baracuda_ffi.examples.serve.model import Model, Shape

    return Model(Shape(layers=2, hidden=32, heads=4, kv_heads=2, head_dim=8, mlp=32), NumPyArrays(), seed=1)


def prompts() -> list[list[int]]:
    rng = np.random.default_rng(0)
    prefix = rng.integers(0, 512, 14).tolist()
    return [
        [*(prefix if i % 2 else []), *rng.integers(0, 512, rng.integers(3, 30)).tolist()] for i in range(12)
    ]


def served(engine: Any) -> tuple[list[Any], int]:
    """The requests, the last of which are forks, and how often one was preempted."""
    requests = [engine.submit(prompt, 20) for prompt in prompts()]
    forked, preempted, waiting = set(), 0, len(requests)
    for _ in range(1000):
        if not engine.running and not engine.waiting:
            return requests, preempted
        engine.step()
        preempted += max(0, len(engine.waiting) - waiting)
        waiting = len(engine.waiting)
        for i, prompt in enumerate(prompts()[::4]):
            request = requests[4 * i]
            room = len(engine.running) < MAX_REQUESTS
            if (
                i not in forked
                and request in engine.running
                and len(request.tokens) == len(prompt) + 7
                and room
            ):
                forked.add(i)
                requests.append(engine.fork(request, 100 + i))
    raise AssertionError("it does not end")


def test_both_give_the_tokens_of_a_dense_cache(model: Any) -> None:
    from baracuda_ffi.examples.serve.caches import greedy

    with_package, without = (
        served(engine_of(block)(model, NUM_PAGES, PAGE_SIZE, MAX_REQUESTS, MAX_ROWS)) for block in blocks()
    )
    for requests, preempted in (with_package, without):
        assert preempted > 0
        assert len(requests) > len(prompts())  # some were forked
        for request in requests:
            begin = len(request.tokens) - 12  # a fork's own tokens are among these
            right = greedy(model, request.tokens[:begin], 12)
            assert request.tokens[begin:] == [best for best, *_ in right]
    assert [r.tokens for r in with_package[0]] == [r.tokens for r in without[0]]


def test_their_lines_are_as_many_as_it_says_and_fewer_with_the_package() -> None:
    stated = re.search(r"\*\*(\d+) with the package, (\d+) without it\*\*", PAGE.read_text(encoding="utf-8"))
    assert stated
    counted = [lines_of(block) for block in blocks()]
    assert counted == [int(number) for number in stated.groups()]
    assert counted[0] < counted[1]
