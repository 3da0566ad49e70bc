"""Every way into an append in a process whose ctypes has no `pythonapi`: other interpreters may have none.

Prints a line for each that gave what the oracle gives.
"""

from __future__ import annotations

import ctypes
import re
import types
from collections.abc import Callable
from typing import Any

del ctypes.pythonapi

import numpy as np  # noqa: E402
import pytest  # noqa: E402

import baracuda_ffi as bf  # noqa: E402
from baracuda_ffi._native.library import library  # noqa: E402
from support.c_abi.tensors import as_view  # noqa: E402
from support.calls.operands import NAMES, make_args  # noqa: E402
from support.problems.cases import Case  # noqa: E402
from support.problems.elements import BF16, ELEMENTS  # noqa: E402
from support.problems.problem import Problem, assert_appended, assert_unchanged  # noqa: E402

Operands = dict[str, Any]
KINDS: dict[str, Callable[[Any], Any]] = {
    "NumPy": lambda array: array,
    "a subclass of NumPy's": lambda array: array.view(type("Named", (np.ndarray,), {})),
    "TensorView": as_view,
}


def checked(problem: Problem, call: Callable[[], object]) -> None:
    before = problem.snapshot()
    call()
    assert_appended(problem, before)
    for cache in ("k_data", "v_data"):
        problem.arrays[cache][...] = before[cache]


def every_way_in(problem: Problem, operands: Operands) -> None:
    case = problem.case
    how: dict[str, Any] = {"layout": case.layout, "length_convention": case.convention, "stream": None}
    checked(problem, lambda: bf.append_paged_kv(**operands, **how))
    checked(problem, lambda: bf.append_paged_kv(**operands, **how, guarded=True))
    for guarded in (False, True):
        preference = bf.PlanPreference(guarded=guarded)
        plan = bf.PagedKvAppendPlan.select(None, case.descriptor(problem.num_pages), preference)
        args = make_args(operands)
        plan.can_implement(args)
        checked(problem, lambda plan=plan, args=args: plan.run(None, bf.Workspace.NONE, args))
        other = Problem(case, seed=1)
        launch = plan.bind(None, make_args(other.arrays))
        checked(other, launch)
        launch.rebind(**operands)
        checked(problem, launch)
        launch.rebind(key=other.arrays["key"])
        launch.rebind(key=operands["key"])
        checked(problem, launch)


def refused(kind: type[bf.BaracudaError], says: str, problem: Problem, **others: Any) -> None:
    before = problem.snapshot()
    with pytest.raises(kind, match=re.escape(says)):
        bf.append_paged_kv(**problem.arrays | others, stream=None)
    assert_unchanged(problem.arrays, before)


class Exporter:
    """Describes itself by DLPack, and where it has another interface by that too."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class OnCuda(Exporter):
    @property
    def __cuda_array_interface__(self) -> Any:
        return self.array.__array_interface__


def main() -> None:
    assert not hasattr(ctypes, "pythonapi")
    assert isinstance(library().append, types.FunctionType)  # not one of the library's built-in functions
    for name, kind in KINDS.items():
        for element in ELEMENTS:
            problem = Problem(Case(element, "NHD", "AFTER_APPEND", 4, 3, 2, 64))
            every_way_in(problem, {each: kind(array) for each, array in problem.arrays.items()})
        print(name)

    read_only = Problem(Case(BF16, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    for name in ("key", "value", "indices", "indptr", "last_page_len"):
        read_only.arrays[name].flags.writeable = False
    every_way_in(read_only, read_only.arrays)
    print("read-only inputs")

    problem = Problem()
    problem.arrays["last_page_len"][1] = 4
    record = bf.ErrorRecord(np.zeros(8, np.int64))
    bf.append_paged_kv(**problem.arrays, stream=None, guarded=True, error_record=record)
    with pytest.raises(bf.CorruptPageTable, match="request 1 was not served: its last_page_len is 4"):
        record.check(None)
    refused(bf.InvalidProblem, "request 1: last_page_len[1] is 4", problem)
    table = {name: problem.arrays[name] for name in ("indices", "indptr", "last_page_len")}
    (finding,) = bf.validate_page_table(**table, page_size=4, num_total_pages=problem.num_pages, stream=None)
    assert finding.kind is bf.PageTableFault.LAST_PAGE_LEN
    print("damaged tables")

    problem = Problem()
    for name in NAMES:
        exporter = Exporter(problem.arrays[name])
        says = f"{name}, a __main__.Exporter, describes itself by DLPack capsules alone"
        refused(bf.Unsupported, says, problem, **{name: exporter})
        refused(
            bf.InvalidProblem, f"{name} is in the memory of a CUDA", problem, **{name: OnCuda(exporter.array)}
        )
    print("exporters")


if __name__ == "__main__":
    main()
