"""A CUDA driver for `StreamContext` whose device memory is the host's, and whose streams do nothing until
they are told to: a copy reads its source only then, as late as a GPU might."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from enum import IntEnum

import numpy as np
import pytest

from baracuda_ffi._native import driver
from support.devices.bits import Array


class Result(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_NOT_READY = 600
    CUDA_ERROR_ILLEGAL_ADDRESS = 700


CONTEXT = 77
STREAM, OTHER_STREAM = 0x1000, 0x2000
FILL = 0xA5  # of memory that nobody has written


class LateDriver:
    """`copied` has the bytes of each copy that was enqueued."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queues: dict[int, deque[Callable[[], None]]] = {STREAM: deque(), OTHER_STREAM: deque()}
        self.memory: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.pinned: set[int] = set()
        self.passed: dict[int, bool] = {}
        self.copied: list[int] = []
        self.capturing: set[int] = set()
        self.fails = False
        monkeypatch.setattr(driver, "_bindings", lambda function: self)
        monkeypatch.setattr(driver, "_context_of", lambda function, handle, address: (CONTEXT, -1))

    # What the streams are told.

    def run(self, stream: int, count: int | None = None) -> None:
        queue = self.queues[stream]
        for _ in range(len(queue) if count is None else min(count, len(queue))):
            queue.popleft()()

    def read(self, address: int, like: Array) -> Array:
        return np.frombuffer(ctypes.string_at(address, like.nbytes), like.dtype).reshape(like.shape)

    # The driver's functions, as cuda.bindings has them.

    def _allocate(self, size: int) -> tuple[Result, int]:
        memory = (ctypes.c_char * (size + 64))()
        ctypes.memset(memory, FILL, size + 64)
        address = -(-ctypes.addressof(memory) // 64) * 64
        self.memory[address] = memory
        return Result.CUDA_SUCCESS, address

    def cuGetErrorString(self, result: Result) -> tuple[Result, bytes]:
        return (
            Result.CUDA_SUCCESS,
            b"an illegal address" if result == Result.CUDA_ERROR_ILLEGAL_ADDRESS else b"?",
        )

    def cuInit(self, flags: int) -> tuple[Result]:
        return (Result.CUDA_SUCCESS,)

    def cuCtxGetCurrent(self) -> tuple[Result, int]:
        return Result.CUDA_SUCCESS, CONTEXT

    def cuStreamGetCtx(self, stream: int) -> tuple[Result, int]:
        return Result.CUDA_SUCCESS, CONTEXT

    def cuCtxPushCurrent(self, context: int) -> tuple[Result]:
        assert context == CONTEXT
        return (Result.CUDA_SUCCESS,)

    def cuCtxPopCurrent(self) -> tuple[Result, int]:
        return Result.CUDA_SUCCESS, CONTEXT

    def cuCtxGetDevice(self) -> tuple[Result, int]:
        return Result.CUDA_SUCCESS, 3

    def cuStreamIsCapturing(self, stream: int) -> tuple[Result, int]:
        return Result.CUDA_SUCCESS, int(stream in self.capturing)

    def cuMemAlloc(self, size: int) -> tuple[Result, int]:
        return self._allocate(size)

    def cuMemHostAlloc(self, size: int, flags: int) -> tuple[Result, int]:
        found = self._allocate(size)
        self.pinned.add(found[1])
        return found

    def cuMemFree(self, address: int) -> tuple[Result]:
        for stream in self.queues:  # as CUDA waits
            self.run(stream)
        del self.memory[address]
        return (Result.CUDA_SUCCESS,)

    def cuMemFreeHost(self, address: int) -> tuple[Result]:
        self.pinned.remove(address)
        return self.cuMemFree(address)

    def cuEventCreate(self, flags: int) -> tuple[Result, int]:
        self.passed[len(self.passed)] = True
        return Result.CUDA_SUCCESS, len(self.passed) - 1

    def cuEventRecord(self, event: int, stream: int) -> tuple[Result]:
        self.passed[event] = False
        self.queues[stream].append(lambda: self.passed.__setitem__(event, True))
        return (Result.CUDA_SUCCESS,)

    def cuEventQuery(self, event: int) -> tuple[Result]:
        return (Result.CUDA_SUCCESS if self.passed[event] else Result.CUDA_ERROR_NOT_READY,)

    def cuEventSynchronize(self, event: int) -> tuple[Result]:
        for stream in self.queues:
            self.run(stream)
        assert self.passed[event]
        return (Result.CUDA_SUCCESS,)

    def cuEventDestroy(self, event: int) -> tuple[Result]:
        return (Result.CUDA_SUCCESS,)

    def cuMemcpyHtoDAsync(self, to: int, source: int, size: int, stream: int) -> tuple[Result]:
        if self.fails:
            return (Result.CUDA_ERROR_ILLEGAL_ADDRESS,)
        assert any(first <= source < first + len(self.memory[first]) for first in self.pinned)
        self.copied.append(size)
        self.queues[stream].append(lambda: (ctypes.memmove(to, source, size), None)[1])
        return (Result.CUDA_SUCCESS,)
