"""Where a format is a peer's, the peer's own kernel says what is right: both append the same rows on a GPU,
and whole buffers are compared. vLLM and flashinfer-python are found where they are installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.devices.bits import Array, random_bits
from support.problems.elements import BF16, F16, F32, FP8_E4M3, FP8_E5M2, Element
from support.quantised.scales import SCALES

pytestmark = pytest.mark.gpu

torch: Any = pytest.importorskip("torch")

DEVICE = "cuda"
PAGE = 16
HALVES = (F16, BF16)

of_halves = pytest.mark.parametrize("source", HALVES, ids=lambda source: source.symbol)
of_layouts = pytest.mark.parametrize("layout", ["NHD", "HND"])


def tensor(array: Array) -> Any:
    """On the GPU, bit for bit."""
    plain = torch.from_numpy(np.array(array.view(f"i{array.itemsize}")))
    return plain.to(DEVICE).view(getattr(torch, array.dtype.name))


def every_pattern(source: Element) -> Array:
    return np.arange(1 << 16, dtype=np.uint16).view(source.dtype)


def numbers(rng: np.random.Generator, shape: tuple[int, ...], source: Element) -> Array:
    """Rows of sizes that are far apart, one row in ten of zeros, and here and there no number."""
    rows = rng.normal(size=shape) * np.exp(4 * rng.normal(size=(*shape[:-1], 1)))
    rows[rng.random(shape[:-1]) < 0.1] = 0
    for odd in (np.inf, -np.inf, np.nan):
        rows[rng.random(shape) < 0.001] = odd
    with np.errstate(over="ignore"):
        return rows.astype(source.dtype)


def beneath(rng: np.random.Generator, rows: int, width: int, block: int, source: Element) -> Array:
    """Every pattern there is as the largest of a block, somewhere in it, over what is no larger."""
    blocks = rows * width // block
    patterns = np.resize(every_pattern(source), blocks)
    with np.errstate(all="ignore"):
        below = rng.uniform(-1, 1, (blocks, block)) * patterns.astype(np.float32)[:, None]
        found: Array = below.astype(source.dtype)
    found[np.arange(blocks), rng.integers(block, size=blocks)] = patterns
    return found.reshape(rows, width)


def of_every_kind(
    rng: np.random.Generator, rows: int, width: int, block: int, source: Element
) -> Iterator[Array]:
    """[rows, width], again and again: of any bits, of numbers, and of every largest of a block."""
    yield random_bits(rng, (rows, width), source.dtype)
    yield numbers(rng, (rows, width), source)
    yield beneath(rng, rows, width, block, source)


def slots_of(rng: np.random.Generator, rows: int) -> tuple[Any, int]:
    """A slot for each row in pages enough, one in fifty -1; and how many pages that is."""
    pages = rows // PAGE + 3
    slots = rng.permutation(pages * PAGE)[:rows]
    slots[rng.random(rows) < 0.02] = -1
    return tensor(slots.astype(np.int64)), pages


def filled(rng: np.random.Generator, *shape: int, by_heads: bool = False) -> list[Any]:
    """Two buffers of the same random bytes; the dimensions 1 and 2 swapped, whose order in memory stays."""
    whole = tensor(random_bits(rng, shape, np.uint8))
    both = [whole.clone(), whole.clone()]
    return [buffer.transpose(1, 2) for buffer in both] if by_heads else both


def append(*operands: Any, **said: Any) -> None:
    bf.append_paged_kv(*operands, **said, stream=torch.cuda.current_stream())


def assert_same_bytes(ours: Any, theirs: Any, what: str) -> None:
    differs = ours != theirs
    count = int(differs.sum())
    if count:
        first = tuple(differs.nonzero()[0].tolist())
        raise AssertionError(
            f"{what}: {count} of {ours.numel()} bytes differ, the first at {first}: ours is "
            f"{int(ours[first]):#x}, theirs {int(theirs[first]):#x}"
        )


# ---------------------------------------------------------------------------------------------- vLLM


@pytest.fixture(scope="module")
def vllm() -> Any:
    """Its operators."""
    return pytest.importorskip("vllm._custom_ops", reason="vLLM is not installed", exc_type=ImportError)


VLLM_TYPES = [(FP8_E4M3, "fp8"), (FP8_E5M2, "fp8_e5m2")]
of_fp8 = pytest.mark.parametrize(("element", "name"), VLLM_TYPES, ids=lambda one: getattr(one, "symbol", ""))


@of_fp8
@of_layouts
@pytest.mark.parametrize("source", [F16, BF16, F32], ids=lambda source: source.symbol)
def test_vllm_fp8(vllm: Any, source: Element, layout: str, element: Element, name: str) -> None:
    """`reshape_and_cache_flash`: every pattern of 16 bits by every scale, each of a head; and by one scale
    for all heads.
    """
    rng = np.random.default_rng(1)
    rows, width, heads = 512, 128, len(SCALES)
    if source is F32:
        key = random_bits(rng, (rows, heads, width), np.float32)
    else:
        key = np.repeat(every_pattern(source).reshape(rows, 1, width), heads, axis=1)
    key, value = tensor(key), tensor(numbers(rng, (rows, heads, width), source))
    slots, pages = slots_of(rng, rows)
    of_heads = tensor(np.array(SCALES, np.float32))
    for scale in (of_heads, *(one.reshape(1).clone() for one in of_heads)):
        shape = (pages, heads, PAGE, width) if layout == "HND" else (pages, PAGE, heads, width)
        pairs = [filled(rng, *shape, by_heads=layout == "HND") for _ in "kv"]
        (k_ours, k_theirs), (v_ours, v_theirs) = pairs
        v_scale = scale.flip(0)
        vllm.reshape_and_cache_flash(key, value, k_theirs, v_theirs, slots, name, scale, v_scale)
        append(
            key,
            value,
            k_ours,
            v_ours,
            slot_mapping=slots,
            k_scale=scale,
            v_scale=v_scale,
            element=element.kind,
            layout="NHD",
        )
        said = "every head's" if len(scale) > 1 else float(scale)
        assert_same_bytes(k_ours, k_theirs, f"keys by the scale {said}")
        assert_same_bytes(v_ours, v_theirs, f"values by the scale {said}")


@of_fp8
@of_halves
def test_vllm_mla_in_fp8(vllm: Any, source: Element, element: Element, name: str) -> None:
    """`concat_and_cache_mla`: ckv and kpe by one scale, side by side in rows of 576 bytes."""
    rng = np.random.default_rng(2)
    rows = 1024
    slots, pages = slots_of(rng, rows)
    for scale in (1.0, 0.037, 3.0, 2.0**-7):
        ckv, kpe = (tensor(random_bits(rng, (rows, width), source.dtype)) for width in (512, 64))
        given = torch.full((1,), scale, device=DEVICE)
        ours, theirs = filled(rng, pages, PAGE, 576)
        vllm.concat_and_cache_mla(ckv, kpe, theirs, slots, name, given)
        append(
            ckv,
            kpe,
            ours[..., :512],
            ours[..., 512:],
            slot_mapping=slots,
            k_scale=given,
            v_scale=given,
            element=element.kind,
        )
        assert_same_bytes(ours, theirs, f"rows by the scale {scale}")


@of_halves
def test_vllm_mla_copies(vllm: Any, source: Element) -> None:
    """`concat_and_cache_mla` of other ranks than DeepSeek's, too."""
    rng = np.random.default_rng(3)
    one = torch.ones(1, device=DEVICE)
    for rank, rope in ((512, 64), (256, 64), (128, 32)):
        slots, pages = slots_of(rng, 300)
        ckv, kpe = (tensor(random_bits(rng, (300, width), source.dtype)) for width in (rank, rope))
        ours, theirs = (buffer.view(ckv.dtype) for buffer in filled(rng, pages, PAGE, 2 * (rank + rope)))
        vllm.concat_and_cache_mla(ckv, kpe, theirs, slots, "auto", one)
        append(ckv, kpe, ours[..., :rank], ours[..., rank:], slot_mapping=slots)
        assert_same_bytes(ours.view(torch.uint8), theirs.view(torch.uint8), f"rank {rank}")


