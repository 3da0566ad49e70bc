"""What a user reads who made a natural mistake: which operand, what it is and should be, and the way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import baracuda_ffi as bf
from support.devices.device import device_count

Array = np.ndarray[Any, Any]
Operands = dict[str, Any]

BATCH, HEADS, PAGE_SIZE, HEAD_DIM, PAGES = 2, 4, 16, 64, 8


def zeros(*shape: int, dtype: Any = np.float16) -> Array:
    return np.zeros(shape, dtype)


def int32(*values: int) -> Array:
    return np.array(values, np.int32)


def operands(**changes: Any) -> Operands:
    """Of a right append, with the changes; None for one that is left out."""
    right = {
        "key": zeros(BATCH, HEADS, HEAD_DIM),
        "value": zeros(BATCH, HEADS, HEAD_DIM),
        "k_data": zeros(PAGES, HEADS, PAGE_SIZE, HEAD_DIM),
        "v_data": zeros(PAGES, HEADS, PAGE_SIZE, HEAD_DIM),
        "indices": int32(2, 3),
        "indptr": int32(0, 1, 2),
        "last_page_len": int32(0, 0),
    }
    return {name: operand for name, operand in (right | changes).items() if operand is not None}


def said(call: Callable[[], object]) -> str:
    """Of a refusal: the sentence, without codes and the names of C functions."""
    with pytest.raises(bf.BaracudaError) as refused:
        call()
    error = refused.value
    assert str(error) == error.message
    assert error.code > 0
    assert error.function
    assert error.function not in str(error)
    assert not re.search(r"baracuda_(paged|last|status|host)|status \d|BARACUDA_FLAG", str(error))
    return str(error)


def one_liner(stream: Any = None, **changes: Any) -> Callable[[], object]:
    options = {
        name: changes.pop(name) for name in ("layout", "length_convention", "backend") if name in changes
    }
    return lambda: bf.append_paged_kv(**operands(**changes), stream=stream, **options)


def plan(changed: Operands | None = None, batch_size: int = BATCH, **of_cache: Any) -> Callable[[], object]:
    """Of an unguarded plan, which holds baracuda-kernels' checks."""
    sizes: Any = {
        "page_size": PAGE_SIZE,
        "num_total_pages": PAGES,
        "num_kv_heads": HEADS,
        "head_dim": HEAD_DIM,
        "element": "f16",
    }

    def call() -> None:
        cache = bf.PagedKvCacheDescriptor(**sizes | of_cache)
        desc = bf.PagedKvAppendDescriptor(batch_size=batch_size, paged_kv=cache)
        made = bf.PagedKvAppendPlan.select(None, desc)
        made.run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**operands(**changed or {})))

    return call


def test_the_right_ones_are_taken() -> None:
    one_liner()()
    plan()()


NHD = zeros(PAGES, PAGE_SIZE, HEADS, HEAD_DIM)
AFTER = {"length_convention": "AFTER_APPEND"}

