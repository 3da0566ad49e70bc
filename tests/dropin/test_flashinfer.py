"""FlashInfer's functions of `baracuda_ffi.dropin`, against the oracle and against plain loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference

torch: Any = pytest.importorskip("torch")

from baracuda_ffi.dropin import flashinfer as ours  # noqa: E402

HEADS, WIDTH, PAGE_SIZE, PAGES = 2, 32, 4, 12
APPENDED, TOTAL = [3, 0, 5, 1], [7, 2, 5, 4]
TABLE = [[7, 3], [1], [0, 9], [11]]


def table(where: str, dtype: Any = torch.int32) -> tuple[Any, Any, Any]:
    """kv_indices, kv_indptr, kv_last_page_len."""
    counts = np.cumsum([0, *map(len, TABLE)])
    last = [(total - 1) % PAGE_SIZE + 1 for total in TOTAL]
    pages = list(itertools.chain(*TABLE))
    return tuple(torch.tensor(v, dtype=dtype, device=where) for v in (pages, counts.tolist(), last))


def rows_of(where: str, dtype: Any = torch.int32) -> tuple[Any, Any]:
    """batch_indices, positions, by FlashInfer's way to make them."""
    _, indptr, last = table(where)
    append_indptr = torch.tensor(np.cumsum([0, *APPENDED]), dtype=torch.int32, device=where)
    seq_lens = ours.get_seq_lens(indptr, last, PAGE_SIZE)
    assert seq_lens.tolist() == TOTAL
    batch, positions = ours.get_batch_indices_positions(append_indptr, seq_lens, sum(APPENDED))
    return batch.to(dtype), positions.to(dtype)


def random(*shape: int, where: str, dtype: Any = torch.float16) -> Any:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32)).to(where, dtype)


def expected(key: Any, value: Any, k_data: Any, v_data: Any, **options: Any) -> list[Any]:
    after = [cache.cpu().numpy().copy() for cache in (k_data, v_data)]
    batch, positions = (tensor.cpu().numpy() for tensor in rows_of("cpu"))
    indices, indptr, _ = (tensor.numpy() for tensor in table("cpu"))
    operands = {"indices": indices, "indptr": indptr, "batch_indices": batch, "positions": positions}
    append_paged_kv_reference(key.cpu().numpy(), value.cpu().numpy(), *after, **operands, **options)
    return after


def assert_caches(found: Any, right: Any) -> None:
    for one, other in zip(found, right, strict=True):
        assert np.array_equal(one.cpu().numpy(), other)


@pytest.mark.parametrize("index", [torch.int32, torch.int64, torch.int16])
@pytest.mark.parametrize("form", ["one tensor", "a tuple"])
@pytest.mark.parametrize("layout", ["NHD", "HND"])
def test_append(where: str, layout: str, form: str, index: Any) -> None:
    in_page = (PAGE_SIZE, HEADS) if layout == "NHD" else (HEADS, PAGE_SIZE)
    fused = random(sum(APPENDED), 3, HEADS, WIDTH, where=where)
    key, value = fused[:, 1], fused[:, 2]
    pair = random(PAGES, 2, *in_page, WIDTH, where=where)
    caches = pair if form == "one tensor" else (pair[:, 0].clone(), pair[:, 1].clone())
    found = (pair[:, 0], pair[:, 1]) if form == "one tensor" else caches
    right = expected(key, value, *found, layout=layout)
    ours.append_paged_kv_cache(key, value, *rows_of(where, index), caches, *table(where, index), layout)
    assert_caches(found, right)


def test_the_layout_is_nhd_unless_it_is_said(where: str) -> None:
    key = random(sum(APPENDED), HEADS, WIDTH, where=where)
    caches = tuple(torch.zeros(PAGES, PAGE_SIZE, HEADS, WIDTH, device=where).half() for _ in range(2))
    right = expected(key, key, *caches, layout="NHD")
    ours.append_paged_kv_cache(key, key, *rows_of(where), caches, *table(where))
    assert_caches(caches, right)


