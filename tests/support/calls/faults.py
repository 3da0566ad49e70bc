"""What can be wrong with operands in Python, in the order in which it is told: baracuda-kernels' checks, then
ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import baracuda_ffi as bf

from ..devices.bits import Array
from ..devices.host_memory import aligned
from .operands import CACHES, NAMES, TABLE

Arrays = dict[str, Array]


@dataclass(frozen=True)
class Fault:
    name: str
    #: Faults of one step are told in any order; a lower step is told first.
    step: int
    operand: str
    error: type[bf.BaracudaError]
    says: tuple[str, ...]
    spoil: Callable[[Array, Arrays], Array]


def _like(array: Array, shape: tuple[int, ...]) -> Array:
    fresh = aligned(shape, array.dtype)
    fresh[...] = np.resize(array.view(f"u{array.itemsize}"), shape).view(array.dtype)
    return fresh


def _longer(axis: int) -> Callable[[Array, Arrays], Array]:
    def spoil(array: Array, _: Arrays) -> Array:
        shape = list(array.shape)
        shape[axis] += 1
        return _like(array, tuple(shape))

    return spoil


def _flat(array: Array, _: Arrays) -> Array:
    return array.reshape(-1)


def _another_rank(array: Array, _: Arrays) -> Array:
    return array[None]


def _swapped_layout(array: Array, _: Arrays) -> Array:
    pages, a, b, rest = array.shape
    return _like(array, (pages, b, a, rest))


def _every_second(array: Array, _: Arrays) -> Array:
    """The same shape and content, a stride of two rows."""
    wide = aligned((2 * array.shape[0], *array.shape[1:]), array.dtype)
    wide[::2] = array
    return wide[::2]


def _transposed(array: Array, _: Arrays) -> Array:
    return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)


def _as_type(dtype: str) -> Callable[[Array, Arrays], Array]:
    def spoil(array: Array, _: Arrays) -> Array:
        fresh = aligned(array.shape, np.dtype(dtype))
        fresh[...] = array if array.dtype.kind == "i" else 0
        return fresh

    return spoil


def _off_by(offset: int) -> Callable[[Array, Arrays], Array]:
    def spoil(array: Array, _: Arrays) -> Array:
        moved = aligned(array.shape, array.dtype, offset=offset)
        moved[...] = array
        return moved

    return spoil


def _misaligned_words(array: Array, _: Arrays) -> Array:
    raw = aligned((array.nbytes + 2,), np.uint8)[2:]
    moved = raw.view(array.dtype) if not array.itemsize else np.frombuffer(raw, array.dtype)
    moved[...] = array
    return moved


def _same_as(other: str) -> Callable[[Array, Arrays], Array]:
    def spoil(_: Array, arrays: Arrays) -> Array:
        return arrays[other]

    return spoil


def _inside_cache(cache: str) -> Callable[[Array, Arrays], Array]:
    """The operand's content somewhere in the cache's own memory."""

    def spoil(array: Array, arrays: Arrays) -> Array:
        inside = arrays[cache].reshape(-1).view(np.uint8)[64 : 64 + array.nbytes]
        moved = inside.view(array.dtype).reshape(array.shape)
        moved[...] = array
        return moved

    return spoil


def _value(name: str, value: int, index: int) -> Callable[[Array, Arrays], Array]:
    def spoil(array: Array, _: Arrays) -> Array:
        changed = array.copy()
        changed[index] = value
        return changed

    return spoil


def _faults() -> list[Fault]:
    invalid, unsupported, misaligned = bf.InvalidProblem, bf.Unsupported, bf.MisalignedOperand
    found: list[Fault] = []

    def add(
        step: int,
        operands: tuple[str, ...],
        what: str,
        error: type[bf.BaracudaError],
        says: tuple[str, ...],
        spoil: Callable[[Array, Arrays], Array],
    ) -> None:
        for operand in operands:
            found.append(Fault(f"{operand}-{what}", step, operand, error, (operand, *says), spoil))

    rows, lengths = ("key", "value"), ("indptr", "last_page_len")
    for step, operands in ((1, rows), (2, CACHES), (3, lengths)):
        add(step, operands, "longer", invalid, ("shape",), _longer(0))
        add(step, operands, "another-rank", invalid, ("shape",), _another_rank)
    for step, operands in ((1, rows), (2, CACHES)):
        add(step, operands, "wider", invalid, ("shape",), _longer(-1))
        add(step, operands, "flat", invalid, ("shape",), _flat)
    add(2, CACHES, "other-layout", invalid, ("shape",), _swapped_layout)
    add(4, (*rows, *CACHES), "every-second", unsupported, ("contiguous: a guarded plan",), _every_second)
    add(4, (*rows, *CACHES), "transposed", unsupported, ("; it should be contiguous",), _transposed)
    add(5, (*rows, *CACHES), "float32", unsupported, ("f32", "f16"), _as_type("f4"))
    add(5, (*rows, *CACHES), "int16", unsupported, ("int16", "f16"), _as_type("i2"))
    add(5, TABLE, "int64", unsupported, ("int64", "int32", "a guarded plan"), _as_type("i8"))
    add(5, TABLE, "uint32", unsupported, ("uint32", "int32"), _as_type("u4"))
    add(6, ("indices",), "another-rank", invalid, ("dimension",), _another_rank)
    add(6, TABLE, "every-second", unsupported, ("contiguous",), _every_second)
    add(7, (*rows, *CACHES), "off-by-8", misaligned, ("16", "a guarded append"), _off_by(8))
    add(7, TABLE, "off-by-2", misaligned, ("4",), _misaligned_words)
    add(8, ("v_data",), "same-as-k_data", invalid, ("k_data", "overlap"), _same_as("k_data"))
    for cache in CACHES:
        add(8, (*rows, *TABLE), f"inside-{cache}", invalid, (cache, "overlap"), _inside_cache(cache))
    add(9, ("last_page_len",), "a-full-page", invalid, ("request 1", "4"), _value("last_page_len", 4, 1))
    add(9, ("indices",), "no-such-page", invalid, ("request 0", "99"), _value("indices", 99, 1))
    add(9, ("indptr",), "out-of-order", invalid, ("request 0",), _value("indptr", -3, 1))
    return found


FAULTS = _faults()
assert {fault.operand for fault in FAULTS} == set(NAMES)
