"""copy, deepcopy and pickle of everything public: each is right, or says why not and what to do instead.

A copy that kept an address whose memory only the original keeps would write into somebody else's memory.
"""

from __future__ import annotations

import copy
import pickle
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi.tensors import as_view
from support.calls.operands import NAMES, make_args
from support.problems.problem import SMALL, Problem, assert_appended

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda thing, protocol=protocol: pickle.loads(pickle.dumps(thing, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
PICKLES = frozenset(way for way in WAYS if way.startswith("pickle"))
DEEP = PICKLES | {"deepcopy"}
EVERY = DEEP | {"copy"}


@dataclass(frozen=True)
class Copied:
    """How one public thing is copied: `refused` by these ways, in these words; by the others the same."""

    make: Callable[[], Any]
    refused: frozenset[str] = frozenset()
    says: str = ""
    same: Callable[[Any, Any], bool] = lambda again, thing: type(again) is type(thing) and again == thing


def plan(**preference: Any) -> bf.PagedKvAppendPlan:
    return bf.PagedKvAppendPlan.select(None, SMALL.descriptor(8), bf.PlanPreference(**preference))


def launch() -> bf.BoundLaunch:
    problem = Problem()
    return bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages)).bind(
        None, make_args(problem.arrays)
    )


def record() -> bf.ErrorRecord:
    return bf.ErrorRecord.allocate(None)


def raised(kind: type[bf.BaracudaError], *more: Any, **also: Any) -> Callable[[], bf.BaracudaError]:
    return lambda: kind(3, "somewhere", "what and why", *more, **also)


def same_error(again: Any, error: Any) -> bool:
    return type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)


def same_operands(again: bf.PagedKvAppendArgs, args: bf.PagedKvAppendArgs) -> bool:
    return all(getattr(again, name).tobytes() == getattr(args, name).tobytes() for name in NAMES)


def identical(again: Any, thing: Any) -> bool:
    return again is thing


def finding() -> bf.PageTableFinding:
    return bf.PageTableFinding(
        kind=bf.PageTableFault.PAGE_ID, requests=(1,), operand="indices", position=0, value=9, message="so"
    )


ADDRESS = "address of this process"
SEEN = bf.SeenValues(operand="indices", row=0, seen=9, limit=4, page=9)

# By public name; a name may have several.
THINGS: dict[str, Copied | list[Copied]] = {
    "BlockManager": Copied(lambda: bf.BlockManager(4, 16), EVERY, "make another for another cache"),
    "BoundLaunch": Copied(launch, EVERY, "PagedKvAppendPlan.bind"),
    "BuildInfo": Copied(bf.build_info),
    "ErrorRecord": [
        Copied(record, EVERY, "ErrorRecord.allocate"),
        Copied(lambda: bf.ErrorRecord(np.zeros(8, np.int64)), EVERY, "launches write into its memory"),
    ],
    "KernelSku": Copied(lambda: plan().sku()),
    "PageTable": Copied(lambda: bf.PageTable(16, 4, 8), EVERY, "make another for another batch"),
    "PageTableFinding": Copied(finding),
    "PagedKvAppendArgs": [
        Copied(lambda: make_args(Problem().arrays), same=same_operands),
        Copied(
            lambda: make_args({name: as_view(array) for name, array in Problem().arrays.items()}),
            PICKLES,
            ADDRESS,
            lambda again, args: all(getattr(again, name) is getattr(args, name) for name in NAMES),
        ),
    ],
    "PagedKvAppendDescriptor": Copied(lambda: SMALL.descriptor(8)),
    "PagedKvAppendPlan": [
        Copied(plan, PICKLES, "its descriptor", identical),
        Copied(lambda: plan(guarded=True), DEEP, "cannot be", identical),
    ],
    "PagedKvCacheDescriptor": Copied(lambda: SMALL.descriptor(8).paged_kv),
    "PlanPreference": [
        Copied(bf.PlanPreference),
        Copied(
            lambda: bf.PlanPreference(guarded=True, error_record=record()),
            DEEP,
            "an ErrorRecord cannot be",
            lambda again, pref: again.error_record is pref.error_record,
        ),
    ],
    "PrecisionGuarantee": Copied(lambda: plan().precision_guarantee()),
    "SeenValues": Copied(lambda: SEEN),
    "TensorView": Copied(lambda: as_view(np.zeros((2, 3), np.float32)), PICKLES, ADDRESS, identical),
    "Workspace": [Copied(bf.Workspace), Copied(lambda: bf.Workspace(ptr=64, size=8), PICKLES, ADDRESS)],
    "BaracudaError": Copied(raised(bf.BaracudaError), same=same_error),
    "BufferTooSmall": Copied(raised(bf.BufferTooSmall), same=same_error),
    "CorruptPageTable": Copied(
        raised(bf.CorruptPageTable, request=2, reason=bf.Corruption.PAGE, values=SEEN), same=same_error
    ),
    "CudaError": Copied(raised(bf.CudaError, "CUDA_ERROR_NO_DEVICE"), same=same_error),
    "InvalidProblem": Copied(raised(bf.InvalidProblem), same=same_error),
    "LibraryNotLoaded": Copied(raised(bf.LibraryNotLoaded), same=same_error),
    "MisalignedOperand": Copied(raised(bf.MisalignedOperand), same=same_error),
    "OutOfPages": Copied(raised(bf.OutOfPages, wanted=3, free=1), same=same_error),
    "Unsupported": Copied(raised(bf.Unsupported), same=same_error),
    "WorkspaceTooSmall": Copied(raised(bf.WorkspaceTooSmall), same=same_error),
    "ArchSku": Copied(lambda: bf.ArchSku(77), same=identical),
}