def ds_mla(vllm: Any, ckv: Any, kpe: Any, cache: Any, slots: Any) -> None:
    vllm.concat_and_cache_mla(ckv, kpe, cache, slots, "fp8_ds_mla", torch.ones(1, device=DEVICE))


@of_halves
@pytest.mark.parametrize("rope", [64, 0])
def test_vllm_ds_mla(vllm: Any, source: Element, rope: int) -> None:
    """Every number that there is as the largest of a tile: every scale that there is. Where vLLM's scales are
    no powers of two, or not those of the numbers, its rows are of another format.
    """
    threes = [tensor(np.full((1, width), 3, source.dtype)) for width in (512, 64)]
    cache = torch.zeros(1, PAGE, 656, dtype=torch.uint8, device=DEVICE)
    ds_mla(vllm, *threes, cache, torch.zeros(1, dtype=torch.int64, device=DEVICE))
    scale = float(cache[0, 0, 512:516].view(torch.float32))
    if scale != 2.0**-7:
        pytest.skip(f"this vLLM's scale of a tile of {source.symbol} whose largest is 3 is {scale}, not 2^-7")
    rng = np.random.default_rng(4)
    rows = 1 << 14
    for ckv in of_every_kind(rng, rows, 512, 128, source):
        kpe = tensor(random_bits(rng, (rows, rope), source.dtype))
        slots, pages = slots_of(rng, rows)
        ours, theirs = filled(rng, pages, PAGE, 656)
        held = tensor(ckv)
        ds_mla(vllm, held, kpe, theirs, slots)
        append(held, kpe if rope else None, ours, None, slot_mapping=slots, transform="FP8_DS_MLA")
        assert_same_bytes(ours, theirs, "rows")


