"""Copies of pages on a GPU: graphs, streams, contexts, kinds of memory, devices, offsets beyond 32 bits."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi import abi
from support.damaged.guarded import UNCLAIMED
from support.devices.bits import Array, assert_same_bits, random_bits
from support.pages.copy_problem import preload
from support.pages.page_call import MOVEMENTS, PageCall, check_blocks, make_call
from support.views.views import Extents

pytestmark = pytest.mark.gpu

EXTENTS = Extents(heads=2, width=64, value_width=64, pages=9, slots=4)


@pytest.fixture
def pinned(cuda_backend: Any) -> Iterator[Any]:
    """Makes NumPy arrays over pinned memory."""
    from support.devices import cuda

    bases = []

    def new(shape: tuple[int, ...], dtype: str) -> Array:
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        flags = cuda.driver.CU_MEMHOSTALLOC_PORTABLE | cuda.driver.CU_MEMHOSTALLOC_DEVICEMAP
        bases.append(cuda.check(cuda.driver.cuMemHostAlloc(nbytes, flags)))
        raw = (ctypes.c_uint8 * nbytes).from_address(int(bases[-1]))
        array = np.frombuffer(raw, dtype).reshape(shape)
        array.view("u1")[...] = 0xA5
        return array

    yield new
    cuda.synchronize()
    for base in bases:
        cuda.check(cuda.driver.cuMemFreeHost(base))


@pytest.mark.parametrize("copies", [1, 4, 300])
@pytest.mark.parametrize("movement", MOVEMENTS)
def test_one_launch_however_many_pages(cuda_backend: Any, movement: str, copies: int) -> None:
    """Captured, and replayed over lists that changed, one of them damaged, which the record says."""
    from support.devices import cuda

    extents = Extents(heads=2, width=64, value_width=64, pages=700, slots=4)
    call = make_call(movement, "interleaved", extents, copies=copies, guarded=True)
    make_call(movement, "interleaved", extents, copies=copies).run_and_check(cuda_backend)  # loads the kernel
    blocks, operands = call.put(cuda_backend)
    record = cuda_backend.put(UNCLAIMED)
    with cuda.capture(cuda_backend.stream) as graph:
        call.launch(cuda_backend, operands, bf.ErrorRecord(record))
    (name,) = graph.kernel_names()
    assert "copy_pages_kernel" in name
    for seed in (1, 2):
        other = make_call(movement, "interleaved", extents, copies=copies, seed=seed)
        for name in call.lists:
            call.views[name][...] = other.views[name]
            if seed == 2:
                call.views[name][-1] = extents.pages
        for block, bits in zip(blocks, call.memory.blocks, strict=True):
            cuda_backend.overwrite(block, bits)
        expected, corrupt = call.expected()
        graph.replay()
        check_blocks(cuda_backend, blocks, expected)
        assert bool(cuda_backend.get(record).any()) == bool(corrupt) == (seed == 2)


def test_a_capture_needs_no_launch_before_where_the_kernel_is_loaded(cuda_backend: Any) -> None:
    """By preload, which says for what."""
    from support.devices import cuda

    op = abi.Copy(struct_size=ctypes.sizeof(abi.Copy), flags=abi.GUARDED, backend=abi.BESPOKE)
    op.num_total_pages, op.k_element_bytes, op.v_element_bytes = 1, 2, 2
    op.stream = int(cuda_backend.stream)
    arch = ctypes.c_int32()
    assert preload(op, arch) == abi.OK, abi.message()
    assert 0 < arch.value <= cuda_backend.device.capability
    for form in ("packed", "odd-rows", "heads-outermost", "two types"):
        call = make_call("copy", form, EXTENTS)
        blocks, operands = call.put(cuda_backend)
        with cuda.capture(cuda_backend.stream) as graph:
            call.launch(cuda_backend, operands)
        graph.replay()
        check_blocks(cuda_backend, blocks, call.expected()[0])


def test_a_launch_waits_for_its_stream_and_for_nothing_else(cuda_backend: Any) -> None:
    from support.devices import cuda

    make_call("copy", "packed", EXTENTS).run_and_check(cuda_backend)
    call = make_call("copy", "packed", EXTENTS)
    blocks, operands = call.put(cuda_backend)
    before = cuda_backend.get(blocks[0])
    other = cuda.create_stream()
    try:
        with cuda.held(cuda_backend.stream):
            call.launch(cuda_backend, operands)
            assert not cuda.is_idle(cuda_backend.stream)
            memory = cuda_backend._operands[id(blocks[0])]
            assert_same_bits(memory.read_on(other), before, "k_data")
        check_blocks(cuda_backend, blocks, call.expected()[0])
    finally:
        cuda.check(cuda.driver.cuStreamDestroy(other))


@pytest.mark.parametrize("handle", [0, 1, 2])
def test_the_default_streams(cuda_backend: Any, handle: int) -> None:
    for movement in MOVEMENTS:
        call = make_call(movement, "interleaved", EXTENTS)
        blocks, operands = call.put(cuda_backend)
        own, cuda_backend.stream = cuda_backend.stream, handle
        try:
            call.launch(cuda_backend, operands)
        finally:
            cuda_backend.stream = own
        check_blocks(cuda_backend, blocks, call.expected()[0])


def test_a_stream_of_a_context_that_is_not_current(cuda_backend: Any) -> None:
    from support.devices import cuda
    from support.devices.cuda_backend import CudaBackend

    context = cuda.create_context(cuda_backend.device)
    other = CudaBackend(cuda_backend.device, cuda.create_stream())
    for movement in MOVEMENTS:
        call = make_call(movement, "side-by-side", EXTENTS)
        blocks, operands = call.put(other)
        for current in (cuda_backend.context, None):
            with cuda.current(current):
                call.launch(other, operands)
                assert cuda.current_context() == (0 if current is None else int(current))
        check_blocks(other, blocks, call.expected()[0])
    cuda_backend.device.make_current()
    cuda.check(cuda.driver.cuCtxDestroy(context))


def test_a_buffer_in_pinned_memory(cuda_backend: Any, pinned: Any) -> None:
    """Offload and back: NumPy does not know that it is pinned, the driver does."""
    from support.devices import cuda

    rng = np.random.default_rng(1)
    caches = [random_bits(rng, (9, 2, 4, 64), "f2") for _ in range(2)]
    k_data, v_data = (cuda_backend.put(cache) for cache in caches)
    source = cuda_backend.put(np.array([7, 0, -1, 3]))
    buffer = pinned((5, 2, 2, 4, 64), "f2")
    bf.gather_pages(k_data, v_data, source, buffer, stream=cuda_backend.stream)
    cuda.synchronize()
    for row, page in enumerate((7, 0, None, 3, None)):
        expected = np.stack([cache[page] for cache in caches]) if page is not None else None
        if expected is None:
            assert (buffer[row].view("u1") == 0xA5).all()
        else:
            assert_same_bits(buffer[row], expected, f"row {row}")
    for operand, cache in ((k_data, caches[0]), (v_data, caches[1])):
        cuda_backend.overwrite(operand, np.zeros_like(cache))
    bf.scatter_pages(k_data, v_data, source, buffer, stream=cuda_backend.stream)
    for operand, cache in ((k_data, caches[0]), (v_data, caches[1])):
        found = cuda_backend.get(operand)
        for page in range(9):
            expected = cache[page] if page in (7, 0, 3) else np.zeros_like(cache[page])
            assert_same_bits(found[page], expected, f"page {page}")
    cuda_backend.check_guards()


def test_lists_and_caches_in_pinned_memory(cuda_backend: Any, pinned: Any) -> None:
    """And the host takes the same memory."""
    from support.devices import cuda

    k_data, source, destination = pinned((6, 32), "f4"), pinned((2,), "i4"), pinned((2,), "i8")
    k_data[...] = np.arange(6 * 32).reshape(6, 32)
    source[...], destination[...] = (0, 5), (1, 3)
    expected = k_data.copy()
    expected[[1, 3]] = expected[[0, 5]]
    bf.copy_pages(k_data, None, source, destination, stream=cuda_backend.stream)
    cuda.synchronize()
    assert_same_bits(k_data, expected, "k_data")
    bf.copy_pages(k_data, None, destination, source, stream=None)
    assert_same_bits(k_data, expected, "k_data")


def test_memory_that_the_gpu_does_not_reach_is_refused(cuda_backend: Any) -> None:
    for movement in MOVEMENTS:
        call = make_call(movement, "packed", EXTENTS)
        blocks, operands = call.put(cuda_backend)
        for name in operands:
            with pytest.raises(bf.InvalidProblem, match=f"{name} is host memory"):
                call.launch(cuda_backend, operands | {name: call.views[name].copy()})
        check_blocks(cuda_backend, blocks, call.memory.blocks)


@pytest.mark.multigpu
def test_an_operand_on_another_device_is_refused(cuda_backend: Any) -> None:
    from support.devices import cuda
    from support.devices.cuda_backend import CudaBackend

    device = cuda.Device(1)
    other = CudaBackend(device, cuda.create_stream())
    cuda_backend.device.make_current()
    for movement in MOVEMENTS:
        call = make_call(movement, "packed", EXTENTS)
        blocks, operands = call.put(cuda_backend)
        with cuda.current(device.context):
            _, there = call.put(other)
        for name in operands:
            with pytest.raises(bf.InvalidProblem, match=rf"{name}.*device 1.*device 0"):
                call.launch(cuda_backend, operands | {name: there[name]})
        check_blocks(cuda_backend, blocks, call.memory.blocks)
        with cuda.current(device.context):
            fresh_blocks, there = call.put(other)
        call.launch(other, there)  # device 0 is current
        with cuda.current(device.context):
            check_blocks(other, fresh_blocks, call.expected()[0])
    other.close()
    cuda_backend.device.make_current()


class Device:
    """Device memory that is too large to be compared whole."""

    def __init__(self, nbytes: int) -> None:
        from support.devices import cuda

        self.address = int(cuda.check(cuda.driver.cuMemAlloc(nbytes)))
        cuda.check(cuda.driver.cuMemsetD8(self.address, 0x5A, nbytes))

    def write(self, offset: int, content: Array) -> None:
        from support.devices import cuda

        cuda.check(cuda.driver.cuMemcpyHtoD(self.address + offset, content.ctypes.data, content.nbytes))
        cuda.synchronize()

    def read(self, offset: int, nbytes: int) -> Array:
        from support.devices import cuda

        content = np.empty(nbytes, np.uint8)
        cuda.check(cuda.driver.cuMemcpyDtoH(content.ctypes.data, self.address + offset, nbytes))
        return content

    def view(self, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, offset: int = 0) -> Any:
        return bf.TensorView(
            ptr=self.address + offset, shape=shape, strides=strides, element="uint8", device=0
        )

    def free(self) -> None:
        from support.devices import cuda

        cuda.check(cuda.driver.cuMemFree(self.address))


@pytest.mark.slow
def test_pages_further_apart_than_32_bits_reach(cuda_backend: Any) -> None:
    """Steps of 5 GB from page to page, and of 3 GB inside a page."""
    from support.devices import cuda

    page, inner = 5 << 30, 3 << 30
    memory = Device(2 * page + inner + 4096)
    try:
        rng = np.random.default_rng(1)
        halves = [random_bits(rng, (4096,), np.uint8) for _ in range(2)]
        for i, half in enumerate(halves):
            memory.write(2 * page + i * inner, half)
        cache = memory.view((3, 2, 4096), (page, inner, 1))
        source, destination = (cuda_backend.put(np.array(ids)) for ids in ([2], [0]))
        bf.copy_pages(cache, None, source, destination, stream=cuda_backend.stream)
        cuda.synchronize()
        for i, half in enumerate(halves):
            assert_same_bits(memory.read(i * inner, 4096), half, f"half {i}")
            assert (memory.read(i * inner + 4096, 4096) == 0x5A).all()
            assert (memory.read(page + i * inner, 4096) == 0x5A).all()
    finally:
        memory.free()


@pytest.mark.slow
def test_more_vectors_than_32_bits_count(cuda_backend: Any) -> None:
    """Pages at odd addresses, copied byte by byte: 2.2 GB of them in one launch."""
    from support.devices import cuda

    page_bytes, copies = 65537, 33000
    assert page_bytes * copies > 2**31
    caches, rows = Device(4 * page_bytes + 1), Device(page_bytes * copies + 64)
    try:
        content = random_bits(np.random.default_rng(2), (4, page_bytes), np.uint8)
        caches.write(1, content)
        pages = np.arange(copies, dtype=np.int32) % 4
        pages[copies // 2] = -1
        source = cuda_backend.put(pages)
        buffer = rows.view((copies, page_bytes))
        cache = caches.view((4, page_bytes), offset=1)
        bf.gather_pages(cache, None, source, buffer, stream=cuda_backend.stream)
        cuda.synchronize()
        for row in (0, 1, 2, copies // 2 - 1, copies // 2, copies // 2 + 1, copies - 2, copies - 1):
            found = rows.read(row * page_bytes, page_bytes)
            page = int(pages[row])
            expected = np.full(page_bytes, 0x5A, np.uint8) if page < 0 else content[page]
            assert_same_bits(found, expected, f"row {row}")
        assert (rows.read(page_bytes * copies, 64) == 0x5A).all()
    finally:
        caches.free()
        rows.free()


def test_many_calls_leave_no_error_behind(cuda_backend: Any) -> None:
    """A refusal leaves nothing pending, and the next call is as if there had been none."""
    call = make_call("copy", "packed", EXTENTS)
    _, operands = call.put(cuda_backend)
    for _ in range(3):
        with pytest.raises(bf.InvalidProblem):
            call.launch(cuda_backend, operands | {"source": np.zeros(4, np.int32)})
        PageCall("copy", call.memory, call.views).run_and_check(cuda_backend)
