"""The rules of `bf.reference` for each format: against ml_dtypes, against values written out by hand, and
there and back.
"""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from baracuda_ffi import ElementKind
from baracuda_ffi._reference import formats
from support.devices.bits import Array

E4M3, E5M2 = ElementKind.FP8_E4M3, ElementKind.FP8_E5M2
DTYPES = {E4M3: ml_dtypes.float8_e4m3fn, E5M2: ml_dtypes.float8_e5m2}
TOPS = {E4M3: 448.0, E5M2: 57344.0}
CODES = np.arange(256, dtype=np.uint8)

fp8_types = pytest.mark.parametrize("element", [E4M3, E5M2], ids=lambda element: element.name)


def widened_by_numpy(values: Array) -> Array:
    with np.errstate(invalid="ignore"):  # an Arm processor flags NaNs that signal
        return values.astype(np.float32)


def every_f16() -> Array:
    return widened_by_numpy(np.arange(1 << 16, dtype=np.uint16).view(np.float16))


def every_bf16() -> Array:
    return (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32)


def around(values: Array) -> Array:
    """float32 at each value and next to it, at each half way to the next value and next to that."""
    halfway = (values[:-1] + values[1:]) / 2
    at = np.concatenate([values, halfway]).astype(np.float32)
    near = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(0))])
    return np.concatenate([near, -near])


@fp8_types
def test_fp8_as_ml_dtypes_rounds(element: ElementKind) -> None:
    """ml_dtypes does not saturate, and has several codes for NaN: there the rule is ours."""
    finite = CODES.view(DTYPES[element]).astype(np.float32)
    finite = np.unique(np.abs(finite[np.isfinite(finite)]))
    numbers = np.concatenate([every_f16(), every_bf16(), around(finite)])
    numbers = numbers[np.abs(numbers) <= TOPS[element]]  # no NaN
    codes = formats.to_fp8(numbers, element)
    assert (codes == numbers.astype(DTYPES[element]).view(np.uint8)).all()
    assert len(np.unique(codes)) == 2 * len(finite)


