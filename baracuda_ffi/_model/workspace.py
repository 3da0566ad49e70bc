"""Scratch memory for a plan."""

from __future__ import annotations

from .checks import INT64_MAX, POINTER_MAX, integer
from .frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from typing_extensions import Self


class Workspace(Frozen):
    """Scratch memory that the caller owns: ``size`` bytes at ``ptr``. Mirrors baracuda-kernels'
    ``Workspace``.

    ``Workspace.NONE`` is no memory at all, and enough: ``workspace_size()`` of every append plan is 0. One
    with an address cannot be pickled (``TypeError``).

    Parameters
    ----------
    ptr : int
        Address of the memory, which nothing reads or writes; 0 for none.
    size : int
        Bytes.

    Raises
    ------
    InvalidProblem
        An argument of a wrong type or out of range.
    """

    _fields = ("ptr", "size")
    __slots__ = _fields

    NONE: ClassVar[Workspace]

    ptr: int
    size: int

    def __init__(self, *, ptr: int = 0, size: int = 0) -> None:
        self._set(
            integer("Workspace", "ptr", ptr, 0, POINTER_MAX, "an address"),
            integer("Workspace", "size", size, 0, INT64_MAX, "a number of bytes"),
        )

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        if self.ptr:
            from .copying import no_pickle

            raise no_pickle(self, "its ptr is an address of this process", "make one where it is used")
        return super().__reduce__()


Workspace.NONE = Workspace()
