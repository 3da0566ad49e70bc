"""Our C function from C, with nothing in between: the floor of any way to call it."""

from __future__ import annotations

import ctypes

from ..._model.enums import BackendKind
from ..._native import abi
from ..._native.library import library
from ..operands.addresses import address_of
from ..running.compiled import launch_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..operands.problem import Problem

NAME = "C loop"
THROUGH_CTYPES = "C function through ctypes"


def append_struct(problem: Problem, seven: dict[str, Any], stream: int | None) -> abi.Append:
    """The general struct, filled by hand; ``stream`` None is the host backend. It keeps no operand alive."""
    op = abi.Append(
        struct_size=ctypes.sizeof(abi.Append),
        backend=BackendKind.HOST if stream is None else BackendKind.FLASHINFER,
        element=problem.kind,
        layout=problem.cache.layout,
        batch_size=problem.batch,
        page_size=problem.page_size,
        num_heads=problem.heads,
        head_dim=problem.head_dim,
        num_total_pages=problem.pages,
        total_used_pages=len(seven["indices"]),
        stream=stream or 0,
    )
    for name, array in seven.items():
        setattr(op, name, address_of(array))
    return op


class CLoop:
    """``number`` appends, over the structs in turn, by one call into C."""

    statement = ""
    layout = ""

    def __init__(self, ops: Sequence[abi.Append], keep: object) -> None:
        self._keep = ops, keep
        self._pointers = (ctypes.c_void_p * len(ops))(*[ctypes.addressof(op) for op in ops])
        run: Any = library().function("baracuda_paged_kv_append_run")
        self._run = ctypes.cast(run, ctypes.c_void_p)
        self._loop = launch_loop()

    def once(self) -> None:
        """Each of the structs once."""
        count = len(self._pointers)
        self._check(self._loop.bench_loop(self._run, self._pointers, count, count))

    def seconds(self, number: int) -> float:
        import time

        started = time.perf_counter()
        status = self._loop.bench_loop(self._run, self._pointers, len(self._pointers), number)
        elapsed = time.perf_counter() - started
        self._check(status)
        return elapsed / number

    def _check(self, status: int) -> None:
        if status:
            raise library().error("baracuda_paged_kv_append_run", status)
