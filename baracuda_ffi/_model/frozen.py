"""A frozen object with named fields. ``dataclasses`` would do, but importing it costs more than this whole
package."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from typing_extensions import Self


class Frozen:
    """Equality, hash, repr, pickling and ``replace`` for subclasses whose ``_fields`` are their keyword
    arguments.

    A subclass's ``__init__`` checks its arguments and calls ``_set`` once. One that holds an address may
    not be pickled: it overrides ``__reduce__`` and ``__deepcopy__``.
    """

    __slots__ = ()

    # A subclass writes __slots__ = _fields: the names in the order of the constructor's arguments.
    _fields: ClassVar[tuple[str, ...]] = ()

    def _set(self, *values: object) -> None:
        if hasattr(self, self._fields[0]):  # __init__ of one that threads may share already
            raise AttributeError(f"{type(self).__name__} is frozen; make another")
        for name, value in zip(self._fields, values, strict=True):
            object.__setattr__(self, name, value)

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self._fields])

    def replace(self, **changes: object) -> Self:
        """A copy with some fields changed, checked like a new one.

        Parameters
        ----------
        changes
            The fields that differ, by their names.

        Returns
        -------
        Self
            The copy. This one stays as it is.

        Raises
        ------
        InvalidProblem
            What the constructor refuses.
        """
        return type(self)(**{**dict(zip(self._fields, self._values(), strict=True)), **changes})

    __replace__ = replace  # copy.replace

    def __copy__(self) -> Self:
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen; use replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={_show(getattr(self, name))}" for name in self._fields])
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), dict(zip(self._fields, self._values(), strict=True)))


def _show(value: object) -> str:
    name = getattr(value, "name", None)  # enumerators by their names: shorter, and what the user wrote
    return f"{type(value).__name__}.{name}" if isinstance(value, int) and name else repr(value)


def _restore(kind: type[Frozen], fields: dict[str, object]) -> Frozen:
    return kind(**fields)
