"""Checks of Python arguments: what C's types rule out and Python's do not."""

from __future__ import annotations

from operator import index

from .errors import invalid_problem
from .foreign import passes, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import Enum
    from typing import Any, TypeVar

    T = TypeVar("T")
    E = TypeVar("E", bound=Enum)

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
POINTER_MAX = 2**64 - 1


def integer(function: str, name: str, value: object, low: int, high: int, wanted: str) -> int:
    """``value`` as an int between the two bounds. Anything with ``__index__`` is an integer, but not a
    bool."""
    if not isinstance(value, bool):
        try:
            number = index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
        except Exception as error:
            if passes(error):
                raise
            raise refusal(function, f"{name}, {in_words(value)}, is no integer", error) from error
        else:
            if low <= number <= high:
                return number
            raise invalid_problem(function, f"{name} is {number}; it should be {wanted}")
    raise invalid_problem(function, f"{name} is {in_words(value)}; it should be {wanted}")


def int32(function: str, name: str, value: object) -> int:
    """An extent. Its sign is judged later, with the rest of the problem."""
    return integer(function, name, value, -INT32_MAX - 1, INT32_MAX, "an integer that fits in 32 bits")


def extents(function: str, name: str, values: object) -> tuple[int, ...]:
    """A shape."""
    return _integers(function, name, values, 0, "at least 0 and fit in 64 bits")


def steps(function: str, name: str, values: object, rank: int) -> tuple[int, ...] | None:
    """The strides of a shape of ``rank`` extents, or None for C-contiguous."""
    if values is None:
        return None
    found = _integers(function, name, values, -INT64_MAX - 1, "an integer that fits in 64 bits")
    if len(found) != rank:
        raise invalid_problem(
            function, f"{name} has {len(found)} entries and shape has {rank}; they should be as many"
        )
    return found


def several(function: str, name: str, values: object, wanted: str) -> list[Any]:
    """What can be iterated over, as a list; not a text."""
    if not isinstance(values, (str, bytes, bytearray)):
        try:
            return list(values)  # type: ignore[call-overload,no-any-return]
        except TypeError:
            pass
        except Exception as error:
            if passes(error):
                raise
            raise refusal(
                function, f"{name}, {in_words(values)}, could not be iterated over", error
            ) from error
    raise invalid_problem(function, f"{name} is {in_words(values)}; it should be {wanted}")


def _integers(function: str, name: str, values: object, low: int, wanted: str) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)):
        raise invalid_problem(function, f"{name} is {in_words(values)}; it should be a tuple of integers")
    return tuple(
        [integer(function, f"{name}[{i}]", value, low, INT64_MAX, wanted) for i, value in enumerate(values)]
    )


def instance(function: str, name: str, value: object, kind: type[T]) -> T:
    if isinstance(value, kind):
        return value
    raise invalid_problem(
        function, f"{name} is {in_words(value)}; it should be {with_article(kind.__name__)}"
    )


# Members by their types and names as they were given.
_named: dict[tuple[type, str], Any] = {}


def choice(function: str, name: str, value: object, kind: type[E]) -> E:
    """A member of ``kind``, or the one that a string names."""
    if isinstance(value, kind):
        return value
    if type(value) is str and (kind, value) in _named:
        return _named[kind, value]  # type: ignore[no-any-return]
    if isinstance(value, str):
        found = kind.__members__.get(str.upper(value))
        if found is not None:
            if type(value) is str:
                _named[kind, value] = found
            return found
    names = ", ".join([repr(member) for member in kind.__members__])
    raise invalid_problem(
        function,
        f"{name} is {in_words(value)}; it should be {with_article(kind.__name__)}, or a name: {names}",
    )


def in_words(value: object) -> str:
    """A value for a message: small ones as they are, others by their types."""
    if value is None or isinstance(value, (bool, int, float, str)):
        text = repr(value)
        if len(text) <= 60:
            return text
    kind = value if isinstance(value, type) else type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{module}{kind.__qualname__}"
    return f"the type {name}" if kind is value else with_article(name)


def with_article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
