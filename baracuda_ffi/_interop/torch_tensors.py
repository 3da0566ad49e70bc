"""What torch's exporters do not tell of a tensor: that its memory is not what it shows, or is autograd's.

- A tensor of a *compiler, mode or transform* of torch's (a FakeTensor, a tensor of ``torch.vmap``, a
  DTensor) stands for others, and has no memory of its own, or some that means nothing.

- A *negative* tensor (``z.conj().imag``, ``torch._neg_view``) shows the negated numbers of its memory. DLPack
  has no word for it, and torch exports the memory as it is.
- Autograd watches a tensor that requires grad. What is written there through DLPack it does not see.

torch is never imported: a tensor means that it was.
"""

from __future__ import annotations

import ctypes
import sys
from operator import attrgetter

from .._model.checks import in_words
from .._model.errors import unsupported
from .._model.foreign import passes
from .._native.accelerator import describers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ME = "PagedKvAppendArgs"

# torch's dispatch keys of tensors that stand for others: of __torch_dispatch__, of its transforms, and of
# zeros that nobody has written.
_STANDS_FOR_OTHERS = ("Python", "FuncTorchBatched", "FuncTorchGradWrapper", "Functionalize", "ZeroTensor")

_WORD = ctypes.sizeof(ctypes.c_uint64)
# c10 asserts that a TensorImpl has no more than 208 bytes on 64-bit machines; the keys are not at its end.
_IMPL_WORDS = 24


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
    if written:
        check_written(operand, name)


def _stands_for_others(torch: Any, tensor: Any) -> bool:
    try:
        keys = torch._C._dispatch_keys(tensor)
        return any(keys.has(key) for key in _keys_of_others(torch))
    except AttributeError:  # of private functions
        return type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__


def _keys_of_others(torch: Any) -> list[Any]:
    """``_STANDS_FOR_OTHERS`` as far as this torch has them."""
    keys = torch._C.DispatchKey
    return [getattr(keys, name) for name in _STANDS_FOR_OTHERS if hasattr(keys, name)]


def _bits(torch: Any, tensor: Any) -> int:
    return int(torch._C._dispatch_keys(tensor).raw_repr())


def check_written(tensor: Any, name: str) -> None:
    """Raise ``Unsupported`` for a tensor that is written and that autograd watches."""
    if tensor.requires_grad:
        raise unsupported(
            _ME,
            f"{name} requires grad and is written, which autograd would not see; it should be "
            f"{name}.detach()",
        )


def caution(kind: type, reader: int) -> int:
    """``reader`` if the library's built-in functions may use it for the type's objects, or 0. Where it is
    torch's, they are told which tensors to leave to ``check``."""
    torch: Any = sys.modules.get("torch")
    if not reader or torch is None or not issubclass(kind, getattr(torch, "Tensor", ())):
        return reader
    if reader not in describers:
        mark = _mark(torch)
        if mark is None:
            return 0
        describers.setdefault(reader, (*mark, attrgetter("requires_grad"), False))
    return reader


def _mark(torch: Any) -> tuple[int, int, int, int] | None:
    """Where a tensor says that it is negative, stands for others or may be watched: the offset in its Python
    object of the pointer to its TensorImpl, the offset in that of its dispatch keys, those keys, and the
    offset there of what autograd has, NULL for a tensor that never required grad. None where that cannot be
    told.

    ``is_neg`` takes longer than all the rest of reading a tensor, and lets go of the GIL. The keys are in one
    word of the tensor, at a place that is the same for all tensors of one build of torch: it is looked for in
    a few, by the values that torch says they have.
    """
    try:
        plain = torch.zeros(2, device="cpu")
        tensors = (plain, torch._neg_view(plain), plain[1:], torch.zeros((), dtype=torch.int32, device="cpu"))
        keys = [_bits(torch, tensor) for tensor in tensors]
        key = keys[0] ^ keys[1]
        if not key or key & (key - 1) or [bool(word & key) for word in keys] != [False, True, False, False]:
            return None
        size = torch.Tensor.__basicsize__ // _WORD
        impls = [int(tensor._cdata) for tensor in tensors]
        in_object = _offset([(id(tensor), impl) for tensor, impl in zip(tensors, impls, strict=True)], size)
        in_impl = _offset(list(zip(impls, keys, strict=True)), _IMPL_WORDS)
        watched = _offset_of_change(impls[0], plain.requires_grad_)
        mark = key
        for other in _keys_of_others(torch):
            mark |= int(torch._C.DispatchKeySet(other).raw_repr())
    except Exception as error:  # of private functions, which may be gone or mean something else
        if passes(error):
            raise
        return None
    if in_object is None or in_impl is None:
        return None
    # What a tensor's dispatch keys say is never 0: then each tensor is asked.
    return in_object, in_impl, mark, in_impl if watched is None else watched


def _offset(places: list[tuple[int, int]], size: int) -> int | None:
    """The one offset, in bytes, at which each place (an address of ``size`` words) has its value."""
    words = ctypes.c_uint64 * size
    contents = [(words.from_address(address)[:], value) for address, value in places]
    found = [i for i in range(size) if all(content[i] == value for content, value in contents)]
    return _WORD * found[0] if len(found) == 1 else None


def _offset_of_change(impl: int, change: Callable[[], object]) -> int | None:
    """The one offset, in bytes, at which a TensorImpl has a word that was 0 before ``change`` and is not
    after."""
    words = ctypes.c_uint64 * _IMPL_WORDS
    before = words.from_address(impl)[:]
    change()
    after = words.from_address(impl)[:]
    found = [i for i in range(_IMPL_WORDS) if before[i] == 0 and after[i] != 0]
    return _WORD * found[0] if len(found) == 1 else None