# ---------------------------------------------------------------------------------------- FlashInfer


@pytest.fixture(scope="module")
def flashinfer() -> Any:
    return pytest.importorskip("flashinfer", reason="flashinfer-python is not installed")


@dataclass(frozen=True)
class Nvfp4:
    """Its appends, and whether their divisions and subnormals are IEEE's."""

    by_slots: Any
    by_positions: Any
    is_exact: bool


@pytest.fixture(scope="module", params=["as it is built", "without fast math"])
def nvfp4(flashinfer: Any, request: pytest.FixtureRequest) -> Iterator[Nvfp4]:
    name = "nvfp4_quantize_append_paged_kv_cache"
    appends = [getattr(flashinfer, each, None) for each in (f"{name}_with_slot_mapping", name)]
    if None in appends:
        pytest.skip(f"flashinfer-python {flashinfer.__version__} has no {name}")
    if request.param == "as it is built":
        yield Nvfp4(*appends, is_exact=False)
        return
    from flashinfer import page
    from flashinfer.jit import env, gen_jit_spec

    sources = [env.FLASHINFER_CSRC_DIR / source for source in ("page.cu", "flashinfer_page_binding.cu")]
    exact = gen_jit_spec("page_without_fast_math", sources, use_fast_math=False).build_and_load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "get_page_module", lambda: exact)
        yield Nvfp4(*appends, is_exact=True)


def assert_near_codes(ours: Any, theirs: Any, what: str) -> None:
    """Two a byte: one in a thousand bytes at most has another, which is a step away."""
    differs = ours != theirs
    assert int(differs.sum()) <= ours.numel() // 1000, what
    for shift in (0, 4):
        one, other = (bits[differs].int() >> shift for bits in (ours, theirs))
        assert bool(((one ^ other) & 8 == 0).all()), f"{what}: signs"
        assert bool((((one & 7) - (other & 7)).abs() <= 1).all()), what


USUAL = ((64, 1.0, 0.037), (128, 3.0, 1e-4), (256, 2.0**10, 1e-6), (512, 0.0123, 77.7))
#: Where approximations are far from what they are of.
EXTREME = ((128, 1e-36, 5e37), (64, 1e-40, 3e38))


