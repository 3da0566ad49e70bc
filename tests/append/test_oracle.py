"""The oracle against appends worked out by hand, so that what all else is compared with is itself held to
something.
"""

from __future__ import annotations

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference
from support.bits import assert_same_bits

BEFORE, AFTER = bf.LengthConvention.BEFORE_APPEND, bf.LengthConvention.AFTER_APPEND


def rows(*tokens: int) -> np.ndarray:
    """[requests, 2 heads, 1]: head h of the token is 10 * token + h."""
    return np.array([[[10 * token], [10 * token + 1]] for token in tokens], np.float32)


def int32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def empty_cache(layout: bf.KvLayout) -> np.ndarray:
    """Three pages, two heads, four slots."""
    shape = (3, 2, 4, 1) if layout is bf.KvLayout.HND else (3, 4, 2, 1)
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize("layout", list(bf.KvLayout))
@pytest.mark.parametrize(("convention", "length"), [(BEFORE, 2), (AFTER, 3)])
def test_the_headers_worked_example(
    layout: bf.KvLayout, convention: bf.LengthConvention, length: int
) -> None:
    """Six tokens in pages 1 and 2 of four slots: the new one belongs in page 2, slot 2."""
    k_data, v_data = empty_cache(layout), empty_cache(layout)
    append_paged_kv_reference(
        rows(7),
        rows(8),
        k_data,
        v_data,
        int32(1, 2),
        int32(0, 2),
        int32(length),
        layout=layout,
        length_convention=convention,
    )
    for cache, token in ((k_data, 7), (v_data, 8)):
        expected = empty_cache(layout)
        for head in (0, 1):
            where = (2, head, 2, 0) if layout is bf.KvLayout.HND else (2, 2, head, 0)
            expected[where] = 10 * token + head
        assert_same_bits(cache, expected, "cache")


@pytest.mark.parametrize(("convention", "lengths"), [(BEFORE, (0, 3)), (AFTER, (1, 4))])
def test_both_ends_of_a_page(convention: bf.LengthConvention, lengths: tuple[int, int]) -> None:
    """The first slot of page 2 for request 0, the last of page 0 for request 1; page 1 is nobody's last."""
    k_data, v_data = empty_cache(bf.KvLayout.HND), empty_cache(bf.KvLayout.HND)
    append_paged_kv_reference(
        rows(1, 2),
        rows(3, 4),
        k_data,
        v_data,
        int32(1, 2, 0),
        int32(0, 2, 3),
        int32(*lengths),
        layout=bf.KvLayout.HND,
        length_convention=convention,
    )
    expected = empty_cache(bf.KvLayout.HND)
    expected[2, :, 0, 0] = (10, 11)
    expected[0, :, 3, 0] = (20, 21)
    assert_same_bits(k_data, expected, "k_data")
    expected[2, :, 0, 0] = (30, 31)
    expected[0, :, 3, 0] = (40, 41)
    assert_same_bits(v_data, expected, "v_data")


@pytest.mark.parametrize(
    ("indices", "indptr", "length", "convention"),
    [
        ((0,), (0, 1), 4, BEFORE),
        ((0,), (0, 1), -1, BEFORE),
        ((0,), (0, 1), 0, AFTER),
        ((0,), (0, 1), 5, AFTER),
        ((3,), (0, 1), 0, BEFORE),
        ((-1,), (0, 1), 0, BEFORE),
        ((0,), (0, 0), 0, BEFORE),
        ((0,), (1, 0), 0, BEFORE),
    ],
)
def test_a_table_that_names_no_slot(
    indices: tuple[int, ...], indptr: tuple[int, ...], length: int, convention: bf.LengthConvention
) -> None:
    """NumPy would take -1 as the last slot or page: the oracle must not."""
    k_data, v_data = empty_cache(bf.KvLayout.HND), empty_cache(bf.KvLayout.HND)
    with pytest.raises(ValueError, match="request 0"):
        append_paged_kv_reference(
            rows(1),
            rows(1),
            k_data,
            v_data,
            int32(*indices),
            int32(*indptr),
            int32(length),
            layout=bf.KvLayout.HND,
            length_convention=convention,
        )
    assert not k_data.any()
    assert not v_data.any()
