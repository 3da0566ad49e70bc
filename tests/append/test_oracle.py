"""The oracle against appends worked out by hand, so that what all else is compared with is itself held to
something.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference
from support.devices.bits import assert_same_bits

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


#: Request 0 has six tokens before the append, in pages 1 and 2; request 1 has none, and page 0.
CSR = {"indices": int32(1, 2, 0), "indptr": int32(0, 2, 3)}
DENSE = {"block_table": int32(1, 2, -1, 0, -1, -1).reshape(2, 3)}
#: Where two rows of request 0 and one of request 1 then go.
THREE = [(2, 2), (2, 3), (0, 0)]


@pytest.mark.parametrize(
    ("operands", "places"),
    [
        (CSR | {"seq_lens": int32(6, 0)}, [(2, 2), (0, 0)]),
        (CSR | {"seq_lens": int32(7, 1), "length_convention": AFTER}, [(2, 2), (0, 0)]),
        (DENSE | {"seq_lens": int32(6, 0)}, [(2, 2), (0, 0)]),
        (DENSE | {"seq_lens": int32(7, 0), "length_convention": AFTER}, [(2, 2), None]),
        (CSR | {"last_page_len": int32(4, 1), "append_indptr": int32(0, 2, 3)}, THREE),
        (CSR | {"seq_lens": int32(8, 1), "append_indptr": int32(0, 2, 3), "length_convention": AFTER}, THREE),
        (
            CSR | {"seq_lens": int32(6, 0), "append_indptr": int32(0, 2, 3), "length_convention": BEFORE},
            THREE,
        ),
        (
            DENSE | {"seq_lens": int32(8, 1), "append_indptr": int32(0, 2, 3), "length_convention": AFTER},
            THREE,
        ),
        (
            CSR | {"seq_lens": int32(4, 1), "append_indptr": int32(0, 0, 1), "length_convention": AFTER},
            [(0, 0)],
        ),
        (
            CSR | {"batch_indices": int32(0, 1, -1, 0), "positions": int32(7, 0, 99, 1)},
            [(2, 3), (0, 0), None, (1, 1)],
        ),
        ({"slot_mapping": int32(11, -1, 0, 4)}, [(2, 3), None, (0, 0), (1, 0)]),
        ({"slot_mapping": int32(11, -1, 0, 4), "skip_slot": 0}, [(2, 3), None, None, (1, 0)]),
    ],
)
@pytest.mark.parametrize("layout", list(bf.KvLayout))
def test_every_way_to_a_place(
    layout: bf.KvLayout, operands: dict[str, Any], places: list[tuple[int, int] | None]
) -> None:
    """Rows behind those that the operands say are not looked at."""
    k_data, v_data = empty_cache(layout), empty_cache(layout)
    key, value = rows(1, 2, 3, 4, 5), rows(6, 7, 8, 9, 10)
    append_paged_kv_reference(key, value, k_data, v_data, layout=layout, **operands)
    for cache, of in ((k_data, key), (v_data, value)):
        expected = empty_cache(layout)
        for row, place in enumerate(places):
            if place is not None:
                page, slot = place
                (expected[page] if layout is bf.KvLayout.NHD else expected[page].swapaxes(0, 1))[slot] = of[
                    row
                ]
        assert_same_bits(cache, expected, "cache")


@pytest.mark.parametrize(
    ("operands", "wrong"),
    [
        # A page that the table lacks.
        (CSR | {"seq_lens": int32(8, 0)}, (0, "LAST_PAGE_LEN", "seq_lens", 0, 8, 8, None)),
        (
            CSR | {"seq_lens": int32(9, 0), "length_convention": AFTER},
            (0, "LAST_PAGE_LEN", "seq_lens", 0, 9, 9, None),
        ),
        (CSR | {"seq_lens": int32(6, -1)}, (1, "LAST_PAGE_LEN", "seq_lens", 1, -1, 0, None)),
        # More rows than tokens.
        (
            CSR | {"seq_lens": int32(1, 1), "append_indptr": int32(0, 2, 3), "length_convention": AFTER},
            (0, "APPEND_INDPTR", "append_indptr", 0, 2, 2, None),
        ),
        # From elsewhere than 0, and beyond the rows of key.
        (
            CSR | {"last_page_len": int32(4, 1), "append_indptr": int32(1, 1, 2)},
            (0, "APPEND_INDPTR", "append_indptr", 0, 1, 1, None),
        ),
        (
            CSR | {"last_page_len": int32(4, 4), "append_indptr": int32(0, 2, 6)},
            (1, "APPEND_INDPTR", "append_indptr", 2, 6, 6, None),
        ),
        (
            CSR | {"batch_indices": int32(2), "positions": int32(0)},
            (None, "BATCH_INDEX", "batch_indices", 0, 2, 2, None),
        ),
        (
            CSR | {"batch_indices": int32(0), "positions": int32(8)},
            (0, "POSITION", "positions", 0, 8, 8, None),
        ),
        (
            CSR | {"batch_indices": int32(0), "positions": int32(-1)},
            (0, "POSITION", "positions", 0, -1, 0, None),
        ),
        ({"slot_mapping": int32(12)}, (None, "SLOT", "slot_mapping", 0, 12, 12, None)),
        (
            {"block_table": int32(3).reshape(1, 1), "seq_lens": int32(0)},
            (0, "PAGE", "block_table", 0, 3, 3, 3),
        ),
    ],
)
def test_what_is_wrong_with_a_row(operands: dict[str, Any], wrong: tuple[Any, ...]) -> None:
    request, reason, operand, row, seen, limit, page = wrong
    k_data = empty_cache(bf.KvLayout.HND)
    how = {"key": rows(1, 2, 3, 4, 5), "value": None, "k_data": k_data, "v_data": None} | operands
    with pytest.raises(
        ValueError, match=rf"^row {row}.*{operand} is {seen}|^append_indptr does not increase"
    ):
        append_paged_kv_reference(**how)
    assert not k_data.any()
    values = bf.SeenValues(operand=operand, row=row, seen=seen, limit=limit, page=page)
    found = append_paged_kv_reference(**how, guarded=True)
    assert found[0] == (request, bf.Corruption[reason], values)


@pytest.mark.parametrize(
    ("operands", "says"),
    [
        (CSR | {"last_page_len": int32(1)}, "indptr has 3 entries and last_page_len has 1; .* have 2"),
        (
            CSR | {"seq_lens": int32(1, 1), "append_indptr": int32(0, 1), "length_convention": AFTER},
            "append_indptr has 2 entries and seq_lens has 2; .* have 3",
        ),
        (
            CSR | {"batch_indices": int32(0), "positions": int32(0, 1)},
            "positions has 2 entries and batch_indices has 1; .* have 1",
        ),
        (
            {"block_table": int32(0).reshape(1, 1), "seq_lens": int32(1, 1)},
            "block_table has 1 rows and seq_lens has 2; .* at least 2",
        ),
        ({"slot_mapping": int32(0, 1, 2)}, "key has shape .* at least 3 rows, as slot_mapping has 3"),
        (
            CSR
            | {"last_page_len": int32(1, 1), "append_indptr": int32(0, 1, 2), "length_convention": BEFORE},
            "length_convention is BEFORE_APPEND; .* it should be AFTER_APPEND",
        ),
    ],
)
def test_operands_that_do_not_go_together(operands: dict[str, Any], says: str) -> None:
    k_data = empty_cache(bf.KvLayout.HND)
    with pytest.raises(bf.InvalidProblem, match=says) as refused:
        append_paged_kv_reference(rows(1, 2), None, k_data, None, **operands)
    assert refused.value.function == "append_paged_kv_reference"


def test_padding_is_no_fault() -> None:
    k_data = empty_cache(bf.KvLayout.HND)
    for table in (((-1,), (0, 1)), ((0,), (0, 0)), ((0,), (1, 1))):
        indices, indptr = (int32(*part) for part in table)
        append_paged_kv_reference(rows(1), None, k_data, None, indices, indptr, int32(99))
    assert not k_data.any()
