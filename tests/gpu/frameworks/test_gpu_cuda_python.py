"""cuda-python alone: streams, pointers and copies of cuda.bindings, and no array framework in the process."""

from __future__ import annotations

import pytest

from support.processes.python import output_of

pytestmark = pytest.mark.gpu

PROGRAM = """
import ctypes, sys
from cuda.bindings import runtime as cudart
import baracuda_ffi as bf


def check(result):
    status, *values = result
    assert int(status) == 0, status
    return values[0] if values else None


PAGES, HEADS, PAGE_SIZE, DIM = 3, 2, 4, 64
stream = check(cudart.cudaStreamCreateWithFlags(cudart.cudaStreamNonBlocking))
copy = cudart.cudaMemcpyKind.cudaMemcpyDefault


def upload(content):
    address = check(cudart.cudaMalloc(len(content)))
    check(cudart.cudaMemcpy(address, content, len(content), copy))
    check(cudart.cudaDeviceSynchronize())
    return int(address)


def download(address, count):
    content = bytearray(count)
    check(cudart.cudaMemcpy((ctypes.c_char * count).from_buffer(content), address, count, copy))
    return bytes(content)


def view(content, *shape, element=bf.ElementKind.F16):
    return bf.TensorView(ptr=upload(content), shape=shape, element=element, device=0)


def int32(*values):
    return view(b"".join(v.to_bytes(4, "little", signed=True) for v in values), len(values), element="i32")


row = HEADS * DIM * 2
key, value = bytes(i % 251 for i in range(row)), bytes(i % 241 for i in range(row))
cache = bytes(range(256)) * (PAGES * PAGE_SIZE * row // 256)
k_data = view(cache, PAGES, PAGE_SIZE, HEADS, DIM)
v_data = view(cache, PAGES, PAGE_SIZE, HEADS, DIM)
descriptor = bf.PagedKvAppendDescriptor(
    batch_size=1,
    paged_kv=bf.PagedKvCacheDescriptor(page_size=PAGE_SIZE, num_total_pages=PAGES, num_kv_heads=HEADS,
                                       head_dim=DIM, element=bf.ElementKind.F16, layout=bf.KvLayout.NHD),
)
args = bf.PagedKvAppendArgs(
    key=view(key, 1, HEADS, DIM), value=view(value, 1, HEADS, DIM), k_data=k_data, v_data=v_data,
    indices=int32(0, 2), indptr=int32(0, 2), last_page_len=int32(3),
)
plan = bf.PagedKvAppendPlan.select(stream, descriptor)
plan.run(stream, bf.Workspace.NONE, args)
check(cudart.cudaStreamSynchronize(stream))
at = (2 * PAGE_SIZE + 3) * row
for view, new in ((k_data, key), (v_data, value)):
    assert download(view.ptr, len(cache)) == cache[:at] + new + cache[at + row :]
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"torch", "cupy", "jax", "numba"}, loaded
print("right")
"""


def test_streams_and_pointers_of_cuda_python() -> None:
    assert output_of(PROGRAM).strip() == "right"
