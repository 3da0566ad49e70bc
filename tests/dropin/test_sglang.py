"""SGLang's function of `baracuda_ffi.dropin`, against indexing."""

from __future__ import annotations

from typing import Any

import pytest

import baracuda_ffi as bf

torch: Any = pytest.importorskip("torch")

from baracuda_ffi.dropin.sglang import store_cache  # noqa: E402

SLOTS = 50


def operands(where: str, dtype: Any = torch.bfloat16, widths: tuple[int, int] = (96, 40)) -> tuple[Any, ...]:
    """k and v as slices of wider rows, and the caches."""
    generator = torch.Generator().manual_seed(0)

    def bits(*shape: int) -> Any:
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).to(where)

    size = dtype.itemsize
    rows = [bits(4, (width + 8) * size).view(dtype)[:, :width] for width in widths]
    caches = [bits(SLOTS, width * size).view(dtype) for width in widths]
    return (*rows, *caches)


def check(found: Any, before: Any, rows: Any, written: list[int], taken: list[int]) -> None:
    right = before.clone()
    right[written] = rows[taken]
    assert torch.equal(found.view(torch.uint8), right.view(torch.uint8))


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "uint8", "float8_e5m2"])
def test_store_cache(where: str, dtype: str, index: Any) -> None:
    k, v, k_cache, v_cache = operands(where, getattr(torch, dtype))
    before = k_cache.clone(), v_cache.clone()
    store_cache(k, v, k_cache, v_cache, torch.tensor([7, 0, 49, 3], dtype=index, device=where))
    for found, old, rows in zip((k_cache, v_cache), before, (k, v), strict=True):
        check(found, old, rows, [7, 49, 3], [0, 2, 3])  # slot 0 is padding


@pytest.mark.parametrize(("skip", "written"), [(-1, [7, 0, 49, 3]), (49, [7, 0, 3])])
def test_the_slot_that_is_padding(where: str, skip: int, written: list[int]) -> None:
    k, v, k_cache, v_cache = operands(where)
    before = k_cache.clone()
    slots = [7, 0, 49, 3]
    store_cache(k, v, k_cache, v_cache, torch.tensor(slots, device=where), reserved_skip_index=skip)
    check(k_cache, before, k, written, [slots.index(slot) for slot in written])


def test_strided_indices(where: str) -> None:
    k, v, k_cache, v_cache = operands(where)
    before = k_cache.clone()
    store_cache(k, v, k_cache, v_cache, torch.tensor([[7, 8], [9, 9], [4, 1], [3, 2]], device=where)[:, 0])
    check(k_cache, before, k, [7, 9, 4, 3], [0, 1, 2, 3])


def test_an_index_behind_the_limit(where: str) -> None:
    """SGLang's kernel ends the CUDA context there."""
    k, v, k_cache, v_cache = operands(where)
    before = k_cache.clone()
    slots = torch.tensor([7, 40, 2, 3], device=where)
    if where == "cpu":
        with pytest.raises(bf.InvalidProblem, match="slot_mapping is 40; it should be below 40"):
            store_cache(k, v, k_cache, v_cache, slots, size_limit=40)
        check(k_cache, before, k, [], [])
    else:
        store_cache(k, v, k_cache, v_cache, slots, size_limit=40)
        check(k_cache, before, k, [7, 2, 3], [0, 2, 3])


def test_widths_and_limits_that_are_said(where: str) -> None:
    k, v, k_cache, v_cache = operands(where)
    slots = torch.tensor([7, 9, 4, 3], device=where)
    store_cache(k, v, k_cache, v_cache, slots, row_bytes=192, v_row_bytes=80, num_split=2, size_limit=50)
    for wrong, says in (
        ({"row_bytes": 96}, "row_bytes is 96; rows have 192 bytes"),
        ({"v_row_bytes": 192}, "v_row_bytes is 192; rows have 80 bytes"),
        ({"size_limit": 51}, "size_limit is 51 and k_cache has 50 rows"),
    ):
        with pytest.raises(bf.InvalidProblem, match=says):
            store_cache(k, v, k_cache, v_cache, slots, **wrong)


def test_rows_of_another_type_than_the_cache(where: str) -> None:
    k, v, k_cache, v_cache = operands(where)
    with pytest.raises(bf.Unsupported, match="is of type"):
        store_cache(k.half(), v.half(), k_cache, v_cache, torch.tensor([7, 9, 4, 3], device=where))
