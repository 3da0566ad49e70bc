"""`BoundLaunch.rebind` of launches whose plan leaves open how many requests and rows there are."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._append import bound_launch
from baracuda_ffi._append.bound_launch import BoundLaunch

PAGES, PAGE_SIZE, HEADS, WIDTH = 16, 4, 2, 32
Arguments = dict[str, Any]


def ints(*entries: Any) -> Any:
    return np.array(entries, np.int32)


def pages(count: int) -> Arguments:
    return {"indices": ints(*range(1, count + 1)), "indptr": ints(*range(count + 1))}


def rows(count: int, seed: int) -> Arguments:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((count, HEADS, WIDTH)).astype(np.float16) for name in ("key", "value")}


# What says the places of n requests, of which each has a row.
PLACES: dict[str, tuple[bf.Addressing, dict[str, Any], Callable[[int], Arguments]]] = {
    "last_page": (
        bf.Addressing.LAST_PAGE,
        {},
        lambda n: pages(n) | {"last_page_len": ints(*[i % 3 for i in range(n)])},
    ),
    "seq_lens": (
        bf.Addressing.LAST_PAGE,
        {"lengths": bf.LengthsKind.SEQ_LENS},
        lambda n: pages(n) | {"seq_lens": ints(*[i % 3 for i in range(n)])},
    ),
    "dense": (
        bf.Addressing.LAST_PAGE,
        {"table": bf.TableKind.DENSE, "lengths": bf.LengthsKind.SEQ_LENS},
        lambda n: {
            "block_table": ints(*range(1, n + 1)).reshape(n, 1),
            "seq_lens": ints(*[i % 3 for i in range(n)]),
        },
    ),
    "ragged": (
        bf.Addressing.RAGGED,
        {"length_convention": "AFTER_APPEND"},
        lambda n: (
            pages(n)
            | {"last_page_len": ints(*[i % 3 + 1 for i in range(n)]), "append_indptr": ints(*range(n + 1))}
        ),
    ),
    "positions": (
        bf.Addressing.POSITIONS,
        {},
        lambda n: (
            pages(n) | {"batch_indices": ints(*range(n)), "positions": ints(*[i % 4 for i in range(n)])}
        ),
    ),
    "slots": (bf.Addressing.SLOTS, {}, lambda n: {"slot_mapping": ints(*range(5, 5 + n))}),
}


def plan_for(places: str, batch: int | None = None, count: int | None = None) -> bf.PagedKvAppendPlan:
    cache = bf.PagedKvCacheDescriptor(
        page_size=PAGE_SIZE,
        num_total_pages=PAGES,
        num_kv_heads=HEADS,
        head_dim=WIDTH,
        element=bf.ElementKind.F16,
    )
    addressing, options, _ = PLACES[places]
    desc = bf.PagedKvAppendDescriptor(
        batch_size=batch, num_rows=count, paged_kv=cache, addressing=addressing, **options
    )
    return bf.PagedKvAppendPlan.select(None, desc, bf.PlanPreference(guarded=True))


def operands(places: str, count: int, seed: int) -> tuple[Arguments, list[Any]]:
    caches = [np.full((PAGES, HEADS, PAGE_SIZE, WIDTH), 7, np.float16) for _ in range(2)]
    given = rows(count, seed) | {"k_data": caches[0], "v_data": caches[1]} | PLACES[places][2](count)
    return given, caches


def nobody(self: BoundLaunch, given: Any) -> None:
    raise AssertionError("the library does not take these operands")


@pytest.mark.skipif(not bound_launch._BOUND_AT, reason="this interpreter may let in threads there")
@pytest.mark.parametrize("places", PLACES)
def test_another_count_takes_the_library_alone(places: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_for(places)
    launch = plan.bind(None, bf.PagedKvAppendArgs(**operands(places, 3, 0)[0]))
    for count in (3, 5, 0, 2):
        given, written = operands(places, count, seed=count)
        again, expected = operands(places, count, seed=count)
        plan.run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**again))
        with monkeypatch.context() as patched:
            patched.setattr(BoundLaunch, "_rebind", nobody)
            launch.rebind(**given)
        launch()
        for one, other in zip(written, expected, strict=True):
            assert one.tobytes() == other.tobytes()
            assert (one != 7).any() == (count > 0)
        moved, other_caches = operands(places, count, seed=count)
        with monkeypatch.context() as patched:  # what has no count stays open to be rebound by itself
            patched.setattr(BoundLaunch, "_rebind", nobody)
            launch.rebind(k_data=moved["k_data"], v_data=moved["v_data"])
        launch()
        for one, other in zip(other_caches, expected, strict=True):
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("places", PLACES)
def test_an_operand_that_stays_as_long_as_it_was(places: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, in the same words whichever of the two ways looks at it, and nothing changes."""
    plan = plan_for(places)
    first, _ = operands(places, 3, 0)
    longer, _ = operands(places, 5, 1)
    changed = [name for name in longer if name not in ("k_data", "v_data", "indices")]
    refused = 0
    for count in range(1, len(changed)):
        for names in itertools.combinations(changed, count):
            given = {name: longer[name] for name in names}
            said = []
            for by_the_library in (True, False):
                launch = plan.bind(None, bf.PagedKvAppendArgs(**first))
                before = launch._bound
                with monkeypatch.context() as patched:
                    if not by_the_library:
                        patched.setattr(launch, "_rebind_objects", lambda *_: -1)
                    try:
                        launch.rebind(**given)
                        said.append("")
                    except bf.BaracudaError as error:
                        said.append(str(error))
                        assert launch._bound is before
            assert said[0] == said[1], names
            refused += said[0] != ""
    assert refused > 0


