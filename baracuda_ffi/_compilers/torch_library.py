"""How this package's operators of torch are made.

By ``torch.library.Library``: a call of an operator made by ``torch.library.custom_op`` takes several times as
long. What a call costs besides is torch's, and goes by the number of arguments that the operator has, whether
they are given or not.
"""

from __future__ import annotations

from string import ascii_lowercase

import torch

from .._append.error_record import ErrorRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Any

NAMESPACE = "baracuda_ffi"

_new_library: Any = torch.library.Library  # which torch has no types for
_LIBRARY = _new_library(NAMESPACE, "FRAGMENT")  # the operators are there as long as this is

# A compiler hands over its tensors with the strides that they have in the program.
_WANTED_TAGS = ("pt2_compliant_tag", "needs_exact_strides")
_TAGS = tuple([getattr(torch.Tag, tag) for tag in _WANTED_TAGS if hasattr(torch.Tag, tag)])


def schema(
    by_position: Iterable[str],
    by_name: Iterable[str],
    options: Iterable[str],
    *,
    written: Collection[str],
    needed: Collection[str],
) -> str:
    """Of tensors and options, which are declared as they stand. Tensors that are not needed may be left
    out."""
    aliases = iter(ascii_lowercase)

    def tensor(name: str) -> str:
        kind = f"Tensor({next(aliases)}!)" if name in written else "Tensor"
        return f"{kind} {name}" if name in needed else f"{kind}? {name}=None"

    return ", ".join([*map(tensor, by_position), "*", *map(tensor, by_name), *options])


def register(
    name: str,
    declared: str,
    append: Callable[..., None],
    traced: Callable[..., None],
) -> Any:
    """A new operator, or an overload of one (``name.overload``): ``append`` with ``stream``, which is torch's
    current one, None for tensors in host memory; ``traced`` for tensors without memory, by name."""

    def on_host(*operands: Any, **options: Any) -> None:
        append(*operands, stream=None, **_with_record(options))

    def on_cuda(*operands: Any, **options: Any) -> None:
        first = operands[0] if operands else None
        device = -1 if first is None else first.get_device()
        if device < 0:  # one that is left out, or is in host memory
            device = next(each.get_device() for each in (*operands, *options.values()) if is_on_cuda(each))
        append(*operands, stream=raw_stream(device), **_with_record(options))

    _LIBRARY.define(f"{name}({declared}) -> ()", tags=_TAGS)
    _LIBRARY.impl(name, on_host, "CPU")
    _LIBRARY.impl(name, on_cuda, "CUDA")
    torch.library.register_fake(f"{NAMESPACE}::{name}", traced, lib=_LIBRARY)
    base, _, overload = name.partition(".")
    return getattr(getattr(getattr(torch.ops, NAMESPACE), base), overload or "default")


def _current_stream(device: int) -> int:
    return int(torch.cuda.current_stream(device).cuda_stream)


#: Of a device the handle of torch's current stream. The private function is ten times as quick.
raw_stream: Callable[[int], int] = getattr(torch._C, "_cuda_getCurrentRawStream", _current_stream)


def is_on_cuda(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.is_cuda


def _with_record(options: dict[str, Any]) -> dict[str, Any]:
    record = options.get("error_record")
    return options if record is None else {**options, "error_record": ErrorRecord(record)}
