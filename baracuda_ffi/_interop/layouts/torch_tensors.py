"""torch's tensors for the library's built-in functions: where they say what they are.

torch's own function that describes a tensor for C takes longer than all that an append asks of one, since it
asks for the GIL twice. What it tells is in a tensor, at places that are the same for all of one build of
torch. They are looked for in a few tensors, by what torch says of them; where one is not found, or might be
two, tensors are left to that function.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import sizeof
from itertools import repeat

from ..._model.enums import ElementKind
from ..._model.foreign import passes
from ..._native.accelerator import TensorLayout, TensorType
from ..described import ELEMENT_TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

# torch's dispatch keys of tensors that are an address, extents and strides, and nothing else.
_PLAIN = ("CPU", "CUDA", "ADInplaceOrView", "AutogradCPU", "AutogradCUDA", "AutocastCPU", "AutocastCUDA")

# torch's numbers of types, which it saves with tensors, and so does not change.
_TYPES = (
    ("float16", 5, ElementKind.F16),
    ("bfloat16", 15, ElementKind.BF16),
    ("int32", 3, "i32"),
    ("int64", 4, "i64"),
    ("float32", 6, ElementKind.F32),
    ("uint8", 0, ElementKind.U8),
    ("float8_e4m3fn", 24, ElementKind.FP8_E4M3),
    ("float8_e5m2", 23, ElementKind.FP8_E5M2),
    ("int8", 1, ElementKind.I8),
)

# Its numbers of devices, each with the index behind it that stands for none.
_ON_CPU, _ON_META = bytes((0, 0xFF)), bytes((14, 0xFF))

_BYTE, _HALF, _WORD = (sizeof(kind) for kind in (ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint64))
# c10 asserts that a TensorImpl has no more on 64-bit machines. It ends with its keys: nothing behind is read.
_MOST_IMPL_BYTES = 26 * _WORD
# A StorageImpl has more.
_STORAGE_BYTES = 8 * _WORD


def layout_of(torch: Any, strange: Callable[[Any], Iterable[Any]]) -> TensorLayout | None:
    """``strange`` tells the dispatch keys of tensors that are never read; those that are negative are not
    either. With ``num_types`` 0 where not all was found; None where not even those were."""
    layout = TensorLayout()
    try:
        _find_keys(torch, strange(torch), layout)
        _find_the_rest(torch, layout)
    except Exception as error:  # of private functions, which may be gone or mean something else
        if passes(error):
            raise
    return layout if layout.keys else None


def _find_keys(torch: Any, strange: Iterable[Any], layout: TensorLayout) -> None:
    # is_neg takes longer than all the rest of reading a tensor, and lets go of the GIL.
    plain = torch.zeros(2, device="cpu")
    tensors = (plain, torch._neg_view(plain), plain[1:], torch.zeros((), dtype=torch.int32, device="cpu"))
    keys = [_bits(torch._C._dispatch_keys(tensor)) for tensor in tensors]
    key = keys[0] ^ keys[1]
    if not key or key & (key - 1) or [bool(word & key) for word in keys] != [False, True, False, False]:
        raise LookupError("which key is that of negative tensors")
    layout.strange = key
    for other in strange:
        layout.strange |= _bits(torch._C.DispatchKeySet(other))
    layout.object = _place(
        [ctypes.string_at(id(tensor), torch.Tensor.__basicsize__) for tensor in tensors],
        [_word(tensor._cdata) for tensor in tensors],
    )
    in_impl = _first_place(tensors, [_word(word) for word in keys])
    watched = _place_of_change(plain, in_impl, plain.requires_grad_)
    # What a tensor's dispatch keys say is never 0: then each tensor is asked.
    layout.watched = in_impl if watched is None else watched
    layout.keys = in_impl


def _find_the_rest(torch: Any, layout: TensorLayout) -> None:
    for name in _PLAIN:
        layout.plain |= _bits(torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, name)))
    flat = torch.empty(4096, device="cpu")
    views = (flat.as_strided((2, 3, 5, 7), (1009, 307, 53, 11), 13), flat.as_strided((17, 19), (23, 3), 29))
    tensors = (*views, torch.empty((), device="cpu"))
    impls = [_impl(tensor, layout.keys) for tensor in tensors]
    layout.rank = _place(impls, [_word(tensor.dim()) for tensor in tensors])
    layout.extents = _place(impls[:2], [b"".join(map(_word, view.shape)) for view in views])
    layout.strides = _place(impls[:2], [b"".join(map(_word, view.stride())) for view in views])
    layout.first = _place(impls, [_word(tensor.storage_offset()) for tensor in tensors])
    layout.elements = _place(impls, [_word(tensor.numel()) for tensor in tensors])
    layout.storage = _place(impls, [_word(tensor.untyped_storage()._cdata) for tensor in tensors])
    typed = [torch.empty(3, dtype=getattr(torch, name), device="cpu") for name, _, _ in _TYPES]
    layout.type = _place(
        [_impl(tensor, layout.keys) for tensor in typed], [_half(number) for _, number, _ in _TYPES], _HALF
    )
    placed = (*tensors, torch.empty(3, device="meta"))
    layout.device = _place(
        [_impl(tensor, layout.keys) for tensor in placed], [_ON_CPU] * len(tensors) + [_ON_META], _HALF
    )
    # What torch calls CUDA may be another's.
    layout.on_cuda = torch.version.hip is None
    _find_memory(torch, layout, flat)
    for i, (_, number, element) in enumerate(_TYPES):
        code, bits = ELEMENT_TYPES[element]
        layout.types[i] = TensorType(number, code, (bits // 8).bit_length() - 1)
    layout.num_types = len(_TYPES)


def _find_memory(torch: Any, layout: TensorLayout, flat: Any) -> None:
    """Also where a storage says that its memory is another's until it is asked for: a lazy clone's, and of
    what it is a clone."""
    lender = torch.empty(64, device="cpu")
    address = lender.data_ptr()
    before = _storage(lender)
    clone = torch._lazy_clone(lender)
    lazy = [_storage(lender), _storage(clone)]
    layout.data = _place([_storage(flat), *lazy], [_word(flat.data_ptr()), _word(address), _word(address)])
    no, yes = bytes((0,)), bytes((1,))
    layout.shared = _place([_storage(flat), before, *lazy], [no, no, yes, yes], _BYTE)


def _bits(keys: Any) -> int:
    return int(keys.raw_repr())


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD, sys.byteorder)


def _half(value: int) -> bytes:
    return value.to_bytes(_HALF, sys.byteorder)


def _impl(tensor: Any, size: int) -> bytes:
    return ctypes.string_at(tensor._cdata, size)


def _storage(tensor: Any) -> bytes:
    return ctypes.string_at(tensor.untyped_storage()._cdata, _STORAGE_BYTES)


def _place(contents: Sequence[bytes], values: Sequence[bytes], step: int = _WORD) -> int:
    """The one offset, a multiple of ``step``, at which each of the contents has its value."""
    found = []
    at = contents[0].find(values[0])
    while at >= 0:
        if at % step == 0 and all(map(bytes.startswith, contents, values, repeat(at))):
            found.append(at)
        at = contents[0].find(values[0], at + 1)
    if len(found) != 1:
        raise LookupError("no such place, or more than one")
    return found[0]


def _first_place(tensors: Sequence[Any], values: Sequence[bytes]) -> int:
    """The first offset at which each of the tensors has its word."""
    for end in range(_WORD, _MOST_IMPL_BYTES + 1, _WORD):
        if all(_impl(tensor, end).endswith(value) for tensor, value in zip(tensors, values, strict=True)):
            return end - _WORD
    raise LookupError("no such place")


def _place_of_change(tensor: Any, size: int, change: Callable[[], object]) -> int | None:
    """The one offset at which a tensor has a word that was 0 before ``change`` and is not after."""
    before = _impl(tensor, size)
    change()
    after = _impl(tensor, size)
    none = _word(0)
    found = [
        at for at in range(0, size, _WORD) if before.startswith(none, at) and not after.startswith(none, at)
    ]
    return found[0] if len(found) == 1 else None
