"""The ways that this package has to append."""

from __future__ import annotations

from ..._append.arguments import PagedKvAppendArgs
from ..._append.one_call import append_paged_kv
from ..._append.scales import SCALE_NAMES
from ..._model.enums import Transform
from ..._model.workspace import Workspace
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.problem import Problem

BOUND = "bound launch"
REBIND_ROWS = "rebind key and value, launch"
REBIND_LAYER = "rebind a layer's four, launch"
RUN = "plan.run"
RUN_NEW_ARGS = "plan.run, args made anew"
RUN_STREAM_OBJECT = "plan.run, torch's stream object"
ONE_LINER = "append_paged_kv"
TORCH_FUNCTION = "baracuda_ffi.torch.append_paged_kv"
TORCH_OPERATOR = "torch.ops.baracuda_ffi.append_paged_kv"
TORCH_OVERLOAD = f"{TORCH_OPERATOR}.last_page_len"

# The rebinding statements go back and forth between two sets, so that every rebinding changes pointers.
_STATEMENTS = {
    BOUND: "launch()",
    REBIND_ROWS: "rebind(key=key_2, value=value_2); launch(); rebind(key=key, value=value); launch()",
    REBIND_LAYER: "rebind(key=key_2, value=value_2, k_data=k_data_2, v_data=v_data_2); launch(); "
    "rebind(key=key, value=value, k_data=k_data, v_data=v_data); launch()",
    RUN: "plan.run(stream, workspace, args)",
    RUN_NEW_ARGS: "plan.run(stream, workspace, PagedKvAppendArgs(key=key, value=value, k_data=k_data, "
    "v_data=v_data, indices=indices, indptr=indptr, last_page_len=last_page_len))",
    RUN_STREAM_OBJECT: "plan.run(stream_object, workspace, args)",
    ONE_LINER: "append_paged_kv(key, value, k_data, v_data, indices, indptr, last_page_len, stream=stream)",
}
# On torch's current stream, which has to be `stream`.
_OF_TORCH = {
    TORCH_FUNCTION: "torch_function(key, value, k_data, v_data, indices, indptr, last_page_len)",
    TORCH_OPERATOR: "torch_operator(key, value, k_data, v_data, indices, indptr, last_page_len)",
    TORCH_OVERLOAD: "torch_overload(key, value, k_data, v_data, indices, indptr, last_page_len)",
}
NAMES = tuple(_STATEMENTS)
NAMES_OF_TORCH = tuple(_OF_TORCH)


def over(name: str, kind: str) -> str:
    """The path's name over operands of a kind."""
    return f"{name}, {kind}"


def call(
    name: str,
    problem: Problem,
    sets: list[Any],
    stream: int | None,
    stream_object: object = None,
    *,
    guarded: bool = False,
) -> Call:
    """One of ``NAMES`` over the first operand set, or over the first two where it rebinds. Plans that are not
    guarded take contiguous operands alone."""
    first, second = sets[0], sets[min(1, len(sets) - 1)]
    plan = problem.select(stream, guarded=guarded)
    args = first.args()
    launch = plan.bind(stream, args)
    names = {
        "plan": plan,
        "stream": stream,
        "stream_object": stream_object,
        "workspace": Workspace.NONE,
        "args": args,
        "launch": launch,
        "layout": problem.cache.layout,
        "element": problem.cache.element,
        "rebind": launch.rebind,
        "PagedKvAppendArgs": PagedKvAppendArgs,
        "append_paged_kv": append_paged_kv,
        **first.seven(),
        **{f"{name}_2": array for name, array in second.seven().items()},
    }
    appends = 2 if name in (REBIND_ROWS, REBIND_LAYER) else 1
    statement = _STATEMENTS[name]
    if name == ONE_LINER:
        options = ["layout"] if problem.layout != "HND" else []
        if problem.transform is not Transform.COPY:
            options += ["element", *[scale for scale in SCALE_NAMES if scale in names]]
        said = ", ".join([f"{option}={option}" for option in ("stream", *options)])
        statement = statement.replace("stream=stream", said)
    return Call(statement, names, appends=appends)


def call_of_torch(name: str, operands: Any) -> Call:
    """One of ``NAMES_OF_TORCH`` over a set of tensors, HND."""
    import torch

    from ...torch import append_paged_kv as torch_function

    operator = torch.ops.baracuda_ffi.append_paged_kv
    names = {
        "torch_function": torch_function,
        "torch_operator": operator.default,
        "torch_overload": operator.last_page_len,
    }
    return Call(_OF_TORCH[name], names | operands.seven())
