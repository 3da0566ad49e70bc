"""PageTable on the host: every form of every batch, against plain loops and against the append itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from page_table.batches import MAX_PAGES, MAX_REQUESTS, MAX_ROWS, NUM_PAGES, PAGE_SIZE, Batch, Engine

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference
from support.devices.bits import Array

SEEDS = range(12)
STEPS = 25

# Forms of an append that every batch has; and those for one new token a request.
RAGGED = [
    {"addressing": "RAGGED"},
    {"addressing": "RAGGED", "length_convention": "BEFORE_APPEND"},
    {"addressing": "RAGGED", "lengths": "LAST_PAGE_LEN"},
    {"addressing": "RAGGED", "table": "DENSE"},
    {"addressing": "RAGGED", "table": "DENSE", "length_convention": "BEFORE_APPEND"},
    {"addressing": "POSITIONS"},
    {"addressing": "SLOTS"},
]
DECODE = [
    {"addressing": "LAST_PAGE"},
    {"addressing": "LAST_PAGE", "lengths": "LAST_PAGE_LEN"},
    {"addressing": "LAST_PAGE", "lengths": "LAST_PAGE_LEN", "length_convention": "BEFORE_APPEND"},
    {"addressing": "LAST_PAGE", "table": "DENSE"},
]


def new_table(**how: Any) -> bf.PageTable:
    return bf.PageTable(PAGE_SIZE, MAX_REQUESTS, MAX_PAGES, max_rows=MAX_ROWS, **how)


def rows_of(count: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.random((count, 2, 4), np.float32), rng.random((count, 2, 4), np.float32)


def caches() -> tuple[Array, Array]:
    return np.zeros((NUM_PAGES, 2, PAGE_SIZE, 4), np.float32), np.zeros(
        (NUM_PAGES, 2, PAGE_SIZE, 4), np.float32
    )


def expected_caches(batch: Batch, key: Array, value: Array) -> tuple[Array, Array]:
    """Where the plain slots are."""
    k_data, v_data = caches()
    append_paged_kv_reference(key, value, k_data, v_data, slot_mapping=batch.arrays()["slot_mapping"])
    return k_data, v_data


def assert_appends(batch: Batch, view: dict[str, Any], key: Array, value: Array, rows: Array) -> None:
    """`rows` of key and value are what the plain slots get."""
    k_data, v_data = caches()
    bf.append_paged_kv(key, value, k_data, v_data, **view, stream=None)
    k_right, v_right = expected_caches(batch, key[rows], value[rows])
    assert k_data.tobytes() == k_right.tobytes()
    assert v_data.tobytes() == v_right.tobytes()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_array_of_every_batch(seed: int) -> None:
    engine, followed, told = Engine(seed), new_table(), new_table()
    for _ in range(STEPS):
        batch = engine.batch()
        followed.update(engine.manager, batch.sequences, batch.new, copies=batch.copies)
        told.update_pages(batch.pages, batch.lengths, batch.new, copies=batch.copies)
        right = batch.arrays()
        for table in (followed, told):
            assert (table.num_requests, table.num_rows) == (len(batch.pages), sum(batch.new))
            views = [table.append_view(**form) for form in RAGGED]
            for form, view in zip(RAGGED, views, strict=True):
                before = "before" if form.get("length_convention") == "BEFORE_APPEND" else ""
                for name, array in view.items():
                    if name in ("block_table", "length_convention"):
                        continue
                    expected = right[f"{name} before" if before and name == "seq_lens" else name]
                    assert array.tolist() == expected.tolist(), (form, name)
                    assert array.dtype == expected.dtype
            attention = table.attention_view() | table.attention_view("DENSE") | table.copy_view()
            for name, array in attention.items():
                if name != "block_table":
                    assert array.tolist() == right[name].tolist(), name
            for row, pages in enumerate(batch.pages):
                assert attention["block_table"][row, : len(pages or [])].tolist() == (pages or [])
                slots = [page * PAGE_SIZE + slot for page in pages or [] for slot in range(PAGE_SIZE)]
                assert table.slots(row).tolist() == slots[: batch.lengths[row]]
                assert table.slots(row, 2, -1).tolist() == slots[: batch.lengths[row]][2:-1]


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_form_appends_to_the_same_places(seed: int, padded: bool) -> None:
    engine, table = Engine(seed), new_table()
    for step in range(STEPS):
        batch = engine.batch()
        table.update(engine.manager, batch.sequences, batch.new, copies=batch.copies)
        key, value = rows_of(MAX_ROWS if padded else table.num_rows, step)
        for form in RAGGED:
            assert_appends(
                batch, table.append_view(**form, padded=padded), key, value, np.arange(table.num_rows)
            )


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_decoding_row_i_is_request_i_s(seed: int, padded: bool) -> None:
    engine, table = Engine(seed), new_table()
    for step in range(STEPS):
        batch = engine.batch(decode=True)
        table.update(engine.manager, batch.sequences, batch.new, copies=batch.copies)
        key, value = rows_of(MAX_REQUESTS if padded else len(batch.pages), step)
        for form in DECODE:
            rows = np.flatnonzero(batch.new)
            assert_appends(batch, table.append_view(**form, padded=padded), key, value, rows)
        if all(batch.new) and (len(batch.new) == MAX_REQUESTS or not padded):
            full = table.append_view("LAST_PAGE", length_convention="BEFORE_APPEND", padded=padded)
            assert_appends(batch, full, key, value, np.arange(len(batch.new)))


@pytest.mark.parametrize("form", RAGGED, ids=str)
def test_nothing_is_wrong_with_a_view(form: dict[str, Any]) -> None:
    engine, table = Engine(3), new_table()
    for _ in range(STEPS):
        batch = engine.batch()
        table.update(engine.manager, batch.sequences, batch.new, copies=batch.copies)
        found = bf.validate_page_table(
            **table.append_view(**form),
            page_size=PAGE_SIZE,
            num_total_pages=NUM_PAGES,
            stream=None,
            guarded=True,
        )
        # Forks share pages, as they should.
        assert [finding for finding in found if finding.kind is not bf.PageTableFault.SHARED_PAGE] == []


def test_padded_views_are_windows_that_stay() -> None:
    engine, table = Engine(4), new_table()
    names = [table.append_view(**form, padded=True) for form in RAGGED]
    names += [table.attention_view(padded=True), table.copy_view(padded=True)]
    for _ in range(3):
        batch = engine.batch()
        table.update(engine.manager, batch.sequences, batch.new, copies=batch.copies)
        again = [table.append_view(**form, padded=True) for form in RAGGED]
        again += [table.attention_view(padded=True), table.copy_view(padded=True)]
        for view, other in zip(names, again, strict=True):
            for name in view.keys() - {"length_convention"}:
                assert view[name].ctypes.data == other[name].ctypes.data
                assert view[name].shape == other[name].shape
                assert view[name].tobytes() == other[name].tobytes()


def test_operands_are_the_view_without_the_convention_and_a_plan_takes_them() -> None:
    engine, table = Engine(5), new_table()
    batch = engine.batch()
    table.update(engine.manager, batch.sequences, batch.new)
    view, operands = table.append_view("RAGGED"), table.append_operands("RAGGED")
    assert view.keys() - operands.keys() == {"length_convention"}
    key, value = rows_of(table.num_rows, 0)
    k_data, v_data = caches()
    cache = bf.PagedKvCacheDescriptor(
        page_size=PAGE_SIZE, num_total_pages=NUM_PAGES, num_kv_heads=2, head_dim=4, element="f32"
    )
    plan = bf.PagedKvAppendPlan.select(
        None,
        bf.PagedKvAppendDescriptor(
            paged_kv=cache, addressing="RAGGED", lengths="SEQ_LENS", length_convention="AFTER_APPEND"
        ),
    )
    args = bf.PagedKvAppendArgs(key=key, value=value, k_data=k_data, v_data=v_data, **operands)
    plan.run(None, bf.Workspace.NONE, args)
    assert k_data.tobytes() == expected_caches(batch, key, value)[0].tobytes()


def grown(*tokens: int) -> tuple[bf.BlockManager, list[int]]:
    manager = bf.BlockManager(NUM_PAGES, PAGE_SIZE)
    sequences = [manager.add() for _ in tokens]
    for sequence, count in zip(sequences, tokens, strict=True):
        manager.grow(sequence, count)
    return manager, sequences


REFUSED = [
    (lambda t, m, s: t.update(m, s * 3), "there are 9 requests; max_requests is 6"),
    (lambda t, m, s: t.update(m, s, 20), "there are 60 new tokens; max_rows is 40"),
    (lambda t, m, s: t.update(m, s, [1, 1]), "new_tokens has 2 entries; it should have 3, one a request"),
    (lambda t, m, s: t.update(m, s, [6, 1, 1]), r"new_tokens\[0\] is 6 and the request has 5 tokens"),
    (lambda t, m, s: t.update(m, [None, *s], 1, copies=[(0, 1)] * 7), "there are 7 copies"),
    (
        lambda t, m, s: t.update(m, [None, s[0]], [1, 1]),
        r"new_tokens\[0\] is 1; it should be 0, since nobody",
    ),
    (lambda t, m, s: t.update(m, [99]), "sequence is 99; it should be one that add or fork returned"),
    (lambda t, m, s: t.update(bf.BlockManager(4, 2), []), "page_size of the manager is 2; it should be 4"),
    (lambda t, m, s: t.update(m, s, stream=1), "stream is 1 and the table is in host memory"),
    (lambda t, m, s: t.update_pages([[1], [2]], [4]), "pages has 2 entries and seq_lens has 1"),
    (lambda t, m, s: t.update_pages([[1]], [5]), r"pages\[0\] has 1 entries; it should have 2, for 5 tokens"),
    (
        lambda t, m, s: t.update_pages([list(range(9))], [36]),
        "there are 9 pages of request 0; max_pages is 8",
    ),
    (lambda t, m, s: t.append_view("RAGGED", table="SPARSE"), "table is 'SPARSE'; it should be a TableKind"),
    (
        lambda t, m, s: t.append_view("LAST_PAGE", table="DENSE", lengths="LAST_PAGE_LEN"),
        "do not go together",
    ),
    (
        lambda t, m, s: t.append_view("RAGGED", lengths="LAST_PAGE_LEN", length_convention="BEFORE_APPEND"),
        "with append_indptr and last_page_len it should be AFTER_APPEND",
    ),
    (
        lambda t, m, s: (t.update(m, s, [1, 2, 1]), t.append_view("LAST_PAGE")),
        "request 1 has 2 new tokens; with LAST_PAGE it should have 1: take RAGGED",
    ),
    (
        lambda t, m, s: (t.update(m, s, [1, 0, 1]), t.append_view("LAST_PAGE")),
        "request 1 has 0 new tokens; with LAST_PAGE it should have 1: take RAGGED",
    ),
    (
        lambda t, m, s: t.append_view("LAST_PAGE", length_convention="BEFORE_APPEND", padded=True),
        "there is padding, which seq_lens cannot say so; it should be AFTER_APPEND",
    ),
    (lambda t, m, s: t.slots(3), "request is 3; it should be a place in the batch, 0 to 2"),
    (lambda t, m, s: bf.PageTable(0, 1, 1), "page_size is 0; it should be a number of tokens, at least 1"),
    (lambda t, m, s: bf.PageTable(1, 2**16, 2**16), "indptr has 32 bits"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED)
def test_refused_and_nothing_is_changed(call: Any, says: str) -> None:
    manager, sequences = grown(5, 3, 4)
    table = new_table()
    table.update(manager, sequences, [1, 1, 1])
    before = {name: array.tobytes() for name, array in table.attention_view(padded=True).items()}
    with pytest.raises(bf.InvalidProblem, match=says):
        call(table, manager, sequences)
    if "new tokens; with LAST_PAGE" not in says:
        assert {n: a.tobytes() for n, a in table.attention_view(padded=True).items()} == before
    table.update(manager, sequences, [1, 1, 1])
    assert {n: a.tobytes() for n, a in table.attention_view(padded=True).items()} == before
