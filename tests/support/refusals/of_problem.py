"""What is refused of the problem, with no pointer looked at: the header's list, in its order."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

from ..c_abi import abi
from ..c_abi.abi import INVALID_PROBLEM, UNSUPPORTED, Append
from .refusal import (
    BESPOKE,
    CALLERS,
    FLASHINFER,
    GENERAL,
    HOST_MIRRORED,
    INT32_MAX,
    INT32_MIN,
    MIRRORED,
    ON_FLASHINFER,
    OURS,
    Caller,
    Refusal,
    Says,
    Spoil,
    one_field,
    pack,
    setting,
    some_fields,
    some_strides,
)

# As messages have them, by number.
_ADDRESSING_NAMES = tuple(abi.ADDRESSINGS)
_TABLE_NAMES = ("CSR", "DENSE")
_LENGTHS_NAMES = ("LAST_PAGE_LEN", "SEQ_LENS")
_CHOICES = (("addressing", _ADDRESSING_NAMES), ("table", _TABLE_NAMES), ("lengths", _LENGTHS_NAMES))

#: That FlashInfer's kernel takes by positions.
MOST_ROWS = INT32_MAX - (1 << 16)


def _struct() -> Iterator[Refusal]:
    for value in (0, 4, 112, 121, 1 << 17):
        yield one_field(1, INVALID_PROBLEM, "struct_size", value, str(ctypes.sizeof(Append)))


def _with_flag(flag: int, *, on: bool = True) -> Spoil:
    def spoil(op: Append) -> None:
        op.flags = op.flags | flag if on else op.flags & ~flag

    return spoil


def _unknown() -> Iterator[Refusal]:
    flags = frozenset({"flags"})
    for flag in (32, 1 << 31):
        says: Says = ("flags is 0x", "knows 0x1f")
        yield Refusal(f"flag-{flag:x}", 2, UNSUPPORTED, _with_flag(flag), says, CALLERS, flags)
    says = ("flags", "the append guarded", "flashinfer", "no guarded ones")
    yield Refusal("guarded", 2, UNSUPPORTED, _with_flag(abi.GUARDED), says, ON_FLASHINFER, flags)
    says = ("flags", "not guarded", "bespoke", "only guarded ones")
    unguarded = _with_flag(abi.GUARDED, on=False)
    yield Refusal("unguarded", 2, UNSUPPORTED, unguarded, says, (BESPOKE,), flags)
    for value in (0, 4, 99, -1):
        yield one_field(2, UNSUPPORTED, "backend", value, "FLASHINFER (1), HOST (2) or BESPOKE (3)")
    for value in (2, -1, 99):
        yield one_field(2, UNSUPPORTED, "layout", value, "HND (0) or NHD (1)")
        yield one_field(2, UNSUPPORTED, "length_convention", value, "BEFORE_APPEND (0)", "AFTER_APPEND (1)")
    for name, built, last in (
        ("addressing", 3, "SLOTS (3)"),
        ("table", 1, "DENSE (1)"),
        ("lengths", 1, "SEQ_LENS (1)"),
        ("transform", 4, "NVFP4 (4)"),
    ):
        for value in (built + 1, built + 2, 99, -1, INT32_MAX):
            yield one_field(2, UNSUPPORTED, name, value, "this release has", last)
    for value in (2, -1):
        yield one_field(2, UNSUPPORTED, "parts", value, "KEY_AND_VALUE (0) and KEY (1)")


#: What says places, which is judged together.
_PLACING = frozenset({"addressing", "table", "lengths", "length_convention"})


def _placing(
    line: int, name: str, callers: tuple[Caller, ...], says: Says, *changes: str, **values: int
) -> Refusal:
    status = INVALID_PROBLEM if line == 5 else UNSUPPORTED
    return Refusal(name, line, status, setting(**values), says, callers, _PLACING | frozenset(changes))


def _together() -> Iterator[Refusal]:
    for addressing in ("POSITIONS", "SLOTS"):
        for table, lengths in ((0, 1), (1, 0), (1, 1)):
            says: Says = (
                f"table is {_TABLE_NAMES[table]} and lengths {_LENGTHS_NAMES[lengths]}",
                "POSITIONS and SLOTS",
                "should be CSR and LAST_PAGE_LEN",
            )
            values = {"addressing": abi.ADDRESSINGS[addressing], "table": table, "lengths": lengths}
            yield _placing(3, f"{addressing}-{table}-{lengths}", CALLERS, says, **values)
    for addressing in ("LAST_PAGE", "RAGGED"):
        says = ("table is DENSE", "lengths LAST_PAGE_LEN", "SEQ_LENS")
        values = {"addressing": abi.ADDRESSINGS[addressing], "table": abi.DENSE}
        yield _placing(3, f"{addressing}-dense-by-last-page", CALLERS, says, **values)
    says = ("length_convention is BEFORE_APPEND", "RAGGED", "AFTER_APPEND", "seq_lens")
    values = {"addressing": abi.ADDRESSINGS["RAGGED"], "length_convention": 0}
    yield _placing(3, "ragged-before", CALLERS, says, **values)
    for chosen in range(abi.ADDRESSINGS["SLOTS"]):

        def skipping(op: Append, chosen: int = chosen) -> None:
            op.flags |= abi.SKIP_SLOT
            op.addressing, op.length_convention = chosen, 1

        says = ("skip_slot", f"addressing {_ADDRESSING_NAMES[chosen]}")
        changes = _PLACING | {"flags"}
        yield Refusal(f"skip-slot-{chosen}", 3, UNSUPPORTED, skipping, says, CALLERS, changes)


#: Every way to places but a decode's by last_page_len.
OTHER_PLACINGS: dict[str, dict[str, int]] = {
    "newest": {"lengths": abi.SEQ_LENS},
    "newest-dense": {"table": abi.DENSE, "lengths": abi.SEQ_LENS},
    "ragged": {"addressing": 1, "length_convention": 1},
    "ragged-by-seq-lens": {"addressing": 1, "lengths": abi.SEQ_LENS},
    "ragged-dense": {"addressing": 1, "table": abi.DENSE, "lengths": abi.SEQ_LENS},
    "positions": {"addressing": 2},
    "slots": {"addressing": 3},
}


def _other_placings(line: int, callers: tuple[Caller, ...], *says: str, but: str = "") -> Iterator[Refusal]:
    for name, values in OTHER_PLACINGS.items():
        if name == but:
            continue
        addressing, table, lengths = (names[values.get(kind, 0)] for kind, names in _CHOICES)
        said = (f"addressing is {addressing}, table {table} and lengths {lengths}", *says)
        yield _placing(line, name, callers, said, **values)


def _counts() -> Iterator[Refusal]:
    """Of rows and of a dense table's pages, where they are read."""
    most = "0 .. 2^31 - 1"
    for name, values in OTHER_PLACINGS.items():
        if "addressing" not in values:
            continue
        for value in (-1, INT32_MAX + 1, -(1 << 63), (1 << 63) - 1):
            says: Says = (f"num_rows is {value}", most)
            rows = values | {"num_rows": value}
            yield _placing(5, f"{name}-num_rows={value}", OURS, says, "num_rows", **rows)
    for name in ("newest-dense", "ragged-dense"):
        for value in (-1, INT32_MAX + 1, -(1 << 63)):
            says = (f"max_pages is {value}", most)
            pages = OTHER_PLACINGS[name] | {"max_pages": value}
            yield _placing(5, f"{name}-max_pages={value}", OURS, says, "max_pages", **pages)
        for value in (-1, -(1 << 63)):
            says = (f"block_table_stride is {value}", "negative")
            stride = OTHER_PLACINGS[name] | {"block_table_stride": value}
            yield _placing(5, f"{name}-stride={value}", OURS, says, "block_table_stride", **stride)


