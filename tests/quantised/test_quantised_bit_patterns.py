"""Every f16 and every bf16 there is, and float32 all over its range, through each transform of either
backend: by scales of an engine, and by scales that are none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._reference import formats
from baracuda_ffi.reference import append_paged_kv_reference
from support.devices.backends import Backend
from support.devices.bits import Array, assert_same_bits
from support.problems.elements import BF16, F16, F32, FP8_E4M3, FP8_E5M2, I8, Element
from support.quantised.scales import HARD_SCALES, SCALES

WIDTH = 512

fp8_types = pytest.mark.parametrize("element", [FP8_E4M3, FP8_E5M2], ids=lambda element: element.symbol)
sources = pytest.mark.parametrize("source", [F16, BF16, F32], ids=lambda source: source.symbol)


def patterns(source: Element) -> Array:
    """[rows, 1, WIDTH]: all there are of 16 bits. Of float32 those about every tie of either fp8 type, by
    each scale, and a quarter of a million others.
    """
    if source is not F32:
        return np.arange(1 << 16, dtype=np.uint16).view(source.dtype).reshape(-1, 1, WIDTH)
    rng = np.random.default_rng(5)
    values = [rng.integers(0, 1 << 32, 1 << 18, dtype=np.uint32).view(np.float32)]
    for element, codes in ((bf.ElementKind.FP8_E4M3, 0x7F), (bf.ElementKind.FP8_E5M2, 0x7C)):
        finite = formats.from_fp8(np.arange(codes, dtype=np.uint8), element).astype(np.float64)
        ties = np.concatenate([finite, (finite[:-1] + finite[1:]) / 2])
        for scale in (*SCALES, *HARD_SCALES):
            with np.errstate(all="ignore"):
                at = (ties * scale).astype(np.float32)
                values += [at, -at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(0))]
    flat = np.concatenate(values)
    return np.resize(flat, (-(-flat.size // WIDTH), 1, WIDTH)).astype(np.float32)


def check(
    backend: Backend, rows: Array, caches: dict[str, Array], said: dict[str, Any], **given: Array
) -> None:
    """Rows to pages of one slot each, the caches and all else that is written compared with the oracle's."""
    slots = np.arange(len(rows), dtype=np.int32)
    expected = {name: array.copy() for name, array in caches.items()}
    append_paged_kv_reference(rows, None, v_data=None, slot_mapping=slots, **expected, **given, **said)
    put = {name: backend.put(array) for name, array in caches.items()}
    inputs = {name: backend.put(array) for name, array in given.items()}
    bf.append_paged_kv(
        backend.put(rows),
        None,
        v_data=None,
        slot_mapping=backend.put(slots),
        stream=backend.stream,
        **put,
        **inputs,
        **said,
    )
    for name, operand in put.items():
        assert_same_bits(backend.get(operand), expected[name], name)
    backend.check_guards()


def cache_of(rows: Array, width: int) -> Array:
    """One page of one slot a row, of bytes that are there already."""
    return np.full((len(rows), 1, 1, width), 0x5A, np.uint8)


@fp8_types
@sources
@pytest.mark.parametrize("scale", [*SCALES, *HARD_SCALES])
def test_given_scales(backend: Backend, source: Element, element: Element, scale: float) -> None:
    rows = patterns(source)
    caches = {"k_data": cache_of(rows, WIDTH)}
    said = {"element": element.kind}
    check(backend, rows, caches, said, k_scale=np.array([scale], np.float32))


@sources
@pytest.mark.parametrize("element", [FP8_E4M3, I8], ids=lambda element: element.symbol)
@pytest.mark.parametrize("width", [4, 64, WIDTH])
def test_a_scale_a_row(backend: Backend, source: Element, element: Element, width: int) -> None:
    """In the order of their values, so that a row's elements have one size; and shuffled."""
    rows = patterns(source)
    shuffled = rows.reshape(-1).copy()
    np.random.default_rng(7).shuffle(shuffled)
    for each in (rows.reshape(-1, 1, width), shuffled.reshape(-1, 1, width)):
        caches = {"k_data": cache_of(each, width), "k_scales": np.full((len(each), 1, 1), 7, np.float32)}
        if element is I8:
            caches["k_data"] = caches["k_data"].view(np.int8)
        check(backend, each, caches, {"element": element.kind})


@pytest.mark.parametrize("source", [F16, BF16], ids=lambda source: source.symbol)
def test_ds_mla(backend: Backend, source: Element) -> None:
    rows = patterns(source)[:, 0]
    caches = {"k_data": cache_of(rows, 656)[:, 0]}
    check(backend, rows, caches, {"transform": "FP8_DS_MLA"})


@sources
@pytest.mark.parametrize("scale", SCALES)
def test_nvfp4(backend: Backend, source: Element, scale: float) -> None:
    rows = patterns(source)
    caches = {"k_data": cache_of(rows, WIDTH // 2), "k_scales": cache_of(rows, WIDTH // 16)}
    said = {"transform": "NVFP4"}
    check(backend, rows, caches, said, k_scale=np.array([scale], np.float32))


@fp8_types
def test_what_scales_that_are_none_do(backend: Backend, element: Element) -> None:
    """Written out: by 0 to the top, 0 / 0 is NaN, and so on."""
    top = {"fp8_e4m3": 0x7E, "fp8_e5m2": 0x7B}[element.symbol]
    one = int(np.array([1], np.float32).astype(element.dtype).view(np.uint8)[0])
    row = np.array([[[1.0, -1.0, 0.0, np.inf, np.nan]]], np.float32)
    expected = {
        0.0: [top, top | 0x80, 0x7F, top, 0x7F],
        -1.0: [one | 0x80, one, 0x80, top | 0x80, 0x7F],
        np.nan: [0x7F] * 5,
        np.inf: [0, 0x80, 0, 0x7F, 0x7F],
    }
    for scale, codes in expected.items():
        cache = backend.put(np.zeros((1, 1, 1, 5), np.uint8))
        bf.append_paged_kv(
            backend.put(row),
            None,
            cache,
            None,
            slot_mapping=backend.put(np.zeros(1, np.int32)),
            k_scale=backend.put(np.array([scale], np.float32)),
            element=element.kind,
            stream=backend.stream,
        )
        assert backend.get(cache).ravel().tolist() == codes, scale


def test_the_patterns_are_all() -> None:
    assert len(np.unique(patterns(F16).view(np.uint16))) == 1 << 16
    assert len(np.unique(patterns(BF16).view(np.uint16))) == 1 << 16
    codes = formats.to_fp8(patterns(F32).astype(np.float32), bf.ElementKind.FP8_E4M3)
    assert len(np.unique(codes)) == 255
