"""Looks at tens of GiB of device memory where they are: how many 8-byte words are not what they should be.

One kernel in PTX, which the driver compiles: no array framework and no compiler is needed.
"""

from __future__ import annotations

import ctypes
from typing import Any

from support.devices import cuda

PTX = b"""
.version 7.0
.target sm_70
.address_size 64

.visible .entry count_differing(
    .param .u64 data, .param .u64 words, .param .u64 pattern, .param .u64 counter)
{
    .reg .pred %p<3>;
    .reg .b32 %r<5>;
    .reg .b64 %d<10>;
    ld.param.u64 %d0, [data];
    ld.param.u64 %d1, [words];
    ld.param.u64 %d2, [pattern];
    ld.param.u64 %d3, [counter];
    mov.u32 %r0, %ctaid.x;
    mov.u32 %r1, %ntid.x;
    mov.u32 %r2, %tid.x;
    mov.u32 %r3, %nctaid.x;
    cvt.u64.u32 %d4, %r2;
    mul.wide.u32 %d5, %r0, %r1;
    add.u64 %d4, %d4, %d5;
    mul.wide.u32 %d6, %r3, %r1;
LOOP:
    setp.ge.u64 %p0, %d4, %d1;
    @%p0 bra DONE;
    shl.b64 %d7, %d4, 3;
    add.u64 %d7, %d7, %d0;
    ld.global.u64 %d8, [%d7];
    setp.eq.u64 %p1, %d8, %d2;
    @%p1 bra NEXT;
    mov.u64 %d9, 1;
    red.global.add.u64 [%d3], %d9;
NEXT:
    add.u64 %d4, %d4, %d6;
    bra LOOP;
DONE:
    ret;
}
\0"""

BLOCKS, THREADS = 2048, 256


class DeviceCompare:
    """Needs a current context."""

    def __init__(self) -> None:
        self._module = cuda.check(cuda.driver.cuModuleLoadData(PTX))
        self._kernel = cuda.check(cuda.driver.cuModuleGetFunction(self._module, b"count_differing"))
        self._counter = cuda.check(cuda.driver.cuMemAlloc(8))

    def differing_words(self, address: int, nbytes: int, byte: int) -> int:
        """How many of the 8-byte words at `address` have another byte than `byte` in them."""
        assert nbytes % 8 == 0
        cuda.check(cuda.driver.cuMemsetD8(self._counter, 0, 8))
        pattern = int.from_bytes(bytes([byte]) * 8, "little")
        values: tuple[Any, ...] = (address, nbytes // 8, pattern, int(self._counter))
        parameters = (values, (ctypes.c_uint64,) * 4)
        shape = (BLOCKS, 1, 1, THREADS, 1, 1, 0)
        cuda.check(cuda.driver.cuLaunchKernel(self._kernel, *shape, cuda.driver.CUstream(0), parameters, 0))
        cuda.synchronize()
        count = ctypes.c_uint64()
        cuda.check(cuda.driver.cuMemcpyDtoH(ctypes.addressof(count), self._counter, 8))
        return count.value

    def close(self) -> None:
        cuda.check(cuda.driver.cuMemFree(self._counter))
        cuda.check(cuda.driver.cuModuleUnload(self._module))
