"""baracuda_ffi: FlashInfer's paged KV-cache append, prebuilt behind a C ABI.

A decoder appends one new K row and one new V row per request to a paged KV-cache at every step and every
layer. This package does that through FlashInfer's ``AppendPagedKVCacheDecode`` on a GPU, or through its host
twin where there is none, for any array framework and without PyTorch, a JIT or a compiler::

    import baracuda_ffi as bf

    bf.append_paged_kv(key, value, k_data, v_data, indices, indptr, last_page_len, stream=stream)

or, with the problem stated and checked once, ``PagedKvAppendPlan.select(...)`` and its ``run`` and ``bind``.

Importing it loads neither NumPy nor a CUDA library; the native library is loaded when it is first needed.
"""

from __future__ import annotations

from .about import BuildInfo, build_info, host_max_threads, library_path, set_host_max_threads
from .arguments import PagedKvAppendArgs
from .bound_launch import BoundLaunch
from .descriptors import (
    KernelSku,
    PagedKvAppendDescriptor,
    PagedKvCacheDescriptor,
    PlanPreference,
    PrecisionGuarantee,
)
from .enums import (
    ArchSku,
    AttentionKind,
    BackendKind,
    ElementKind,
    KvLayout,
    LengthConvention,
    MathPrecision,
    OpCategory,
)
from .errors import (
    BaracudaError,
    BufferTooSmall,
    CudaError,
    InvalidProblem,
    LibraryNotLoaded,
    MisalignedOperand,
    Unsupported,
    WorkspaceTooSmall,
)
from .functional import append_paged_kv
from .plan import PagedKvAppendPlan
from .tensor_view import TensorView
from .workspace import Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import reference as reference

    __version__: str

__all__ = [
    "ArchSku",
    "AttentionKind",
    "BackendKind",
    "BaracudaError",
    "BoundLaunch",
    "BufferTooSmall",
    "BuildInfo",
    "CudaError",
    "ElementKind",
    "InvalidProblem",
    "KernelSku",
    "KvLayout",
    "LengthConvention",
    "LibraryNotLoaded",
    "MathPrecision",
    "MisalignedOperand",
    "OpCategory",
    "PagedKvAppendArgs",
    "PagedKvAppendDescriptor",
    "PagedKvAppendPlan",
    "PagedKvCacheDescriptor",
    "PlanPreference",
    "PrecisionGuarantee",
    "TensorView",
    "Unsupported",
    "Workspace",
    "WorkspaceTooSmall",
    "append_paged_kv",
    "build_info",
    "host_max_threads",
    "library_path",
    "reference",
    "set_host_max_threads",
]


if not TYPE_CHECKING:  # to a type checker, only what is listed exists

    def __getattr__(name: str) -> object:
        if name == "__version__":
            return build_info().version
        if name == "reference":
            from importlib import import_module

            return import_module(".reference", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
