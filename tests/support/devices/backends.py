"""The two backends behind one face: put an operand in memory, get its bits back, and the stream to append
on.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

import baracuda_ffi as bf

from .bits import Array
from .host_memory import Guarded


class Backend(Protocol):
    name: str
    kind: bf.BackendKind
    stream: Any

    def put(self, array: Array) -> Any:
        """An operand that holds a copy of the array, between guard bands."""
        ...

    def view(self, operand: Any, offset: int, like: Array) -> Any:
        """Of the operand's memory, from `offset` bytes in, a view of the array's type, shape and strides."""
        ...

    def get(self, operand: Any) -> Array:
        """The operand's bits, once all that was launched is finished."""
        ...

    def overwrite(self, operand: Any, array: Array) -> None:
        """Other bits into the operand, in place."""
        ...

    def check_guards(self) -> None:
        """Nothing was written beside any operand."""
        ...


class HostBackend:
    name = "host"
    kind = bf.BackendKind.HOST
    stream = None

    def __init__(self) -> None:
        self._operands: list[Guarded] = []

    def put(self, array: Array) -> Array:
        guarded = Guarded(array)
        self._operands.append(guarded)
        return guarded.array

    def view(self, operand: Array, offset: int, like: Array) -> Array:
        return np.ndarray(like.shape, like.dtype, operand.data, offset, like.strides)

    def get(self, operand: Array) -> Array:
        return operand

    def overwrite(self, operand: Array, array: Array) -> None:
        operand[...] = array

    def check_guards(self) -> None:
        for guarded in self._operands:
            guarded.check_guards("an operand")