MISTAKES: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    # guarded=, where only baracuda-kernels' checks object
    "head_dim": (plan(head_dim=96), ("head_dim is 96", "64, 128 or 256", "a guarded append")),
    "a padded request": (
        plan({"indices": int32(2, -1)}),
        ("indices[1], is -1", "a guarded append skips it"),
    ),
    "a request without pages": (
        plan({"indices": int32(2), "indptr": int32(0, 1, 1)}),
        ("request 1 has no pages", "a guarded append skips it"),
    ),
    "no requests": (plan(batch_size=0), ("batch_size is 0", "a guarded append takes 0")),
    "key alone": (plan({"value": None, "v_data": None}), ("value and v_data are absent", "a guarded append")),
    "two widths": (plan(value_head_dim=32), ("value_head_dim is 32", "head_dim is 64", "a guarded append")),
    "int8": (plan(element="i8"), ("element is 6 (int8)", "f16, bf16, f32", "a guarded append")),
    "a slice": (
        plan({"key": zeros(BATCH, 2 * HEADS, HEAD_DIM)[:, ::2]}),
        ("key of shape", "a guarded plan", "append_paged_kv"),
    ),
    # .int()
    "float lengths": (one_liner(last_page_len=zeros(BATCH)), ("last_page_len is of type f16", ".int()")),
    "int64 in a plan": (
        plan({"indices": np.array([2, 3])}),
        ("indices is of type int64", "int32", ".int()", "a guarded plan"),
    ),
    # layout=
    "NHD under HND": (one_liner(k_data=NHD, v_data=NHD.copy()), ("k_data", "layout=NHD")),
    "HND under NHD": (one_liner(layout="NHD"), ("k_data", "layout=HND")),
    "v_data alone": (one_liner(v_data=NHD), ("v_data", "layout=NHD")),
    # a page
    "a full page": (
        one_liner(last_page_len=int32(PAGE_SIZE, 0)),
        ("last_page_len[0] is 16", "0 to 15", "a new page id, and length 0", "AFTER_APPEND, if it counts"),
    ),
    "a full page, the new token counted": (
        one_liner(last_page_len=None, seq_lens=int32(PAGE_SIZE, 1)),
        ("request 0", "seq_lens is 16", "list another page", "AFTER_APPEND, if it counts the new tokens"),
    ),
    "a page that was forgotten": (
        one_liner(last_page_len=None, seq_lens=int32(PAGE_SIZE + 1, 1), **AFTER),
        ("request 0", "seq_lens is 17", "list another page"),
    ),
    # ranks in words
    "flat rows": (
        one_liner(key=zeros(BATCH, HEADS * HEAD_DIM)),
        ("key has shape [2, 256]", "3: [batch, num_kv_heads, head_dim]"),
    ),
    "flat caches": (
        one_liner(k_data=zeros(PAGES, HEADS, PAGE_SIZE * HEAD_DIM)),
        ("k_data has", "4: [num_total_pages, num_kv_heads, page_size, head_dim]"),
    ),
    "flat rows in an NHD cache": (
        one_liner(key=zeros(BATCH, HEADS * HEAD_DIM), k_data=NHD, v_data=NHD.copy(), layout="NHD"),
        ("key has shape [2, 256]", "[batch, num_kv_heads, head_dim]"),
    ),
    "indices in rows": (one_liner(indices=int32(2, 3).reshape(2, 1)), ("indices has", "1: [pages of all")),
    "a column of lengths": (
        one_liner(last_page_len=zeros(2, 1, dtype=np.int32)),
        ("last_page_len", "1: [batch]"),
    ),
    # either of two
    "other heads": (
        one_liner(k_data=zeros(PAGES, 8, PAGE_SIZE, HEAD_DIM), v_data=zeros(PAGES, 8, PAGE_SIZE, HEAD_DIM)),
        ("k_data has shape [8, 8, 16, 64]", "[8, 4, 16, 64], as key has shape [2, 4, 64]"),
    ),
    "another width": (
        one_liner(key=zeros(BATCH, HEADS, 128), value=zeros(BATCH, HEADS, 128)),
        ("k_data has shape", "as key has shape [2, 4, 128]"),
    ),
    "a value of other heads": (one_liner(value=zeros(BATCH, 2, HEAD_DIM)), ("value has", "as key has shape")),
    "caches of two sizes": (
        one_liner(v_data=zeros(PAGES + 1, HEADS, PAGE_SIZE, HEAD_DIM)),
        ("v_data has shape [9,", "as k_data has shape [8,"),
    ),
    "another type": (
        one_liner(
            k_data=zeros(PAGES, HEADS, PAGE_SIZE, HEAD_DIM, dtype=np.float32),
            v_data=zeros(PAGES, HEADS, PAGE_SIZE, HEAD_DIM, dtype=np.float32),
        ),
        ("k_data is of type f32", "f16, as key is"),
    ),
    "another batch": (
        one_liner(last_page_len=int32(0)),
        ("indptr has shape [3]", "[2], as last_page_len has shape [1]"),
    ),
    "too few rows": (one_liner(key=zeros(1, HEADS, HEAD_DIM)), ("key has shape [1,", "as last_page_len has")),
    "a prefill of two lengths": (
        one_liner(key=zeros(9, HEADS, HEAD_DIM), append_indptr=int32(0, 1, 2), last_page_len=int32(1, 1)),
        ("value has shape [2,", "[9 or more, 4, 64], as key has shape [9, 4, 64]"),
    ),
    # what there is
    "backend 0": (one_liner(backend=0), ("backend is 0", "'FLASHINFER', 'HOST', 'BESPOKE'")),
    "float64": (
        one_liner(key=zeros(BATCH, HEADS, HEAD_DIM, dtype=np.float64)),
        ("key is of type float64", "f16, bf16, f32, fp8_e4m3, fp8_e5m2, int8 or uint8"),
    ),
    "a type": (one_liner(element=np.float64), ("element is the type numpy.float64", "FP8_E4M3, FP8_E5M2")),
    "a list": (one_liner(indices=[2, 3]), ("indices is a list", "numpy.array makes one")),
    "vLLM's caches": (
        one_liner(k_data=None, v_data=None, kv_data=zeros(2, PAGES, HEADS, PAGE_SIZE, HEAD_DIM)),
        ("kv_data", "[pages, 2, ...]", "kv_data[0] as k_data"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_way_out_is_named(mistake: str) -> None:
    call, parts = MISTAKES[mistake]
    text = said(call)
    for part in parts:
        assert part in text


def test_too_many_heads_for_flashinfers_kernel() -> None:
    """The problem is judged before anybody asks for a GPU."""
    cache = bf.PagedKvCacheDescriptor(
        page_size=1, num_total_pages=1, num_kv_heads=129, head_dim=64, element="f16"
    )
    desc = bf.PagedKvAppendDescriptor(batch_size=1, paged_kv=cache)
    text = said(lambda: bf.PagedKvAppendPlan.select(0, desc))
    assert "num_heads is 129" in text
    assert "a guarded append takes any number" in text


def test_a_host_array_and_stream_0() -> None:
    """On a machine without a GPU that is what is said first; with one, what the array is."""
    assert "stream=None" in said(one_liner(stream=0))


@pytest.mark.parametrize(
    "name", ["float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz", "float4_e2m1fn", "float8_e8m0fnu"]
)
def test_types_that_an_append_lacks_are_named(name: str) -> None:
    key = np.zeros((BATCH, HEADS, HEAD_DIM), getattr(ml_dtypes, name))
    assert f"key has dtype {name}" in said(one_liner(key=key))


@pytest.mark.parametrize("name", ["float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2"])
def test_torchs_too(name: str) -> None:
    torch = pytest.importorskip("torch")
    if not hasattr(torch, name):
        pytest.skip(f"this torch has no {name}")
    key = torch.zeros((BATCH, HEADS, HEAD_DIM), dtype=torch.uint8).view(getattr(torch, name))
    text = said(one_liner(key=key))
    assert f"key is of type {name}" in text or "could not be described" in text  # where torch exports none


SWAPPED = {"indices": int32(0, 1, 3), "indptr": int32(0, 1, 2)}  # each for the other


@pytest.mark.parametrize("changes", [SWAPPED, {"indices": int32(0, 2, 3), "indptr": int32(2, 5, 7)}])
def test_indptr_and_indices_swapped(changes: Operands) -> None:
    """Where their lengths agree."""
    text = said(one_liner(**changes))
    assert "indices and indptr look swapped" in text
    table = operands(**changes)
    findings = bf.validate_page_table(
        *(table[name] for name in ("indices", "indptr", "last_page_len")),
        page_size=PAGE_SIZE,
        num_total_pages=PAGES,
        stream=None,
    )
    assert findings
    assert any("indices and indptr look swapped" in finding.message for finding in findings)


@pytest.mark.parametrize("by", ["last_page_len", "seq_lens", "append_indptr", "positions"])
def test_indices_of_nobody(by: str) -> None:
    """More entries than indptr says; padding is no page of anybody, and a guarded append takes them."""
    others: Operands = {
        "last_page_len": {},
        "seq_lens": {"last_page_len": None, "seq_lens": int32(1, 1), **AFTER},
        "append_indptr": {"last_page_len": int32(1, 1), "append_indptr": int32(0, 1, 2), **AFTER},
        "positions": {"last_page_len": None, "batch_indices": int32(0, 1), "positions": int32(0, 0)},
    }
    text = said(one_liner(indices=int32(2, 3, 4), **others[by]))
    assert "indptr[2], its last, is 2 and indices has 3 entries" in text
    for surplus in ((4,), (0, 4), (4, 0), (0, 0, 4)):  # page 0 among them, which could be padding
        text = said(one_liner(indices=int32(2, 3, *surplus), **others[by]))
        assert f"indptr[2], its last, is 2 and indices has {2 + len(surplus)} entries" in text
        begin = len(surplus)
        shifted = {"indices": int32(*surplus, 2, 3), "indptr": int32(begin, begin + 1, begin + 2)}
        assert f"indptr[0] is {begin}" in said(one_liner(**shifted, **others[by]))
    for padding in ((-1,), (0,), (-1, -1), (0, 0, 0)):
        one_liner(indices=int32(2, 3, *padding), **others[by])()
    options = {name: others[by][name] for name in AFTER if name in others[by]}
    given = operands(indices=int32(2, 3, 4), **{k: v for k, v in others[by].items() if k not in AFTER})
    bf.append_paged_kv(**given, stream=None, guarded=True, **options)


@pytest.mark.parametrize(
    ("indptr", "request_with_rows"), [((0, 1, 2**32 + 1), 0), ((2**32 + 1, 1, 2), 1)], ids=["last", "first"]
)
def test_indptr_of_int64_is_not_cut_off(indptr: tuple[int, ...], request_with_rows: int) -> None:
    """By its low 32 bits the table would have pages of nobody. The request that is out of bounds has no rows,
    and so is not judged."""
    given = operands(
        last_page_len=None,
        indptr=np.array(indptr, np.int64),
        batch_indices=int32(request_with_rows, request_with_rows),
        positions=int32(0, 1),
        key=np.ones((BATCH, HEADS, HEAD_DIM), np.float16),
    )
    bf.append_paged_kv(**given, stream=None)
    page = (2, 3)[request_with_rows]
    assert (given["k_data"][page, :, :2] == 1).all()
    assert given["k_data"].sum() == 2 * HEADS * HEAD_DIM


def test_other_requests_than_a_plan_has_are_not_laid_to_its_rows() -> None:
    cache = bf.PagedKvCacheDescriptor(
        page_size=PAGE_SIZE, num_total_pages=PAGES, num_kv_heads=HEADS, head_dim=HEAD_DIM, element="f16"
    )
    desc = bf.PagedKvAppendDescriptor(batch_size=BATCH + 1, paged_kv=cache, addressing="POSITIONS")
    plan = bf.PagedKvAppendPlan.select(None, desc)
    given = operands(last_page_len=None, batch_indices=int32(0, 1), positions=int32(0, 0))
    text = said(lambda: plan.run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**given)))
    assert text == "indptr has shape [3]; it should be [4]"


@pytest.mark.skipif(device_count() > 0, reason="needs a machine without a CUDA device, this one has one")
def test_no_gpu_and_what_to_do() -> None:
    assert "the host backend" in said(one_liner(stream=0))