def _mirrored() -> Iterator[Refusal]:
    yield from _other_placings(4, MIRRORED, "LAST_PAGE, CSR and LAST_PAGE_LEN", "baracuda-kernels' checks")

    def refusal(
        name: str, says: Says, spoil: Spoil, *changes: str, on: tuple[Caller, ...] = MIRRORED
    ) -> Refusal:
        return Refusal(
            f"mirrored-{name}", 4, UNSUPPORTED, spoil, (*says, "a guarded append"), on, frozenset(changes)
        )

    for transform, number in abi.TRANSFORMS.items():
        if transform == "COPY":
            continue
        said = (f"transform is {transform}", "baracuda-kernels' checks", "COPY", "a guarded append")
        changes = frozenset({"transform"})
        spoil = setting(transform=number)
        yield Refusal(f"mirrored-{transform}", 4, UNSUPPORTED, spoil, said, MIRRORED, changes)
    checks = "baracuda-kernels' checks"
    says: Says = ("flags is 0x12", "strides", checks, "packed")
    yield refusal("strided", says, _with_flag(abi.STRIDED), "flags")
    says = ("flags is 0x11", "the append guarded", checks)
    yield refusal("guarded", says, _with_flag(abi.GUARDED), "flags", on=(HOST_MIRRORED,))
    yield refusal("key-alone", ("value and v_data are absent",), setting(parts=abi.KEY), "parts")
    for width in (128, 63, -1):
        widths = setting(value_head_dim=width)
        says = (f"value_head_dim is {width}", "equal", "baracuda-kernels' checks")
        yield refusal(f"width-{width}", says, widths, "value_head_dim", "head_dim")
    for operand in (4, 5, 6):
        mask = 1 << operand
        wide = setting(int64_operands=mask)
        says = (f"{abi.OPERANDS[operand]} is int64", checks, "int32")
        yield refusal(f"int64-{operand}", says, wide, "int64_operands")


