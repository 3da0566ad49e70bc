"""Memory described by hand, for callers that have a raw pointer and no array."""

from __future__ import annotations

import sys

from .._model.checks import INT32_MAX, POINTER_MAX, extents, integer, steps
from .._model.elements import element_kind
from .._model.enums import ElementKind
from .._model.frozen import Frozen
from .._native import abi
from .described import ELEMENT_TYPES, INDEX_TYPES, ON_HOST, Described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, NoReturn

    from typing_extensions import Self

    from .._model.elements import ElementLike

    IndexType = Literal["i32", "i64"]


_ORDER = "<" if sys.byteorder == "little" else ">"
_TYPE_NAMES: dict[object, str] = {
    ElementKind.F16: f"{_ORDER}f2",
    ElementKind.F32: f"{_ORDER}f4",
    ElementKind.I8: "|i1",
    ElementKind.U8: "|u1",
    "i32": f"{_ORDER}i4",
    "i64": f"{_ORDER}i8",
}


class TensorView(Frozen):
    """An operand at an address. The caller keeps the memory alive; a view owns nothing.

    Mirrors baracuda-kernels' ``TensorRef`` and ``TensorMut`` in one. A view is frozen, and any number of
    threads may use one at once. Copies are the view itself; it cannot be pickled, since an address means
    nothing in another process (``TypeError``).

    Parameters
    ----------
    ptr : int
        Address of the first element. Host memory, or CUDA device, pinned or managed memory.
    shape : sequence of int
        Extents, outermost first.
    strides : sequence of int, optional
        In *elements*, as many as extents; None for C-contiguous.
    element : ElementKind
        Also by a name or a dtype; ``"i32"`` or ``"i64"`` for what says where rows go.
    device : int, optional
        None for host memory, else the CUDA ordinal of the device that the memory is on. This is believed: an
        address that the GPU cannot reach costs the CUDA context when it is launched with.

    Raises
    ------
    InvalidProblem
        An argument of a wrong type or out of range. Whether the view fits an append is judged where it is
        used.
    """

    _fields = ("ptr", "shape", "strides", "element", "device")
    __slots__ = (*_fields, "_capsule", "_described")

    ptr: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    element: ElementKind | IndexType
    device: int | None
    _described: Described  # to the library; made here, since threads that share a view may not change it
    _capsule: object

    def __init__(
        self,
        *,
        ptr: int,
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
        element: ElementLike | IndexType,
        device: int | None = None,
    ) -> None:
        me = "TensorView"
        is_index = isinstance(element, str) and element in INDEX_TYPES
        kind = element if is_index else element_kind(me, "element", element, INDEX_TYPES)
        known = extents(me, "shape", shape)
        self._set(
            integer(me, "ptr", ptr, 0, POINTER_MAX, "an address"),
            known,
            steps(me, "strides", strides, len(known)),
            kind,
            None
            if device is None
            else integer(me, "device", device, 0, INT32_MAX, "a CUDA ordinal, or None"),
        )
        where = ON_HOST if self.device is None else (abi.DEVICE_CUDA, self.device)
        described = Described(self.ptr, where, ELEMENT_TYPES[kind], self.shape, self.strides)
        object.__setattr__(self, "_described", described)
        object.__setattr__(self, "_capsule", described.new_capsule())

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        """For those who take CUDA memory so (``torch.as_tensor``, ``cupy.asarray``), and see the same memory
        then; for views of it whose type NumPy has a name for."""
        name = _TYPE_NAMES.get(self.element)
        if self.device is None or name is None:
            raise AttributeError(
                f"a TensorView of {self.element!r}, device {self.device}, is not exported so"
            )
        size = int(name[2:])
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": name,
            "data": (self.ptr, False),
            "strides": None if self.strides is None else tuple([size * step for step in self.strides]),
        }

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        from .._model.copying import no_pickle

        raise no_pickle(self, "its ptr is an address of this process", "pickle what owns the memory")
