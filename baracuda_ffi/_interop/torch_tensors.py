"""What torch's exporters do not tell of a tensor: that its memory is not what it shows, or is autograd's.

- A tensor of a *compiler, mode or transform* of torch's (a FakeTensor, a tensor of ``torch.vmap``, a
  DTensor) stands for others, and has no memory of its own, or some that means nothing.

- A *negative* tensor (``z.conj().imag``, ``torch._neg_view``) shows the negated numbers of its memory. DLPack
  has no word for it, and torch exports the memory as it is.
- A tensor whose *storage was emptied* (``untyped_storage().resize_(0)``) is exported by where it would begin
  in a storage at address 0.
- Autograd watches a tensor that requires grad. What is written there through DLPack it does not see.

torch is never imported: a tensor means that it was.
"""

from __future__ import annotations

import sys
from operator import attrgetter

from .._model.checks import in_words
from .._model.errors import invalid_problem, unsupported
from .._model.foreign import passes
from .._native.accelerator import describers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ME = "PagedKvAppendArgs"

# torch's dispatch keys of tensors that stand for others: of __torch_dispatch__, of its transforms, and of
# zeros that nobody has written.
_STANDS_FOR_OTHERS = ("Python", "FuncTorchBatched", "FuncTorchGradWrapper", "Functionalize", "ZeroTensor")


def check(operand: Any, name: str, written: bool) -> None:
    """Raise ``Unsupported`` for a tensor of torch that cannot be taken as its memory is."""
    torch = sys.modules.get("torch")
    tensor_type = getattr(torch, "Tensor", None)  # None while torch is being imported
    if tensor_type is None or not isinstance(operand, tensor_type):
        return
    if _stands_for_others(torch, operand):
        raise unsupported(
            _ME,
            f"{name}, {in_words(operand)}, stands for other tensors and is not the memory to use; it should "
            "be a plain tensor, or baracuda_ffi.torch.append_paged_kv be called, which torch can trace",
        )
    if operand.is_neg():
        raise unsupported(
            _ME,
            f"{name} is a negative view, whose memory has the other sign; it should be {name}.resolve_neg()",
        )
    begins_at = operand.data_ptr()
    if begins_at and begins_at == operand.storage_offset() * operand.element_size() and not operand.is_meta:
        raise invalid_problem(
            _ME,
            f"{name}, {in_words(operand)}, is a view of a storage that has no memory; that should be resized "
            "to what the tensor needs",
        )
    if written:
        check_written(operand, name)


def _stands_for_others(torch: Any, tensor: Any) -> bool:
    try:
        keys = torch._C._dispatch_keys(tensor)
        return any(keys.has(key) for key in _keys_of_others(torch))
    except AttributeError:  # of private functions
        return type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__


def _makes_plain_tensors(torch: Any) -> bool:
    try:
        # A transform refuses to have it require grad.
        return not _stands_for_others(torch, torch.empty(1, device="cpu").requires_grad_())
    except Exception as error:
        if passes(error):
            raise
        return False


def _keys_of_others(torch: Any) -> list[Any]:
    """``_STANDS_FOR_OTHERS`` as far as this torch has them."""
    keys = torch._C.DispatchKey
    return [getattr(keys, name) for name in _STANDS_FOR_OTHERS if hasattr(keys, name)]


def check_written(tensor: Any, name: str) -> None:
    """Raise ``Unsupported`` for a tensor that is written and that autograd watches."""
    if tensor.requires_grad:
        raise unsupported(
            _ME,
            f"{name} requires grad and is written, which autograd would not see; it should be "
            f"{name}.detach()",
        )


def caution(kind: type, reader: int) -> int | None:
    """``reader`` if the library's built-in functions may use it for the type's objects, or 0. Where it is
    torch's, they are told which tensors to leave to ``check``. None where that is not to be told now, under a
    mode or a transform of torch's by which no tensor that is made is a plain one."""
    torch: Any = sys.modules.get("torch")
    if not reader or torch is None or not issubclass(kind, getattr(torch, "Tensor", ())):
        return reader
    if reader not in describers:
        from .layouts.torch_tensors import layout_of

        if not _makes_plain_tensors(torch):
            return None
        layout = layout_of(torch, _keys_of_others)
        if layout is None:
            return 0
        describers.setdefault(reader, (bytes(layout), attrgetter("requires_grad"), False))
    return reader
