"""Appends that quantise, as a caller in C states them: packed and by strides, bound and by hand; and what is
refused of their scales.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.tensors import HostTensor, bind
from support.devices.bits import assert_same_bits
from support.problems.elements import BF16, F16, F32, FP8_E4M3, FP8_E5M2, I8, U8, Element
from support.quantised.quantised_append import QuantisedAppend, QuantisedCase, make

CASES = {
    "fp8": QuantisedCase("packed", "packed", FP8_E4M3, (64, 64), 2, 4, "HND", "BEFORE_APPEND", "one-liner"),
    "fp8-two-widths": QuantisedCase(
        "fused-qkv", "side-by-side", FP8_E5M2, (64, 48), 3, 4, "NHD", "AFTER_APPEND", "one-liner", source=BF16
    ),
    "int8": QuantisedCase(
        "packed",
        "packed",
        I8,
        (64, 64),
        2,
        4,
        "NHD",
        "BEFORE_APPEND",
        "one-liner",
        transform="PER_TOKEN_HEAD",
        source=F32,
    ),
    "ds-mla": QuantisedCase(
        "packed",
        "packed",
        U8,
        (512, 64),
        0,
        4,
        "HND",
        "BEFORE_APPEND",
        "one-liner",
        transform="FP8_DS_MLA",
        source=BF16,
    ),
    "nvfp4": QuantisedCase(
        "packed",
        "packed",
        U8,
        (64, 32),
        2,
        4,
        "HND",
        "BEFORE_APPEND",
        "one-liner",
        transform="NVFP4",
        scale="heads",
    ),
}
SLOTS = {"way": "slot_mapping", "table": "right"}
HOST, GUARDED = (abi.HOST, 0), (abi.HOST, abi.GUARDED)
BESPOKE = (abi.BESPOKE, abi.GUARDED)

each_case = pytest.mark.parametrize("name", CASES)
each_caller = pytest.mark.parametrize("caller", [HOST, GUARDED], ids=["host", "host-guarded"])
each_judge = pytest.mark.parametrize(
    "caller", [HOST, GUARDED, BESPOKE], ids=["host", "host-guarded", "bespoke"]
)
Spoil = Callable[[abi.Append], None]


def appended(name: str, **others: Any) -> QuantisedAppend:
    case = CASES[name]
    fields = {field: getattr(case, field) for field in case.__dataclass_fields__}
    return make(QuantisedCase(**fields | SLOTS | others), seed=3)


def asked(real: QuantisedAppend, caller: tuple[int, int], flags: int = abi.STRIDED | abi.INFER) -> abi.Append:
    """What the operands cannot say."""
    case, (backend, guarded) = real.case, caller
    return abi.Append(
        struct_size=ctypes.sizeof(abi.Append),
        flags=flags | guarded,
        backend=backend,
        layout=abi.LAYOUTS[case.layout],
        length_convention=abi.CONVENTIONS[case.convention],
        addressing=abi.ADDRESSINGS["SLOTS"],
        transform=abi.TRANSFORMS[case.transform],
        parts=abi.KEY_AND_VALUE if "value" in real.views else abi.KEY,
    )


def described(real: QuantisedAppend) -> dict[str, HostTensor]:
    return {name: HostTensor(view) for name, view in real.views.items()}


def stated(real: QuantisedAppend, caller: tuple[int, int]) -> abi.Append:
    """All of it, by hand."""
    case, views = real.case, real.views
    op = asked(real, caller, abi.STRIDED)
    op.element, op.source_element = case.element.value, case.source.value
    op.page_size, op.num_heads = case.page_size, max(case.heads, 1)
    op.head_dim, op.value_head_dim = case.widths
    op.num_total_pages = views["k_data"].shape[0]
    op.num_rows = len(views["slot_mapping"])
    if views["slot_mapping"].itemsize == 8:
        op.int64_operands = 1 << abi.OPERANDS.index("slot_mapping")
    for operand, view in views.items():
        setattr(op, operand, view.ctypes.data)
        strides = [stride // view.itemsize for stride in view.strides]
        if operand in ("key", "value"):
            getattr(op, f"{operand}_strides")[:] = (strides[0], strides[1] if case.heads else 0)
        elif operand.endswith("_scale"):
            setattr(op, f"{operand}_stride", int(view.shape == (case.heads,) and case.heads > 1))
        elif operand.endswith(("_data", "_scales")):
            of_rows = operand.endswith("_scales") and case.transform == "PER_TOKEN_HEAD"
            if not case.heads:
                strides = [strides[0], strides[1], 0]
            elif case.layout == "HND" and not of_rows:
                strides[1], strides[2] = strides[2], strides[1]
            getattr(op, f"{operand}_strides")[:] = strides[:3]
    return op


def check(real: QuantisedAppend, op: abi.Append) -> None:
    expected, _ = real.expected()
    assert abi.can_implement(op) == abi.OK, abi.message()
    assert abi.run(op) == abi.OK, abi.message()
    for i, (block, after) in enumerate(zip(real.memory.blocks, expected, strict=True)):
        assert_same_bits(block, after, f"block {i}")


@each_caller
@each_case
def test_stated_by_hand(name: str, caller: tuple[int, int]) -> None:
    real = appended(name)
    check(real, stated(real, caller))


@each_caller
@each_case
def test_bound(name: str, caller: tuple[int, int]) -> None:
    """The struct is as by hand, but for the strides of one extent."""
    real = appended(name)
    op = asked(real, caller)
    assert bind(op, described(real)) == abi.OK, abi.message()
    by_hand = stated(real, caller)
    for field in ("element", "source_element", "head_dim", "value_head_dim", "page_size", "num_heads"):
        assert getattr(op, field) == getattr(by_hand, field), field
    for field in ("k_scale_stride", "v_scale_stride"):
        assert getattr(op, field) == getattr(by_hand, field), field
    check(real, op)


@each_case
def test_packed(name: str) -> None:
    """Without BARACUDA_FLAG_STRIDED scales lie packed as they are indexed: of NVFP4 by the layout."""
    for layout in ("HND", "NHD"):
        real = appended(name, layout=layout, rows="packed", caches="packed")
        if real.case.widths[0] != real.case.widths[1] and name == "fp8-two-widths":
            real = appended(name, layout=layout, rows="packed", caches="packed", widths=(64, 48))
        op = stated(real, HOST)
        op.flags &= ~abi.STRIDED
        check(real, op)
        again = appended(name, layout=layout, rows="packed", caches="packed")
        op = asked(again, HOST, abi.INFER)
        assert bind(op, described(again)) == abi.OK, abi.message()
        check(again, op)


def test_scales_of_strides_that_the_flags_do_not_allow() -> None:
    real = appended("int8", scales="padded")
    op = asked(real, HOST, abi.INFER)
    assert bind(op, described(real)) == abi.UNSUPPORTED
    assert "k_scales" in abi.message()
    assert "STRIDED" in abi.message()


@each_judge
@each_case
def test_every_backend_of_ours_writes_it(name: str, caller: tuple[int, int]) -> None:
    """Whether it is built with CUDA or not; FlashInfer copies."""
    op = stated(appended(name), caller)
    assert abi.can_implement(op) == abi.OK, abi.message()
    op.backend, op.flags = abi.FLASHINFER, abi.STRIDED
    assert abi.can_implement(op) == abi.UNSUPPORTED
    assert "FlashInfer's kernel copies" in abi.message()


def test_no_rows_look_at_no_scales() -> None:
    for name in CASES:
        op = stated(appended(name), HOST)
        op.num_rows = 0
        for operand in ("key", "value", "k_data", "v_data", "k_scale", "v_scale", "k_scales", "v_scales"):
            setattr(op, operand, None)
        assert abi.run(op) == abi.OK, abi.message()


def moved(operand: str, by: int) -> Spoil:
    def spoil(op: abi.Append) -> None:
        setattr(op, operand, (getattr(op, operand) or 0) + by)

    return spoil


def at(operand: str, other: str, by: int = 0) -> Spoil:
    def spoil(op: abi.Append) -> None:
        setattr(op, operand, getattr(op, other) + by)

    return spoil


def null(operand: str) -> Spoil:
    def spoil(op: abi.Append) -> None:
        setattr(op, operand, None)

    return spoil


def stride(operand: str, dimension: int, value: int) -> Spoil:
    def spoil(op: abi.Append) -> None:
        getattr(op, f"{operand}_strides")[dimension] = value

    return spoil


INVALID, MISALIGNED = abi.INVALID_PROBLEM, abi.MISALIGNED_OPERAND
REFUSED: list[tuple[str, str, Spoil, int, tuple[str, ...]]] = [
    ("fp8", "k_scale=NULL", null("k_scale"), INVALID, ("k_scale is NULL",)),
    ("fp8", "v_scale=NULL", null("v_scale"), INVALID, ("v_scale is NULL",)),
    ("int8", "k_scales=NULL", null("k_scales"), INVALID, ("k_scales is NULL",)),
    ("nvfp4", "v_scales=NULL", null("v_scales"), INVALID, ("v_scales is NULL",)),
    ("fp8", "k_scale+2", moved("k_scale", 2), MISALIGNED, ("k_scale", "aligned to 4 bytes")),
    ("int8", "v_scales+2", moved("v_scales", 2), MISALIGNED, ("v_scales", "aligned to 4 bytes")),
    ("fp8", "key+1", moved("key", 1), MISALIGNED, ("key", "aligned to 2 bytes")),
    ("int8", "key+2", moved("key", 2), MISALIGNED, ("key", "aligned to 4 bytes")),
    ("ds-mla", "k_data+2", moved("k_data", 2), MISALIGNED, ("k_data", "aligned to 4 bytes")),
    ("ds-mla", "slot", stride("k_data", 1, 658), MISALIGNED, ("k_data", "stride of 658", "multiple of 4")),
    ("int8", "no-slots", stride("k_scales", 1, 0), INVALID, ("k_scales has a slot stride of 0 over 4",)),
    ("nvfp4", "no-heads", stride("v_scales", 2, 0), INVALID, ("v_scales has a head stride of 0 over 2",)),
    ("int8", "scales-in-cache", at("k_scales", "k_data"), INVALID, ("k_data", "k_scales", "overlap")),
    ("int8", "scales-in-value", at("v_scales", "value"), INVALID, ("v_scales", "value", "overlap")),
    ("int8", "scales-in-scales", at("v_scales", "k_scales", 4), INVALID, ("k_scales", "v_scales", "overlap")),
    ("nvfp4", "cache-in-scales", at("v_data", "k_scales"), INVALID, ("v_data", "k_scales", "overlap")),
    ("nvfp4", "scale-in-scales", at("k_scale", "v_scales"), INVALID, ("k_scale", "v_scales", "overlap")),
    ("fp8", "scale-in-cache", at("v_scale", "k_data"), INVALID, ("v_scale", "k_data", "overlap")),
    ("int8", "far", stride("k_scales", 0, 1 << 62), INVALID, ("k_scales", "address space")),
]


@each_judge
@pytest.mark.parametrize(
    ("name", "spoil", "status", "says"),
    [(name, spoil, status, says) for name, _, spoil, status, says in REFUSED],
    ids=[f"{name}-{what}" for name, what, *_ in REFUSED],
)
def test_refused(
    name: str, spoil: Spoil, status: int, says: tuple[str, ...], caller: tuple[int, int]
) -> None:
    real = appended(name)
    op = stated(real, caller)
    assert abi.can_implement(op) == abi.OK, abi.message()
    spoil(op)
    before = [block.copy() for block in real.memory.blocks]
    for call in (abi.can_implement, abi.run):  # refused before a device is looked for
        assert call(op) == status, abi.message()
        for part in says:
            assert part in abi.message()
    for block, content in zip(real.memory.blocks, before, strict=True):
        assert_same_bits(block, content, "memory")


@pytest.mark.parametrize("name", ["k_scale", "v_scale", "k_scales", "v_scales"])
def test_scales_that_nothing_wants(name: str) -> None:
    """_bind refuses them; a struct's are not looked at."""
    real = appended("ds-mla")
    tensors = described(real)
    held = np.zeros(64, np.float32)
    op = asked(real, HOST)
    assert bind(op, tensors | {name: HostTensor(held)}) == abi.INVALID_PROBLEM
    assert f"{name} is given" in abi.message()
    assert "transform FP8_DS_MLA" in abi.message()
    op = stated(real, HOST)
    setattr(op, name, 1)
    check(real, op)


