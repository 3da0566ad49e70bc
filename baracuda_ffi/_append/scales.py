"""The operands that a transform wants besides rows and caches: its scales, and one cache or two."""

from __future__ import annotations

from .._model.checks import choice
from .._model.enums import Transform
from .._model.errors import invalid_problem
from .._native import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .._model.errors import InvalidProblem
    from .._native.library import Operands

_FIRST = abi.OPERANDS.index("k_scale")
SCALE_NAMES = abi.OPERANDS[_FIRST:]

# What there is besides two caches, or key's alone: bits of what a call or its arguments give.
NONE = 0
GIVEN = 1  # k_scale, and v_scale where there is a value
WRITTEN = 2  # k_scales, and v_scales
ONE_CACHE = 4  # value has none of its own
NUM_KINDS = 5  # none, each, both, and one cache

_KINDS = {
    Transform.COPY: NONE,
    Transform.FP8: GIVEN,
    Transform.PER_TOKEN_HEAD: WRITTEN,
    Transform.FP8_DS_MLA: ONE_CACHE,
    Transform.NVFP4: GIVEN | WRITTEN,
}
_BY_KIND = {kind: transform for transform, kind in _KINDS.items()}
_TAKES = {
    NONE: "no scales",
    GIVEN: "k_scale and v_scale",
    WRITTEN: "k_scales and v_scales",
    GIVEN | WRITTEN: "k_scale, v_scale, k_scales and v_scales",
    ONE_CACHE: "no scales, and one cache for key and value: k_data",
}


def kind_of(function: str, value: object, v_data: object, scales: Operands) -> int:
    """What the operands give. ``scales`` are those of ``SCALE_NAMES``. Raises ``InvalidProblem`` for a scale
    that a part lacks, or that has no part."""
    if value is not None and v_data is None:
        _check_no_scales(function, scales)
        return ONE_CACHE
    k_given, v_given, k_written, v_written = scales
    if k_given is None and v_given is None and k_written is None and v_written is None:
        return NONE  # mostly
    given, written = k_given is not None, k_written is not None
    has_value = value is not None
    if (v_given is not None) is not (given and has_value) or (v_written is not None) is not (
        written and has_value
    ):
        raise _unpaired(function, has_value, scales)
    return given * GIVEN | written * WRITTEN


def _unpaired(function: str, has_value: bool, scales: Operands) -> InvalidProblem:
    k_place = 0 if (scales[1] is not None) is not (scales[0] is not None and has_value) else 2
    k_scale, v_scale = scales[k_place : k_place + 2]
    k_name, v_name = SCALE_NAMES[k_place : k_place + 2]
    if k_scale is None:
        says = f"{k_name} is None and {v_name} is given; key should have one too"
    elif v_scale is None:
        says = f"{v_name} is None; value should have one too, which may be the same array as {k_name}"
    else:
        says = f"{v_name} is given and value is None; it should be None, as there is no value"
    return invalid_problem(function, says)


def _check_no_scales(function: str, scales: Operands) -> None:
    """Of a value without a cache of its own."""
    for name, scale in zip(SCALE_NAMES, scales, strict=False):
        if scale is not None:
            raise invalid_problem(
                function,
                f"value and {name} are given and v_data is None; v_data should be given too, or no scale, "
                "with transform=FP8_DS_MLA, which has one cache for both",
            )


def transform_of(
    function: str,
    stated: Transform | Literal["COPY", "FP8", "PER_TOKEN_HEAD", "FP8_DS_MLA", "NVFP4"] | None,
    kind: int,
    *,
    has_value: bool,
) -> Transform:
    """The transform that is stated, or that the operands mean. Raises ``InvalidProblem`` where they are not
    those that it wants."""
    if stated is None:
        return _meant(function, kind)
    transform = choice(function, "transform", stated, Transform)
    check_kind(function, transform, kind, has_value=has_value)
    return transform


def _meant(function: str, kind: int) -> Transform:
    if kind == ONE_CACHE:
        raise invalid_problem(
            function,
            "v_data is None and value is given; both should be given, or neither: key alone. With "
            "transform=FP8_DS_MLA value, which is kpe, goes to k_data",
        )
    if kind == GIVEN | WRITTEN:
        raise invalid_problem(
            function,
            "k_scale and k_scales are given; only transform=NVFP4, which should be stated, takes both",
        )
    return _BY_KIND[kind]


def kind_for(transform: Transform, *, has_value: bool) -> int:
    """What the operands of a transform give."""
    kind = _KINDS[transform]
    return NONE if kind == ONE_CACHE and not has_value else kind


def check_kind(function: str, transform: Transform, kind: int, *, has_value: bool) -> None:
    """Raise ``InvalidProblem`` where operands of ``kind`` are not those of the transform."""
    wanted = kind_for(transform, has_value=has_value)
    if kind == wanted:
        return
    if kind == ONE_CACHE:
        raise invalid_problem(
            function,
            "v_data is None and value is given; both should be given, or neither: key alone. Only "
            "transform=FP8_DS_MLA has one cache for both",
        )
    surplus = _names(kind & ~wanted, has_value=has_value)
    missing = _names(wanted & ~kind, has_value=has_value)
    if wanted == ONE_CACHE and not surplus:
        problem = "v_data is given"
    elif surplus:
        problem = f"{' and '.join(surplus)} given"
    else:
        problem = f"{' and '.join(missing)} missing"
    raise invalid_problem(
        function, f"{problem}; transform {transform.name} takes {_TAKES[_KINDS[transform]]}"
    )


def _names(kind: int, *, has_value: bool) -> list[str]:
    names: list[str] = []
    for bit, both in ((GIVEN, SCALE_NAMES[:2]), (WRITTEN, SCALE_NAMES[2:])):
        if kind & bit:
            names += both if has_value else both[:1]
    return names
