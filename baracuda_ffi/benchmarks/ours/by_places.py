"""The ways that this package has to append, by each way to say places."""

from __future__ import annotations

from ..._append.arguments import PagedKvAppendArgs
from ..._append.one_call import append_paged_kv
from ..._append.plan import PagedKvAppendPlan
from ..._append.preference import PlanPreference
from ..._model.descriptors import PagedKvAppendDescriptor
from ..._model.enums import Addressing, BackendKind
from ..._model.workspace import Workspace
from ..operands.places import convention_of, set_of_way
from ..running.paths import Call
from .statements import BOUND, ONE_LINER, RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.problem import Problem

_FIRST = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")


def select(
    problem: Problem, way: str, requests: int, stream: int | None, prefer: BackendKind | None = None
) -> PagedKvAppendPlan:
    """On a GPU our kernel, unless another is preferred; on the host what an append that is not guarded is."""
    placed_by = set_of_way(way)
    desc = PagedKvAppendDescriptor(
        batch_size=requests,
        paged_kv=problem.cache,
        length_convention=convention_of(way),
        addressing=placed_by.addressing,
        table=placed_by.table,
        lengths=placed_by.lengths,
        num_rows=None if placed_by.addressing is Addressing.LAST_PAGE else problem.batch,
        transform=problem.transform,
        source_element=problem.kind,
    )
    guarded = stream is not None and prefer is None
    return PagedKvAppendPlan.select(stream, desc, PlanPreference(prefer_backend=prefer, guarded=guarded))


def call(
    path: str,
    problem: Problem,
    way: str,
    requests: int,
    arrays: dict[str, Any],
    stream: int | None,
    prefer: BackendKind | None = None,
) -> Call:
    """``BOUND``, ``RUN`` or ``ONE_LINER``, without arguments that say what is so without them."""
    if path == ONE_LINER:
        names = {"append_paged_kv": append_paged_kv, "stream": stream, **arrays}
        positional = [name for name in _FIRST if name in arrays]
        if positional != list(_FIRST[: len(positional)]):
            positional = positional[:4]
        given = [*positional, *[f"{name}={name}" for name in arrays if name not in positional]]
        given.append("stream=stream")
        if problem.layout != "HND":
            names["layout"] = problem.cache.layout
            given.append("layout=layout")
        if way.startswith("ragged") and "seq_lens" in arrays:  # to be stated there
            names["convention"] = convention_of(way)
            given.append("length_convention=convention")
        return Call(f"append_paged_kv({', '.join(given)})", names)
    plan = select(problem, way, requests, stream, prefer)
    args = PagedKvAppendArgs(**arrays)
    if path == BOUND:
        return Call("launch()", {"launch": plan.bind(stream, args)})
    assert path == RUN
    return Call(
        "plan.run(stream, workspace, args)",
        {"plan": plan, "stream": stream, "workspace": Workspace.NONE, "args": args},
    )
