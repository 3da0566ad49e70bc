"""The append as an operator of torch, ``baracuda_ffi::append_paged_kv``. Importing this registers it.

Its default overload takes whatever ``append_paged_kv`` does. Key and value with a set of operands and nothing
else have an overload of their own, of which a call takes less time: torch looks at every argument that there
could be.
"""

from __future__ import annotations

import torch

from .._append.addressing import PLACE_NAMES, SETS
from .._append.one_call import append_paged_kv
from .._append.problem import statement
from .._interop.torch_tensors import check_written
from .._native import abi
from .torch_library import is_on_cuda, register, schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._append.addressing import OperandSet

_NAME = "append_paged_kv"

# The operands that append_paged_kv takes by position; the others go by name, as in its signature.
_POSITIONAL = 7
_ROWS_AND_CACHES = abi.OPERANDS[:4]

# Tensors that are no operands of the C library's.
_OTHER_TENSORS = ("error_record", "kv_data")

_IN_EACH = ('str layout="HND"', "str? length_convention=None")
_OPTIONS = (
    "bool guarded=False",
    "str? backend=None",
    "str? transform=None",
    "str? element=None",
    "int? skip_slot=None",
)
_CHOICES = ("length_convention", "backend", "transform", "element")


def call(*operands: Any, layout: Any = "HND", **options: Any) -> None:
    """The operator, by ``append_paged_kv``'s arguments: enumerations go to it as their names. Dynamo reads
    this."""
    for name in _CHOICES:
        if name in options:
            options[name] = _name_of(options[name])
    by_position = zip(abi.OPERANDS, operands, strict=False)
    given = {name: operand for name, operand in by_position if operand is not None}
    given.update({name: value for name, value in options.items() if value is not None})
    tensors = tuple([name for name in _IN_SETS if name in given])
    if len(tensors) + ("length_convention" in given) == len(given) and tensors in _OF_SETS:
        _OF_SETS[tensors](layout=_name_of(layout), **given)
    else:
        OPERATOR(*operands, layout=_name_of(layout), **options)


def _name_of(choice: Any) -> str | None:
    if choice is None or isinstance(choice, str):
        return choice
    return str(choice).removeprefix("torch.") if isinstance(choice, torch.dtype) else str(choice.name)


def _traced(*operands: Any, **options: Any) -> None:
    """What can be said of tensors that have no memory."""
    given = dict(zip(abi.OPERANDS, operands, strict=False)) | options
    for name, value in given.items():
        if isinstance(value, torch.Tensor) and name in abi.WRITTEN_OPERANDS:
            check_written(value, name)
    given.pop("error_record", None)
    statement(on_host=not any(map(is_on_cuda, given.values())), **given)


def _register(name: str, tensors: tuple[str, ...], needed: tuple[str, ...], options: tuple[str, ...]) -> Any:
    by_position = [tensor for tensor in abi.OPERANDS[:_POSITIONAL] if tensor in tensors]
    by_name = [tensor for tensor in tensors if tensor not in by_position]
    declared = schema(by_position, by_name, options, written=abi.WRITTEN_OPERANDS, needed=needed)
    return register(name, declared, append_paged_kv, _traced)


def _of_set(row: OperandSet) -> tuple[tuple[str, ...], Any]:
    """Its tensors, and its overload, which has the name of what the set alone has."""
    tensors = tuple([name for name in _IN_SETS if name in (*_ROWS_AND_CACHES, *row.names)])
    overload = "_".join([name for name in row.names if name not in ("indices", "indptr")])
    return tensors, _register(f"{_NAME}.{overload}", tensors, tensors, _IN_EACH)


_IN_SETS = (*_ROWS_AND_CACHES, *PLACE_NAMES)

OPERATOR = _register(_NAME, (*abi.OPERANDS, *_OTHER_TENSORS), ("key",), (*_IN_EACH, *_OPTIONS))
_OF_SETS = dict([_of_set(row) for row in SETS])
