"""Element types by whatever name a caller has for them."""

from __future__ import annotations

from .checks import in_words
from .enums import ElementKind
from .errors import invalid_problem
from .foreign import passes, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class _Named(Protocol):
        """A dtype of NumPy or JAX."""

        @property
        def name(self) -> str: ...

    class _TorchDtype(Protocol):
        @property
        def is_floating_point(self) -> bool: ...

    # An element, its name, or a dtype or scalar type that is one.
    ElementLike = ElementKind | str | type | _Named | _TorchDtype

_BY_NAME = {
    "f16": ElementKind.F16,
    "float16": ElementKind.F16,
    "half": ElementKind.F16,
    "bf16": ElementKind.BF16,
    "bfloat16": ElementKind.BF16,
    "f32": ElementKind.F32,
    "float32": ElementKind.F32,
    "fp8_e4m3": ElementKind.FP8_E4M3,
    "float8_e4m3fn": ElementKind.FP8_E4M3,
    "fp8_e5m2": ElementKind.FP8_E5M2,
    "float8_e5m2": ElementKind.FP8_E5M2,
    "i8": ElementKind.I8,
    "int8": ElementKind.I8,
    "u8": ElementKind.U8,
    "uint8": ElementKind.U8,
}


def element_kind(function: str, name: str, value: object, besides: tuple[str, ...] = ()) -> ElementKind:
    """The ``ElementKind`` that ``value`` is or names: one, its name (``"F16"``, ``"float16"``), a dtype of
    torch or JAX, a dtype or scalar type of NumPy or ml_dtypes. Raises ``InvalidProblem``."""
    if isinstance(value, ElementKind):
        return value
    try:
        found = _BY_NAME.get(_name_of(value))
    except Exception as error:
        if passes(error):
            raise
        raise refusal(function, f"{name}, {in_words(value)}, did not tell its name", error) from error
    if found is None:
        raise invalid_problem(
            function,
            f"{name} is {in_words(value)}; it should be an ElementKind, or a name or dtype of one: "
            + ", ".join([*[kind.name for kind in ElementKind], *besides]),
        )
    return found


def _name_of(value: object) -> str:
    for text in (value, getattr(value, "name", None), getattr(value, "__name__", None)):
        if isinstance(text, str):
            return str.lower(text)
    return str(value).rpartition(".")[2]  # torch.float16
