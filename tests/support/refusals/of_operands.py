"""What is refused of operands: the header's list, in its order."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np

from ..c_abi import abi
from ..c_abi.abi import INVALID_PROBLEM, MISALIGNED_OPERAND, UNSUPPORTED, Append
from ..calls.operands import CACHES, INPUTS, NAMES, TABLE
from .refusal import (
    CALLERS,
    FLASHINFER,
    GENERAL,
    GUARDED,
    HOST,
    HOST_MIRRORED,
    INT32_MAX,
    MIRRORED,
    ON_HOST,
    OURS,
    UNGUARDED,
    Caller,
    Refusal,
    Says,
    Spoil,
    pack,
    setting,
    some_fields,
    some_strides,
)

# Memory for records that are never written: an append with it is refused.
_RECORDS = np.zeros(32, np.int64)


def _addresses() -> Iterator[Refusal]:
    huge = {"num_heads": INT32_MAX, "page_size": INT32_MAX, "num_total_pages": INT32_MAX}
    callers = (*OURS, HOST_MIRRORED)
    says: Says = ("k_data", "address space")
    spoil, changes = setting(**huge), frozenset(huge)
    yield Refusal("huge", 13, INVALID_PROBLEM, spoil, says, callers, changes, strided=False)
    for operand, dimension in (("key", 0), ("value", 1), ("k_data", 0), ("k_data", 2), ("v_data", 1)):
        for stride in (1 << 62, -(1 << 62), -(1 << 63)):
            says = (operand, "address space")
            name = f"{operand}-stride-{dimension}={stride}"
            yield some_strides(13, INVALID_PROBLEM, name, OURS, says, **{operand: {dimension: stride}})
    for name in NAMES:
        says = (f"{name} is NULL",)
        yield some_fields(13, INVALID_PROBLEM, f"{name}=NULL", CALLERS, says, **{name: 0})
    for value in (8, 0x1000):
        says = ("stream", f"{value:x}", "NULL")
        yield some_fields(13, INVALID_PROBLEM, f"stream={value}", ON_HOST, says, stream=value)
        says = ("error_record", f"{value:x}", "only what is guarded", "NULL")
        yield some_fields(13, INVALID_PROBLEM, f"error_record={value}", UNGUARDED, says, error_record=value)


def _shifted(name: str, by: int) -> Spoil:
    def spoil(op: Append) -> None:
        setattr(op, name, getattr(op, name) + by)

    return spoil


def _alignment() -> Iterator[Refusal]:
    def refusal(name: str, by: int, says: Says, callers: tuple[Caller, ...], line: int = 14) -> Refusal:
        spoil, changes = _shifted(name, by), frozenset({name})
        return Refusal(f"{name}+{by}", line, MISALIGNED_OPERAND, spoil, says, callers, changes)

    rows = [name for name in NAMES if name not in TABLE]
    for name in rows:
        yield refusal(name, 1, (name, "aligned to 2 bytes"), GENERAL)
        for by in (1, 2, 4, 8):
            yield refusal(name, by, (name, "aligned to 16 bytes"), MIRRORED)
    for name in TABLE:
        for by in (1, 2):
            yield refusal(name, by, (name, "aligned to 4 bytes"), CALLERS)

        def wide(op: Append, name: str = name) -> None:
            op.int64_operands |= 1 << abi.OPERANDS.index(name)
            setattr(op, name, getattr(op, name) + 4)

        changes = frozenset({name, "int64_operands"})
        says: Says = (name, "aligned to 8 bytes")
        yield Refusal(f"{name}-int64+4", 14, MISALIGNED_OPERAND, wide, says, OURS, changes)
    record = {"error_record": _RECORDS.ctypes.data + 4}
    says = ("error_record", "aligned to 8 bytes")
    yield some_fields(14, MISALIGNED_OPERAND, "error_record+4", GUARDED, says, **record)

    for name in rows:
        for by in (2, 4, 8):
            says = (name, "FlashInfer", "16 bytes", "bespoke backend")
            yield refusal(name, by, says, (FLASHINFER,), line=17)


def _aliased(name: str, other: str, by: int = 0) -> Spoil:
    def spoil(op: Append) -> None:
        setattr(op, name, getattr(op, other) + by)

    return spoil


def _overlap() -> Iterator[Refusal]:
    for operand in CACHES:
        for dimension, (name, extent) in enumerate((("page", 8), ("slot", 4), ("head", 2))):
            says: Says = (operand, f"{name} stride of 0 over {extent} places")
            changed = {operand: {dimension: 0}}
            yield some_strides(15, INVALID_PROBLEM, f"{operand}-{name}-stride=0", GENERAL, says, **changed)

    def refusal(name: str, other: str, by: int = 0, callers: tuple[Caller, ...] = CALLERS) -> Refusal:
        changes = frozenset({name, other})
        says = (name, other, "overlap")
        spoil = _aliased(name, other, by)
        return Refusal(f"{name}-in-{other}+{by}", 15, INVALID_PROBLEM, spoil, says, callers, changes)

    yield refusal("v_data", "k_data")
    yield refusal("v_data", "k_data", 16)
    yield refusal("k_data", "v_data", 16)
    for name in INPUTS:
        for cache in CACHES:
            yield refusal(name, cache)
            yield refusal(name, cache, 64)
    for name in NAMES:
        yield refusal("error_record", name, callers=GUARDED)


def _flashinfer_operands() -> Iterator[Refusal]:
    """Strides that are smaller than packed ones, so that operands stay in their memory."""
    only = (FLASHINFER,)
    for name in ("key", "value"):
        for dimension, stride in ((0, 64), (1, 32), (0, 0), (1, 0)):
            says: Says = (name, "strides", "packed rows", "bespoke backend")
            changed = {name: {dimension: stride}}
            yield some_strides(16, UNSUPPORTED, f"{name}-stride-{dimension}={stride}", only, says, **changed)
    for dimension, stride in ((0, 256), (1, 32), (2, 64)):
        says = ("k_data and v_data have different strides", "bespoke backend")
        changed = {"v_data": {dimension: stride}}
        yield some_strides(16, UNSUPPORTED, f"caches-differ-{dimension}", only, says, **changed)
    for dimension, stride in ((0, 500), (1, 60), (2, 100)):
        says = (f"stride of {2 * stride} bytes", "multiples of 16 bytes", "bespoke backend")
        both = {name: {dimension: stride} for name in CACHES}
        yield some_strides(16, UNSUPPORTED, f"caches-stride-{dimension}={stride}", only, says, **both)

    def backwards(op: Append) -> None:
        pack(op)
        for name in CACHES:
            setattr(op, name, getattr(op, name) + 3 * 2 * op.head_dim)
            getattr(op, f"{name}_strides")[1] = -op.head_dim

    says = ("stride of -128 bytes", "not negative", "bespoke backend")
    changes = frozenset(CACHES)
    yield Refusal("caches-backwards", 16, UNSUPPORTED, backwards, says, only, changes, strided=True)


def _entry(name: str, index: int, value: int | None = None) -> Spoil:
    """A value in the table; None: that of the entry before."""

    def spoil(op: Append) -> None:
        entries = ctypes.cast(getattr(op, name), ctypes.POINTER(ctypes.c_int32))
        entries[index] = entries[index - 1] if value is None else value

    return spoil


def _page_table() -> Iterator[Refusal]:
    def refusal(name: str, index: int, value: int | None, says: Says, *callers: Caller) -> Refusal:
        spoil, changes = _entry(name, index, value), frozenset({name})
        return Refusal(f"{name}[{index}]={value}", 18, INVALID_PROBLEM, spoil, says, callers, changes)

    both = (HOST, HOST_MIRRORED)
    says: Says = ("request 1", "last_page_len[1] is 4", "0 to 3", "list a new page id")
    yield refusal("last_page_len", 1, 4, says, *both)
    yield refusal("indices", 1, 99, ("request 0", "indices[1], is 99", "num_total_pages, which is 8"), *both)
    yield refusal("indptr", 0, -3, ("request 0", "indptr[0] is -3", "at least 0"), *both)
    yield refusal("indptr", 2, 1, ("request 1", "indptr[2] is 1", "increase"), *both)
    yield refusal("indptr", 3, 7, ("request 2", "indptr[3] is 7", "total_used_pages, which is 6"), *both)
    says = ("request 2 has no pages", "a guarded append skips it")
    yield refusal("indptr", 3, None, says, HOST_MIRRORED)
    says = ("request 0", "indices[1], is -1", "a guarded append skips it")
    yield refusal("indices", 1, -1, says, HOST_MIRRORED)


def refusals_of_operands() -> Iterator[Refusal]:
    yield from _addresses()
    yield from _alignment()
    yield from _overlap()
    yield from _flashinfer_operands()
    yield from _page_table()