def test_counts_that_are_stated_stay() -> None:
    for places in PLACES:
        plan = plan_for(places, batch=None if places == "slots" else 3, count=None if "page" in places else 3)
        if places in ("seq_lens", "dense"):
            plan = plan_for(places, batch=3)
        given, _ = operands(places, 3, 0)
        launch = plan.bind(None, bf.PagedKvAppendArgs(**given))
        longer, written = operands(places, 5, 1)
        with pytest.raises(bf.BaracudaError):
            launch.rebind(**longer)
        assert (written[0] == 7).all()
        launch.rebind(**operands(places, 3, 2)[0])


@pytest.mark.parametrize(("batch", "count"), [(None, 0), (0, None)])
def test_a_count_that_is_stated_as_0(batch: int | None, count: int | None) -> None:
    """It stays, though the library takes what is 0 from the operands, as it does the other, which is open."""
    none, some = operands("positions", 0, 0)[0], PLACES["positions"][2](3)
    requests = ("indices", "indptr")
    for_other = {name: operand for name, operand in some.items() if (name in requests) == (batch is None)}
    plan = plan_for("positions", batch, count)
    longer, written = operands("positions", 3, 1)
    for function in (
        plan.can_implement,
        partial(plan.run, None, bf.Workspace.NONE),
        partial(plan.bind, None),
    ):
        with pytest.raises(bf.InvalidProblem, match=r"it should be \[[01]\]"):
            function(bf.PagedKvAppendArgs(**longer))
        function(bf.PagedKvAppendArgs(**none))
    launch = plan.bind(None, bf.PagedKvAppendArgs(**none))
    for given in (longer, some):
        before = launch._bound
        with pytest.raises(bf.InvalidProblem):
            launch.rebind(**given)
        assert launch._bound is before
    rows_too = {} if batch is None else {name: longer[name] for name in ("key", "value")}
    launch.rebind(**for_other, **rows_too)
    launch.rebind(k_data=longer["k_data"], v_data=longer["v_data"])
    launch()
    assert (written[0] == 7).all()


def test_a_prefill_of_no_rows() -> None:
    """Rows of key beyond those that are stated are not read, and no request has another."""
    plan = plan_for("ragged", None, 0)
    for requests in (3, 0, 5):
        given, written = operands("ragged", requests, 1)
        args = bf.PagedKvAppendArgs(**given)
        plan.run(None, bf.Workspace.NONE, args)
        launch = plan.bind(None, args)
        launch()
        launch.rebind(**operands("ragged", 2, 2)[0])
        launch.rebind(k_data=given["k_data"], v_data=given["v_data"])
        launch()
        assert (written[0] == 7).all()


def test_a_launch_that_was_made_by_hand() -> None:
    class Made(BoundLaunch):
        def __init__(self, launch: BoundLaunch, *bound: Any) -> None:
            for name in BoundLaunch.__slots__:
                if name != "_bound":
                    setattr(self, name, getattr(launch, name))
            for one in bound:
                self._bound = one

    given, _ = operands("slots", 3, 0)
    launch = plan_for("slots").bind(None, bf.PagedKvAppendArgs(**given))
    for bound in ((), (None,), (7,)):
        with pytest.raises((AttributeError, TypeError)):
            Made(launch, *bound).rebind(**given)
    Made(launch, launch._bound).rebind(**given)


@pytest.mark.parametrize("stated", [None, 5])
def test_rows_of_a_launch_without_requests(stated: int | None) -> None:
    """They are what a request that comes later writes: a prefill is bound to as many of value as of key, or
    as are stated, however few are written."""
    given, _ = operands("ragged", 5, 0)
    launch = plan_for("ragged", count=stated).bind(None, bf.PagedKvAppendArgs(**given))
    nobody_left = PLACES["ragged"][2](0)
    before = launch._bound
    for short in ({"value": given["value"][:4]}, {"value": given["value"][:0]}, {"key": given["key"][:0]}):
        with pytest.raises(bf.InvalidProblem, match=r"value has shape|value stays|key has shape"):
            launch.rebind(**nobody_left, **short)
        assert launch._bound is before
    launch.rebind(**nobody_left)
    launch.rebind(**PLACES["ragged"][2](5))
    launch()
