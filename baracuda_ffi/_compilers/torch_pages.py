"""Copies of pages as operators of torch: ``baracuda_ffi::copy_pages``, and ``gather_pages`` and
``scatter_pages`` beside it. Importing this registers them."""

from __future__ import annotations

import torch

from .._interop.torch_tensors import check_written
from .._model.checks import instance
from .._native import abi
from .._pages import functional
from .._pages.call import is_written, operands_of
from .torch_library import register, schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_OPTIONS = ("bool guarded=False",)
_OTHER_TENSORS = ("error_record", "kv_data")


def _register(function: Callable[..., None], movement: int, others: tuple[str, ...]) -> Callable[..., None]:
    """The operator of a function that takes these operands besides the caches."""
    name = function.__name__
    by_position = ("k_data", "v_data", *others)

    def traced(*operands: Any, guarded: bool = False, **options: Any) -> None:
        """What can be said of tensors that have no memory."""
        instance(name, "guarded", guarded, bool)
        given = dict(zip(by_position, operands, strict=False)) | options
        k_data, v_data, source, destination, buffer = map(given.get, abi.COPY_OPERANDS)
        every = (k_data, v_data, source, destination, buffer)
        operands_of(name, movement, every, given.get("kv_data"))
        for operand, value in given.items():
            if isinstance(value, torch.Tensor) and is_written(movement, operand):
                check_written(value, operand)

    tensors = (*by_position, *_OTHER_TENSORS)
    written = [tensor for tensor in tensors if is_written(movement, tensor)]
    declared = schema(by_position, _OTHER_TENSORS, _OPTIONS, written=written, needed=())
    operator: Callable[..., None] = register(name, declared, function, traced)
    return operator


copy_pages = _register(functional.copy_pages, abi.MOVEMENT_COPY, ("source", "destination"))
gather_pages = _register(functional.gather_pages, abi.MOVEMENT_GATHER, ("source", "buffer"))
scatter_pages = _register(functional.scatter_pages, abi.MOVEMENT_SCATTER, ("destination", "buffer"))
