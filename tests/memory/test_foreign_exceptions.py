"""What other people's code raises while it is asked: a refusal of ours, but for what says nothing of the
operand, which goes on as it is."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.every_call import every_call
from support.problems.problem import Problem, assert_unchanged


class TimeIsUp(Exception):
    """Of a handler's own, which is no more unusual than a ValueError."""


class Interrupted:
    """An exporter, a stream and a number that raise, or that something interrupts."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def __dlpack_device__(self) -> Any:
        return (1, 0)

    def __dlpack__(self, **options: Any) -> Any:
        self._act()

    def __cuda_stream__(self) -> Any:
        self._act()

    def __index__(self) -> int:
        self._act()
        return 1

    @property
    def name(self) -> str:
        self._act()
        return "f16"


def raising(error: BaseException) -> Callable[[], object]:
    def act() -> None:
        raise error

    return act


def send() -> None:
    os.kill(os.getpid(), signal.SIGALRM)
    for _ in range(10):  # a handler runs between two steps of Python
        pass


def ways(act: Callable[[], object]) -> Iterator[Callable[[], object]]:
    """Into the package, by each kind of foreign object."""
    problem = Problem()
    yield from every_call(problem, problem.arrays, {"key": Interrupted(act)})
    stream: Any = Interrupted(act)
    yield lambda: bf.append_paged_kv(**problem.arrays, stream=stream)
    number: Any = Interrupted(act)
    yield lambda: bf.TensorView(ptr=number, shape=(1,), element="f16")
    yield lambda: bf.TensorView(ptr=0, shape=(1,), element=number)
    yield lambda: bf.set_host_max_threads(number)
    zeros = np.zeros(2, np.int32)
    yield lambda: bf.validate_page_table(
        number, zeros, zeros[:1], page_size=1, num_total_pages=1, stream=None
    )


@pytest.mark.parametrize("error", [ValueError("x"), ZeroDivisionError(), BufferError("y"), KeyError("z")])
def test_what_an_object_raises_is_a_refusal(error: Exception) -> None:
    for way in ways(raising(error)):
        with pytest.raises(bf.InvalidProblem, match=type(error).__name__) as refused:
            way()
        assert refused.value.__cause__ is error


def test_an_exception_that_cannot_be_put_into_words() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    for way in ways(raising(Mute())):
        with pytest.raises(bf.InvalidProblem, match="Mute"):
            way()


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), SystemExit(3)])
def test_what_says_nothing_of_the_object_goes_on(error: BaseException) -> None:
    for way in ways(raising(error)):
        with pytest.raises(type(error)) as raised:
            way()
        assert raised.value is error


class Handler:
    def method(self, number: int, frame: object) -> None:
        raise TimeIsUp

    __call__ = method


def function(number: int, frame: object) -> None:
    deeper()


def deeper() -> None:
    raise TimeIsUp


@pytest.mark.parametrize(
    "handler",
    [function, Handler().method, Handler(), functools.partial(function)],
    ids=["function", "method", "object", "partial"],
)
def test_what_a_signal_handler_raises_goes_on(handler: Any) -> None:
    problem = Problem()
    before = problem.snapshot()
    previous = signal.signal(signal.SIGALRM, handler)
    try:
        for way in ways(send):
            with pytest.raises(TimeIsUp):
                way()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("count", [2**61, 2**62, 2**63 - 1])
def test_more_entries_than_there_are_addresses(count: int) -> None:
    memory = np.zeros(4, np.int32)
    huge = bf.TensorView(ptr=memory.ctypes.data, shape=(count,), element="i32")
    table = {"indptr": memory[:2], "last_page_len": memory[:1]}
    with pytest.raises(bf.InvalidProblem, match=f"indices has {count} entries.*address space"):
        bf.validate_page_table(indices=huge, **table, page_size=1, num_total_pages=1, stream=None)


def test_what_is_no_array_for_the_reference() -> None:
    problem = Problem()
    for name, array in problem.arrays.items():
        for other in (array.tolist(), object(), 3):
            with pytest.raises(bf.InvalidProblem, match=f"{name} is .*; it should be an? ndarray"):
                bf.reference.append_paged_kv_reference(**problem.arrays | {name: other})
    for name in ("indices", "indptr", "last_page_len"):
        array = problem.arrays[name]
        for other in (array.astype(float), array[:, None], array.astype(object)):
            with pytest.raises(bf.InvalidProblem, match=f"{name} .* should be integers"):
                bf.reference.append_paged_kv_reference(**problem.arrays | {name: other})
