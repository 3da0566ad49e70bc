"""The append as a target of XLA's foreign function interface: a call in the programs that JAX compiles.

A call carries its problem as an attribute, the bytes of a ``baracuda_paged_kv_append`` that states no
extents, and names its operands by their ordinals; the library's handler takes the rest from the buffers.
"""

from __future__ import annotations

import ctypes
import os
import re

import jax
import jax.numpy as jnp
import numpy as np

from .._append.operands import RUN_SYMBOL, bind
from .._append.problem import statement
from .._interop.tensor_view import TensorView
from .._model.checks import in_words
from .._model.errors import unsupported
from .._native import abi
from .._native.library import Library, library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ME = "append_paged_kv"
TARGET = "baracuda_ffi_append_paged_kv"
_SYMBOL = "baracuda_private_xla_handlers"

# Operands that are none of the C library's: the numbers of xla/handlers.h.
_OTHERS = {"kv_data": 1000, "error_record": 1001}
_ORDINALS = {name: i for i, name in enumerate(abi.OPERANDS)} | _OTHERS

_NEWEST = 99  # the library then answers by the newest version that it knows

_RECORD_BYTES = 64
_ALIGNMENT = 64  # of the addresses that stand for buffers; XLA's own are aligned as well

# JAX's names of the types that say places.
_INDEX_TYPES = {"int32": "i32", "int64": "i64"}


class _Handler(ctypes.Structure):
    """struct baracuda_xla_handler"""

    _fields_ = (("platform", ctypes.c_char_p), ("stage", ctypes.c_char_p), ("function", ctypes.c_void_p))


def call(arrays: dict[str, Any], options: dict[str, Any]) -> list[Any]:
    """The arrays that are written, as they are after the append, in the order in which they are given. Raises
    what the library refuses of the shapes and types."""
    given = {name: _array(name, value) for name, value in arrays.items() if value is not None}
    op = _checked_statement(given, options)
    written = [name for name in given if name in abi.WRITTEN_OPERANDS]
    places = list(given)
    results = jax.ffi.ffi_call(
        TARGET,
        [_like(given[name]) for name in written],
        input_output_aliases={places.index(name): i for i, name in enumerate(written)},
    )(
        *given.values(),
        op=np.frombuffer(op, np.uint8),
        operands=np.array([_ORDINALS[name] for name in given], np.int32),
    )
    return list(results)


def _array(name: str, value: Any) -> Any:
    try:
        return jnp.asarray(value)
    except TypeError as error:
        raise unsupported(_ME, f"{name} is {in_words(value)}; it should be an array of JAX") from error


def _like(array: Any) -> Any:
    """A result of the array's type, varying over the axes of a ``shard_map`` that the array varies over."""
    axes = getattr(jax.typeof(array), "vma", None)
    more = {"vma": axes} if axes else {}
    result: Any = jax.ShapeDtypeStruct  # which JAX has no types for
    return result(array.shape, array.dtype, **more)


def _checked_statement(given: dict[str, Any], options: dict[str, Any]) -> bytes:
    """The problem, which the library has judged over operands at addresses that nobody has: all that can be
    known before there is memory."""
    opened = _library()
    record = given.get("error_record")
    if record is not None and record.size * record.dtype.itemsize != _RECORD_BYTES:
        raise unsupported(
            _ME,
            f"error_record is {record.dtype.name}{list(record.shape)}; it should be int32[16], or as many "
            "bytes of another type",
        )
    address = 1 << 20
    views: dict[str, Any] = {}
    for name, array in given.items():
        if name != "error_record":
            views[name] = _view(name, array, address)
            address += (array.size * array.dtype.itemsize // _ALIGNMENT + 1) * _ALIGNMENT
    op, operands = statement(on_host=True, **views, **options)
    bind(opened, RUN_SYMBOL, op, operands)
    return op


def _view(name: str, array: Any, address: int) -> TensorView:
    kind = array.dtype.name
    try:
        return TensorView(ptr=address, shape=array.shape, element=_INDEX_TYPES.get(kind, kind))
    except ValueError as error:
        raise unsupported(_ME, f"{name} is of type {kind}, which no operand has") from error


def _library() -> Library:
    opened = library()
    if TARGET not in _registered:
        # Threads that come here at once may all register it, which does no harm.
        _register(opened)
        _registered.add(TARGET)
    return opened


_registered: set[str] = set()


def _minor_version() -> int:
    """Of the foreign function interface of this jaxlib, whose header says it."""
    try:
        path = os.path.join(jax.ffi.include_dir(), "xla", "ffi", "api", "c_api.h")
        with open(path, encoding="utf-8") as header:
            found = re.search(r"#define XLA_FFI_API_MINOR (\d+)", header.read())
    except OSError:
        found = None
    return int(found[1]) if found else _NEWEST


def _register(opened: Library) -> None:
    stages: dict[str, dict[str, object]] = {}
    address = opened.private(_SYMBOL, ctypes.c_void_p, ctypes.c_int32)(_minor_version())
    capsule_of: Any = jax.ffi.pycapsule  # which JAX has no types for
    while (handler := _Handler.from_address(address)).platform:
        capsule = capsule_of(ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(handler.function))
        stages.setdefault(handler.platform.decode(), {})[handler.stage.decode()] = capsule
        address += ctypes.sizeof(_Handler)
    for platform, handlers in stages.items():
        jax.ffi.register_ffi_target(TARGET, handlers, platform=platform)
