"""validate_page_table by every set of operands that says places: against plain loops, and worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from page_table.table_faults import faults_of

import baracuda_ffi as bf
from baracuda_ffi._reference.places import Wrong
from support.damaged.many_tables import many_tables
from support.damaged.page_tables import WAYS, convention_for, found_places
from support.devices.backends import Backend
from support.devices.bits import Array, assert_same_bits

KINDS = [
    (way, convention)
    for way in WAYS
    for convention in ("BEFORE_APPEND", "AFTER_APPEND")
    if convention_for(way, convention) == convention
]
IDS = ["-".join(kind) for kind in KINDS]


def int32(*values: int) -> Array:
    return np.array(values, np.int32)


def validate(**how: Any) -> list[Any]:
    found = bf.validate_page_table(**({"page_size": 4, "num_total_pages": 10, "stream": None} | how))
    for finding in found:
        assert finding.message.startswith(f"{finding.operand}[{finding.position}] is {finding.value}")
    return [(f.kind.name, f.requests, f.operand, f.position, f.value) for f in found]


@pytest.mark.parametrize(("way", "convention"), KINDS, ids=IDS)
def test_against_plain_loops(way: str, convention: str) -> None:
    """Complete and exact, over tables right and damaged; and every row that a guarded append would record is
    of some finding."""
    kinds = set()
    for seed in range(400):
        rng = np.random.default_rng([KINDS.index((way, convention)), seed])
        many = many_tables(rng, way, convention, int(rng.integers(1, 3)))
        extent = many.extent
        if seed % 3 == 0:  # pages and places used twice
            for name in ("indices", "block_table", "slot_mapping", "positions"):
                if name in many.table:
                    many.table[name] //= 2
        guarded, key_rows = bool(seed % 2), [None, extent.rows][seed % 4 // 2]
        how: dict[str, Any] = {
            "page_size": extent.page_size,
            "num_total_pages": many.pages,
            "guarded": guarded,
            "skip_slot": extent.skip_slot,
            "num_rows": key_rows,
        }
        found = validate(**many.table, **how, length_convention=convention)
        once = [each for each in found if each[0] != "SHARED_SLOT"]  # a page has more than one slot
        assert len(once) == len(set(once))
        assert set(found) == faults_of(many.table, **how, counts_new=extent.counts_new), seed
        kinds |= {each[0] for each in found}
        if not many.in_order:
            continue
        for place in found_places(many.table, extent, many.pages):
            if isinstance(place, Wrong):
                request, _, seen = place.corrupt
                if seen.operand == "append_indptr" and key_rows is None:
                    continue
                entry = {seen.row} if request is None else set()
                assert any(
                    request in each[1] if request is not None else each[3] in entry for each in found
                ), seen
    assert len(kinds) >= (2 if way == "slot_mapping" else 5)


CSR: dict[str, Any] = {"indices": int32(3, 1, 4), "indptr": int32(0, 2, 3)}
DENSE: dict[str, Any] = {"block_table": int32(3, 1, -1, 4, -1, 99).reshape(2, 3)}
AFTER: dict[str, Any] = {"length_convention": "AFTER_APPEND"}
BEFORE: dict[str, Any] = {"length_convention": "BEFORE_APPEND"}


@pytest.mark.parametrize(
    ("operands", "faults"),
    [
        (CSR | AFTER | {"seq_lens": int32(5, 4)}, []),
        (CSR | BEFORE | {"seq_lens": int32(4, 3)}, []),
        (DENSE | AFTER | {"seq_lens": int32(5, 4)}, []),
        (DENSE | AFTER | {"seq_lens": int32(8, 0)}, []),
        (CSR | AFTER | {"seq_lens": int32(8, 4), "append_indptr": int32(0, 8, 9), "num_rows": 9}, []),
        (CSR | {"last_page_len": int32(1, 4), "append_indptr": int32(0, 5, 9)}, []),
        (CSR | {"batch_indices": int32(0, -1, 1), "positions": int32(7, 99, 0)}, []),
        ({"slot_mapping": int32(39, -1, 0)}, []),
        # A page that the table lacks, and one that it has too early.
        (CSR | AFTER | {"seq_lens": int32(9, 4)}, [("LAST_PAGE_LEN", (0,), "seq_lens", 0, 9)]),
        (CSR | AFTER | {"seq_lens": int32(4, 4)}, [("SURPLUS_PAGES", (0,), "indptr", 1, 2)]),
        (DENSE | AFTER | {"seq_lens": int32(4, 4)}, []),
        # A page id that is needed.
        (DENSE | AFTER | {"seq_lens": int32(9, 1)}, [("PAGE_ID", (0,), "block_table", 2, -1)]),
        (DENSE | AFTER | {"seq_lens": int32(9, 1), "guarded": True}, []),
        # Lengths that count the new token, and are said not to.
        (
            CSR | BEFORE | {"seq_lens": int32(5, 4)},
            [("LAST_PAGE_LEN", (1,), "seq_lens", 1, 4), ("OTHER_CONVENTION", (1,), "seq_lens", 1, 4)],
        ),
        (
            CSR | AFTER | {"seq_lens": int32(5, 1), "append_indptr": int32(0, 1, 3)},
            [
                ("OTHER_CONVENTION", (1,), "seq_lens", 1, 1),
                ("APPEND_INDPTR", (1,), "append_indptr", 2, 3),
            ],
        ),
        # indices that nobody owns.
        (
            CSR | {"indices": int32(3, 1, 4, 0), "batch_indices": int32(0), "positions": int32(0)},
            [("UNOWNED_INDICES", (), "indptr", 2, 3)],
        ),
        (
            CSR | {"last_page_len": int32(1, 4), "append_indptr": int32(1, 2, 10), "num_rows": 9},
            [
                ("APPEND_INDPTR", (0,), "append_indptr", 0, 1),
                ("APPEND_INDPTR", (1,), "append_indptr", 2, 10),
            ],
        ),
        (
            CSR | {"batch_indices": int32(2), "positions": int32(0)},
            [("BATCH_INDEX", (), "batch_indices", 0, 2)],
        ),
        (CSR | {"batch_indices": int32(0), "positions": int32(8)}, [("POSITION", (0,), "positions", 0, 8)]),
        (
            CSR | {"batch_indices": int32(0, 1, 0), "positions": int32(5, 0, 5)},
            [("SHARED_SLOT", (0,), "positions", 0, 5)],
        ),
        (
            {"slot_mapping": int32(40, 7, 7)},
            [("SHARED_SLOT", (), "slot_mapping", 1, 7), ("SLOT", (), "slot_mapping", 0, 40)],
        ),
        ({"slot_mapping": int32(0, 0, 3), "skip_slot": 0}, []),
    ],
)
def test_worked_by_hand(operands: dict[str, Any], faults: list[Any]) -> None:
    assert validate(**operands) == faults


@pytest.mark.parametrize("way", WAYS)
def test_operands_of_either_memory(backend: Backend, way: str) -> None:
    convention = convention_for(way, "AFTER_APPEND")
    many = many_tables(np.random.default_rng(5), way, convention, 3)
    how: dict[str, Any] = {
        "page_size": many.extent.page_size,
        "num_total_pages": many.pages,
        "length_convention": convention,
    }
    operands = {name: backend.put(part) for name, part in many.table.items()}
    assert validate(**operands, **how, stream=backend.stream) == validate(**many.table, **how)
    for name, operand in operands.items():
        assert_same_bits(backend.get(operand), many.table[name], name)
    backend.check_guards()


@pytest.mark.parametrize(
    ("operands", "error", "says"),
    [
        ({}, bf.InvalidProblem, "nothing says where the rows go"),
        (CSR, bf.InvalidProblem, "seq_lens should be given too"),
        (CSR | {"seq_lens": int32(1)}, bf.InvalidProblem, "indptr has 3 entries and seq_lens has 1"),
        (
            CSR | {"seq_lens": int32(1, 1), "append_indptr": int32(0, 1)} | AFTER,
            bf.InvalidProblem,
            "append_indptr has 2 entries",
        ),
        (
            CSR | {"batch_indices": int32(1, 1), "positions": int32(1)},
            bf.InvalidProblem,
            "positions has 1 entries and batch_indices has 2",
        ),
        (
            DENSE | {"seq_lens": int32(1, 1, 1)},
            bf.InvalidProblem,
            "block_table has 2 rows and seq_lens has 3",
        ),
        ({"block_table": int32(1), "seq_lens": int32(1)}, bf.InvalidProblem, "block_table has 1 dimensions"),
        (
            {"block_table": DENSE["block_table"][:, ::2], "seq_lens": int32(1)},
            bf.Unsupported,
            "block_table has stride 2 .*the entries of a row should lie side by side",
        ),
        (
            CSR | {"seq_lens": int32(1, 1), "append_indptr": int32(0, 1, 2)},
            bf.InvalidProblem,
            "length_convention is None",
        ),
        (
            CSR | {"last_page_len": int32(1, 1), "append_indptr": int32(0, 1, 2)} | BEFORE,
            bf.InvalidProblem,
            "length_convention is BEFORE_APPEND; .* it should be AFTER_APPEND",
        ),
        ({"slot_mapping": int32(1), "skip_slot": -1}, bf.InvalidProblem, "skip_slot is -1"),
        ({"slot_mapping": int32(1), "num_rows": -1}, bf.InvalidProblem, "num_rows is -1"),
    ],
)
def test_what_is_no_page_table(operands: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as refused:
        validate(**operands)
    assert refused.value.function == "validate_page_table"


def strided_tables() -> dict[str, Array]:
    """One table of two requests, of which one page id is wrong, as a view of others: what lies between is
    negative."""
    table = int32(3, 99, 1, 4)
    wider = np.full((5, 6), -9, np.int64)
    wider[1:5:2, 2:4] = table.reshape(2, 2)
    behind = np.full((2, 3), -9, np.int32)[:, :2]
    behind[...] = table.reshape(2, 2)
    backwards = np.ascontiguousarray(behind[::-1])[::-1]
    return {"rows apart": wider[1:5:2, 2:4], "columns behind": behind, "backwards": backwards}


@pytest.mark.parametrize("which", strided_tables())
def test_a_block_table_of_any_row_stride(which: str) -> None:
    view = strided_tables()[which]
    dense = {"block_table": view, "seq_lens": int32(8, 8)} | AFTER
    assert validate(**dense) == [("PAGE_ID", (0,), "block_table", 1, 99)]
    shared = np.broadcast_to(int32(1, 2), (2, 2))
    assert {f[0] for f in validate(**dense | {"block_table": shared})} == {"SHARED_PAGE", "SHARED_SLOT"}
    assert validate(**dense | {"block_table": view[:, :0], "seq_lens": int32(0, 0)}, guarded=True) == []


@pytest.mark.gpu
@pytest.mark.parametrize("which", strided_tables())
def test_a_block_table_of_any_row_stride_on_a_gpu(cuda_backend: Any, which: str) -> None:
    view = strided_tables()[which]
    whole = view.base if view.base is not None else view
    while whole.base is not None:
        whole = whole.base
    offset = view.ctypes.data - whole.ctypes.data
    on_gpu = cuda_backend.view(cuda_backend.put(whole), offset, view)
    found = validate(block_table=on_gpu, seq_lens=int32(8, 8), stream=cuda_backend.stream, **AFTER)
    assert found == [("PAGE_ID", (0,), "block_table", 1, 99)]
