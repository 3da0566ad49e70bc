"""The paths of the host suite, over operands as they are packed, and as engines have them."""

from __future__ import annotations

import ctypes
import time
from functools import partial

from ...._native.library import library
from ...absent import Absent, optional
from ...operands import kinds
from ...operands.addresses import address_of
from ...operands.forms import FORMS, PACKED, SLICES, SLICES_INTERLEAVED, Form
from ...operands.numpy_operands import HostOperands, check_writes, elsewhere, in_forms
from ...operands.places import PREFILLS, RAGGED, placed
from ...ours import by_places
from ...ours import statements as ours
from ...ours.c_loop import THROUGH_CTYPES, append_struct
from ...peers import indexing
from ...report.results import FLOOR, LIMIT, OURS, PEER
from ...running.compiled import launch_loop
from ...running.paths import Call, Candidate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ONE_THREAD = "bound launch, one thread"
GUARDED = "guarded launch"
OVER_VIEWS = ours.over(ours.RUN, kinds.TENSOR_VIEW)
COPY = "memcpy of the same bytes, one thread"
NOTHING = "ctypes call of a C function that does nothing"


def packed(operands: HostOperands) -> list[Candidate]:
    """Every path, over contiguous operands."""
    problem = operands.problem
    return [
        Candidate(NOTHING, FLOOR, _nothing),
        Candidate(COPY, LIMIT, partial(_copy, operands)),
        _ours(ours.BOUND, operands, lambda: ours.call(ours.BOUND, problem, [operands], None)),
        _ours(ONE_THREAD, operands, lambda: ours.call(ours.BOUND, problem, [operands], None)),
        _ours(THROUGH_CTYPES, operands, lambda: _through_ctypes(operands)),
        _ours(ours.RUN, operands, lambda: ours.call(ours.RUN, problem, [operands], None)),
        _ours(
            OVER_VIEWS,
            operands,
            lambda: ours.call(ours.RUN, problem, [kinds.of_kind(kinds.TENSOR_VIEW, operands)], None),
        ),
        _numpy(PACKED, operands),
    ]


def strided(operands: HostOperands) -> list[Candidate]:
    """Those that take real arrays, over the same rows in every form."""
    forms = in_forms(operands)
    return [
        Candidate(COPY, LIMIT, partial(_copy, operands)),
        *[_strided(GUARDED, ours.BOUND, form, forms[form]) for form in FORMS],
        *[_strided(ours.ONE_LINER, ours.ONE_LINER, form, forms[form]) for form in (PACKED, SLICES)],
        _numpy(SLICES_INTERLEAVED, forms[SLICES_INTERLEAVED]),
    ]


def prefill(operands: HostOperands, requests: int) -> list[Candidate]:
    """As many rows, of a few requests; each way writes them to the same places."""
    problem = operands.problem
    moved = {way: elsewhere(operands, placed(problem, way, requests, seed=0)) for way in PREFILLS}

    def launch(way: str) -> Call:
        return by_places.call(ours.BOUND, problem, way, requests, moved[way].seven(), None)

    there = moved[RAGGED]
    return [
        Candidate(COPY, LIMIT, partial(_copy, operands)),
        *[_ours(ours.over(ours.BOUND, way), moved[way], partial(launch, way)) for way in PREFILLS],
        _ours(ONE_THREAD, there, partial(launch, RAGGED)),
        _numpy(PACKED, there),
        Candidate(indexing.TORCH, PEER, partial(_checked, there, partial(_torch, there))),
    ]


def _strided(name: str, path: str, form: Form, operands: HostOperands) -> Candidate:
    return _ours(
        form.of(name), operands, lambda: ours.call(path, operands.problem, [operands], None, guarded=True)
    )


def _ours(name: str, operands: HostOperands, build: Callable[[], Call]) -> Candidate:
    return Candidate(name, OURS, partial(_checked, operands, build))


def _numpy(form: Form, operands: HostOperands) -> Candidate:
    def build() -> Call:
        return indexing.by_index(operands.problem.layout, operands.arrays, operands.pages, operands.slots)

    return Candidate(form.of(indexing.NUMPY), PEER, partial(_checked, operands, build))


def _torch(operands: HostOperands) -> Call:
    """Over the same memory."""
    torch = optional("torch", "PyTorch")
    names = {name: torch.from_numpy(operands.arrays[name]) for name in ("key", "value", "k_data", "v_data")}
    pages, slots = torch.from_numpy(operands.pages), torch.from_numpy(operands.slots)
    return indexing.by_index(operands.problem.layout, names, pages, slots)


def _checked(operands: HostOperands, build: Callable[[], Call]) -> Call:
    """The call, once it has written what it should."""
    call = build()
    check_writes(operands, call)
    return call


def _nothing() -> Call:
    function = launch_loop().bench_nothing
    return Call("nothing(pointer)", {"nothing": function, "pointer": 4096})


def _through_ctypes(operands: HostOperands) -> Call:
    op = append_struct(operands.problem, operands.seven(), None)
    run = library().function("baracuda_paged_kv_append_run")
    return Call("run(pointer)", {"run": run, "pointer": ctypes.addressof(op), "keep": (op, operands)})


class _CopyLoop:
    """A loop in C, so that no call from Python is counted."""

    statement = ""

    def __init__(self, operands: HostOperands) -> None:
        import numpy as np

        self._loop = launch_loop()
        rows = operands.arrays["key"], operands.arrays["value"]
        self._keep = [*[np.zeros_like(array) for array in rows], *rows]
        self._pointers = [address_of(array) for array in self._keep]
        self._bytes = rows[0].nbytes

    def seconds(self, number: int) -> float:
        started = time.perf_counter()
        self._loop.bench_copy(*self._pointers, self._bytes, number)
        return (time.perf_counter() - started) / number


def _copy(operands: HostOperands) -> Any:
    try:
        return _CopyLoop(operands)
    except Absent:  # no C compiler: the same memcpy through ctypes, each call costing a little more
        rows = operands.arrays["key"], operands.arrays["value"]
        names = {
            "memmove": ctypes.memmove,
            "key": address_of(rows[0]),
            "value": address_of(rows[1]),
            "k_copy": (ctypes.c_char * rows[0].nbytes)(),
            "v_copy": (ctypes.c_char * rows[1].nbytes)(),
            "size": rows[0].nbytes,
        }
        return Call("memmove(k_copy, key, size); memmove(v_copy, value, size)", names)
