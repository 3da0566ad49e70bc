"""torch's tensors in host memory as they are: every form that torch has, and the lines that users write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import baracuda_ffi as bf
from support.devices.backends import HostBackend
from support.views.real_append import ALL_CACHES, append_and_check, make
from support.views.real_cases import every_form
from support.views.views import ROWS

torch: Any = pytest.importorskip("torch")

# torch has no negative strides.
BACKWARDS = "backwards"


@pytest.mark.parametrize("rows", [rows for rows in ROWS if rows != BACKWARDS])
def test_every_form(rows: str) -> None:
    for caches in ALL_CACHES:
        cases = [] if caches == BACKWARDS else list(every_form(rows, caches))
        for seed, case in enumerate(cases[::5]):
            append_and_check(HostBackend(), make(replace(case, form="torch"), seed))


DTYPES = ["float16", "bfloat16", "float32", "float8_e4m3fn", "float8_e5m2", "uint8", "int8"]


def random(shape: tuple[int, ...], dtype: str) -> Any:
    return torch.randint(0, 100, shape).to(torch.uint8).to(getattr(torch, dtype))


def as_bytes(tensor: Any) -> Any:
    return tensor.contiguous().view(torch.uint8)


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_slices_of_a_projection_into_an_interleaved_cache(dtype: str, layout: str) -> None:
    batch, query_heads, heads, width, pages, page_size = 3, 4, 2, 16, 5, 4
    qkv = random((batch, (query_heads + 2 * heads) * width), dtype)
    _, key, value = qkv.split([query_heads * width, heads * width, heads * width], dim=-1)
    key, value = key.view(batch, heads, width), value.view(batch, heads, width)
    in_page = (heads, page_size) if layout == "HND" else (page_size, heads)
    kv_cache = random((pages, 2, *in_page, width), dtype)
    before, qkv_before = kv_cache.clone(), qkv.clone()
    page_ids, slots = torch.tensor([4, 0, 2]), torch.tensor([3, 0, 1])
    bf.append_paged_kv(
        key,
        value,
        kv_cache[:, 0],
        kv_cache[:, 1],
        page_ids,  # int64, as torch makes them
        torch.arange(batch + 1, dtype=torch.int32),
        slots,
        stream=None,
        layout=layout,
    )
    expected = as_bytes(before).view(pages, 2, *in_page, -1).clone()
    for b in range(batch):
        for part, rows in enumerate((key, value)):
            page = expected[page_ids[b], part]
            (page[:, slots[b]] if layout == "HND" else page[slots[b]])[...] = as_bytes(rows[b])
    assert torch.equal(as_bytes(kv_cache).view(expected.shape), expected)
    assert torch.equal(as_bytes(qkv), as_bytes(qkv_before))
    bf.append_paged_kv(
        key,
        value,
        kv_data=before,
        indices=page_ids,
        indptr=torch.arange(batch + 1),
        last_page_len=slots,
        stream=None,
        layout=layout,
    )
    assert torch.equal(as_bytes(before), as_bytes(kv_cache))


def test_latent_attention() -> None:
    """512 compressed elements and 64 rotated ones a token, in two views of one cache without heads."""
    cache = torch.zeros(3, 16, 576, dtype=torch.bfloat16)
    rows = torch.randn(2, 576, dtype=torch.bfloat16)
    table = (torch.tensor([2, 0]), torch.tensor([0, 1, 2]), torch.tensor([15, 0]))
    bf.append_paged_kv(rows[:, :512], rows[:, 512:], cache[..., :512], cache[..., 512:], *table, stream=None)
    expected = torch.zeros_like(cache)
    expected[2, 15], expected[0, 0] = rows[0], rows[1]
    assert torch.equal(cache, expected)
    alone = torch.zeros_like(cache)
    bf.append_paged_kv(rows, None, alone, None, *table, stream=None)
    assert torch.equal(alone, expected)
