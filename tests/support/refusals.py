"""The header's list of refusals, in its order: how to provoke each on an append that is otherwise right.

One table for the general entry points, for their order, and for the GPU, where a refusal must leave no
error pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import abi
from .abi import FLASHINFER, HOST, INVALID_PROBLEM, MISALIGNED_OPERAND, UNSUPPORTED, Append
from .operands import CACHES, INPUTS, NAMES, TABLE

BOTH = (FLASHINFER, HOST)
INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Refusal:
    """`spoil` makes the append wrong; `says` are what the message must contain: operand, value,
    expectation.
    """

    name: str
    status: int
    spoil: Callable[[Append], None]
    says: tuple[str, ...]
    backends: tuple[int, ...] = BOTH
    #: Fields and operands that it changes, so that two refusals can be provoked at once.
    changes: frozenset[str] = frozenset()
    #: A line of the header's list: refusals of one line may be checked in any order.
    line: int = 0


def _set(**values: int) -> Callable[[Append], None]:
    def spoil(op: Append) -> None:
        for name, value in values.items():
            setattr(op, name, value)

    return spoil


def _field(
    line: int, status: int, name: str, value: int, *says: str, backends: tuple[int, ...] = BOTH
) -> Refusal:
    said = (name, *(says or (str(value),)))
    return Refusal(f"{name}={value}", status, _set(**{name: value}), said, backends, frozenset({name}), line)


def _unknown() -> Iterator[Refusal]:
    for flags in (2, 4, 1 << 31, 0xFFFFFFFE):
        yield _field(2, UNSUPPORTED, "flags", flags, f"{flags:x}")
    guard = _set(flags=abi.GUARDED)
    yield Refusal(
        "flashinfer-guarded", UNSUPPORTED, guard, ("flags", "GUARDED"), (FLASHINFER,), frozenset({"flags"}), 2
    )
    bespoke = _set(backend=abi.BESPOKE)
    yield Refusal(
        "bespoke-unguarded", UNSUPPORTED, bespoke, ("bespoke", "GUARDED"), BOTH, frozenset({"backend"}), 2
    )
    for value in (0, 4, 99, -1):
        yield _field(2, UNSUPPORTED, "backend", value)
    for value in (2, -1, 99):
        yield _field(2, UNSUPPORTED, "layout", value)
        yield _field(2, UNSUPPORTED, "length_convention", value)


def _extents() -> Iterator[Refusal]:
    for name in ("batch_size", "page_size", "num_heads"):
        for value in (0, -1, -(2**31)):
            yield _field(3, INVALID_PROBLEM, name, value)
    for name in ("num_total_pages", "total_used_pages"):
        for value in (-1, -(2**31)):
            yield _field(3, INVALID_PROBLEM, name, value)


def _types() -> Iterator[Refusal]:
    for value in (0, -64, -1, 1, 32, 63, 65, 96, 127, 129, 192, 255, 257, 512, INT32_MAX, -(2**31)):
        yield _field(4, UNSUPPORTED, "head_dim", value, str(value), "64", "128", "256")
    for value in (0, -1, 6, 99):
        yield _field(4, UNSUPPORTED, "element", value)


def _too_large(line: int, name: str, status: int, says: tuple[str, ...], **values: int) -> Refusal:
    return Refusal(name, status, _set(**values), says, (FLASHINFER,), frozenset(values), line)


def _limits() -> Iterator[Refusal]:
    # The problem in support.problem is f16: 128 heads of 64 at most, and 64 of 128.
    yield _too_large(5, "heads", UNSUPPORTED, ("num_heads", "129", "128"), num_heads=129)
    yield _too_large(5, "heads-128", UNSUPPORTED, ("num_heads", "65", "64"), num_heads=65, head_dim=128)
    yield _too_large(5, "heads-max", UNSUPPORTED, ("num_heads", str(INT32_MAX)), num_heads=INT32_MAX)
    page = {"num_heads": 64, "head_dim": 128, "page_size": 1 << 19}
    yield _too_large(6, "page-stride", UNSUPPORTED, ("page_size", str(1 << 19), "2^32"), **page)
    batch = {"num_heads": 64, "head_dim": 128, "batch_size": 1 << 19, "total_used_pages": 1 << 19}
    yield _too_large(6, "source-offset", UNSUPPORTED, ("batch_size", str(1 << 19), "2^32"), **batch)
    few = {"total_used_pages": 2}
    yield _too_large(
        6, "fewer-pages-than-requests", INVALID_PROBLEM, ("total_used_pages", "batch_size"), **few
    )
    tokens = {"page_size": 1 << 20, "total_used_pages": 2050}
    yield _too_large(6, "tokens", UNSUPPORTED, ("page_size", str(1 << 20), "2^31"), **tokens)


def _addresses() -> Iterator[Refusal]:
    huge = {"num_heads": INT32_MAX, "page_size": INT32_MAX, "num_total_pages": INT32_MAX}
    yield Refusal(
        "address-space",
        INVALID_PROBLEM,
        _set(**huge),
        ("k_data", "address space"),
        (HOST,),
        frozenset(huge),
        7,
    )
    for name in NAMES:
        yield Refusal(
            f"{name}=NULL", INVALID_PROBLEM, _set(**{name: 0}), (name, "NULL"), BOTH, frozenset({name}), 7
        )
    for value in (1, 2, 0x1000):
        yield _field(7, INVALID_PROBLEM, "error_record", 4 * value, f"{4 * value:x}", "GUARDED", "NULL")
        yield _field(7, INVALID_PROBLEM, "stream", value, f"{value:x}", "NULL", backends=(HOST,))


def _shifted(name: str, by: int) -> Callable[[Append], None]:
    def spoil(op: Append) -> None:
        setattr(op, name, getattr(op, name) + by)

    return spoil


def _alignment() -> Iterator[Refusal]:
    for name in NAMES:
        needs = 4 if name in TABLE else 16
        for by in (1, 2) if name in TABLE else (1, 2, 4, 8):
            says = (name, "align", str(needs))
            yield Refusal(
                f"{name}+{by}", MISALIGNED_OPERAND, _shifted(name, by), says, BOTH, frozenset({name}), 9
            )


def _aliased(name: str, other: str, by: int = 0) -> Callable[[Append], None]:
    def spoil(op: Append) -> None:
        setattr(op, name, getattr(op, other) + by)

    return spoil


def _overlap() -> Iterator[Refusal]:
    def refusal(name: str, other: str, by: int = 0) -> Refusal:
        changes = frozenset({name, other})
        return Refusal(
            f"{name}-in-{other}+{by}",
            INVALID_PROBLEM,
            _aliased(name, other, by),
            (name, other, "overlap"),
            BOTH,
            changes,
            10,
        )

    yield refusal("v_data", "k_data")
    yield refusal("v_data", "k_data", 16)
    yield refusal("k_data", "v_data", 16)
    for name in INPUTS:
        for cache in CACHES:
            yield refusal(name, cache)
            yield refusal(name, cache, 64)


REFUSALS: list[Refusal] = [
    *_unknown(),
    *_extents(),
    *_types(),
    *_limits(),
    *_addresses(),
    *_alignment(),
    *_overlap(),
]

#: Refusals that are judged from the problem alone, with no pointer looked at.
OF_THE_PROBLEM = [refusal for refusal in REFUSALS if refusal.line <= 6]


def with_backend() -> list[tuple[Refusal, int]]:
    return [(refusal, backend) for refusal in REFUSALS for backend in refusal.backends]


def name_of(value: object) -> str:
    if isinstance(value, Refusal):
        return value.name
    return {abi.FLASHINFER: "flashinfer", abi.HOST: "host"}.get(value, str(value))  # type: ignore[call-overload]
