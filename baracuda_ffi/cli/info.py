"""``baracuda-ffi info``: what is installed, what it can use, and why the GPU is not used if it is not."""

from __future__ import annotations

import platform
from importlib import metadata

from .._model.errors import BaracudaError
from .._native.about import BuildInfo, build_info, host_max_threads, library_path
from .._native.devices import Device, Driver, find_devices
from ._verdict import gpu_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_NAME_WIDTH = 17
_PACKAGES = ("numpy", "ml_dtypes", "cuda-bindings", "torch", "cupy", "jax", "numba")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose."""


def run(arguments: argparse.Namespace) -> int:
    """Print it all; 1 if the native library could not be loaded."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    try:
        info = build_info()
    except BaracudaError as error:
        console.print("The native library could not be loaded.", style="bold red")
        console.print(Text(str(error)))
        return 1
    for name, value in _rows(info, find_devices()):
        console.print(Text.assemble((name.ljust(_NAME_WIDTH), "bold"), value))
    usable, reason = gpu_verdict()
    console.print()
    verdict = ("The GPU is used. ", "bold green") if usable else ("The GPU is not used: ", "bold yellow")
    console.print(Text.assemble(verdict, reason, "" if reason.endswith(".") else "."))
    return 0


def _rows(info: BuildInfo, driver: Driver) -> list[tuple[str, str]]:
    return [
        ("baracuda_ffi", info.version),
        ("library", library_path()),
        ("backends", ", ".join(info.backends)),
        ("FlashInfer", info.flashinfer or "not built in"),
        ("CUDA compiler", info.cuda or "none: built without CUDA"),
        ("machine code", _codes([f"sm_{arch}" for arch in info.archs], info)),
        ("PTX", _codes([f"compute_{arch}" for arch in info.ptx], info)),
        ("host threads", str(host_max_threads() or "up to the CPUs that this process may use")),
        ("CUDA driver", f"supports CUDA {driver.version}" if driver.version else driver.problem),
        *[(f"device {device.ordinal}", _device(device, info)) for device in driver.devices],
        *([("devices", driver.problem)] if driver.version and not driver.devices else []),
        ("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("found beside it", ", ".join(_installed()) or "nothing that it knows"),
    ]


def _codes(codes: list[str], info: BuildInfo) -> str:
    """Those that need the same driver together."""
    needs = dict(info.drivers)
    by_driver: dict[str, list[str]] = {}
    for code in codes:
        by_driver.setdefault(needs[code], []).append(code)
    told = [f"{', '.join(those)} (driver of CUDA {driver} or newer)" for driver, those in by_driver.items()]
    return "; ".join(told) or "none"


def _device(device: Device, info: BuildInfo) -> str:
    return f"{device.name}, {device.memory / 2**30:.0f} GiB, sm_{device.arch}: {_code_for(device.arch, info)}"


def _code_for(arch: int, info: BuildInfo) -> str:
    """Machine code runs on devices of its major capability and no smaller minor; PTX on any that is no
    older."""
    fitting = [int(a) for a in info.archs if a.isdigit() and int(a) // 10 == arch // 10 and int(a) <= arch]
    if fitting:
        return f"runs the machine code for sm_{max(fitting)}"
    if any(a.isdigit() and int(a) <= arch for a in info.ptx):
        return "runs the PTX, compiled by the driver at first use"
    return "nothing that was built in runs on it"


def _installed() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return found
