"""DLPack exporters made by hand: of either version, that count what is given out and given back, or that
fail.
"""

from __future__ import annotations

import ctypes
from typing import Any

from ..c_abi import abi
from ..c_abi.tensors import HostTensor
from ..devices.bits import Array

_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", abi.Tensor), ("context", ctypes.c_void_p), ("deleter", _DELETER)]


class _ManagedVersioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", _DELETER),
        ("flags", ctypes.c_uint64),
        ("tensor", abi.Tensor),
    ]


# A function of its own: what ctypes.pythonapi has is the process's, and JAX gives it other argument types.
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)

READ_ONLY = 1
IS_COPIED = 2


class Exporter:
    """Every capsule's memory is kept until its deleter is called: `alive` counts those. Changes are to the
    managed tensor; `fields` to the tensor in it, and "extent" to its first."""

    name = b""

    def __init__(self, array: Array, **changes: Any) -> None:
        self.array = array
        self.changes = changes
        self.fields: dict[str, Any] = {}
        self.exports = 0
        self.calls: list[dict[str, Any]] = []
        self._given: dict[int, Any] = {}
        self._deleter = _DELETER(self._delete)

    @property
    def alive(self) -> int:
        return len(self._given)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def _delete(self, address: int) -> None:
        del self._given[address]

    def _managed(self, tensor: abi.Tensor) -> Any:
        raise NotImplementedError

    def _capsule(self) -> Any:
        tensor = HostTensor(self.array)
        for name, value in self.fields.items():
            if name == "extent":
                tensor.c.shape[0] = value
            else:
                setattr(tensor.c, name, value)
        managed = self._managed(tensor.c)
        for name, value in self.changes.items():
            setattr(managed, name, value)
        address = ctypes.addressof(managed)
        self._given[address] = (managed, tensor)
        self.exports += 1
        return _new_capsule(address, self.name, None)


class LegacyExporter(Exporter):
    """As before DLPack 1.0: no max_version, and a capsule with no version and no flags."""

    name = b"dltensor"

    def _managed(self, tensor: abi.Tensor) -> _Managed:
        return _Managed(tensor, None, self._deleter)

    def __dlpack__(self, stream: Any = None) -> Any:
        self.calls.append({"stream": stream})
        return self._capsule()


class VersionedExporter(Exporter):
    name = b"dltensor_versioned"

    def _managed(self, tensor: abi.Tensor) -> _ManagedVersioned:
        return _ManagedVersioned(1, 0, None, self._deleter, 0, tensor)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        self.calls.append(
            {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        )
        return self._capsule()


class _Table(ctypes.Structure):
    """struct DLPackExchangeAPI."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("previous", ctypes.c_void_p),
        ("allocate", ctypes.c_void_p),
        ("managed_tensor_from", ctypes.c_void_p),
        ("managed_tensor_to", ctypes.c_void_p),
        ("tensor_from", ctypes.c_void_p),
        ("current_work_stream", ctypes.c_void_p),
    ]


def exchange_type(*, major: int = 1) -> Any:
    """A new type of array wrappers with DLPack's C exchange table, and nothing else that describes them. An
    object counts in ``reads`` how often it was read; ``reader`` is the address of the function that reads."""

    class Exchanger:
        def __init__(self, array: Array) -> None:
            self.tensor = HostTensor(array)
            self.reads = 0

    @abi.ObjectReader
    def read(operand: Any, out: Any) -> int:
        operand.reads += 1
        out[0] = operand.tensor.c
        return 0

    kind: Any = Exchanger
    kind.reader = ctypes.cast(read, ctypes.c_void_p).value
    table = _Table(major=major, tensor_from=kind.reader)
    kind.keep = (read, table)
    kind.__dlpack_c_exchange_api__ = _new_capsule(ctypes.addressof(table), b"dlpack_exchange_api", None)
    return kind


class OneCapsule:
    """Gives everybody the one capsule that it has, which only one may take."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule
