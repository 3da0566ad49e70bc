"""The public names, and which module each is in. The package loads this when the first of them is asked for,
and with each name what that needs: the first append of a process waits for nothing else.
"""

from __future__ import annotations

_COPIES = "_pages.functional"
_MODULES = {
    "_append.arguments": ("PagedKvAppendArgs",),
    "_append.bound_launch": ("BoundLaunch",),
    "_append.error_record": ("ErrorRecord",),
    "_append.one_call": ("append_paged_kv",),
    "_append.plan": ("PagedKvAppendPlan",),
    "_append.preference": ("PlanPreference",),
    "_interop.tensor_view": ("TensorView",),
    "_model.descriptors": ("PagedKvAppendDescriptor", "PagedKvCacheDescriptor"),
    "_model.enums": (
        "Addressing",
        "BackendKind",
        "ElementKind",
        "KvLayout",
        "LengthConvention",
        "LengthsKind",
        "TableKind",
        "Transform",
    ),
    "_model.errors": (
        "BaracudaError",
        "BufferTooSmall",
        "CorruptPageTable",
        "CudaError",
        "InvalidProblem",
        "LibraryNotLoaded",
        "MisalignedOperand",
        "OutOfPages",
        "Unsupported",
        "WorkspaceTooSmall",
    ),
    "_model.sku": (
        "ArchSku",
        "AttentionKind",
        "KernelSku",
        "MathPrecision",
        "OpCategory",
        "PrecisionGuarantee",
    ),
    "_model.seen_values": ("Corruption", "SeenValues"),
    "_model.workspace": ("Workspace",),
    "_native.about": ("BuildInfo", "build_info", "host_max_threads", "library_path", "set_host_max_threads"),
    "_page_tables.blocks.manager": ("BlockManager",),
    "_page_tables.table.page_table": ("PageTable",),
    "_page_tables.validate.finding": ("PageTableFault", "PageTableFinding"),
    "_page_tables.validate.validate": ("validate_page_table",),
    _COPIES: ("copy_pages", "gather_pages", "scatter_pages"),
}

TYPE_CHECKING = False
# In this order: the documentation's reader takes what comes under TYPE_CHECKING itself for no names.
if not TYPE_CHECKING:
    from . import _load

    _MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(_load(_MODULE_OF[name]), name)
        if name == "append_paged_kv" or _MODULE_OF[name] == _COPIES:
            _load("_compilers.dynamo").read_instead_of(name, value)
        globals()[name] = value
        return value

else:
    from ._append.arguments import PagedKvAppendArgs
    from ._append.bound_launch import BoundLaunch
    from ._append.error_record import ErrorRecord
    from ._append.one_call import append_paged_kv
    from ._append.plan import PagedKvAppendPlan
    from ._append.preference import PlanPreference
    from ._interop.tensor_view import TensorView
    from ._model.descriptors import PagedKvAppendDescriptor, PagedKvCacheDescriptor
    from ._model.enums import (
        Addressing,
        BackendKind,
        ElementKind,
        KvLayout,
        LengthConvention,
        LengthsKind,
        TableKind,
        Transform,
    )
    from ._model.errors import (
        BaracudaError,
        BufferTooSmall,
        CorruptPageTable,
        CudaError,
        InvalidProblem,
        LibraryNotLoaded,
        MisalignedOperand,
        OutOfPages,
        Unsupported,
        WorkspaceTooSmall,
    )
    from ._model.seen_values import Corruption, SeenValues
    from ._model.sku import ArchSku, AttentionKind, KernelSku, MathPrecision, OpCategory, PrecisionGuarantee
    from ._model.workspace import Workspace
    from ._native.about import BuildInfo, build_info, host_max_threads, library_path, set_host_max_threads
    from ._page_tables.blocks.manager import BlockManager
    from ._page_tables.table.page_table import PageTable
    from ._page_tables.validate.finding import PageTableFault, PageTableFinding
    from ._page_tables.validate.validate import validate_page_table
    from ._pages.functional import copy_pages, gather_pages, scatter_pages


__all__ = [
    "Addressing",
    "ArchSku",
    "AttentionKind",
    "BackendKind",
    "BaracudaError",
    "BlockManager",
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
    "LengthsKind",
    "LibraryNotLoaded",
    "MathPrecision",
    "MisalignedOperand",
    "OpCategory",
    "OutOfPages",
    "PageTable",
    "PageTableFault",
    "PageTableFinding",
    "PagedKvAppendArgs",
    "PagedKvAppendDescriptor",
    "PagedKvAppendPlan",
    "PagedKvCacheDescriptor",
    "PlanPreference",
    "PrecisionGuarantee",
    "SeenValues",
    "TableKind",
    "TensorView",
    "Transform",
    "Unsupported",
    "Workspace",
    "WorkspaceTooSmall",
    "append_paged_kv",
    "build_info",
    "copy_pages",
    "gather_pages",
    "host_max_threads",
    "library_path",
    "scatter_pages",
    "set_host_max_threads",
    "validate_page_table",
]
