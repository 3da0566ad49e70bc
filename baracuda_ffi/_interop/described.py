"""Memory described by numbers: a ``baracuda_tensor`` of our own making."""

from __future__ import annotations

from ctypes import addressof, c_int64

from .._model.enums import ElementKind
from .._native import abi
from . import dlpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    # DLPack's type code, and bits.
    ElementType = tuple[int, int]

# What says where rows go.
INDEX_TYPES = ("i32", "i64")

ELEMENT_TYPES: dict[object, ElementType] = {
    ElementKind.F16: (abi.TYPE_FLOAT, 16),
    ElementKind.BF16: (abi.TYPE_BFLOAT, 16),
    ElementKind.F32: (abi.TYPE_FLOAT, 32),
    ElementKind.FP8_E4M3: (abi.TYPE_FLOAT8_E4M3FN, 8),
    ElementKind.FP8_E5M2: (abi.TYPE_FLOAT8_E5M2, 8),
    ElementKind.I8: (abi.TYPE_INT, 8),
    ElementKind.U8: (abi.TYPE_UINT, 8),
    "i32": (abi.TYPE_INT, 32),
    "i64": (abi.TYPE_INT, 64),
}

# By the name of a NumPy scalar type, for types that NumPy's own notation has no letter for (ml_dtypes').
NAMED_TYPES = {
    "bfloat16": ELEMENT_TYPES[ElementKind.BF16],
    "float8_e4m3fn": ELEMENT_TYPES[ElementKind.FP8_E4M3],
    "float8_e5m2": ELEMENT_TYPES[ElementKind.FP8_E5M2],
}

ON_HOST = (abi.DEVICE_HOST, 0)


class Described:
    """A ``baracuda_tensor`` with its shape and strides, made whole and never changed: any number of threads
    may hand it to the library, each as long as it holds this object.

    The numbers are believed: ctypes takes those that do not fit modulo 2^64. ``strides`` are in elements.
    """

    __slots__ = ("_extents", "_managed", "tensor")

    tensor: int
    """Its address."""

    def __init__(
        self,
        pointer: int,
        device: tuple[int, int],
        element: ElementType,
        shape: Sequence[int],
        strides: Sequence[int] | None,
    ) -> None:
        rank = len(shape)
        self._extents = (c_int64 * (2 * rank))(*shape, *(strides or ()))
        first = addressof(self._extents)
        steps = None if strides is None else first + 8 * rank
        self._managed = dlpack.Managed((pointer, *device, rank, *element, 1, first, steps, 0))
        self.tensor = addressof(self._managed)

    def new_capsule(self) -> object:
        """A DLPack capsule of it, for the library's built-in functions; None where there are no capsules. It
        keeps nothing: whoever uses it holds this object."""
        return dlpack.new_capsule(self.tensor) if dlpack.CAPSULES else None
