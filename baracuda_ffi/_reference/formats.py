"""What each transform makes of numbers, and the numbers that are read back, by plain rules in NumPy alone.

Arithmetic is that of float32, one operation at a time, each rounded to nearest even: NumPy's own. What is
stored is looked up in lists of all the values that a format has.
"""

from __future__ import annotations

import numpy as np

from .._model.enums import ElementKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]
    F32 = NDArray[np.float32]
    Bytes = NDArray[np.uint8]

NAN = 0x7F  # of both fp8 types
BLOCK = 16  # elements of NVFP4 that share a scale
TILE = 128  # elements of FP8_DS_MLA that share one
RANK, ROPE = 512, 64  # elements of its ckv and kpe
ROW_BYTES = RANK + RANK // TILE * 4 + ROPE * 2  # of a token of it

_ONE = np.float32(1)
_LEAST_SCALE = np.float32(1e-6)
_LEAST_TILE_SCALE = np.float32(1e-4)
_INT8_TOP = np.float32(127)


def _fp8_values(mantissa_bits: int, bias: int, count: int) -> NDArray[np.float64]:
    """The values of the codes 0 .. count - 1, which are positive and finite, in order."""
    values = []
    for code in range(count):
        exponent, mantissa = code >> mantissa_bits, code & ((1 << mantissa_bits) - 1)
        whole = mantissa if exponent == 0 else mantissa + (1 << mantissa_bits)
        values.append(whole * 2.0 ** (max(exponent, 1) - bias - mantissa_bits))
    return np.array(values)


# By code, without the sign: those of the finite values.
_E4M3 = _fp8_values(mantissa_bits=3, bias=7, count=0x7F)
_E5M2 = _fp8_values(mantissa_bits=2, bias=15, count=0x7C)
_E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])

_FP8 = {ElementKind.FP8_E4M3: _E4M3, ElementKind.FP8_E5M2: _E5M2}


def _nearest(magnitudes: F32, values: NDArray[np.float64]) -> Bytes:
    """Of each magnitude the code of the nearest value, of two as near the even one; beyond the last, its."""
    halfway = (values[:-1] + values[1:]) / 2  # exact, as is any float32 in float64
    exact = magnitudes.astype(np.float64)
    below = np.searchsorted(halfway, exact, side="left")  # how many halves are less
    at_half = np.searchsorted(halfway, exact, side="right") > below
    codes: Bytes = (below + (at_half & (below % 2 == 1))).astype(np.uint8)
    return codes


def to_fp8(numbers: F32, element: ElementKind) -> Bytes:
    """To nearest even, saturating, infinities too; NaN is 0x7f."""
    nan = np.isnan(numbers)
    codes = _nearest(np.where(nan, np.float32(0), np.abs(numbers)), _FP8[element])
    return np.where(nan, np.uint8(NAN), codes | (np.signbit(numbers) * np.uint8(0x80)))


def from_fp8(codes: Bytes, element: ElementKind) -> F32:
    """What the codes stand for: infinities and NaN too, which E5M2 alone has several of."""
    finite = _FP8[element]
    values = np.full(128, np.nan)
    values[: len(finite)] = finite
    if element is ElementKind.FP8_E5M2:
        values[len(finite)] = np.inf
    magnitudes = values[codes & 0x7F].astype(np.float32)
    numbers: F32 = np.where(codes & 0x80, -magnitudes, magnitudes)
    return numbers


def to_int8(numbers: F32) -> NDArray[np.int8]:
    """Half away from zero, -127 .. 127; NaN is 0."""
    clamped = np.clip(np.where(np.isnan(numbers), np.float32(0), numbers), -_INT8_TOP, _INT8_TOP)
    codes: NDArray[np.int8] = np.trunc(clamped + np.copysign(np.float32(0.5), clamped)).astype(np.int8)
    return codes


def to_e2m1(numbers: F32) -> Bytes:
    """To nearest even among 0, 0.5, 1, 1.5, 2, 3, 4 and 6, saturating; the sign is bit 3; NaN is 0."""
    nan = np.isnan(numbers)
    codes = _nearest(np.where(nan, np.float32(0), np.abs(numbers)), _E2M1)
    return np.where(nan, np.uint8(0), codes | (np.signbit(numbers) * np.uint8(8)))


def from_e2m1(codes: Bytes) -> F32:
    """What the codes 0 .. 15 stand for."""
    magnitudes = _E2M1[codes & 7].astype(np.float32)
    numbers: F32 = np.where(codes & 8, -magnitudes, magnitudes)
    return numbers


def widened(rows: Array, element: ElementKind) -> F32:
    """f16, bf16 and f32 as float32, which has all of their values. bf16 may be its bits."""
    if element is ElementKind.BF16:
        return (rows.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):  # an Arm processor flags NaNs that signal
        return rows.astype(np.float32)


def quantised_by(numbers: F32, scale: F32, element: ElementKind) -> Bytes:
    """FP8: by scales that are given."""
    with np.errstate(all="ignore"):
        return to_fp8(numbers / scale, element)


