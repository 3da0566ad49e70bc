"""The GPU through torch, which holds the operands there."""

from __future__ import annotations

from ..._native.about import build_info
from ..._native.devices import find_devices
from ..absent import Absent, optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def torch_with_gpu() -> Any:
    """torch, if a GPU can be used through it and through this package; else ``Absent``, with the reason."""
    driver = find_devices()
    if not driver.devices:
        raise Absent(driver.problem)
    if build_info().cuda is None:
        raise Absent("this baracuda_ffi was built without CUDA")
    torch = optional("torch", "PyTorch, which holds the operands on the GPU,")
    if not torch.cuda.is_available():
        raise Absent("there is a GPU, and the PyTorch that is installed cannot use it")
    return torch