@pytest.mark.parametrize("layout", ["NHD", "HND"])
def test_pages_of_one_slot_without_that_dimension(where: str, layout: str) -> None:
    key = random(2, HEADS, WIDTH, where=where)
    pair = torch.zeros(5, 2, HEADS, WIDTH, device=where).half()
    one = torch.tensor([0, 0], device=where)
    indices, indptr = torch.tensor([4, 2], device=where), torch.tensor([0, 2], device=where)
    ours.append_paged_kv_cache(
        key, key + 1, one, torch.tensor([1, 0], device=where), pair, indices, indptr, one[:1] + 1, layout
    )
    assert torch.equal(pair[2, 0], key[0])
    assert torch.equal(pair[4, 1], key[1] + 1)
    assert pair.count_nonzero() == 2 * key.count_nonzero()


def test_padding_is_not_written(where: str) -> None:
    """Rows of batch index -1, where FlashInfer reads its page table at entry -1."""
    key = random(sum(APPENDED) + 3, HEADS, WIDTH, where=where)
    batch, positions = rows_of(where)
    padded = [torch.nn.functional.pad(batch, (0, 3), value=-1), torch.nn.functional.pad(positions, (0, 3))]
    caches = tuple(random(PAGES, PAGE_SIZE, HEADS, WIDTH, where=where) for _ in range(2))
    right = expected(key[:-3], key[:-3], *caches, layout="NHD")
    ours.append_paged_kv_cache(key, key, *padded, caches, *table(where))
    assert_caches(caches, right)


def test_nothing_to_append(where: str) -> None:
    caches = tuple(random(PAGES, PAGE_SIZE, HEADS, WIDTH, where=where) for _ in range(2))
    before = [cache.cpu().numpy().copy() for cache in caches]
    none = torch.zeros(0, dtype=torch.int32, device=where)
    key = random(0, HEADS, WIDTH, where=where)
    ours.append_paged_kv_cache(key, key, none, none, caches, *table(where))
    assert_caches(caches, before)


def test_rows_of_another_type_are_refused(where: str) -> None:
    """FlashInfer takes the cache's type for that of the rows, and writes something."""
    caches = tuple(random(PAGES, PAGE_SIZE, HEADS, WIDTH, where=where) for _ in range(2))
    before = [cache.cpu().numpy().copy() for cache in caches]
    key = random(sum(APPENDED), HEADS, WIDTH, where=where)
    for wrong in (key.float(), key.bfloat16(), key.to(torch.float8_e4m3fn)):
        with pytest.raises(bf.Unsupported, match="is of type"):
            ours.append_paged_kv_cache(wrong, wrong, *rows_of(where), caches, *table(where))
    assert_caches(caches, before)


def test_a_position_behind_the_pages_is_not_written(where: str) -> None:
    key = random(sum(APPENDED), HEADS, WIDTH, where=where)
    batch, positions = rows_of(where)
    caches = tuple(random(PAGES, PAGE_SIZE, HEADS, WIDTH, where=where) for _ in range(2))
    positions[-1] = 1000
    if where == "cpu":
        with pytest.raises(bf.InvalidProblem, match="positions is 1000"):
            ours.append_paged_kv_cache(key, key, batch, positions, caches, *table(where))
        return
    right = expected(key, key, *caches, layout="NHD")
    row = TABLE[3][0], (TOTAL[3] - 1) % PAGE_SIZE
    for cache, before in zip(right, caches, strict=True):
        cache[row] = before[row].cpu().numpy()
    ours.append_paged_kv_cache(key, key, batch, positions, caches, *table(where))
    assert_caches(caches, right)


@pytest.mark.parametrize(
    ("caches", "layout", "says"),
    [
        ([None, None], "NHD", "paged_kv_cache is a list"),
        (torch.zeros(3, 3, 4, 2, 8), "NHD", r"paged_kv_cache has shape \[3, 3, 4, 2, 8\]"),
        (torch.zeros(3, 2, 4, 2, 8), "nhd", "kv_layout is 'nhd'"),
    ],
)
def test_caches_that_are_none(caches: Any, layout: str, says: str) -> None:
    key = random(sum(APPENDED), HEADS, WIDTH, where="cpu")
    with pytest.raises(bf.InvalidProblem, match=says):
        ours.append_paged_kv_cache(key, key, *rows_of("cpu"), caches, *table("cpu"), layout)


