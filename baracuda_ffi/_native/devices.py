"""The CUDA devices of this machine, asked of the driver alone: no context is made."""

from __future__ import annotations

from .._model.errors import CudaError, Unsupported
from .._model.frozen import Frozen
from . import driver as cuda

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ME = "find_devices"


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
    if not cuda.is_there():
        return Driver(problem="there is no CUDA driver on this machine")
    version = ""
    try:
        driver = cuda.Driver(_ME)
        number = int(driver.call("cuDriverGetVersion"))
        version = f"{number // 1000}.{number % 1000 // 10}"
        driver.call("cuInit", 0)
        count = int(driver.call("cuDeviceGetCount"))
        devices = tuple([_describe(driver, ordinal) for ordinal in range(count)])
    except (CudaError, Unsupported) as error:
        return Driver(version=version, problem=error.message)
    return Driver(version=version, devices=devices, problem="" if devices else "the driver sees no device")


def _describe(driver: cuda.Driver, ordinal: int) -> Device:
    from cuda.bindings.driver import CUdevice_attribute

    device = driver.call("cuDeviceGet", ordinal)

    def capability(part: str) -> int:
        attribute: Any = getattr(CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_{part}")
        return int(driver.call("cuDeviceGetAttribute", attribute, device))

    name: bytes = driver.call("cuDeviceGetName", 256, device)
    return Device(
        ordinal=ordinal,
        name=name.split(b"\0")[0].decode("utf-8", "replace"),
        arch=10 * capability("MAJOR") + capability("MINOR"),
        memory=int(driver.call("cuDeviceTotalMem", device)),
    )