def _extents() -> Iterator[Refusal]:
    for value in (-1, INT32_MIN):
        yield one_field(5, INVALID_PROBLEM, "batch_size", value)
    yield one_field(5, INVALID_PROBLEM, "batch_size", 0, "at least 1", callers=MIRRORED)
    for name in ("page_size", "num_heads"):
        for value in (0, -1, INT32_MIN):
            yield one_field(5, INVALID_PROBLEM, name, value, "at least 1")
    for name in ("num_total_pages", "total_used_pages"):
        for value in (-1, INT32_MIN):
            yield one_field(5, INVALID_PROBLEM, name, value, "negative")
    yield one_field(5, INVALID_PROBLEM, "num_total_pages", 0, "at least 1", callers=OURS)

    def strided(op: Append) -> None:
        pack(op)
        op.num_total_pages = 0

    says = ("num_total_pages is 0", "at least 1")
    changes = frozenset({"num_total_pages"})
    yield Refusal("strided-pages=0", 5, INVALID_PROBLEM, strided, says, (FLASHINFER,), changes, strided=True)


def _types() -> Iterator[Refusal]:
    for value in (0, -64, -1, INT32_MIN):
        yield one_field(6, UNSUPPORTED, "head_dim", value, "positive", callers=GENERAL)
    for value in (-64, -1, INT32_MIN):  # without a value its width is not looked at
        says: Says = (f"value_head_dim is {value}", "positive")
        spoil, changes = setting(value_head_dim=value), frozenset({"value_head_dim", "parts"})
        yield Refusal(f"value_head_dim={value}", 6, UNSUPPORTED, spoil, says, GENERAL, changes)
    for value in (0, -64, 1, 32, 63, 65, 96, 127, 129, 192, 255, 257, 512, INT32_MAX, INT32_MIN):
        says = ("64, 128 or 256", "a guarded append")
        yield one_field(6, UNSUPPORTED, "head_dim", value, *says, callers=MIRRORED)
    for value in (0, -1, 8, 99):
        yield one_field(6, UNSUPPORTED, "element", value, "(1 to 7)", callers=GENERAL)
    for value in (0, -1, 6, 7, 8):
        yield one_field(6, UNSUPPORTED, "element", value, "(1 to 5)", callers=MIRRORED)
    for value in (3, 99, -1):
        says = (f"source_element is {value}", "element is 1", "copy")
        changes = frozenset({"source_element", "element"})
        spoil = setting(source_element=value)
        yield Refusal(f"source_element={value}", 6, UNSUPPORTED, spoil, says, CALLERS, changes)