def described(name: str) -> list[Copied]:
    """Enumerators and functions are copied as they are; everything else is in the table."""
    public = getattr(bf, name)
    if name in THINGS:
        found = THINGS[name]
        return found if isinstance(found, list) else [found]
    if isinstance(public, type) and issubclass(public, int):
        return [Copied(lambda member=member: member, same=identical) for member in public]
    if isinstance(public, types.FunctionType):
        return [Copied(lambda: public, same=identical)]
    if isinstance(public, types.ModuleType):
        return [Copied(lambda: public, EVERY, "module")]
    raise AssertionError(f"bf.{name} is new: say here how it is copied and pickled")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", sorted([*bf.__all__]))
def test_a_copy_of_everything_public(name: str, way: str) -> None:
    for case in described(name):
        thing = case.make()
        if way in case.refused:
            with pytest.raises(TypeError, match=case.says):
                WAYS[way](thing)
        else:
            assert case.same(WAYS[way](thing), thing)


def test_a_refusal_says_what_it_is_about() -> None:
    for thing in (record(), launch(), plan(), as_view(np.zeros(1, np.int32)), bf.Workspace(ptr=64)):
        with pytest.raises(TypeError) as refused:
            pickle.dumps(thing)
        what, _, rest = str(refused.value).partition(" cannot be ")
        assert what.split()[-1] == type(thing).__name__
        assert ": " in rest
        assert "; " in rest


def test_a_deep_copy_of_args_has_operands_of_its_own() -> None:
    problem = Problem()
    args = make_args(problem.arrays)
    again = copy.deepcopy(args)
    before = problem.snapshot()
    expected = problem.expected()
    launch_plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    launch_plan.run(None, bf.Workspace.NONE, again)
    for name, cache in expected.items():
        assert getattr(again, name).tobytes() == cache.tobytes()
    for name in NAMES:
        assert problem.arrays[name].tobytes() == before[name].tobytes()


def test_a_copied_view_is_good_when_the_first_is_gone() -> None:
    problem = Problem()
    views = {name: as_view(array) for name, array in problem.arrays.items()}
    copies = {name: copy.deepcopy(copy.copy(view)) for name, view in views.items()}
    del views
    before = problem.snapshot()
    bf.append_paged_kv(**copies, stream=None)
    assert_appended(problem, before)


def test_a_copied_plan_appends() -> None:
    problem = Problem()
    first = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    plans = [copy.copy(first), copy.deepcopy(first)]
    del first
    for again in plans:
        before = problem.snapshot()
        again.run(None, bf.Workspace.NONE, make_args(problem.arrays))
        assert_appended(problem, before)


def test_a_record_outlives_what_was_copied_with_it() -> None:
    """Appends through a copied preference claim the one record, and no other memory."""
    problem = Problem()
    pref = bf.PlanPreference(guarded=True, error_record=record())
    again = copy.copy(pref)
    shared = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages), again)
    problem.arrays["indices"][:] = problem.num_pages
    shared.run(None, bf.Workspace.NONE, make_args(problem.arrays))
    assert pref.error_record is not None
    with pytest.raises(bf.CorruptPageTable):
        pref.error_record.check(None)
