"""vLLM's functions of `baracuda_ffi.dropin`, against the oracle."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference

torch: Any = pytest.importorskip("torch")

from baracuda_ffi.dropin import vllm as ours  # noqa: E402

HEADS, WIDTH, BLOCK, BLOCKS = 3, 20, 8, 5
SLOTS = [7, -1, 39, 16]
ROWS = 6  # two more than slots

NUMPY = {torch.bfloat16: ml_dtypes.bfloat16, torch.float8_e4m3fn: ml_dtypes.float8_e4m3fn}


def numpy_of(tensor: Any) -> Any:
    plain = tensor.detach().cpu().contiguous()
    kind = NUMPY.get(plain.dtype)
    return plain.numpy() if kind is None else plain.view(torch.uint8).numpy().view(kind)


def random(*shape: int, where: str, dtype: Any = torch.bfloat16) -> Any:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32)).to(where, dtype)


def slots(where: str, dtype: Any = torch.int64) -> Any:
    return torch.tensor(SLOTS, dtype=dtype, device=where)


def pair(where: str, order: str, dtype: Any) -> tuple[Any, Any]:
    """[blocks, slots, heads, width] by strides: interleaved, or K and V side by side in a row."""
    if order == "side by side":
        whole = random(BLOCKS, HEADS, BLOCK, 2 * WIDTH, where=where).to(dtype).transpose(1, 2)
        return whole[..., :WIDTH], whole[..., WIDTH:]
    in_page = (BLOCK, HEADS) if order == "NHD" else (HEADS, BLOCK)
    whole = random(BLOCKS, 2, *in_page, WIDTH, where=where).to(dtype)
    whole = whole if order == "NHD" else whole.transpose(2, 3)
    return whole[:, 0], whole[:, 1]


def expected(key: Any, value: Any, caches: Any, **options: Any) -> list[Any]:
    after = [numpy_of(cache).copy() for cache in caches]
    append_paged_kv_reference(
        numpy_of(key), numpy_of(value), *after, slot_mapping=np.array(SLOTS), layout="NHD", **options
    )
    return after


def assert_caches(found: Any, right: Any) -> None:
    for one, other in zip(found, right, strict=True):
        assert numpy_of(one).tobytes() == other.tobytes()


UNUSED = torch.tensor(float("nan"))


@pytest.mark.parametrize("index", [torch.int64, torch.int32])
@pytest.mark.parametrize("order", ["NHD", "HND", "side by side"])
@pytest.mark.parametrize("name", ["auto", "bfloat16"])
def test_reshape_and_cache_flash(where: str, name: str, order: str, index: Any) -> None:
    _, key, value = random(ROWS, 3, HEADS, WIDTH, where=where).unbind(1)
    caches = pair(where, order, torch.bfloat16)
    right = expected(key, value, caches)
    ours.reshape_and_cache_flash(key, value, *caches, slots(where, index), name, UNUSED, UNUSED)
    assert_caches(caches, right)


@pytest.mark.parametrize("held", ["uint8", "fp8"])
@pytest.mark.parametrize("scale", ["a number", "one", "one a head"])
@pytest.mark.parametrize("name", ["fp8", "fp8_e4m3", "fp8_e5m2"])
def test_fp8(where: str, name: str, scale: str, held: str) -> None:
    key, value = random(ROWS, HEADS, WIDTH, where=where), random(ROWS, HEADS, WIDTH, where=where) * 50
    kind = torch.float8_e5m2 if name == "fp8_e5m2" else torch.float8_e4m3fn
    caches = pair(where, "HND", kind)
    if held == "uint8":
        caches = tuple(cache.view(torch.uint8) for cache in caches)
    shape = {"a number": (), "one": (1,), "one a head": (HEADS,)}[scale]
    k_scale, v_scale = (torch.rand(shape, device=where) + add for add in (0.1, 0.5))
    element = "fp8_e5m2" if name == "fp8_e5m2" else "fp8_e4m3"
    as_bytes = tuple(cache.view(torch.uint8) for cache in caches)
    right = expected(
        key,
        value,
        as_bytes,
        transform="FP8",
        element=element,
        k_scale=numpy_of(k_scale).reshape(-1),
        v_scale=numpy_of(v_scale).reshape(-1),
    )
    ours.reshape_and_cache_flash(key, value, *caches, slots(where), name, k_scale, v_scale)
    assert_caches(as_bytes, right)


@pytest.mark.parametrize("pe", [64, 8, 0])
@pytest.mark.parametrize("name", ["auto", "fp8"])
@pytest.mark.parametrize("skip_scale", [False, True])
def test_concat_and_cache_mla(where: str, skip_scale: bool, name: str, pe: int) -> None:
    rank = 48
    kv_c, k_pe = random(ROWS, rank, where=where), random(ROWS, pe, where=where)
    dtype = torch.bfloat16 if name == "auto" else torch.uint8
    cache = (random(BLOCKS, BLOCK, rank + pe, where=where) * 10).to(dtype)
    scale = torch.tensor(0.3, device=where)
    options = {}
    if name == "fp8":
        used = np.float32([1 if skip_scale else 0.3])
        options = {"transform": "FP8", "element": "fp8_e4m3", "k_scale": used, "v_scale": used}
    right = numpy_of(cache).copy()
    parts = [(kv_c, right[..., :rank]), (k_pe, right[..., rank:])][: 2 if pe else 1]
    for rows, part in parts:
        append_paged_kv_reference(
            numpy_of(rows),
            None,
            part,
            None,
            slot_mapping=np.array(SLOTS),
            **{key: option for key, option in options.items() if key != "v_scale"},
        )
    ours.concat_and_cache_mla(kv_c, k_pe, cache, slots(where), name, scale, skip_scale)
    assert_caches([cache], [right])


@pytest.mark.parametrize("pe", [64, 0])
def test_fp8_ds_mla(where: str, pe: int) -> None:
    kv_c, k_pe = random(ROWS, 512, where=where), random(ROWS, pe, where=where)
    cache = torch.full((BLOCKS, BLOCK, 656), 0xFF, dtype=torch.uint8, device=where)
    right = numpy_of(cache).copy()
    append_paged_kv_reference(
        numpy_of(kv_c),
        numpy_of(k_pe) if pe else None,
        right,
        None,
        slot_mapping=np.array(SLOTS),
        transform="FP8_DS_MLA",
    )
    ours.concat_and_cache_mla(kv_c, k_pe, cache, slots(where), "fp8_ds_mla", UNUSED)
    assert_caches([cache], [right])
    assert (right != 0xFF).any()


def test_a_slot_behind_the_cache(where: str) -> None:
    """vLLM's kernel writes there."""
    key = random(3, HEADS, WIDTH, where=where)
    whole = torch.zeros(2 * BLOCKS, BLOCK, HEADS, WIDTH, dtype=torch.bfloat16, device=where)
    caches = whole[:BLOCKS], torch.zeros_like(whole)[:BLOCKS]
    beyond = torch.tensor([1, BLOCKS * BLOCK, 3], device=where)
    if where == "cpu":
        with pytest.raises(bf.InvalidProblem, match="slot_mapping is 40; it should be below 40"):
            ours.reshape_and_cache_flash(key, key, *caches, beyond, "auto", UNUSED, UNUSED)
        assert whole.count_nonzero() == 0
    else:
        ours.reshape_and_cache_flash(key, key, *caches, beyond, "auto", UNUSED, UNUSED)
        assert torch.equal(whole[0, 3], key[2])
        assert whole.count_nonzero() == key[::2].count_nonzero()


