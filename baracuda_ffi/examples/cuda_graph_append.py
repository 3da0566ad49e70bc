"""A decode loop in a CUDA graph, by cuda-python alone: one launch, captured once and replayed at each step
over rows and a page table that changed in place.

A launch runs on the stream that it was bound to, whatever is captured. Called inside the capture of another
stream it would run outside the graph, once, and every replay would lack it: ``launch.on`` takes it into the
capture. Nor can a kernel always be loaded during a capture: ``select`` has done that before.

Lengths are said by seq_lens, in the convention of the attention that follows: a page that is missing is then
found, and recorded for ``check``, instead of a token being lost. Requests that a batch is padded with have
seq_lens 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cuda.bindings import driver

import baracuda_ffi as bf
from baracuda_ffi.examples.cuda_python_append import DEVICE, call, upload
from baracuda_ffi.reference import append_paged_kv_reference

BATCH, HEADS, PAGE_SIZE, HEAD_DIM, PAGES, STEPS = 4, 2, 4, 128, 12, 6
# Tokens of each request before the first step; the last one is padding.
LENGTHS = np.array([3, 6, 1, 0], np.int32)


def main() -> None:
    rng = np.random.default_rng(0)
    cache = bf.PagedKvCacheDescriptor(
        page_size=PAGE_SIZE,
        num_total_pages=PAGES,
        num_kv_heads=HEADS,
        head_dim=HEAD_DIM,
        element=bf.ElementKind.F16,
    )
    # A table as wide as any request may grow: a graph's operands stay where they are.
    block_table = rng.permutation(PAGES).astype(np.int32).reshape(BATCH, PAGES // BATCH)
    right: dict[str, Any] = {name: np.zeros(cache.shape, np.float16) for name in ("k_data", "v_data")}
    rows: dict[str, Any] = {name: np.zeros((BATCH, HEADS, HEAD_DIM), np.float16) for name in ("key", "value")}
    lengths = LENGTHS.copy()

    call(driver.cuInit, 0)
    device = call(driver.cuDeviceGet, DEVICE)
    call(driver.cuCtxSetCurrent, call(driver.cuDevicePrimaryCtxRetain, device))
    flags = driver.CUstream_flags.CU_STREAM_NON_BLOCKING.value
    stream, captured = call(driver.cuStreamCreate, flags), call(driver.cuStreamCreate, flags)
    arrays = rows | right | {"block_table": block_table, "seq_lens": lengths}
    operands = {name: upload(array, stream) for name, array in arrays.items()}

    desc = bf.PagedKvAppendDescriptor(
        batch_size=BATCH, paged_kv=cache, table="DENSE", length_convention="AFTER_APPEND"
    )
    plan = bf.PagedKvAppendPlan.select(stream, desc, bf.PlanPreference(guarded=True))
    launch = plan.bind(stream, bf.PagedKvAppendArgs(**operands))

    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    call(driver.cuStreamBeginCapture, captured, mode)
    launch.on(captured)()  # not launch(), which is bound to the other stream
    graph = call(driver.cuStreamEndCapture, captured)
    executable = call(driver.cuGraphInstantiate, graph, 0)

    for _ in range(STEPS):
        lengths[LENGTHS > 0] += 1
        for array in rows.values():
            array[:] = rng.standard_normal(array.shape)
        for name, array in (rows | {"seq_lens": lengths}).items():
            call(driver.cuMemcpyHtoDAsync, operands[name].ptr, array.ctypes.data, array.nbytes, stream)
        call(driver.cuGraphLaunch, executable, stream)
        call(driver.cuStreamSynchronize, stream)  # before the arrays are written again
        append_paged_kv_reference(
            **rows, **right, block_table=block_table, seq_lens=lengths, length_convention="AFTER_APPEND"
        )
    plan.check(stream)

    for name, expected in right.items():
        found = np.empty_like(expected)
        call(driver.cuMemcpyDtoHAsync, found.ctypes.data, operands[name].ptr, found.nbytes, stream)
        call(driver.cuStreamSynchronize, stream)
        if found.tobytes() != expected.tobytes():
            raise SystemExit(f"WRONG: {name} is not that of the reference")
    print(f"RIGHT: {STEPS} replays, every byte of both caches as in the NumPy reference")

    call(driver.cuGraphExecDestroy, executable)
    call(driver.cuGraphDestroy, graph)
    for view in operands.values():
        call(driver.cuMemFree, view.ptr)
    call(driver.cuStreamDestroy, captured)
    call(driver.cuStreamDestroy, stream)
    call(driver.cuDevicePrimaryCtxRelease, device)


if __name__ == "__main__":
    main()