@pytest.mark.parametrize(("ckv", "kpe"), [(512, 64), (48, 16)])
def test_mla(where: str, ckv: int, kpe: int) -> None:
    rows = [random(sum(APPENDED), width, where=where) for width in (ckv, kpe)]
    caches = [random(PAGES, PAGE_SIZE, width, where=where) for width in (ckv, kpe)]
    right = expected(*rows, *caches)
    ours.append_paged_mla_kv_cache(*rows, *rows_of(where), *caches, *table(where))
    assert_caches(caches, right)


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
@pytest.mark.parametrize(
    ("appended", "total", "padding"),
    [
        ([1, 2, 3, 4], [5, 5, 5, 5], 0),
        ([0, 3, 0, 5, 1], [7, 10, 2, 8, 6], 4),
        ([0, 0], [3, 4], 2),
        ([], [], 3),
        ([], [], 0),
    ],
)
def test_batch_indices_and_positions(
    where: str, appended: list[int], total: list[int], padding: int, index: Any
) -> None:
    batch, positions = [], []
    for request, (count, length) in enumerate(zip(appended, total, strict=True)):
        batch += [request] * count
        positions += range(length - count, length)
    indptr = torch.tensor(np.cumsum([0, *appended]), dtype=index, device=where)
    seq_lens = torch.tensor(total, dtype=index, device=where)
    rows = sum(appended) + padding
    found = ours.get_batch_indices_positions(indptr, seq_lens, rows)
    assert [tensor.dtype for tensor in found] == [torch.int32] * 2
    assert [tensor.tolist() for tensor in found] == [batch + [-1] * padding, positions + [0] * padding]
    given = [torch.full((rows,), 77, dtype=torch.int32, device=where) for _ in range(2)]
    found = ours.get_batch_indices_positions(indptr, seq_lens, rows, *given)
    assert [one is other for one, other in zip(found, given, strict=True)] == [True, True]
    assert [tensor.tolist() for tensor in found] == [batch + [-1] * padding, positions + [77] * padding]


def test_outputs_that_do_not_fit() -> None:
    indptr, seq_lens = torch.tensor([0, 2]), torch.tensor([5])
    for wrong, says in (
        (torch.zeros(3, dtype=torch.int32), "the shape of batch_indices"),
        (torch.zeros(2, dtype=torch.int64), "the type of batch_indices"),
    ):
        with pytest.raises(bf.InvalidProblem, match=says):
            ours.get_batch_indices_positions(indptr, seq_lens, 2, wrong)


def test_seq_lens_of_requests_without_pages() -> None:
    indptr, last = torch.tensor([0, 0, 3, 4], dtype=torch.int32), torch.tensor([0, 2, 4], dtype=torch.int32)
    assert ours.get_seq_lens(indptr, last, 16).tolist() == [0, 34, 4]


