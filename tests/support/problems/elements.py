"""The element types, as a test sees them: name, NumPy type, and FlashInfer's limit on heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

# One CUDA block holds 1024 threads, and FlashInfer gives each request one block.
MAX_THREADS_PER_BLOCK = 1024


@dataclass(frozen=True)
class Element:
    """One element type; `kind` names the member of `baracuda_ffi.ElementKind`, `symbol` the part of a C
    symbol.
    """

    kind: str
    symbol: str
    value: int
    dtype: Any
    dlpack: tuple[int, int]

    @property
    def itemsize(self) -> int:
        return int(np.dtype(self.dtype).itemsize)

    def max_heads(self, head_dim: int) -> int:
        """The most heads that FlashInfer's kernel launches with, written out from its geometry."""
        vector = max(16 // self.itemsize, head_dim // 32)
        return MAX_THREADS_PER_BLOCK // (head_dim // vector)


F16 = Element("F16", "f16", 1, np.float16, (2, 16))
BF16 = Element("BF16", "bf16", 2, ml_dtypes.bfloat16, (4, 16))
F32 = Element("F32", "f32", 3, np.float32, (2, 32))
FP8_E4M3 = Element("FP8_E4M3", "fp8_e4m3", 4, ml_dtypes.float8_e4m3fn, (10, 8))
FP8_E5M2 = Element("FP8_E5M2", "fp8_e5m2", 5, ml_dtypes.float8_e5m2, (12, 8))

I8 = Element("I8", "int8", 6, np.int8, (0, 8))
U8 = Element("U8", "uint8", 7, np.uint8, (1, 8))

#: Those that have symbols of their own.
ELEMENTS = (F16, BF16, F32, FP8_E4M3, FP8_E5M2)
#: The general append's.
ALL_ELEMENTS = (*ELEMENTS, I8, U8)
HEAD_DIMS = (64, 128, 256)