#: The elements that each transform writes.
_WRITTEN = {"FP8": (4, 5), "PER_TOKEN_HEAD": (4, 6), "FP8_DS_MLA": (7,), "NVFP4": (7,)}

#: What else a problem of heads of 64 needs for it.
_FITTING = {
    "FP8_DS_MLA": {"head_dim": 512, "num_heads": 1, "value_head_dim": 64},
    "NVFP4": {"head_dim": 64, "value_head_dim": 64},
}


def _transforms() -> Iterator[Refusal]:
    """An append of f16 that has `transform` set, and what else is stated."""

    def refusal(
        line: int, status: int, name: str, says: Says, callers: tuple[Caller, ...] = GENERAL, **values: int
    ) -> Refusal:
        changes = frozenset({"transform", "element", "source_element", "parts", *values})
        return Refusal(name, line, status, setting(**values), says, callers, changes)

    for transform, wanted in _WRITTEN.items():
        number = abi.TRANSFORMS[transform]
        for element in sorted(set(range(1, 8)) - set(wanted)):
            says: Says = (f"element is {element}", f"transform {transform} writes caches of")
            stated = {"transform": number, "element": element, "source_element": 1}
            yield refusal(6, UNSUPPORTED, f"{transform}-element={element}", says, **stated)
        reads = (1, 2) if transform == "FP8_DS_MLA" else (1, 2, 3)
        for source in sorted({0, 4, 5, 6, 7, 8, -1, 3} - set(reads)):
            says = (f"source_element is {source}", f"transform {transform} reads key and value of f16")
            stated = {"transform": number, "element": wanted[0], "source_element": source}
            yield refusal(7, INVALID_PROBLEM, f"{transform}-source={source}", says, **stated)
        says = (f"transform is {transform}", "FlashInfer's kernel copies", "bespoke backend")
        stated = {"transform": number, "element": wanted[0], "source_element": 1} | _FITTING.get(
            transform, {}
        )
        yield refusal(9, UNSUPPORTED, f"{transform}-flashinfer", says, (FLASHINFER,), **stated)

    nvfp4 = {"transform": abi.TRANSFORMS["NVFP4"], "element": 7, "source_element": 1}
    for part, name, other in (("key", "head_dim", "value_head_dim"), ("value", "value_head_dim", "head_dim")):
        for width in (8, 24, 63):
            says = (f"{name} is {width}, the width of {part}", "NVFP4", "multiple of 16")
            yield refusal(8, UNSUPPORTED, f"NVFP4-{name}={width}", says, **nvfp4, **{name: width, other: 64})
    ds_mla = {"transform": abi.TRANSFORMS["FP8_DS_MLA"], "element": 7, "source_element": 1}
    for head_dim, heads in ((512, 2), (576, 1), (64, 1)):
        says = (
            f"head_dim is {head_dim} and num_heads {heads}, those of key",
            "FP8_DS_MLA",
            "should be 512",
            "and 1",
        )
        stated = {"head_dim": head_dim, "num_heads": heads, "value_head_dim": 64}
        yield refusal(8, UNSUPPORTED, f"FP8_DS_MLA-{head_dim}-{heads}", says, **ds_mla, **stated)
    for width in (0, 32, 128):
        says = (f"value_head_dim is {width or 512}, the width of value", "FP8_DS_MLA", "should be 64")
        stated = {"head_dim": 512, "num_heads": 1, "value_head_dim": width}
        yield refusal(8, UNSUPPORTED, f"FP8_DS_MLA-rope={width}", says, **ds_mla, **stated)
    for name in ("k_scale_stride", "v_scale_stride"):
        for stride in (2, -1, 1 << 40):
            for transform, stated in (
                ("FP8", {"transform": abi.TRANSFORMS["FP8"], "element": 4}),
                ("NVFP4", nvfp4 | _FITTING["NVFP4"]),
            ):
                says = (f"{name} is {stride}", "0 for [1], or 1 for [num_heads]")
                values = {"source_element": 1, **stated, name: stride}
                yield refusal(8, UNSUPPORTED, f"{transform}-{name}={stride}", says, **values)


