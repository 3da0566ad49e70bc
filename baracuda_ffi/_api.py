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
    Corruption,
    ElementKind,
    KvLayout,
    LengthConvention,
    MathPrecision,
    OpCategory,
)
from .error_record import ErrorRecord
from .errors import (
    BaracudaError,
    BufferTooSmall,
    CorruptPageTable,
    CudaError,
    InvalidProblem,
    LibraryNotLoaded,
    MisalignedOperand,
    Unsupported,
    WorkspaceTooSmall,
)
from .functional import append_paged_kv
from .page_table import PageTableFault, PageTableFinding, validate_page_table
from .plan import PagedKvAppendPlan
from .seen_values import SeenValues
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
    "CorruptPageTable",
    "Corruption",
    "CudaError",
    "ElementKind",
    "ErrorRecord",
    "InvalidProblem",
    "KernelSku",
    "KvLayout",
    "LengthConvention",
    "LibraryNotLoaded",
    "MathPrecision",
    "MisalignedOperand",
    "OpCategory",
    "PageTableFault",
    "PageTableFinding",
    "PagedKvAppendArgs",
    "PagedKvAppendDescriptor",
    "PagedKvAppendPlan",
    "PagedKvCacheDescriptor",
    "PlanPreference",
    "PrecisionGuarantee",
    "SeenValues",
    "TensorView",
    "Unsupported",
    "Workspace",
    "WorkspaceTooSmall",
    "append_paged_kv",
    "build_info",
    "host_max_threads",
    "library_path",
    "set_host_max_threads",
    "validate_page_table",
]
