"""Host caches beyond 2^32 elements: sparse, so that they fit anywhere, and every byte is accounted for."""

from __future__ import annotations

import os

import numpy as np
import pytest
from proof.large.large_caches import LargeCache, large_cache
from proof.large.sparse import SparseCache
from proof.modes import MODES, preference

import baracuda_ffi as bf
from support.calls.operands import CACHES
from support.devices.bits import Array

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux's memfd")

CACHES_TO_TRY = {
    "many pages": large_cache(16, 8, 128, (1 << 18) + 1000, "HND", "BEFORE_APPEND"),
    "many pages, NHD": large_cache(16, 8, 128, (1 << 18) + 1000, "NHD", "AFTER_APPEND"),
    # More than 2^32 elements in a page, which FlashInfer cannot do and the host backend can.
    "vast pages": large_cache(1 << 20, 64, 128, 3, "HND", "AFTER_APPEND"),
    "vast pages, NHD": large_cache(1 << 20, 64, 128, 3, "NHD", "BEFORE_APPEND"),
}


def rows(cache: LargeCache, seed: int) -> Array:
    """No byte is zero, so that every one that is written shows."""
    return np.random.default_rng(seed).integers(1, 256, cache.case.row_shape, np.uint8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", CACHES_TO_TRY)
def test_first_middle_and_last_page(which: str, mode: str) -> None:
    cache = CACHES_TO_TRY[which]
    element = cache.case.kind
    sparse = {name: SparseCache(cache.descriptor.paged_kv.shape) for name in CACHES}
    new = {"key": rows(cache, 1), "value": rows(cache, 2)}
    views = {
        name: bf.TensorView(ptr=array.ctypes.data, shape=array.shape, element=element)
        for name, array in new.items()
    } | {
        name: bf.TensorView(ptr=memory.address, shape=memory.shape, element=element)
        for name, memory in sparse.items()
    }
    plan = bf.PagedKvAppendPlan.select(None, cache.descriptor, preference(mode))
    plan.run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**views, **cache.table()))
    for name, source in zip(CACHES, ("key", "value"), strict=True):
        expected = {
            offset + i: int(byte)
            for request, head, offset in cache.row_offsets()
            for i, byte in enumerate(new[source][request, head])
        }
        assert sparse[name].nonzero_bytes() == expected, name
        sparse[name].close()