@of_halves
@of_layouts
def test_flashinfers_nvfp4_by_slots(nvfp4: Nvfp4, source: Element, layout: str) -> None:
    """Every number that there is as the largest of a block, by scales of every size."""
    rng = np.random.default_rng(5)
    heads = 2
    for width, k_scale, v_scale in USUAL + EXTREME * nvfp4.is_exact:
        rows = (1 << 20) // (heads * width)  # of 65536 blocks
        values = of_every_kind(np.random.default_rng(6), rows * heads, width, 16, source)
        for key, value in zip(of_every_kind(rng, rows * heads, width, 16, source), values, strict=True):
            operands = [tensor(part.reshape(rows, heads, width)) for part in (key, value)]
            slots, pages = slots_of(rng, rows)
            in_page = (heads, PAGE) if layout == "HND" else (PAGE, heads)
            caches = [filled(rng, pages, *in_page, width // 2) for _ in "kv"]
            blocks = [filled(rng, pages, *in_page, width // 16) for _ in "kv"]
            scales = [torch.full((1,), scale, device=DEVICE) for scale in (k_scale, v_scale)]
            nvfp4.by_slots(
                *operands,
                slots,
                tuple(theirs for _, theirs in caches),
                tuple(theirs.view(torch.float8_e4m3fn) for _, theirs in blocks),
                *scales,
                layout,
            )
            append(
                *operands,
                *(ours for ours, _ in caches),
                slot_mapping=slots,
                transform="NVFP4",
                k_scale=scales[0],
                v_scale=scales[1],
                k_scales=blocks[0][0],
                v_scales=blocks[1][0],
                layout=layout,
            )
            said = f"rows of {width}, scales {k_scale}, {v_scale}"
            for what, (ours, theirs) in zip("KV", blocks, strict=True):
                assert_same_bytes(ours, theirs, f"{what}'s scales, {said}")
            for what, (ours, theirs) in zip("KV", caches, strict=True):
                check = assert_same_bytes if nvfp4.is_exact else assert_near_codes
                check(ours, theirs, f"{what}, {said}")


@of_halves
def test_flashinfers_nvfp4_by_positions(nvfp4: Nvfp4, source: Element) -> None:
    """Of one request that has all pages, in any order."""
    rng = np.random.default_rng(7)
    rows, heads, width, k_scale, v_scale = 4096, 2, 128, 0.037, 3.0
    scales = [torch.full((1,), scale, device=DEVICE) for scale in (k_scale, v_scale)]
    for key in of_every_kind(rng, rows * heads, width, 16, source):
        key = tensor(key.reshape(rows, heads, width))
        pages = rows // PAGE + 3
        says = {
            "batch_indices": np.zeros(rows),
            "positions": rng.permutation(pages * PAGE)[:rows],
            "indices": rng.permutation(pages),
            "indptr": np.array([0, pages]),
        }
        says = {name: tensor(each.astype(np.int32)) for name, each in says.items()}
        caches = [filled(rng, pages, PAGE, heads, width // 2) for _ in "kv"]
        blocks = [filled(rng, pages, PAGE, heads, width // 16) for _ in "kv"]
        nvfp4.by_positions(
            key,
            key,
            says["batch_indices"],
            says["positions"],
            tuple(theirs for _, theirs in caches),
            tuple(theirs.view(torch.float8_e4m3fn) for _, theirs in blocks),
            says["indices"],
            says["indptr"],
            torch.full((1,), PAGE, dtype=torch.int32, device=DEVICE),
            k_scale,
            v_scale,
            "NHD",
        )
        append(
            key,
            key,
            *(ours for ours, _ in caches),
            **says,
            transform="NVFP4",
            k_scale=scales[0],
            v_scale=scales[1],
            k_scales=blocks[0][0],
            v_scales=blocks[1][0],
            layout="NHD",
        )
        for what, (ours, theirs) in zip("KV", blocks, strict=True):
            assert_same_bytes(ours, theirs, f"{what}'s scales")
        for what, (ours, theirs) in zip("KV", caches, strict=True):
            check = assert_same_bytes if nvfp4.is_exact else assert_near_codes
            check(ours, theirs, what)
