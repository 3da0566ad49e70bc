"""Device caches beyond 2^32 elements: rows at the first, middle and last page, every other byte as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from proof.large.large_caches import LargeCache, large_cache
from proof.modes import MODES, preference

import baracuda_ffi as bf
from support.calls.operands import CACHES
from support.devices.bits import Array, assert_same_bits, random_bits
from support.problems.elements import F16, F32, FP8_E5M2, Element

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

FILL = 0x5A

# Both layouts and conventions, and 1, 2 and 4 bytes an element: 8, 16 and 32 GiB for the two caches.
CACHES_TO_TRY = {
    element.symbol: (element, large_cache(16, 8, 128, (1 << 18) + 1000, layout, convention, element))
    for element, layout, convention in (
        (FP8_E5M2, "NHD", "BEFORE_APPEND"),
        (F16, "HND", "AFTER_APPEND"),
        (F32, "HND", "BEFORE_APPEND"),
    )
}


class Filled:
    """Device memory of `nbytes`, every byte of it FILL."""

    def __init__(self, nbytes: int) -> None:
        from support.devices import cuda

        self.nbytes = nbytes
        self.address = int(cuda.check(cuda.driver.cuMemAlloc(nbytes)))
        cuda.check(cuda.driver.cuMemsetD8(self.address, FILL, nbytes))

    def read(self, offset: int, into: Array) -> None:
        from support.devices import cuda

        cuda.check(cuda.driver.cuMemcpyDtoH(into.ctypes.data, self.address + offset, into.nbytes))

    def refill(self, offset: int, nbytes: int) -> None:
        from support.devices import cuda

        cuda.check(cuda.driver.cuMemsetD8(self.address + offset, FILL, nbytes))

    def free(self) -> None:
        from support.devices import cuda

        cuda.check(cuda.driver.cuMemFree(self.address))


def check_rows(cache: LargeCache, element: Element, memory: Filled, new: Array) -> None:
    """Every row is where it belongs; what was there before is put back, for the look at all the rest."""
    row = np.empty(cache.case.head_dim, element.dtype)
    for request, head, offset in cache.row_offsets():
        memory.read(offset * element.itemsize, row)
        assert_same_bits(row, new[request, head], f"request {request}, head {head}")
        memory.refill(offset * element.itemsize, row.nbytes)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", CACHES_TO_TRY)
def test_first_middle_and_last_page(cuda_backend: Any, which: str, mode: str) -> None:
    from proof.large.device_compare import DeviceCompare

    from support.devices import cuda

    element, cache = CACHES_TO_TRY[which]
    nbytes = cache.elements * element.itemsize
    cuda.synchronize()
    free, _ = cuda.check(cuda.driver.cuMemGetInfo())
    if free < 2 * nbytes + (256 << 20):
        pytest.skip(f"needs {2 * nbytes >> 30} GiB of device memory, {free >> 30} are free")
    rng = np.random.default_rng(1)
    new = {name: random_bits(rng, cache.case.row_shape, element.dtype) for name in ("key", "value")}
    operands = {name: cuda_backend.put(array) for name, array in (new | cache.table()).items()}
    memory = {name: Filled(nbytes) for name in CACHES}
    cuda.synchronize()
    compare = DeviceCompare()
    try:
        shape = cache.descriptor.paged_kv.shape
        views = {
            name: bf.TensorView(ptr=filled.address, shape=shape, element=cache.case.kind, device=0)
            for name, filled in memory.items()
        }
        plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, cache.descriptor, preference(mode))
        plan.run(cuda_backend.stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**operands, **views))
        if mode == "guarded":
            plan.check(cuda_backend.stream)
        cuda.synchronize()
        for name, source in zip(CACHES, ("key", "value"), strict=True):
            assert (
                compare.differing_words(memory[name].address, nbytes, FILL) > 0
            )  # the look itself sees something
            check_rows(cache, element, memory[name], new[source])
            assert compare.differing_words(memory[name].address, nbytes, FILL) == 0, name
    finally:
        compare.close()
        for filled in memory.values():
            filled.free()


# A byte a token, in more of them than 32 bits count: every way to say places is as wide as what it says.
PAGE_SIZE, PAGES = 1 << 20, (1 << 12) + 4
TOKENS = [0, 2**31 - 1, 2**31, 2**31 + PAGE_SIZE + 3, 2**32 - 1, 2**32, 2**32 + PAGE_SIZE + 1]
TABLE = np.arange(PAGES, dtype=np.int32)
PLACES: dict[str, dict[str, Array]] = {
    "slots": {"slot_mapping": np.array(TOKENS)},
    "positions": {
        "indices": TABLE,
        "indptr": np.array([0, PAGES], np.int32),
        "batch_indices": np.zeros(len(TOKENS), np.int32),
        "positions": np.array(TOKENS),
    },
    "dense": {
        "block_table": np.tile(TABLE, (len(TOKENS), 1)),
        "seq_lens": np.array(TOKENS) + 1,
    },
    "ragged": {  # one request, whose newest tokens lie on both sides of 2^32
        "indices": TABLE,
        "indptr": np.array([0, PAGES], np.int32),
        "append_indptr": np.array([0, len(TOKENS)], np.int32),
        "seq_lens": np.array([2**32 + 3]),
    },
}


@pytest.mark.parametrize("way", PLACES)
def test_tokens_that_32_bits_do_not_count(cuda_backend: Any, way: str) -> None:
    from proof.large.device_compare import DeviceCompare

    from support.devices import cuda

    nbytes = PAGE_SIZE * PAGES
    cuda.synchronize()
    free, _ = cuda.check(cuda.driver.cuMemGetInfo())
    if free < nbytes + (256 << 20):
        pytest.skip(f"needs {nbytes >> 30} GiB of device memory, {free >> 30} are free")
    at = TOKENS if way != "ragged" else list(range(2**32 + 3 - len(TOKENS), 2**32 + 3))
    rows = np.arange(1, len(at) + 1, dtype=np.uint8)
    memory = Filled(nbytes)
    cuda.synchronize()
    compare = DeviceCompare()
    try:
        view = bf.TensorView(
            ptr=memory.address, shape=(PAGES, PAGE_SIZE, 1, 1), element=bf.ElementKind.U8, device=0
        )
        bf.append_paged_kv(
            cuda_backend.put(rows.reshape(-1, 1, 1)),
            None,
            view,
            None,
            **{name: cuda_backend.put(array) for name, array in PLACES[way].items()},
            layout="NHD",
            length_convention="AFTER_APPEND",
            stream=cuda_backend.stream,
        )
        cuda.synchronize()
        found = np.empty(1, np.uint8)
        for token, row in zip(at, rows, strict=True):
            memory.read(token, found)
            assert found[0] == row, token
            memory.refill(token, 1)
        assert compare.differing_words(memory.address, nbytes, FILL) == 0
    finally:
        compare.close()
        memory.free()
