"""NumPy, and torch on any device, behind one face: what the model needs of either."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]

_NEVER = -1e30  # of a score: no softmax sees it


def alone(x: Any) -> Any:
    """What is to be added up over ranks where there is one."""
    return x


class NumPyArrays:
    """On the host. ``all_reduce`` adds an array up over all ranks."""

    name = "NumPy on the CPU"
    stream: Any = None
    on_gpu = False

    def __init__(self, all_reduce: Callable[[Any], Any] = alone) -> None:
        self.all_reduce = all_reduce

    def asarray(self, array: Array) -> Any:
        return array

    def to_numpy(self, x: Any) -> Array:
        found: Array = x
        return found

    def softmax(self, x: Any) -> Any:
        x = np.exp(x - x.max(axis=-1, keepdims=True))
        return x / x.sum(axis=-1, keepdims=True)

    def silu(self, x: Any) -> Any:
        return x / (1 + np.exp(-x))

    def causal(self, new: int, tokens: int) -> Any:
        seen = np.arange(tokens)[None, :] <= np.arange(tokens - new, tokens)[:, None]
        return np.where(seen, np.float32(0), np.float32(_NEVER))

    def zeros(self, *shape: int) -> Any:
        return np.zeros(shape, np.float32)

    def bytes(self, count: int, size: int) -> Any:
        """For pages on their way to another rank."""
        return np.empty((count, size), np.uint8)

    def seen(self, operand: Any) -> Any:
        """An array of a page table, to compute with."""
        return operand


class TorchArrays:
    """torch's tensors on the CPU or a GPU, on its current stream."""

    def __init__(self, device: str, dtype: str, all_reduce: Callable[[Any], Any] = alone) -> None:
        import torch

        self.torch = torch
        self.device = torch.device(device)
        self.dtype = {"f32": torch.float32, "f16": torch.float16}[dtype]
        self.on_gpu = self.device.type == "cuda"
        torch.set_num_threads(1)  # for matrices as small as these more only wait for each other
        where = torch.cuda.get_device_name(self.device) if self.on_gpu else "the CPU"
        self.name = f"torch {torch.__version__} on {where}, {dtype}"
        self.all_reduce = all_reduce

    @property
    def stream(self) -> Any:
        return self.torch.cuda.current_stream(self.device) if self.on_gpu else None

    def asarray(self, array: Array) -> Any:
        kept = self.dtype if array.dtype == np.float32 else None
        return self.torch.as_tensor(array).to(self.device, kept)

    def to_numpy(self, x: Any) -> Array:
        found: Array = x.float().cpu().numpy()
        return found

    def softmax(self, x: Any) -> Any:
        return self.torch.softmax(x, dim=-1)

    def silu(self, x: Any) -> Any:
        return self.torch.nn.functional.silu(x)

    def causal(self, new: int, tokens: int) -> Any:
        full = self.torch.full((new, tokens), float("-inf"), dtype=self.dtype, device=self.device)
        return self.torch.triu(full, diagonal=tokens - new + 1)

    def zeros(self, *shape: int) -> Any:
        return self.torch.zeros(shape, dtype=self.dtype, device=self.device)

    def bytes(self, count: int, size: int) -> Any:
        return self.torch.empty((count, size), dtype=self.torch.uint8, device=self.device)

    def seen(self, operand: Any) -> Any:
        return self.torch.as_tensor(operand, device=self.device)


if TYPE_CHECKING:
    Arrays = NumPyArrays | TorchArrays
