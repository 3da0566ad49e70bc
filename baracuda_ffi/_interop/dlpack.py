"""DLPack capsules: what ``__dlpack__`` returns, taken over and given back."""

from __future__ import annotations

import ctypes

from .._native import abi
from .._native.process_lock import ProcessLock
from .._native.python_api import capsule_pointer, is_there, python_api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MAJOR = 1
_READ_ONLY = 1  # DLPACK_FLAG_BITMASK_READ_ONLY
_IS_COPIED = 2  # DLPACK_FLAG_BITMASK_IS_COPIED

# The names are kept by address in the capsules, so these objects live as long as the module.
_PLAIN, _PLAIN_USED = b"dltensor", b"used_dltensor"
_VERSIONED, _VERSIONED_USED = b"dltensor_versioned", b"used_dltensor_versioned"


class Managed(ctypes.Structure):
    """struct DLManagedTensor. Its DLTensor is its first member: they have one address."""

    _fields_ = (("dl_tensor", abi.Tensor), ("manager_ctx", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class _ManagedVersioned(ctypes.Structure):
    """struct DLManagedTensorVersioned"""

    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("dl_tensor", abi.Tensor),
    )


_VERSIONED_OFFSET = _ManagedVersioned.dl_tensor.offset

_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_new = python_api("PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_is_valid = python_api("PyCapsule_IsValid", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
_set_name = python_api("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)

CAPSULES = all(map(is_there, (_new, _is_valid, _set_name, capsule_pointer)))
"""Whether this interpreter lets ctypes make and read capsules: CPython does."""

# Held from looking at a capsule to marking it: an exporter may give one capsule to two threads.
_taking = ProcessLock()


class Export:
    """A managed tensor that we own: its deleter is called when this is dropped. ``tensor`` is the address of
    the DLTensor in it, which is a ``baracuda_tensor``."""

    __slots__ = ("_deleter", "_owned", "flags", "tensor")

    def __init__(self, tensor: int, deleter: int | None, flags: int) -> None:
        self.tensor = tensor
        self.flags = flags
        self._deleter = deleter
        self._owned = 0  # the managed tensor, once its capsule is marked as used

    @property
    def read_only(self) -> bool:
        return bool(self.flags & _READ_ONLY)

    @property
    def copied(self) -> bool:
        """Whether it is memory of its own, which nobody else will see written. Exporters from before DLPack
        1.0 do not say."""
        return bool(self.flags & _IS_COPIED)

    def __del__(self, _call: Callable[[int], Callable[[int], None]] = _DELETER) -> None:
        if self._owned and self._deleter:
            _call(self._deleter)(self._owned)


def export(operand: Any, *, written: bool) -> Export:
    """Have the operand describe itself through ``__dlpack__``, without synchronising; what is to be
    ``written`` is asked not to be copied.

    Whatever the exporter raises passes through; ``BufferError`` for a capsule that is not one of DLPack 0.x
    or 1.x.
    """
    device_type = int(operand.__dlpack_device__()[0])
    on_cuda = device_type in (abi.DEVICE_CUDA, abi.DEVICE_CUDA_MANAGED)
    # -1: do not synchronise. Host exporters know no streams, and NumPy refuses any that is not None. JAX
    # takes -1 for a stream's address; with None it waits, on the host, for an array that is not ready yet.
    stream = -1 if on_cuda and type(operand).__module__.partition(".")[0] not in ("jax", "jaxlib") else None
    options: dict[str, Any] = {"stream": stream, "max_version": (_MAJOR, 0)}
    if written:
        options["copy"] = False
    while True:
        try:
            return _take(operand.__dlpack__(**options))
        except TypeError:
            # Exporters differ in what they know: copy came after max_version, that with DLPack 1.0.
            if len(options) == 1:
                raise
            options.popitem()


def borrow(capsule: object) -> int:
    """The address of the DLTensor in a plain capsule that stays unused: good for as long as the capsule
    lives."""
    address: int = capsule_pointer(capsule, _PLAIN)  # the first member of a managed tensor
    return address


def new_capsule(managed: int) -> object:
    """A plain capsule of a ``Managed`` that somebody else keeps."""
    return _new(managed, _PLAIN, None)


def _take(capsule: object) -> Export:
    with _taking.held():
        if _is_valid(capsule, _VERSIONED):
            address = capsule_pointer(capsule, _VERSIONED)
            managed = _ManagedVersioned.from_address(address)
            if managed.major != _MAJOR:  # the capsule stays unused, and cleans up after itself
                raise BufferError(
                    f"DLPack {managed.major}.{managed.minor} was given; {_MAJOR}.x was asked for"
                )
            taken = Export(address + _VERSIONED_OFFSET, managed.deleter, managed.flags)
            used = _VERSIONED_USED
        elif _is_valid(capsule, _PLAIN):
            address = capsule_pointer(capsule, _PLAIN)
            taken = Export(address, Managed.from_address(address).deleter, 0)
            used = _PLAIN_USED
        else:
            raise BufferError("__dlpack__ returned no unused DLPack capsule")
        _set_name(capsule, used)
        taken._owned = address
    return taken
