"""What is before an append on its stream has finished for it: all that it reads is written late, by a kernel
that lets what comes behind it begin early, or does not.

Our kernels may begin before that kernel has finished, and wait for it themselves. Nothing else shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.devices.bits import Array, assert_same_bits, random_bits

pytestmark = pytest.mark.gpu

N, HEADS, WIDTH, PAGES, PAGE_SIZE = 48, 4, 64, 64, 4
LATE = 300_000  # nanoseconds

#: A call, and the element of its caches.
CALLS: dict[str, tuple[Callable[..., None], Any]] = {
    "decode": (bf.append_paged_kv, np.float16),
    "ragged": (bf.append_paged_kv, np.float16),
    "slots": (bf.append_paged_kv, np.float16),
    "fp8": (bf.append_paged_kv, np.uint8),
    "per token and head": (bf.append_paged_kv, np.uint8),
    "pages": (bf.copy_pages, np.float16),
}


def read_of(call: str) -> dict[str, Array]:
    """The operands that are only read."""
    rng = np.random.default_rng(7)
    pages = rng.permutation(PAGES).astype(np.int32)
    if call == "pages":
        return {"source": pages[: N // 2], "destination": pages[N // 2 : N]}
    rows = {name: rng.standard_normal((N, HEADS, WIDTH)).astype(np.float16) for name in ("key", "value")}
    slots = {"slot_mapping": pages[:N].astype(np.int64) * PAGE_SIZE + rng.integers(0, PAGE_SIZE, N)}
    one_page_each = {"indices": pages[:N], "indptr": np.arange(N + 1, dtype=np.int32)}
    if call == "decode":
        return rows | one_page_each | {"last_page_len": rng.integers(0, PAGE_SIZE, N).astype(np.int32)}
    if call == "ragged":
        lengths = np.ones(N, np.int32)
        return rows | one_page_each | {"last_page_len": lengths, "append_indptr": one_page_each["indptr"]}
    scales = {name: np.full(1, 0.03, np.float32) for name in ("k_scale", "v_scale")}
    return rows | slots | (scales if call == "fp8" else {})


def written_of(call: str, element: Any) -> dict[str, Array]:
    rng = np.random.default_rng(8)
    shape = (PAGES, HEADS, PAGE_SIZE, WIDTH)
    caches = {name: random_bits(rng, shape, element) for name in ("k_data", "v_data")}
    if call == "per token and head":
        caches |= {name: np.zeros((PAGES, PAGE_SIZE, HEADS), np.float32) for name in ("k_scales", "v_scales")}
    return caches


@pytest.fixture(params=["ends", "triggers"])
def writer(request: pytest.FixtureRequest, cuda_backend: Any) -> Iterator[Any]:
    from support.devices.late_writer import FIRST_TO_TRIGGER, LateWriter

    triggers = request.param == "triggers"
    if triggers and cuda_backend.device.capability < FIRST_TO_TRIGGER:
        pytest.skip("no kernel of such a device lets another begin early")
    made = LateWriter(triggers=triggers)
    yield made
    made.close()


@pytest.mark.parametrize("how", ["stream", "default stream", "graph"])
@pytest.mark.parametrize("call", CALLS)
def test_what_is_written_late_is_read(cuda_backend: Any, writer: Any, call: str, how: str) -> None:
    from support.devices import cuda

    function, element = CALLS[call]
    read, written = read_of(call), written_of(call, element)
    memory = {name: cuda_backend.new(array) for name, array in (read | written).items()}
    staged = {name: cuda_backend.new(array) for name, array in read.items()}
    options: dict[str, Any] = {name: cuda_backend.describe(its) for name, its in memory.items()}
    if element is np.uint8:
        options["element"] = bf.ElementKind.FP8_E4M3
    stream = cuda.driver.CUstream(1) if how == "default stream" else cuda_backend.stream

    def enqueue(*, late: bool) -> None:
        if late:
            for name, its in memory.items():
                if name in read:
                    source = staged[name].ptr
                    writer.enqueue(stream, its.ptr, source, its.nbytes, nanoseconds=LATE // len(read))
        function(**options, stream=stream)

    enqueue(late=False)  # loads what is launched
    cuda.synchronize()
    expected = {name: memory[name].read() for name in written}
    assert any((expected[name] != array).any() for name, array in written.items())
    for _ in range(3):
        for name, array in (read | written).items():
            memory[name].write(array if name in written else np.zeros_like(array))
        cuda.synchronize()
        if how == "graph":
            with cuda.capture(stream) as graph:
                enqueue(late=True)
            graph.replay()
        else:
            enqueue(late=True)
        cuda.synchronize()
        for name in written:
            assert_same_bits(memory[name].read(), expected[name], name)
    cuda_backend.check_guards()
