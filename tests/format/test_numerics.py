"""native/src/format/ against NumPy and ml_dtypes: all of the 16-bit types, and float32 all over its range.

ml_dtypes rounds to fp8 and does not saturate: what is clamped before never needs it to.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from support.devices.bits import Array

SOURCE = Path(__file__).with_name("numerics.cpp")
INCLUDE_DIRS = [SOURCE.parents[2] / "native" / name for name in ("src", "include")]

FP8 = {"e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}
E2M1_VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
TOPS = {"e4m3": 448.0, "e5m2": 57344.0, "int8": 127.0}
GLOBALS = [1.0, 0.037, 3.0, 2.0**-20, 1e-41, 3e38, np.inf, 0.0, -0.0, -1.0, np.nan]

ONE = np.float32(1)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler, there is none")
    target = tmp_path_factory.mktemp("format") / "numerics.so"
    flags = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    flags += [f"-I{folder}" for folder in INCLUDE_DIRS]
    subprocess.run([compiler, *flags, str(SOURCE), "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


@pytest.fixture
def call(native: ctypes.CDLL) -> Callable[..., Array]:
    """call(name, array, dtype, *numbers): what the function of that name makes of each element."""

    def run(name: str, array: Array, dtype: Any, *numbers: float) -> Array:
        array = np.ascontiguousarray(array)
        made = np.empty(array.shape, dtype)
        sizes = (
            ctypes.c_void_p(array.ctypes.data),
            ctypes.c_void_p(made.ctypes.data),
            ctypes.c_size_t(array.size),
        )
        getattr(native, name)(*sizes, *map(ctypes.c_float, numbers))
        return made

    return run


def bits(array: Array) -> Array:
    return array.view(f"u{array.dtype.itemsize}")


def all_16_bits(dtype: Any) -> Array:
    return np.arange(2**16, dtype=np.uint16).view(dtype)


def floats() -> Array:
    """Of either sign: what 16-bit types have, a spread over the whole range, and the neighbours of each."""
    with np.errstate(invalid="ignore"):
        short = [
            all_16_bits(np.float16).astype(np.float32),
            all_16_bits(ml_dtypes.bfloat16).astype(np.float32),
        ]
    random = np.random.default_rng(7).integers(0, 2**32, 200_000, np.uint32)
    some = np.concatenate([*map(bits, short), random])
    return np.concatenate([some - 1, some, some + 1]).view(np.float32)


def between(values: Array) -> Array:
    """Ties between neighbours of these positive values, with the neighbours of each, of either sign."""
    exact = np.unique(np.concatenate([values, (values[1:] + values[:-1]) / 2]).astype(np.float32))
    near = bits(exact[exact > 0])
    magnitudes = np.concatenate([near - 1, near, near + 1])
    return np.concatenate([magnitudes, magnitudes | np.uint32(2**31)]).view(np.float32)


def rounded_to_fp8(values: Array, name: str) -> Array:
    clamped = np.clip(values, np.float32(-TOPS[name]), np.float32(TOPS[name]))
    with np.errstate(invalid="ignore"):
        rounded = bits(clamped.astype(FP8[name]))
    return np.where(np.isnan(values), np.uint8(0x7F), rounded)


def fp8_values(name: str) -> Array:
    every = np.arange(128, dtype=np.uint8).view(FP8[name]).astype(np.float64)
    return every[np.isfinite(every)]


@pytest.mark.parametrize(("name", "dtype"), [("f16", np.float16), ("bf16", ml_dtypes.bfloat16)])
def test_widening_is_exact(call: Callable[..., Array], name: str, dtype: Any) -> None:
    source = all_16_bits(dtype)
    found = call(f"widen_{name}", bits(source), np.float32)
    with np.errstate(invalid="ignore"):
        expected = source.astype(np.float32)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(bits(found)[numbers], bits(expected)[numbers])
    assert np.isnan(found[~numbers]).all()
    assert (~numbers).any()


@pytest.mark.parametrize("name", FP8)
def test_fp8_of_every_number(call: Callable[..., Array], name: str) -> None:
    source = np.concatenate([floats(), between(fp8_values(name))])
    np.testing.assert_array_equal(call(f"to_{name}", source, np.uint8), rounded_to_fp8(source, name))


@pytest.mark.parametrize("name", FP8)
def test_fp8_at_its_ends(call: Callable[..., Array], name: str) -> None:
    top = np.float32(TOPS[name])
    source = np.array(
        [np.inf, -np.inf, top, -top, np.nextafter(top, np.inf), np.nan, -np.nan, 0, -0.0], np.float32
    )
    largest = {"e4m3": 0x7E, "e5m2": 0x7B}[name]
    expected = [largest, largest | 0x80, largest, largest | 0x80, largest, 0x7F, 0x7F, 0, 0x80]
    assert call(f"to_{name}", source, np.uint8).tolist() == expected


def test_e4m3_as_floats(call: Callable[..., Array]) -> None:
    every = np.arange(256, dtype=np.uint8)
    every = every[every & 0x7F != 0x7F]
    expected = every.view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    np.testing.assert_array_equal(bits(call("widen_e4m3", every, np.float32)), bits(expected))


def test_int8_is_half_away_from_zero(call: Callable[..., Array]) -> None:
    source = np.concatenate([floats(), between(np.arange(130, dtype=np.float64))])
    half = np.copysign(np.float32(0.5), source)
    with np.errstate(invalid="ignore"):
        moved = np.clip(source, np.float32(-127), np.float32(127)) + half
    expected = np.trunc(np.where(np.isnan(source), np.float32(0), moved)).astype(np.int8)
    np.testing.assert_array_equal(call("to_int8", source, np.int8), expected)
    ends = np.array([np.inf, -np.inf, 0.5, -0.5, 0.49, np.nan, -127.6], np.float32)
    assert call("to_int8", ends, np.int8).tolist() == [127, -127, 1, -1, 0, 0, -127]


def test_e2m1_is_to_nearest_even(call: Callable[..., Array]) -> None:
    source = np.concatenate([floats(), between(E2M1_VALUES)])
    magnitude = np.minimum(np.abs(np.where(np.isnan(source), np.float32(0), source)), 6).astype(np.float64)
    distance = np.abs(magnitude[:, None] - E2M1_VALUES)
    nearest = distance == distance.min(axis=1, keepdims=True)
    even = nearest & (np.arange(8) % 2 == 0)
    codes = np.where(even.any(axis=1), even.argmax(axis=1), nearest.argmax(axis=1))
    signs = np.where(np.signbit(source) & ~np.isnan(source), 8, 0)
    np.testing.assert_array_equal(call("to_e2m1", source, np.uint8), (codes | signs).astype(np.uint8))
    thresholds = np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, np.inf, -0.0], np.float32)
    assert call("to_e2m1", thresholds, np.uint8).tolist() == [0, 2, 2, 4, 4, 6, 6, 7, 8]


def magnitudes() -> Array:
    every = np.abs(floats())
    return every[np.isfinite(every)]


def test_what_is_not_finite_does_not_count(call: Callable[..., Array]) -> None:
    source = floats()
    expected = np.where(np.isfinite(source), np.abs(source), np.float32(0))
    np.testing.assert_array_equal(bits(call("finite_magnitude", source, np.float32)), bits(expected))


@pytest.mark.parametrize("name", ["e4m3", "int8"])
def test_the_scale_of_a_token_and_head(call: Callable[..., Array], name: str) -> None:
    amax = magnitudes()
    expected = np.maximum(amax / np.float32(TOPS[name]), np.float32(1e-6))
    found = call("token_head_scale", amax, np.float32, TOPS[name])
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(bits(found), bits(expected))


def test_the_scale_of_a_tile_is_a_power_of_two(call: Callable[..., Array]) -> None:
    powers = np.exp2(np.arange(-20, 100)).astype(np.float32) * np.float32(448)
    amax = np.concatenate([magnitudes(), powers, np.nextafter(powers, np.float32(np.inf))])
    needed = np.maximum(amax / np.float32(448), np.float32(1e-4))
    mantissa, exponent = np.frexp(needed)
    expected = np.ldexp(ONE, np.where(mantissa == 0.5, exponent - 1, exponent))
    found = call("ds_mla_scale", amax, np.float32)
    np.testing.assert_array_equal(bits(found), bits(expected.astype(np.float32)))
    assert (found >= needed).all()


@pytest.mark.parametrize("scale", GLOBALS)
def test_the_scale_of_a_block(call: Callable[..., Array], scale: float) -> None:
    amax = np.append(magnitudes(), np.float32(np.inf))
    with np.errstate(all="ignore"):
        wanted = amax / (np.float32(6) * np.float32(scale))
    expected = np.where(amax > 0, rounded_to_fp8(wanted, "e4m3"), 0) if scale > 0 else np.zeros_like(amax)
    np.testing.assert_array_equal(call("nvfp4_block_scale", amax, np.uint8, scale), expected.astype(np.uint8))


@pytest.mark.parametrize("scale", GLOBALS)
def test_what_a_block_is_multiplied_by(call: Callable[..., Array], scale: float) -> None:
    """0 where the scale is 0 or is none."""
    every = np.arange(128, dtype=np.uint8) if scale > 0 else np.array([0, 0x7F], np.uint8)
    values = every.view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    with np.errstate(all="ignore"):
        expected = np.where(values > 0, ONE / (values * np.float32(scale)), np.float32(0))
    np.testing.assert_array_equal(call("nvfp4_multiplier", every, np.float32, scale), expected)
