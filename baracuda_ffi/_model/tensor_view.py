"""Memory described by hand, for callers that have a raw pointer and no array."""

from __future__ import annotations

from .checks import INT32_MAX, INT64_MAX, POINTER_MAX, describe, integer
from .enums import ElementKind
from .errors import invalid_problem
from .frozen import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    Element = ElementKind | Literal["i32"]


class TensorView(Record):
    """An operand at an address. The caller keeps the memory alive; a view owns nothing.

    - ``ptr``: address of the first element. Host memory, or CUDA device, pinned or managed memory.
    - ``shape``: extents, outermost first.
    - ``strides``: in *elements*, as many as extents; None for C-contiguous.
    - ``element``: an ``ElementKind``, or ``"i32"`` for the page table (indices, indptr, last_page_len).
    - ``device``: None for host memory, else the CUDA ordinal of the device that the memory is on. This is
      believed: an address that the GPU cannot reach costs the CUDA context when it is launched with.

    Mirrors the seed's ``TensorRef`` and ``TensorMut`` in one. Raises ``InvalidProblem`` for arguments of
    wrong types or out of range; whether the view fits an append is judged where it is used.
    """

    _fields = ("ptr", "shape", "strides", "element", "device")
    __slots__ = (*_fields, "_tensor")

    ptr: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    element: Element
    device: int | None
    _tensor: tuple[int, object] | None

    def __init__(
        self,
        *,
        ptr: int,
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
        element: Element,
        device: int | None = None,
    ) -> None:
        me = "TensorView"
        if not isinstance(element, ElementKind) and element != "i32":
            raise invalid_problem(me, f"element is {describe(element)}; it should be an ElementKind or 'i32'")
        extents = _integers("shape", shape, 0)
        steps = None if strides is None else _integers("strides", strides, -INT64_MAX - 1)
        if steps is not None and len(steps) != len(extents):
            raise invalid_problem(
                me, f"strides has {len(steps)} entries and shape has {len(extents)}; they should be as many"
            )
        self._remember(None)
        self._set(
            integer(me, "ptr", ptr, 0, POINTER_MAX, "an address"),
            extents,
            steps,
            element,
            None
            if device is None
            else integer(me, "device", device, 0, INT32_MAX, "a CUDA ordinal, or None"),
        )

    def _remember(self, tensor: tuple[int, object] | None) -> None:
        """Keep what describes the view to the library, so that it is made once."""
        object.__setattr__(self, "_tensor", tensor)


def _integers(name: str, values: object, low: int) -> tuple[int, ...]:
    wanted = "at least 0 and fit in 64 bits" if low == 0 else "an integer that fits in 64 bits"
    if not isinstance(values, (tuple, list)):
        raise invalid_problem("TensorView", f"{name} is {describe(values)}; it should be a tuple of integers")
    return tuple(
        [integer("TensorView", f"{name}[{i}]", v, low, INT64_MAX, wanted) for i, v in enumerate(values)]
    )