def nvfp4_caches(where: str) -> tuple[Any, Any]:
    data = torch.full((PAGES, 2, PAGE_SIZE, HEADS, WIDTH // 2), 0x5A, dtype=torch.uint8, device=where)
    scales = torch.full((PAGES, 2, PAGE_SIZE, HEADS, WIDTH // 16), 0x3C, dtype=torch.uint8, device=where)
    return data, scales.view(torch.float8_e4m3fn)


def nvfp4_expected(key: Any, value: Any, slots: Any, scales: tuple[float, float]) -> list[Any]:
    data, block_scales = (tensor.view(torch.uint8).numpy() for tensor in nvfp4_caches("cpu"))
    append_paged_kv_reference(
        key.cpu().numpy(),
        value.cpu().numpy(),
        data[:, 0],
        data[:, 1],
        slot_mapping=slots,
        layout="NHD",
        transform="NVFP4",
        k_scale=np.float32([scales[0]]),
        v_scale=np.float32([scales[1]]),
        k_scales=block_scales[:, 0],
        v_scales=block_scales[:, 1],
    )
    return [data, block_scales]


def test_nvfp4(where: str) -> None:
    key, value = (random(sum(APPENDED), HEADS, WIDTH, where=where) * scale for scale in (1, 3))
    slots = np.array(
        [
            TABLE[request][position // PAGE_SIZE] * PAGE_SIZE + position % PAGE_SIZE
            for request, position in zip(*(tensor.tolist() for tensor in rows_of("cpu")), strict=True)
        ]
    )
    right = nvfp4_expected(key, value, slots, (0.01, 0.02))
    data, scales = nvfp4_caches(where)
    ours.nvfp4_quantize_append_paged_kv_cache(
        key, value, *rows_of(where), data, scales, *table(where), 0.01, 0.02
    )
    assert_caches([data, scales.view(torch.uint8)], right)
    assert not np.array_equal(right[0], nvfp4_caches("cpu")[0].numpy())


@pytest.mark.parametrize("as_tensors", [True, False])
def test_nvfp4_by_slots(where: str, as_tensors: bool) -> None:
    key, value = (random(5, HEADS, WIDTH, where=where) * scale for scale in (1, 3))
    slots = np.array([9, -1, 40])  # and two rows behind them
    right = nvfp4_expected(key, value, slots, (0.5, 0.25))
    data, scales = nvfp4_caches(where)
    given = [torch.tensor(v, device=where) if as_tensors else v for v in (0.5, 0.25)]
    ours.nvfp4_quantize_append_paged_kv_cache_with_slot_mapping(
        key,
        value,
        torch.from_numpy(slots).to(where),
        (data[:, 0], data[:, 1]),
        (scales[:, 0], scales[:, 1]),
        *given,
        "NHD",
    )
    assert_caches([data, scales.view(torch.uint8)], right)


def test_nvfp4_slots_behind_the_cache_are_padding(where: str) -> None:
    """In FlashInfer too, of this function alone."""
    key, slots = random(3, HEADS, WIDTH, where=where), np.array([9, PAGES * PAGE_SIZE, 2**40])
    right = nvfp4_expected(key[:1], key[:1], slots[:1], (1, 1))
    data, scales = nvfp4_caches(where)
    ours.nvfp4_quantize_append_paged_kv_cache_with_slot_mapping(
        key, key, torch.from_numpy(slots).to(where), data, scales, 1.0, 1.0
    )
    assert_caches([data, scales.view(torch.uint8)], right)


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_global_scales_that_are_none(scale: float, as_tensor: bool) -> None:
    key, (data, scales) = random(1, HEADS, WIDTH, where="cpu"), nvfp4_caches("cpu")
    says = r"v_scale is .* it should be a positive global decode scale"
    with pytest.raises(bf.InvalidProblem, match=says) as refused:
        ours.nvfp4_quantize_append_paged_kv_cache_with_slot_mapping(
            key, key, torch.tensor([0]), data, scales, 1.0, torch.tensor(scale) if as_tensor else scale
        )
    assert refused.value.function == "nvfp4_quantize_append_paged_kv_cache_with_slot_mapping"


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        (torch.ones(2), r"k_scale has shape \[2\]; it should have one element"),
        ("1", "k_scale is '1'; it should"),
    ],
    ids=["two", "text"],
)
def test_global_scales_that_are_no_number(where: str, scale: Any, says: str) -> None:
    key, (data, scales) = random(1, HEADS, WIDTH, where=where), nvfp4_caches(where)
    scale = scale.to(where) if isinstance(scale, torch.Tensor) else scale
    with pytest.raises(bf.InvalidProblem, match=says):
        ours.nvfp4_quantize_append_paged_kv_cache_with_slot_mapping(
            key, key, torch.tensor([0], device=where), data, scales, scale, 1.0
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_compiled(where: str) -> None:
    torch._dynamo.reset()

    @torch.compile(fullgraph=True, backend="aot_eager")
    def step(key: Any, cache: Any, append_indptr: Any, indices: Any, indptr: Any, last: Any) -> None:
        batch, positions = ours.get_batch_indices_positions(
            append_indptr, ours.get_seq_lens(indptr, last, PAGE_SIZE), key.shape[0]
        )
        ours.append_paged_kv_cache(key, key + 1, batch, positions, cache, indices, indptr, last)

    key = random(sum(APPENDED), HEADS, WIDTH, where=where)
    pair = random(PAGES, 2, PAGE_SIZE, HEADS, WIDTH, where=where)
    right = expected(key, key + 1, pair[:, 0], pair[:, 1], layout="NHD")
    append_indptr = torch.tensor(np.cumsum([0, *APPENDED]), dtype=torch.int32, device=where)
    step(key, pair, append_indptr, *table(where))
    assert_caches((pair[:, 0], pair[:, 1]), right)