def _amax(numbers: F32, counts: NDArray[np.bool_]) -> F32:
    """Of each row the largest magnitude of those that count; 0 where none does."""
    amax: F32 = np.where(counts, np.abs(numbers), np.float32(0)).max(axis=-1)
    return amax


def quantised_by_row(numbers: F32, element: ElementKind) -> tuple[Bytes, F32]:
    """PER_TOKEN_HEAD: the codes of the rows (int8 by their bits), and a scale for each."""
    top = _INT8_TOP if element is ElementKind.I8 else np.float32(_E4M3[-1])
    with np.errstate(all="ignore"):
        scales = np.maximum(_amax(numbers, np.isfinite(numbers)) / top, _LEAST_SCALE)
        scaled = numbers * (_ONE / scales)[..., None]
    codes = to_int8(scaled).view(np.uint8) if element is ElementKind.I8 else to_fp8(scaled, element)
    return codes, scales


def ds_mla_rows(ckv: F32, kpe: Array | None) -> Bytes:
    """FP8_DS_MLA: rows of 656 bytes. ``kpe`` is of 16-bit elements."""
    tiles = ckv.reshape(*ckv.shape[:-1], RANK // TILE, TILE)
    with np.errstate(all="ignore"):
        least = np.maximum(_amax(tiles, ~np.isnan(tiles)) / np.float32(_E4M3[-1]), _LEAST_TILE_SCALE)
        fraction, exponent = np.frexp(least)  # least = fraction * 2^exponent, fraction in 0.5 .. 1
        exponent = np.where(fraction == 0.5, exponent - 1, exponent)
        # The least power of two that is no less; of an infinity, itself.
        scales = np.where(np.isinf(least), least, np.ldexp(_ONE, exponent))
        codes = to_fp8(tiles / scales[..., None], ElementKind.FP8_E4M3)
    rope = np.zeros((*ckv.shape[:-1], ROPE), np.uint16) if kpe is None else np.ascontiguousarray(kpe)
    held = np.ascontiguousarray(scales, np.float32)
    return np.concatenate([codes.reshape(ckv.shape), held.view(np.uint8), rope.view(np.uint8)], axis=-1)


def nvfp4_rows(numbers: F32, scale: F32) -> tuple[Bytes, Bytes]:
    """NVFP4: two elements a byte, the even one in the low half, and the e4m3 scale of each block. ``scale``
    is the global one, of the rows' leading dimensions."""
    blocks = numbers.reshape(*numbers.shape[:-1], numbers.shape[-1] // BLOCK, BLOCK)
    scale = np.broadcast_to(scale, blocks.shape[:-1])
    with np.errstate(all="ignore"):
        amax = _amax(blocks, ~np.isnan(blocks))
        wanted = amax / (np.float32(6) * scale)
        scales = np.where((amax > 0) & (scale > 0), to_fp8(wanted, ElementKind.FP8_E4M3), np.uint8(0))
        step = from_fp8(scales, ElementKind.FP8_E4M3)
        factor = np.where(step > 0, _ONE / (step * scale), np.float32(0))
        codes = to_e2m1(blocks * factor[..., None]).reshape(numbers.shape)
    return codes[..., 0::2] | codes[..., 1::2] * np.uint8(16), scales


def numbers_of(codes: Bytes, element: ElementKind) -> F32:
    """What FP8's and PER_TOKEN_HEAD's codes stand for, before they are multiplied by their scale."""
    if element is ElementKind.I8:
        return codes.view(np.int8).astype(np.float32)
    return from_fp8(codes, element)


def ds_mla_numbers(rows: Bytes, rope: ElementKind) -> F32:
    """FP8_DS_MLA: ckv's numbers and then kpe's, whose elements are ``rope``'s."""
    tiles = RANK // TILE
    codes, rest = rows[..., :RANK], np.ascontiguousarray(rows[..., RANK:])
    scales, kpe = rest[..., : 4 * tiles].copy().view(np.float32), rest[..., 4 * tiles :].copy()
    held = from_fp8(codes, ElementKind.FP8_E4M3).reshape(*codes.shape[:-1], tiles, TILE)
    ckv = (held * scales[..., None]).reshape(codes.shape)
    bits = kpe.view(np.uint16)
    return np.concatenate(
        [ckv, widened(bits if rope is ElementKind.BF16 else bits.view(np.float16), rope)], axis=-1
    )


def nvfp4_numbers(codes: Bytes, block_scales: Bytes, scale: F32) -> F32:
    """NVFP4: the numbers of packed rows. ``scale`` is the global one, of shape to be multiplied with rows."""
    halves = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*block_scales.shape, BLOCK)
    step = from_fp8(block_scales, ElementKind.FP8_E4M3)[..., None]
    held = (from_e2m1(halves) * step).reshape(*codes.shape[:-1], 2 * codes.shape[-1])
    return held * scale
