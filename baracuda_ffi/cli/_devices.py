"""The CUDA devices of this machine, asked of the driver alone: ``libcuda`` through ctypes, no context
made."""

from __future__ import annotations

import ctypes
import sys

from .._model.frozen import Frozen

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_CAPABILITY_MAJOR = 75  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
_CAPABILITY_MINOR = 76


class Device(Frozen):
    """One device: ``arch`` is its compute capability as in ``sm_90``, ``memory`` its bytes."""

    _fields = ("ordinal", "name", "arch", "memory")
    __slots__ = _fields

    ordinal: int
    name: str
    arch: int
    memory: int

    def __init__(self, *, ordinal: int, name: str, arch: int, memory: int) -> None:
        self._set(ordinal, name, arch, memory)


class Driver(Frozen):
    """What the driver says: the CUDA ``version`` that it supports (empty if unknown), its ``devices``, and
    where something failed, ``problem``."""

    _fields = ("version", "devices", "problem")
    __slots__ = _fields

    version: str
    devices: tuple[Device, ...]
    problem: str

    def __init__(self, *, version: str = "", devices: tuple[Device, ...] = (), problem: str = "") -> None:
        self._set(version, devices, problem)


def find_devices() -> Driver:
    """Never raises: what could not be found out is told as the problem."""
    try:
        cuda = ctypes.CDLL(_LIBRARY)
    except OSError:
        return Driver(problem=f"there is no NVIDIA driver here ({_LIBRARY} was not found)")
    version = ""
    try:
        number = ctypes.c_int(0)
        _call(cuda, "cuDriverGetVersion", ctypes.byref(number))
        version = f"{number.value // 1000}.{number.value % 1000 // 10}"
        _call(cuda, "cuInit", ctypes.c_uint(0))
        count = ctypes.c_int(0)
        _call(cuda, "cuDeviceGetCount", ctypes.byref(count))
        devices = tuple([_describe(cuda, ordinal) for ordinal in range(count.value)])
    except (RuntimeError, AttributeError) as error:
        return Driver(version=version, problem=str(error))
    return Driver(version=version, devices=devices, problem="" if devices else "the driver sees no device")


def _describe(cuda: ctypes.CDLL, ordinal: int) -> Device:
    device, major, minor = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(0)
    memory, name = ctypes.c_size_t(0), ctypes.create_string_buffer(256)
    _call(cuda, "cuDeviceGet", ctypes.byref(device), ctypes.c_int(ordinal))
    _call(cuda, "cuDeviceGetName", name, ctypes.c_int(len(name)), device)
    _call(cuda, "cuDeviceGetAttribute", ctypes.byref(major), ctypes.c_int(_CAPABILITY_MAJOR), device)
    _call(cuda, "cuDeviceGetAttribute", ctypes.byref(minor), ctypes.c_int(_CAPABILITY_MINOR), device)
    _call(cuda, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    return Device(
        ordinal=ordinal,
        name=name.value.decode("utf-8", "replace"),
        arch=10 * major.value + minor.value,
        memory=memory.value,
    )


def _call(cuda: ctypes.CDLL, name: str, *arguments: object) -> None:
    status = int(getattr(cuda, name)(*arguments))
    if status != 0:
        text = ctypes.c_char_p()
        cuda.cuGetErrorName(ctypes.c_int(status), ctypes.byref(text))
        raise RuntimeError(f"{name} said {(text.value or b'an unknown error').decode()} ({status})")