@pytest.mark.parametrize("element", [F16, F32, I8])
def test_the_types_that_are_bound(element: Element) -> None:
    """Of the operands, against what the struct states."""
    real = appended("fp8")
    tensors = described(real)
    for name in ("key", "k_data"):
        op = stated(real, HOST)
        if element.value in (op.source_element, op.element):
            continue
        view = real.views[name]
        wrong = HostTensor(np.zeros(view.shape, element.dtype))
        assert bind(op, tensors | {name: wrong}) == abi.UNSUPPORTED
        assert f"{name} is of type {element.symbol}" in abi.message()


def test_bytes_stand_for_fp8_alone() -> None:
    """Caches of fp8 may be described as uint8, int8 ones not; nor may rows of 16 bits."""
    real = appended("fp8")
    tensors = described(real)
    op = asked(real, HOST)
    op.element = FP8_E4M3.value
    bytes_of = {name: HostTensor(real.views[name].view(np.uint8)) for name in ("k_data", "v_data")}
    assert bind(op, tensors | bytes_of) == abi.OK, abi.message()
    check(real, op)
    real = appended("int8")
    op = asked(real, HOST)
    op.element = I8.value
    bytes_of = {name: HostTensor(real.views[name].view(np.uint8)) for name in ("k_data", "v_data")}
    assert bind(op, described(real) | bytes_of) == abi.UNSUPPORTED
    assert "k_data is of type uint8; it should be int8" in abi.message()


def test_what_must_be_disjoint_may_lie_in_one_page() -> None:
    """K's data, K's scales, V's data, V's scales, as vLLM's page; and scales behind their own rows."""
    for name, scales in (("nvfp4", "behind"), ("int8", "inline")):
        for layout in ("HND", "NHD"):
            real = appended(name, scales=scales, layout=layout)
            op = stated(real, HOST)
            check(real, op)
            for operand in ("k_scales", "v_scales"):
                op = stated(real, HOST)
                setattr(op, operand, getattr(op, operand) - 4)
                assert abi.can_implement(op) == abi.INVALID_PROBLEM
                assert "overlap" in abi.message()
