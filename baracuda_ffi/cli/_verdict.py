"""Whether the GPU can be used: the library's own word for it."""

from __future__ import annotations

from .._append.plan import PagedKvAppendPlan
from .._model.descriptors import PagedKvAppendDescriptor, PagedKvCacheDescriptor
from .._model.enums import ElementKind
from .._model.errors import BaracudaError, LibraryNotLoaded

_DEFAULT_STREAM = 0


def gpu_verdict() -> tuple[bool, str]:
    """Whether a CUDA append can be had here, and why (not): the library's own word, from a plan selected for
    it."""
    cache = PagedKvCacheDescriptor(
        page_size=16, num_total_pages=1, num_kv_heads=1, head_dim=128, element=ElementKind.F16
    )
    try:
        plan = PagedKvAppendPlan.select(
            _DEFAULT_STREAM, PagedKvAppendDescriptor(batch_size=1, paged_kv=cache)
        )
    except LibraryNotLoaded:
        raise
    except BaracudaError as error:
        return False, error.message
    return True, f"A plan for a CUDA stream runs {plan.sku().backend.name} with {plan.sku().arch.name} code."
