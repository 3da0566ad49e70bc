"""From a stream, whoever made it, to its handle."""

from __future__ import annotations

from .._model.checks import POINTER_MAX, in_words
from .._model.errors import BaracudaError, invalid_problem
from .._model.foreign import passes, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROTOCOL_VERSION = 0

# Where CuPy, Numba and torch.Stream (what a compiled function is handed) keep the handle.
_HANDLE_ATTRIBUTES = ("ptr", "handle", "native_handle")
_BINDINGS_TYPES = frozenset(("CUstream", "cudaStream_t"))


def stream_handle(function: str, stream: Any) -> int:
    """The ``CUstream`` of a CUDA stream as a number; 0 is the default stream.

    Takes an int, ``cuda.bindings``' ``CUstream`` and ``cudaStream_t``, an object with ``__cuda_stream__``,
    and the streams of torch (``cuda_stream``), CuPy (``ptr``) and Numba (``handle``). Raises
    ``InvalidProblem``.
    """
    if type(stream) is int and 0 <= stream <= POINTER_MAX:
        return stream
    try:
        handle = _handle_of(stream)
    except BaracudaError:
        raise
    except Exception as error:
        if passes(error):
            raise
        raise refusal(function, f"stream, {in_words(stream)}, did not tell its handle", error) from error
    if handle is None:
        raise invalid_problem(
            function,
            f"stream is {in_words(stream)}; it should be an int handle, CUstream, cudaStream_t, an object "
            "with __cuda_stream__, or a stream of torch, CuPy or Numba",
        )
    if not 0 <= handle <= POINTER_MAX:
        raise invalid_problem(
            function, f"stream is {handle}; a handle should be 0 (the default stream) or an address"
        )
    return handle


def handle_or_host(function: str, stream: Any) -> int:
    """``stream_handle``; 0 for None, which is the host backend's."""
    return 0 if stream is None else stream_handle(function, stream)


def _handle_of(stream: Any) -> int | None:
    kind = type(stream)
    if kind is bool:
        return None
    if isinstance(stream, int):
        return int(stream)
    handle = getattr(stream, "cuda_stream", None)  # torch's, first because it is asked for at every step
    if type(handle) is int:
        return handle
    if kind.__name__ in _BINDINGS_TYPES and kind.__module__.startswith("cuda."):
        return int(stream)
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is not None:
        # A method; the protocol's first users had a property.
        version, handle = protocol() if callable(protocol) else protocol
        if version != _PROTOCOL_VERSION:
            raise ValueError(f"__cuda_stream__ has version {version}; it should be {_PROTOCOL_VERSION}")
        return int(handle)
    if not any("Stream" in base.__name__ for base in kind.__mro__):
        return None  # arrays and much else have a ptr or a handle too
    for attribute in _HANDLE_ATTRIBUTES:
        handle = getattr(stream, attribute, None)
        if handle is not None:
            # Numba's is a ctypes pointer, None inside for the default stream, or a CUstream.
            return int(getattr(handle, "value", handle) or 0)
    return None
