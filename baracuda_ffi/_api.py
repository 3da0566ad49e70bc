"""The public names, from their modules. The package loads this when the first of them is asked for."""

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
    "set_host_max_threads",
]
