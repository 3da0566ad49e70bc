"""The public names, from their modules. The package loads this when the first of them is asked for; what an
append has no use for comes with its own name.
"""

from __future__ import annotations

from importlib import import_module

from ._append.arguments import PagedKvAppendArgs
from ._append.bound_launch import BoundLaunch
from ._append.error_record import ErrorRecord
from ._append.one_call import append_paged_kv
from ._append.plan import PagedKvAppendPlan
from ._append.preference import PlanPreference
from ._compilers import dynamo as _dynamo
from ._interop.tensor_view import TensorView
from ._model.descriptors import (
    KernelSku,
    PagedKvAppendDescriptor,
    PagedKvCacheDescriptor,
    PrecisionGuarantee,
)
from ._model.enums import (
    Addressing,
    ArchSku,
    AttentionKind,
    BackendKind,
    Corruption,
    ElementKind,
    KvLayout,
    LengthConvention,
    LengthsKind,
    MathPrecision,
    OpCategory,
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
from ._model.seen_values import SeenValues
from ._model.workspace import Workspace
from ._native.about import BuildInfo, build_info, host_max_threads, library_path, set_host_max_threads

_dynamo.read_instead(append_paged_kv, _dynamo.append_in_a_compiled_function)

_COPIES = "._pages.functional"
_LATER = {
    "BlockManager": "._page_tables.blocks.manager",
    "PageTable": "._page_tables.table.page_table",
    "PageTableFault": "._page_tables.validate.finding",
    "PageTableFinding": "._page_tables.validate.finding",
    "copy_pages": _COPIES,
    "gather_pages": _COPIES,
    "scatter_pages": _COPIES,
    "validate_page_table": "._page_tables.validate.validate",
}

TYPE_CHECKING = False
# In this order: the documentation's reader takes what comes under TYPE_CHECKING itself for no names.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_LATER[name], __package__), name)
        if _LATER[name] == _COPIES:
            _dynamo.read_instead(value, _dynamo.copies_in_a_compiled_function(name))
        globals()[name] = value
        return value

else:
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