@pytest.mark.parametrize("name", ["fp4", "nvfp4", "int8_per_token_head", "fp8_inc"])
def test_a_format_that_is_another_functions(name: str) -> None:
    key, caches = random(ROWS, HEADS, WIDTH, where="cpu"), pair("cpu", "NHD", torch.uint8)
    with pytest.raises(bf.Unsupported, match=f"kv_cache_dtype is '{name}'; it should be one of auto"):
        ours.reshape_and_cache_flash(key, key, *caches, slots("cpu"), name, UNUSED, UNUSED)


def test_a_number_for_a_scale_is_refused_and_the_message_says_why(where: str) -> None:
    key = random(ROWS, HEADS, WIDTH, where=where)
    caches = pair(where, "NHD", torch.uint8)
    number: Any = 0.5
    with pytest.raises(bf.InvalidProblem, match=r"k_scale is 0\.5; .*frozen into a CUDA graph"):
        ours.reshape_and_cache_flash(key, key, *caches, slots(where), "fp8", number, number)
    cache = torch.zeros(BLOCKS, BLOCK, 2 * WIDTH, dtype=torch.uint8, device=where)
    with pytest.raises(bf.InvalidProblem, match=r"k_scale is 0\.5; .*frozen into a CUDA graph"):
        ours.concat_and_cache_mla(key[:, 0], key[:, 1], cache, slots(where), "fp8", number)


def test_rows_of_another_type_than_the_cache(where: str) -> None:
    key, caches = random(ROWS, HEADS, WIDTH, where=where), pair(where, "NHD", torch.float16)
    with pytest.raises(bf.Unsupported, match="is of type"):
        ours.reshape_and_cache_flash(key, key, *caches, slots(where), "auto", UNUSED, UNUSED)


def test_an_mla_cache_of_another_width() -> None:
    kv_c, k_pe = random(ROWS, 48, where="cpu"), random(ROWS, 16, where="cpu")
    cache = torch.zeros(BLOCKS, BLOCK, 80, dtype=torch.bfloat16)
    with pytest.raises(bf.InvalidProblem, match=r"kv_cache has shape \[5, 8, 80\].*48 \+ 16"):
        ours.concat_and_cache_mla(kv_c, k_pe, cache, slots("cpu"), "auto", UNUSED)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", ["auto", "fp8"])
def test_compiled(where: str, name: str) -> None:
    torch._dynamo.reset()

    @torch.compile(fullgraph=True, backend="aot_eager")
    def step(key: Any, k_cache: Any, v_cache: Any, mapping: Any, scale: Any) -> None:
        ours.reshape_and_cache_flash(key, key, k_cache, v_cache, mapping, name, scale, scale)

    key = random(ROWS, HEADS, WIDTH, where=where)
    caches = pair(where, "NHD", torch.bfloat16 if name == "auto" else torch.uint8)
    scale = torch.tensor([0.25], device=where)
    used = np.float32([0.25])
    options = {"transform": "FP8", "element": "fp8_e4m3", "k_scale": used, "v_scale": used}
    right = expected(key, key, caches, **(options if name == "fp8" else {}))
    step(key, *caches, slots(where), scale)
    assert_caches(caches, right)