@fp8_types
def test_fp8_beyond_the_top_and_nan(element: ElementKind) -> None:
    top = {E4M3: 0x7E, E5M2: 0x7B}[element]
    above = np.array(
        [TOPS[element], np.nextafter(np.float32(TOPS[element]), np.inf), 1e30, np.inf], np.float32
    )
    assert (formats.to_fp8(above, element) == top).all()
    assert (formats.to_fp8(-above, element) == top | 0x80).all()
    nan = np.array([0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert (formats.to_fp8(nan, element) == 0x7F).all()
    assert formats.to_fp8(np.array([0.0, -0.0], np.float32), element).tolist() == [0, 0x80]


@fp8_types
def test_fp8_is_read_as_ml_dtypes_reads_it(element: ElementKind) -> None:
    numbers = formats.from_fp8(CODES, element)
    expected = CODES.view(DTYPES[element]).astype(np.float32)
    assert (np.isnan(numbers) == np.isnan(expected)).all()
    assert (numbers[~np.isnan(numbers)] == expected[~np.isnan(expected)]).all()


@fp8_types
def test_fp8_there_and_back(element: ElementKind) -> None:
    """Each finite code is the nearest of the number that it stands for."""
    numbers = formats.from_fp8(CODES, element)
    finite = np.isfinite(numbers)
    assert (formats.to_fp8(numbers[finite], element) == CODES[finite]).all()


@pytest.mark.parametrize(
    ("number", "e4m3", "e5m2"),
    [
        (1.0, 0x38, 0x3C),
        (-1.0, 0xB8, 0xBC),
        (448.0, 0x7E, 0x5F),
        (57344.0, 0x7E, 0x7B),
        (2.0**-9, 0x01, 0x18),
        (2.0**-16, 0x00, 0x01),
        (2.0**-10, 0x00, 0x14),  # half of the least: to even, which is 0
        (3 * 2.0**-11, 0x01, 0x16),
        (1.0625, 0x38, 0x3C),  # half way to 1.125: to even
        (1.1875, 0x3A, 0x3D),  # half way from 1.125 to 1.25: to even
        (0.0625, 0x18, 0x2C),
    ],
)
def test_fp8_by_hand(number: float, e4m3: int, e5m2: int) -> None:
    one = np.array([number], np.float32)
    assert formats.to_fp8(one, E4M3).tolist() == [e4m3]
    assert formats.to_fp8(one, E5M2).tolist() == [e5m2]


@pytest.mark.parametrize("source", [ElementKind.F16, ElementKind.BF16, ElementKind.F32])
def test_sources_are_widened_exactly(source: ElementKind) -> None:
    if source is ElementKind.F32:
        bits = np.array([0, 1, 0x7F800000, 0x80000001], np.uint32)
        assert (formats.widened(bits.view(np.float32), source).view(np.uint32) == bits).all()
        return
    bits = np.arange(1 << 16, dtype=np.uint16)
    dtype = np.float16 if source is ElementKind.F16 else ml_dtypes.bfloat16
    expected = widened_by_numpy(bits.view(dtype))
    found = formats.widened(bits.view(dtype), source)
    assert (np.isnan(found) == np.isnan(expected)).all()
    assert (found[~np.isnan(found)] == expected[~np.isnan(expected)]).all()
    if source is ElementKind.BF16:
        held = formats.widened(bits, source)
        assert (held.view(np.uint32) == found.view(np.uint32)).all()


def test_int8_by_hand() -> None:
    """Half away from zero, and nothing is -128."""
    numbers = [0.0, 0.49, 0.5, -0.5, 1.49, 1.5, -2.5, 126.5, 127.0, 200.0, -200.0, np.inf, -np.inf, np.nan]
    codes = [0, 0, 1, -1, 1, 2, -3, 127, 127, 127, -127, 127, -127, 0]
    assert formats.to_int8(np.array(numbers, np.float32)).tolist() == codes
    # One float32 sum: this one rounds to 1.
    assert formats.to_int8(np.array([np.nextafter(np.float32(0.5), 0)], np.float32)).tolist() == [1]
    whole = np.arange(-127, 128)
    assert (formats.to_int8(whole.astype(np.float32)) == whole).all()


def test_e2m1_by_hand() -> None:
    """FlashInfer's thresholds, each from both sides."""
    thresholds = {0.25: (0, 0, 1), 0.75: (1, 2, 2), 1.25: (2, 2, 3), 1.75: (3, 4, 4)}
    thresholds |= {2.5: (4, 4, 5), 3.5: (5, 6, 6), 5.0: (6, 6, 7)}
    for at, codes in thresholds.items():
        exact = np.float32(at)
        numbers = np.array([np.nextafter(exact, 0), exact, np.nextafter(exact, np.float32(9))], np.float32)
        assert formats.to_e2m1(numbers).tolist() == list(codes)
        assert formats.to_e2m1(-numbers).tolist() == [code | 8 for code in codes]
    special = np.array([0.0, -0.0, 1e30, -np.inf, np.nan], np.float32)
    assert formats.to_e2m1(special).tolist() == [0, 8, 7, 15, 0]
    expected = np.arange(16, dtype=np.uint8)
    fp4 = expected.view(ml_dtypes.float4_e2m1fn).astype(np.float32)
    assert (formats.from_e2m1(expected) == fp4).all()
    assert (formats.to_e2m1(fp4) == expected).all()


@fp8_types
def test_given_scales_divide(element: ElementKind) -> None:
    """One float32 division, which is not what multiplying by the reciprocal makes."""
    scale = np.float32(0.3)
    finite = CODES[: {E4M3: 0x7F, E5M2: 0x7C}[element]].view(DTYPES[element]).astype(np.float32)
    numbers = around(finite) * scale
    codes = formats.quantised_by(numbers, np.array([scale]), element)
    clamped = np.clip(numbers / scale, -TOPS[element], TOPS[element])
    assert (codes == clamped.astype(DTYPES[element]).view(np.uint8)).all()
    multiplied = formats.to_fp8(numbers * (np.float32(1) / scale), element)
    assert (codes != multiplied).any()


@fp8_types
def test_scales_that_are_no_scale(element: ElementKind) -> None:
    """By zero all goes to the top, and 0 / 0 is NaN; a negative one turns signs; NaN makes NaN; an infinite
    one 0, and inf / inf is NaN.
    """
    top = {E4M3: 0x7E, E5M2: 0x7B}[element]
    numbers = np.array([1.0, -1.0, 0.0, np.inf, np.nan], np.float32)

    def codes(scale: float) -> list[int]:
        found: list[int] = formats.quantised_by(numbers, np.array([scale], np.float32), element).tolist()
        return found

    one = int(formats.to_fp8(np.array([1.0], np.float32), element)[0])
    assert codes(0.0) == [top, top | 0x80, 0x7F, top, 0x7F]
    assert codes(-0.0) == [top | 0x80, top, 0x7F, top | 0x80, 0x7F]
    assert codes(-1.0) == [one | 0x80, one, 0x80, top | 0x80, 0x7F]
    assert codes(np.nan) == [0x7F] * 5
    assert codes(np.inf) == [0, 0x80, 0, 0x7F, 0x7F]
    assert codes(1e-45) == [top, top | 0x80, 0, top, 0x7F]


@pytest.mark.parametrize("element", [E4M3, ElementKind.I8], ids=lambda element: element.name)
def test_a_scale_a_row(element: ElementKind) -> None:
    top = 127 if element is ElementKind.I8 else 448
    rows = np.array(
        [
            [top, -top / 2, 0, top / 4],
            [np.inf, -2 * top, np.nan, 0],  # the scale is that of what is finite
            [0, 0, -0.0, 0],
            [np.inf, -np.inf, np.nan, 0],
            [1e-9, -1e-9, 0, 0],
        ],
        np.float32,
    )
    codes, scales = formats.quantised_by_row(rows, element)
    least = np.float32(1e-6)
    assert (scales == np.array([1, 2, least, least, least], np.float32)).all()
    read = formats.numbers_of(codes, element) * scales[:, None]
    if element is ElementKind.I8:
        assert codes.view(np.int8).tolist() == [
            [127, -64, 0, 32],
            [127, -127, 0, 0],
            [0, 0, 0, 0],
            [127, -127, 0, 0],
            [0, 0, 0, 0],
        ]
    else:
        assert codes[:4].tolist() == [
            [0x7E, 0xF6, 0, 0x6E],
            [0x7E, 0xFE, 0x7F, 0],
            [0, 0, 0x80, 0],
            [0x7E, 0xFE, 0x7F, 0],
        ]
        assert np.isnan(read[1, 2])
        assert (read[0] == rows[0]).all()


@pytest.mark.parametrize("element", [E4M3, ElementKind.I8], ids=lambda element: element.name)
def test_rows_are_read_back_to_what_their_scale_resolves(element: ElementKind) -> None:
    rows = np.random.default_rng(1).normal(size=(64, 128)).astype(np.float32)
    codes, scales = formats.quantised_by_row(rows, element)
    read = formats.numbers_of(codes, element) * scales[:, None]
    step = np.abs(rows) / 16 + scales[:, None] if element is E4M3 else 0.51 * scales[:, None]
    assert (np.abs(read - rows) <= step).all()
    assert (np.abs(read).max(axis=1) >= 0.99 * np.abs(rows).max(axis=1)).all()


def test_ds_mla_lays_out_a_row() -> None:
    """512 codes, four float32 scales that are powers of two, and kpe's bits."""
    ckv = np.zeros((1, 512), np.float32)
    ckv[0, :128] = np.linspace(-448, 448, 128)  # its scale is 1
    ckv[0, 128:256] = 448.5  # one power of two on
    ckv[0, 256] = 1e-9  # the least: 2^-13
    ckv[0, 384:387] = (np.inf, np.nan, -1)
    kpe = np.arange(64, dtype=np.uint16)[None] * 1021
    row = formats.ds_mla_rows(ckv, kpe)[0]
    assert row.shape == (656,)
    assert row[512:528].view(np.float32).tolist() == [1, 2, 2.0**-13, np.inf]
    assert (row[528:].view(np.uint16) == kpe[0]).all()
    assert (row[:128] == formats.to_fp8(ckv[0, :128], E4M3)).all()
    assert (row[128:256] == formats.to_fp8(ckv[0, 128:256] / 2, E4M3)).all()
    assert row[384:387].tolist() == [0x7F, 0x7F, 0x80]  # inf / inf, NaN, -1 / inf
    assert not row[387:512].any()
    alone = formats.ds_mla_rows(ckv, None)[0]
    assert (alone[:528] == row[:528]).all()
    assert not alone[528:].any()


def test_ds_mla_scales_are_the_least_powers_of_two() -> None:
    tops = 448 * np.array(
        [2.0**-13, 2.0**-13 * 1.5, 0.25, np.nextafter(np.float32(0.25), 1), 3e30], np.float32
    )
    for amax, wanted in zip(tops, [2.0**-13, 2.0**-12, 0.25, 0.5, 2.0**102], strict=True):
        ckv = np.zeros((1, 512), np.float32)
        ckv[0, 5] = -amax
        scale = formats.ds_mla_rows(ckv, None)[0, 512:516].view(np.float32)[0]
        assert scale == np.float32(wanted)


def test_ds_mla_there_and_back() -> None:
    rng = np.random.default_rng(2)
    ckv = rng.normal(size=(3, 512)).astype(np.float32)
    for rope, dtype in ((ElementKind.F16, np.float16), (ElementKind.BF16, ml_dtypes.bfloat16)):
        kpe = rng.normal(size=(3, 64)).astype(dtype)
        read = formats.ds_mla_numbers(formats.ds_mla_rows(ckv, kpe.view(np.uint16)), rope)
        assert (read[:, 512:] == kpe.astype(np.float32)).all()
        assert (np.abs(read[:, :512] - ckv) <= np.abs(ckv) / 16 + 2.0**-15).all()


def test_nvfp4_by_hand() -> None:
    """Two blocks: one whose elements are the values themselves, and one of nothing."""
    values = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]
    rows = np.array([values + [0.0] * 16], np.float32)
    packed, scales = formats.nvfp4_rows(rows, np.array([1.0], np.float32))
    assert scales.tolist() == [[0x38, 0]]  # e4m3 of 6 / 6
    assert packed[0, :8].tolist() == [0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE]  # the even one is low
    assert not packed[0, 8:].any()
    assert (formats.nvfp4_numbers(packed, scales, np.float32(1)) == rows).all()
    halved, its_scales = formats.nvfp4_rows(rows, np.array([0.5], np.float32))
    assert (halved == packed).all()
    assert its_scales.tolist() == [[0x40, 0]]  # e4m3 of 6 / (6 * 0.5)


@pytest.mark.parametrize("scale", [0.0, -0.0, -1.0, np.nan])
def test_nvfp4_without_a_positive_scale_is_zero(scale: float) -> None:
    rows = np.ones((1, 16), np.float32)
    packed, scales = formats.nvfp4_rows(rows, np.array([scale], np.float32))
    assert not packed.any()
    assert not scales.any()


def test_nvfp4_of_infinities_and_nan() -> None:
    rows = np.array([[np.inf, 1, -np.inf, np.nan] + [0.0] * 12, [np.nan] * 16, [1e-30] * 16], np.float32)
    packed, scales = formats.nvfp4_rows(rows, np.array([1.0], np.float32))
    assert scales.tolist() == [[0x7E], [0], [0]]
    assert packed[0, :2].tolist() == [0x07, 0x0F]
    assert not packed[1:].any()


def test_nvfp4_there_and_back() -> None:
    rows = np.random.default_rng(3).normal(size=(5, 2, 64)).astype(np.float32)
    scale = np.array([[0.01], [0.003]], np.float32)
    packed, scales = formats.nvfp4_rows(rows, scale)
    read = formats.nvfp4_numbers(packed, scales, scale)
    amax = np.abs(rows.reshape(5, 2, 4, 16)).max(axis=-1, keepdims=True)
    assert (np.abs(read.reshape(5, 2, 4, 16) - rows.reshape(5, 2, 4, 16)) <= 0.2 * amax).all()


def test_nothing_is_written_and_read() -> None:
    """Of no rows, and of no pages."""
    one = np.array([[1.0]], np.float32)
    packed, scales = formats.nvfp4_rows(np.zeros((0, 2, 64), np.float32), one)
    assert (packed.shape, scales.shape) == ((0, 2, 32), (0, 2, 4))
    assert formats.nvfp4_numbers(packed, scales, one).shape == (0, 2, 64)
    rows = formats.ds_mla_rows(np.zeros((0, 512), np.float32), None)
    assert formats.ds_mla_numbers(rows, ElementKind.F16).shape == (0, 576)
    codes, of_rows = formats.quantised_by_row(np.zeros((0, 2, 8), np.float32), E4M3)
    assert (codes.shape, of_rows.shape) == ((0, 2, 8), (0, 2))


def test_every_code_is_reached() -> None:
    """What is written by some number, of every format: nothing else is ever there."""
    numbers = np.concatenate([every_f16(), every_bf16()])
    for element, missing in ((E4M3, {0xFF}), (E5M2, {0x7C, 0x7D, 0x7E, 0xFC, 0xFD, 0xFE, 0xFF})):
        found = set(formats.to_fp8(numbers, element).tolist())
        assert found == set(range(256)) - missing
    assert set(formats.to_int8(numbers).tolist()) == set(range(-127, 128))
    assert set(formats.to_e2m1(numbers).tolist()) == set(range(16))
    assert set(itertools.chain(formats.from_e2m1(np.arange(8, dtype=np.uint8)).tolist())) == {
        0,
        0.5,
        1,
        1.5,
        2,
        3,
        4,
        6,
    }