def _flashinfer() -> Iterator[Refusal]:
    only, both = (FLASHINFER,), ON_FLASHINFER
    takes = "LAST_PAGE with CSR and LAST_PAGE_LEN, and POSITIONS"
    yield from _other_placings(10, only, takes, "bespoke backend", but="positions")
    for value in (1, 32, 63, 65, 96, 192, 512, INT32_MAX):
        says: Says = ("64, 128 and 256", "bespoke backend")
        yield one_field(10, UNSUPPORTED, "head_dim", value, *says, callers=only)
    yield some_fields(10, UNSUPPORTED, "key-alone", only, ("parts is KEY", "bespoke backend"), parts=abi.KEY)
    says = ("head_dim 64", "value_head_dim 128", "one width", "bespoke backend")
    yield Refusal(
        "two-widths",
        10,
        UNSUPPORTED,
        setting(value_head_dim=128),
        says,
        only,
        frozenset({"value_head_dim", "head_dim"}),
    )
    for operand in (4, 5, 6):
        says = (f"{abi.OPERANDS[operand]} is int64", "int32", "bespoke backend")
        yield _placing(10, f"int64-{operand}", only, says, "int64_operands", int64_operands=1 << operand)
    for name in ("indices", "indptr", "batch_indices", "positions"):
        says = (f"{name} is int64", "int32", "bespoke backend")
        wide = {"addressing": abi.ADDRESSINGS["POSITIONS"], "int64_operands": 1 << abi.OPERANDS.index(name)}
        yield _placing(10, f"positions-int64-{name}", only, says, "int64_operands", **wide)
    # The problem in support.problems.problem is f16: 128 heads of 64 at most, and 64 of 128.
    for heads, head_dim, most in ((129, 64, 128), (65, 128, 64), (INT32_MAX, 64, 128)):
        says = (f"num_heads is {heads}", f"at most {most} heads", "a guarded append")
        values = {"num_heads": heads, "head_dim": head_dim}
        yield some_fields(10, UNSUPPORTED, f"heads-{heads}", both, says, **values)

    page = {"num_heads": 64, "head_dim": 128, "page_size": 1 << 19}
    says = ("num_heads * page_size * head_dim", str(1 << 19), "2^32")
    spoil, changes = setting(**page), frozenset(page)
    yield Refusal("page-stride", 11, UNSUPPORTED, spoil, says, both, changes, strided=False)
    for stride in (1 << 32, -64, -(1 << 63)):
        says = ("k_data", f"page stride of {stride}", "2^32 - 1", "bespoke backend")
        yield some_strides(11, UNSUPPORTED, f"page-stride={stride}", only, says, k_data={0: stride})
    batch = {"num_heads": 64, "head_dim": 128, "batch_size": 1 << 19, "total_used_pages": 1 << 19}
    yield some_fields(11, UNSUPPORTED, "source-offset", both, ("batch_size", str(1 << 19), "2^32"), **batch)
    tokens = {"page_size": 1 << 20, "total_used_pages": 2050}
    yield some_fields(11, UNSUPPORTED, "tokens", both, ("page_size", str(1 << 20), "2^31"), **tokens)

    slots = {"addressing": abi.ADDRESSINGS["POSITIONS"], "page_size": 1 << 20, "total_used_pages": 2049}
    says = ("total_used_pages * page_size is 2049 * 1048576", "at most 2^31", "bespoke backend")
    yield _placing(11, "positions-slots", only, says, "page_size", "total_used_pages", **slots)
    rows = {"addressing": abi.ADDRESSINGS["POSITIONS"], "num_rows": MOST_ROWS + 1}
    says = (f"num_rows is {MOST_ROWS + 1}", f"at most {MOST_ROWS}", "bespoke backend")
    yield _placing(11, "positions-rows", only, says, "num_rows", **rows)

    says = ("total_used_pages is 2", "batch_size is 3", "a guarded append")
    yield some_fields(12, INVALID_PROBLEM, "fewer-pages-than-requests", both, says, total_used_pages=2)


def refusals_of_problem() -> Iterator[Refusal]:
    yield from _struct()
    yield from _unknown()
    yield from _together()
    yield from _mirrored()
    yield from _extents()
    yield from _counts()
    yield from _types()
    yield from _transforms()
    yield from _flashinfer()
