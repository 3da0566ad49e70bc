"""The append as an operator of torch: what its compilers, exporters, modes and transforms see. Importing this
registers it.

It is made by ``torch.library.Library``: a call of one made by ``torch.library.custom_op`` takes several times
as long.
"""

from __future__ import annotations

from string import ascii_lowercase

import torch

from .._append.error_record import ErrorRecord
from .._append.one_call import append_paged_kv
from .._append.problem import statement
from .._interop.torch_tensors import check_written
from .._native import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACE, NAME = "baracuda_ffi", "append_paged_kv"

# The operands that append_paged_kv takes by position; the others go by name, as in its signature.
_POSITIONAL = 7

# Tensors that are no operands of the C library's.
_OTHER_TENSORS = ("error_record", "kv_data")

_OPTIONS = (
    'str layout="HND"',
    "str? length_convention=None",
    "bool guarded=False",
    "str? backend=None",
    "str? transform=None",
    "str? element=None",
    "int? skip_slot=None",
)


def _schema() -> str:
    aliases = iter(ascii_lowercase)

    def tensor(name: str) -> str:
        kind = f"Tensor({next(aliases)}!)" if name in abi.WRITTEN_OPERANDS else "Tensor"
        return f"{kind} {name}" if name == "key" else f"{kind}? {name}=None"

    tensors = [tensor(name) for name in (*abi.OPERANDS, *_OTHER_TENSORS)]
    return ", ".join([*tensors[:_POSITIONAL], "*", *tensors[_POSITIONAL:], *_OPTIONS])


def call(*operands: Any, layout: Any = "HND", **options: Any) -> None:
    """The operator, by ``append_paged_kv``'s arguments: enumerations go to it as their names. Dynamo reads
    this."""
    for name in ("length_convention", "backend", "transform", "element"):
        if name in options:
            options[name] = _name_of(options[name])
    OPERATOR(*operands, layout=_name_of(layout), **options)


def _name_of(choice: Any) -> str | None:
    if choice is None or isinstance(choice, str):
        return choice
    return str(choice).removeprefix("torch.") if isinstance(choice, torch.dtype) else str(choice.name)


def _on_host(*operands: Any, **options: Any) -> None:
    append_paged_kv(*operands, stream=None, **_with_record(options))


def _on_cuda(*operands: Any, **options: Any) -> None:
    device = next(value.device for value in (*operands, *options.values()) if _is_on_cuda(value))
    stream = torch.cuda.current_stream(device).cuda_stream
    append_paged_kv(*operands, stream=stream, **_with_record(options))


def _is_on_cuda(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.is_cuda


def _with_record(options: dict[str, Any]) -> dict[str, Any]:
    record = options.get("error_record")
    return options if record is None else {**options, "error_record": ErrorRecord(record)}


def _traced(*operands: Any, **options: Any) -> None:
    """What can be said of tensors that have no memory."""
    given = dict(zip(abi.OPERANDS, operands, strict=False)) | options
    for name, value in given.items():
        if isinstance(value, torch.Tensor) and name in abi.WRITTEN_OPERANDS:
            check_written(value, name)
    given.pop("error_record", None)
    statement(on_host=not any(map(_is_on_cuda, given.values())), **given)


def _register() -> tuple[object, Any]:
    new_library: Any = torch.library.Library  # which torch has no types for
    library = new_library(NAMESPACE, "FRAGMENT")
    # A compiler hands over its tensors with the strides that they have in the program.
    wanted = ("pt2_compliant_tag", "needs_exact_strides")
    tags = tuple([getattr(torch.Tag, tag) for tag in wanted if hasattr(torch.Tag, tag)])
    library.define(f"{NAME}({_schema()}) -> ()", tags=tags)
    library.impl(NAME, _on_host, "CPU")
    library.impl(NAME, _on_cuda, "CUDA")
    torch.library.register_fake(f"{NAMESPACE}::{NAME}", _traced, lib=library)
    return library, getattr(getattr(torch.ops, NAMESPACE), NAME).default


_LIBRARY, OPERATOR = _register()  # the operator is there as long as the first of the two is
