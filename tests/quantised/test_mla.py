"""MLA caches, which have no head dimension: copies into FlashInfer's two caches and vLLM's one, of any rank,
in fp8 too, and fp8_ds_mla; by every way to say places and every way in.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from support.damaged.guarded import fresh
from support.damaged.page_tables import WAYS, convention_for
from support.devices.backends import Backend
from support.problems.cases import CONVENTIONS
from support.problems.elements import BF16, F16, FP8_E4M3, FP8_E5M2, U8, Element
from support.quantised import quantised_append
from support.quantised.quantised_append import QuantisedCase
from support.views import real_append
from support.views.real_append import GUARDED, UNGUARDED, RealAppend, RealCase, append_and_check

#: ckv's and kpe's widths: DeepSeek's, which FlashInfer's append takes alone; one row of both; others.
RANKS = ((512, 64), (576, 0), (256, 64), (128, 32), (384, 0), (37, 5))

#: Rows: packed each, slices of one projection, of more tokens than are placed.
ROWS = ("packed", "fused-qkv", "more-rows")
#: FlashInfer's two caches, and vLLM's one, of which both parts are slices.
CACHES = ("packed", "side-by-side")

each_way = pytest.mark.parametrize("way", WAYS)


def conventions(way: str) -> list[str]:
    return [c for c in CONVENTIONS if convention_for(way, c) == c]


def check(backend: Backend, real: RealAppend) -> None:
    try:
        with fresh(backend) as inner:
            append_and_check(inner, real)
    except BaseException as error:
        raise AssertionError(str(real.case)) from error


@each_way
@pytest.mark.parametrize("caches", CACHES)
@pytest.mark.parametrize("element", [F16, BF16, FP8_E4M3], ids=lambda element: element.symbol)
def test_copies(backend: Backend, way: str, caches: str, element: Element) -> None:
    entrances = itertools.cycle((*UNGUARDED, *GUARDED))
    for seed, (widths, rows, convention) in enumerate(itertools.product(RANKS, ROWS, conventions(way))):
        case = RealCase(
            rows, caches, element, widths, 0, 4, "NHD", convention, next(entrances), (), "damaged", way=way
        )
        check(backend, real_append.make(case, seed))


@each_way
@pytest.mark.parametrize("element", [FP8_E4M3, FP8_E5M2], ids=lambda element: element.symbol)
def test_in_fp8(backend: Backend, way: str, element: Element) -> None:
    """vLLM's concat_and_cache_mla with kv_cache_dtype fp8: ckv and kpe each divided."""
    for seed, (widths, convention) in enumerate(itertools.product(RANKS, conventions(way))):
        case = QuantisedCase(
            "fused-qkv",
            "side-by-side",
            element,
            widths,
            0,
            4,
            "NHD",
            convention,
            "run",
            (),
            "damaged",
            "caches",
            way=way,
            source=BF16,
            values="numbers",
        )
        check(backend, quantised_append.make(case, seed))


@each_way
@pytest.mark.parametrize("kpe", [64, 0])
@pytest.mark.parametrize("source", [F16, BF16], ids=lambda source: source.symbol)
def test_ds_mla(backend: Backend, way: str, kpe: int, source: Element) -> None:
    """Rows of 656 bytes; without kpe its bytes are zeros."""
    entrances = itertools.cycle((*UNGUARDED, *GUARDED))
    for seed, (rows, convention, values) in enumerate(
        itertools.product(ROWS, conventions(way), ("bits", "numbers"))
    ):
        case = QuantisedCase(
            rows,
            "packed",
            U8,
            (512, kpe),
            0,
            4,
            "NHD",
            convention,
            next(entrances),
            (),
            "damaged",
            way=way,
            transform="FP8_DS_MLA",
            source=source,
            values=values,
        )
        check(backend, quantised_append.make(case, seed))


@pytest.mark.parametrize(("before", "row"), [(4, 664), (8, 672), (16, 688), (0, 660)])
@pytest.mark.parametrize("rows", ["packed", "odd-tokens"])
def test_ds_mla_rows_anywhere(backend: Backend, before: int, row: int, rows: str) -> None:
    """A multiple of 4 bytes is what a row has to begin at, and no more than that."""
    for seed, source in enumerate((F16, BF16)):
        case = QuantisedCase(
            rows,
            "packed",
            U8,
            (512, 64),
            0,
            4,
            "NHD",
            "BEFORE_APPEND",
            "run",
            way="slot_mapping",
            transform="FP8_DS_MLA",
            source=source,
            values="numbers",
        )
        real = quantised_append.make(case, seed)
        wider = real.memory.new((real.pages, 4, row), np.uint8)
        real.views["k_data"] = wider[..., before : before + 656]
        check(backend, real)
