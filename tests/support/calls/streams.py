"""Streams made by hand: objects of the kinds that the package takes, and of kinds that it does not."""

from __future__ import annotations

import ctypes
from typing import Any

from baracuda_ffi import TensorView


class WithProtocol:
    """cuda.core's protocol: a method that returns version and handle."""

    def __init__(self, handle: Any, version: int = 0) -> None:
        self._answer = (version, handle)

    def __cuda_stream__(self) -> tuple[int, Any]:
        return self._answer


class WithProtocolProperty:
    """The same as an attribute, as its first users had it."""

    def __init__(self, handle: int) -> None:
        self.__cuda_stream__ = (0, handle)


class TorchStream:
    def __init__(self, handle: int) -> None:
        self.cuda_stream = handle


class DynamoStream:
    """A torch.Stream, which is what a compiled function is handed for the current stream."""

    def __init__(self, handle: int) -> None:
        self.native_handle = handle


class CupyStream:
    def __init__(self, handle: int) -> None:
        self.ptr = handle


class NumbaStream:
    """Numba's handle is a ctypes pointer, None inside for the default stream."""

    def __init__(self, handle: int) -> None:
        self.handle = ctypes.c_void_p(handle)


class Integer(int):
    """A handle of a type derived from int."""


class Raising:
    @property
    def __cuda_stream__(self) -> Any:
        raise RuntimeError("this stream is closed")


class RaisingMethod:
    def __cuda_stream__(self) -> Any:
        raise RuntimeError("this stream is closed")


MAKERS: dict[str, Any] = {
    "int": int,
    "int subclass": Integer,
    "__cuda_stream__": WithProtocol,
    "__cuda_stream__ property": WithProtocolProperty,
    "torch": TorchStream,
    "torch.Stream": DynamoStream,
    "CuPy": CupyStream,
    "Numba": NumbaStream,
}

NO_STREAMS: dict[str, Any] = {
    "True": True,
    "False": False,
    "negative": -1,
    "too large": 2**64,
    "float": 0.0,
    "str": "0",
    "bytes": b"\0",
    "object": object(),
    "list": [0],
    "type": int,
    "another version": WithProtocol(0, version=1),
    "a handle of None": WithProtocol(None),
    "an array with a ptr": TensorView(ptr=4096, shape=(1,), element="i32"),
}
