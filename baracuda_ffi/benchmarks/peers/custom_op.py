"""The floor of anything that is a torch operator: it takes the same tensors, launches, and checks nothing."""

from __future__ import annotations

import ctypes

from ..._native.library import library
from ..absent import Absent
from ..running.compiled import custom_op
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.torch_operands import Operands

NAME = "torch custom op, unchecked"


def append(operands: Operands) -> Call:
    problem = operands.problem
    if (problem.element, problem.layout) != ("f16", "HND"):
        raise Absent("it is written for f16 and HND")
    on_cuda = operands.device.type == "cuda"
    ops = custom_op(on_cuda)
    family = "flashinfer" if on_cuda else "host"
    run: Any = library().function(f"baracuda_kernels_{family}_paged_kv_append_decode_f16_run")
    ops.set_run(ctypes.cast(run, ctypes.c_void_p).value)
    return Call(
        "append(key, value, k_data, v_data, indices, indptr, last_page_len)",
        {"append": ops.append, **operands.seven()},
    )
