"""A kernel that writes late: on a stream before an append, it shows whether the append waits for it.

In PTX, which the driver compiles. From sm_90 on there is one that also lets what comes behind it begin at
once, as kernels of engines do, if that is launched so that it may.
"""

from __future__ import annotations

import ctypes
from typing import Any

from . import cuda

FIRST_TO_TRIGGER = 90

PTX = """
.version {version}
.target sm_{arch}
.address_size 64

.visible .entry write_late(.param .u64 to, .param .u64 from, .param .u64 bytes, .param .u64 nanoseconds)
{{
    .reg .pred %p<2>;
    .reg .b32 %r<3>;
    .reg .b64 %d<10>;
    {trigger}
    ld.param.u64 %d0, [to];
    ld.param.u64 %d1, [from];
    ld.param.u64 %d2, [bytes];
    ld.param.u64 %d3, [nanoseconds];
    mov.u64 %d4, %globaltimer;
    add.u64 %d4, %d4, %d3;
WAIT:
    mov.u64 %d5, %globaltimer;
    setp.lt.u64 %p0, %d5, %d4;
    @%p0 bra WAIT;
    mov.u32 %r0, %tid.x;
    mov.u32 %r1, %ntid.x;
    cvt.u64.u32 %d6, %r0;
    cvt.u64.u32 %d7, %r1;
LOOP:
    setp.ge.u64 %p1, %d6, %d2;
    @%p1 bra DONE;
    add.u64 %d8, %d1, %d6;
    ld.global.u8 %r2, [%d8];
    add.u64 %d9, %d0, %d6;
    st.global.u8 [%d9], %r2;
    add.u64 %d6, %d6, %d7;
    bra LOOP;
DONE:
    ret;
}}
"""

THREADS = 256


class LateWriter:
    """Needs a current context; with ``triggers`` one of a device of sm_90 or later."""

    def __init__(self, *, triggers: bool) -> None:
        text = PTX.format(
            version="7.8" if triggers else "7.0",
            arch=FIRST_TO_TRIGGER if triggers else 70,
            trigger="griddepcontrol.launch_dependents;" if triggers else "",
        )
        self._module = cuda.check(cuda.driver.cuModuleLoadData(text.encode() + b"\0"))
        self._kernel = cuda.check(cuda.driver.cuModuleGetFunction(self._module, b"write_late"))

    def enqueue(self, stream: Any, to: int, source: int, nbytes: int, *, nanoseconds: int) -> None:
        """Copies from address ``source``, but not before the kernel has run for so long."""
        parameters = ((to, source, nbytes, nanoseconds), (ctypes.c_uint64,) * 4)
        shape = (1, 1, 1, THREADS, 1, 1, 0)
        cuda.check(cuda.driver.cuLaunchKernel(self._kernel, *shape, stream, parameters, 0))

    def close(self) -> None:
        cuda.check(cuda.driver.cuModuleUnload(self._module))
