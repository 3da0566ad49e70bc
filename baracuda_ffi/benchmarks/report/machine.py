"""The machine that a run was made on, as far as it decides the numbers."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version

from ..._native.about import build_info
from ..._native.devices import find_devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PACKAGES = (
    "baracuda-ffi",
    "numpy",
    "torch",
    "triton",
    "cupy-cuda13x",
    "cupy-cuda12x",
    "cuda-bindings",
    "flashinfer-python",
    "apache-tvm-ffi",
    "vllm",
)


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def describe_machine() -> dict[str, Any]:
    """GPUs, driver, CUDA, CPU, cores that this process may use, system, Python, packages, and the library."""
    driver = find_devices()
    info = build_info()
    return {
        "gpus": [device.name for device in driver.devices],
        "gpu_problem": driver.problem,
        "driver": _driver_release() if driver.devices else "",
        "driver_cuda": driver.version,
        "cpu": _cpu(),
        "cores": cores(),
        "load": load(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "library": {
            "version": info.version,
            "flashinfer": info.flashinfer,
            "cuda": info.cuda,
            "archs": list(info.archs),
        },
    }


def one_line(machine: dict[str, Any]) -> str:
    gpus = machine["gpus"]
    where = f"{gpus[0]}, driver {machine['driver'] or 'unknown'}" if gpus else "no GPU"
    line = f"{where}; {machine['cpu']}, {machine['cores']} cores; {machine['python']}"
    busy = machine.get("load")
    if busy is not None and busy > machine["cores"] / 2:
        line += f". The machine was busy before the run (load {busy:g}): expect spread"
    return line


def l2_bytes() -> int | None:
    """Of the second-level cache of the first core; None where the system does not say."""
    try:
        with open("/sys/devices/system/cpu/cpu0/cache/index2/size", encoding="ascii") as file:
            size = file.read().strip()
        return int(size.removesuffix("K")) << 10 if size.endswith("K") else int(size)
    except (OSError, ValueError):
        return None


def load() -> float | None:
    """Processes that wanted a core, the mean of the last minute: what else the machine was doing."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def cores() -> int:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _driver_release() -> str:
    try:
        output = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return output.split("\n", 1)[0].strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
