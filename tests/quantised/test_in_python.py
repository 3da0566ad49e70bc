"""Transforms through the package: what scales mean without a word, what is refused and what the message says,
plans and their guarantee, and launches whose scales are rebound.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference, dequantise_reference
from support.c_abi.tensors import as_view
from support.devices.bits import Array, assert_same_bits, random_bits

PAGES, HEADS, SLOTS, WIDTH, ROWS = 3, 2, 4, 32, 5
NAMES = ("k_data", "v_data", "k_scales", "v_scales")
TRANSFORMS = ("FP8", "PER_TOKEN_HEAD", "FP8_DS_MLA", "NVFP4")


def f32(*values: float) -> Array:
    return np.array(values, np.float32)


def operands(transform: str) -> dict[str, Any]:
    """A right append by slots, HND."""
    rng = np.random.default_rng(len(transform))
    given: dict[str, Any] = {"slot_mapping": rng.permutation(PAGES * SLOTS)[:ROWS].astype(np.int32)}
    if transform == "FP8_DS_MLA":
        rows = {"key": (ROWS, 512), "value": (ROWS, 64)}
        caches = {"k_data": (PAGES, SLOTS, 656), "v_data": None}
    else:
        rows = {"key": (ROWS, HEADS, WIDTH), "value": (ROWS, HEADS, WIDTH)}
        width = WIDTH // 2 if transform == "NVFP4" else WIDTH
        caches = dict.fromkeys(("k_data", "v_data"), (PAGES, HEADS, SLOTS, width))
    for name, shape in rows.items():
        given[name] = rng.normal(size=shape).astype(np.float16)
    dtype = np.int8 if transform == "PER_TOKEN_HEAD" else np.uint8
    if transform == "FP8":
        dtype = ml_dtypes.float8_e4m3fn
    for name, shape in caches.items():
        given[name] = None if shape is None else random_bits(rng, shape, dtype)
    if transform in ("FP8", "NVFP4"):
        given |= {"k_scale": f32(0.5), "v_scale": f32(2.0, 0.037)}
    if transform == "PER_TOKEN_HEAD":
        given |= {name: f32(*range(PAGES * SLOTS * HEADS)).reshape(PAGES, SLOTS, HEADS) for name in NAMES[2:]}
    if transform == "NVFP4":
        given |= {name: random_bits(rng, (PAGES, HEADS, SLOTS, 2), np.uint8) for name in NAMES[2:]}
    return given


def stated(transform: str) -> dict[str, Any]:
    return {"transform": transform} if transform in ("FP8_DS_MLA", "NVFP4") else {}


def expected(transform: str, given: dict[str, Any]) -> dict[str, Any]:
    after = {name: None if array is None else array.copy() for name, array in given.items()}
    append_paged_kv_reference(**after, transform=transform)
    return after


def assert_as(given: dict[str, Any], after: dict[str, Any]) -> None:
    for name, array in after.items():
        if array is not None:
            assert_same_bits(given[name], array, name)


def descriptor(transform: str, **others: Any) -> bf.PagedKvAppendDescriptor:
    mla = transform == "FP8_DS_MLA"
    element = {"FP8": "fp8_e4m3", "PER_TOKEN_HEAD": "i8"}.get(transform, "u8")
    cache = bf.PagedKvCacheDescriptor(
        page_size=SLOTS,
        num_total_pages=PAGES,
        num_kv_heads=1 if mla else HEADS,
        head_dim=512 if mla else WIDTH,
        value_head_dim=64 if mla else None,
        element=element,
    )
    said = {"transform": transform, "source_element": "f16", "addressing": "SLOTS"} | others
    return bf.PagedKvAppendDescriptor(paged_kv=cache, **said)


def plan(transform: str, **others: Any) -> bf.PagedKvAppendPlan:
    return bf.PagedKvAppendPlan.select(None, descriptor(transform, **others))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_one_call(transform: str) -> None:
    """Without a word where the scales say it; with a name, or the enumerator."""
    for said in (stated(transform), {"transform": transform}, {"transform": bf.Transform[transform]}):
        given = operands(transform)
        after = expected(transform, given)
        bf.append_paged_kv(**given, **said, stream=None)
        assert_as(given, after)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_no_rows(transform: str) -> None:
    given = operands(transform)
    given |= {name: given[name][:0] for name in ("key", "value", "slot_mapping")}
    after = expected(transform, given)
    assert_as(given, after)
    bf.append_paged_kv(**given, **stated(transform), stream=None)
    assert_as(given, after)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("guarded", [False, True])
def test_a_plan(transform: str, guarded: bool) -> None:
    given = operands(transform)
    after = expected(transform, given)
    selected = bf.PagedKvAppendPlan.select(None, descriptor(transform), bf.PlanPreference(guarded=guarded))
    args = bf.PagedKvAppendArgs(**given)
    selected.can_implement(args)
    selected.run(None, bf.Workspace.NONE, args)
    assert_as(given, after)
    for name in ("k_scale", "v_scale", "k_scales", "v_scales"):
        assert getattr(args, name) is given.get(name)


@pytest.mark.parametrize("transform", ["FP8", "NVFP4"])
def test_a_launch_reads_scales_anew_and_takes_others(transform: str) -> None:
    given = operands(transform)
    launch = plan(transform).bind(None, bf.PagedKvAppendArgs(**given))
    given["k_scale"][0] = 0.25
    after = expected(transform, given)
    launch()
    assert_as(given, after)
    given |= {"k_scale": f32(3, 5), "v_scale": f32(0.037)}
    launch.rebind(k_scale=given["k_scale"], v_scale=given["v_scale"])
    after = expected(transform, given)
    launch()
    assert_as(given, after)


@pytest.mark.parametrize("transform", ["PER_TOKEN_HEAD", "NVFP4"])
def test_a_launch_writes_other_scales(transform: str) -> None:
    given = operands(transform)
    launch = plan(transform).bind(None, bf.PagedKvAppendArgs(**given))
    before = given["k_scales"].copy()
    given["k_scales"] = given["k_scales"].copy()
    launch.rebind(k_scales=given["k_scales"])
    after = expected(transform, given)
    launch.on(None)()
    assert_as(given, after)
    assert not np.array_equal(before, after["k_scales"])


def test_key_alone() -> None:
    for transform in TRANSFORMS:
        given = operands(transform)
        for name in ("value", "v_data", "v_scale", "v_scales"):
            given.pop(name, None)
        given |= {"value": None, "v_data": None}
        after = expected(transform, given)
        bf.append_paged_kv(**given, **stated(transform), stream=None)
        assert_as(given, after)
        again = operands(transform) | {"value": None, "v_data": None, "v_scale": None, "v_scales": None}
        plan(transform).run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**again))
        assert_as(again, {name: after[name] for name in NAMES if name in after})


@pytest.mark.parametrize("element", ["fp8_e4m3", "fp8_e5m2"])
def test_bytes_whose_type_is_stated(element: str) -> None:
    given = operands("FP8")
    for name in ("k_data", "v_data"):
        given[name] = given[name].view(np.uint8)
    after = {name: array.copy() for name, array in given.items()}
    append_paged_kv_reference(**after, element=element)
    bf.append_paged_kv(**given, element=element, stream=None)
    assert_as(given, after)
    with pytest.raises(bf.InvalidProblem, match=r"element is not stated.*uint8.*fp8_e4m3 or fp8_e5m2"):
        bf.append_paged_kv(**given, stream=None)


def test_kv_data() -> None:
    given = operands("FP8")
    both = np.stack([given.pop("k_data"), given.pop("v_data")], axis=1)
    after = expected("FP8", given | {"k_data": both[:, 0], "v_data": both[:, 1]})
    bf.append_paged_kv(**given, kv_data=both, stream=None)
    assert_same_bits(np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(after["k_data"]), "k_data")
    assert_same_bits(np.ascontiguousarray(both[:, 1]), np.ascontiguousarray(after["v_data"]), "v_data")


def test_a_scale_without_dimensions_and_a_pointer() -> None:
    for change in (lambda scale: scale.reshape(()), as_view):
        given = operands("FP8")
        after = expected("FP8", given)
        bf.append_paged_kv(**given | {"k_scale": change(given["k_scale"])}, stream=None)
        assert_as(given, after)


@pytest.mark.parametrize("number", [0.5, 1, np.float32(0.5), np.float64(2), True])
@pytest.mark.parametrize("name", ["k_scale", "v_scale"])
def test_a_number_is_refused_and_the_message_says_why(name: str, number: Any) -> None:
    given = operands("FP8") | {name: number}
    before = given["k_data"].copy()
    says = rf"{name} is .*frozen into a CUDA graph.*numpy\.array\(\[scale\], numpy\.float32\)"
    with pytest.raises(bf.InvalidProblem, match=says):
        bf.append_paged_kv(**given, stream=None)
    with pytest.raises(bf.InvalidProblem, match=says):
        plan("FP8").run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**given))
    launch = plan("FP8").bind(None, bf.PagedKvAppendArgs(**operands("FP8")))
    with pytest.raises(bf.InvalidProblem, match=says):
        launch.rebind(**{name: number})
    assert_same_bits(given["k_data"], before, "k_data")


@pytest.mark.parametrize("name", ["k_scales", "v_scales"])
def test_a_number_where_scales_are_written(name: str) -> None:
    given = operands("PER_TOKEN_HEAD") | {name: 0.5}
    with pytest.raises(bf.InvalidProblem, match=rf"{name} is 0\.5.*written there.*by is {name[:-1]}$"):
        bf.append_paged_kv(**given, stream=None)


@pytest.mark.parametrize(
    ("transform", "given", "says"),
    [
        ("FP8", (), "scale is None; transform FP8 wants it"),
        ("FP8", ("scale", "scales"), "scales is given; transform FP8 takes none"),
        ("PER_TOKEN_HEAD", (), "scales is None; transform PER_TOKEN_HEAD wants it"),
        ("PER_TOKEN_HEAD", ("scale",), "scale is given; transform PER_TOKEN_HEAD takes none"),
        ("NVFP4", ("scale",), "scales is None; transform NVFP4 wants it"),
        ("FP8_DS_MLA", ("scales",), "scales is given; transform FP8_DS_MLA takes none"),
        ("COPY", (), "transform is COPY, which quantises nothing"),
    ],
)
def test_what_a_reader_is_told_of_scales(transform: Any, given: tuple[str, ...], says: str) -> None:
    scales: dict[str, Any] = {name: np.ones(1, np.float32) for name in given}
    with pytest.raises(bf.InvalidProblem, match=f"^{says}"):
        dequantise_reference(np.zeros((1, 1, 656), np.uint8), transform, **scales)


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("FP8", "v-missing", {"v_scale": None}, r"v_scale is None; value should have one too"),
    ("FP8", "k-missing", {"k_scale": None}, r"k_scale is None and v_scale is given"),
    ("PER_TOKEN_HEAD", "vs-missing", {"v_scales": None}, r"v_scales is None; value should have one too"),
    ("FP8", "no-value", {"value": None, "v_data": None}, r"v_scale is given and value is None"),
    ("FP8", "none", {"k_scale": None, "v_scale": None, "transform": "FP8"}, r"k_scale and v_scale missing"),
    ("FP8", "copy", {"transform": "COPY"}, r"k_scale and v_scale given; transform COPY takes no scales"),
    (
        "FP8",
        "other-kind",
        {"transform": "PER_TOKEN_HEAD"},
        r"k_scale and v_scale given; transform PER_TOKEN_HEAD takes k_scales and v_scales",
    ),
    ("NVFP4", "unsaid", {"transform": None}, r"k_scale and k_scales are given.*NVFP4, which should be"),
    (
        "NVFP4",
        "half",
        {"k_scales": None, "v_scales": None},
        r"k_scales and v_scales missing; transform NVFP4 takes k_scale, v_scale, k_scales and v_scales",
    ),
    ("FP8_DS_MLA", "unsaid", {"transform": None}, r"v_data is None and value is given.*FP8_DS_MLA"),
    ("FP8_DS_MLA", "v-data", {"v_data": np.zeros((PAGES, SLOTS, 656), np.uint8)}, r"v_data is given.*k_data"),
    ("FP8_DS_MLA", "scales", {"k_scale": f32(1)}, r"k_scale .* or no scale, with transform=FP8_DS_MLA"),
    ("FP8", "name", {"transform": "FP4"}, r"transform is 'FP4'; it should be a Transform, or a name: 'COPY'"),
    ("FP8", "shape", {"k_scale": f32(1, 2, 3)}, r"k_scale has shape \[3\]; it should be \[2\].*or \[1\]"),
    ("FP8", "rank", {"k_scale": f32(1).reshape(1, 1)}, r"k_scale has shape \[1, 1\]"),
    ("FP8", "type", {"k_scale": np.ones(1)}, r"k_scale is of type float64; it should be f32"),
    ("FP8", "half-scale", {"v_scale": np.ones(2, np.float16)}, r"v_scale is of type f16; it should be f32"),
    ("FP8", "strided", {"k_scale": f32(1, 2, 3)[::2]}, r"k_scale .*strides \[2\].*contiguous"),
    (
        "PER_TOKEN_HEAD",
        "layout",
        {"k_scales": np.zeros((PAGES, HEADS, SLOTS), np.float32)},
        r"k_scales has shape \[3, 2, 4\]; it should be \[3, 4, 2\]",
    ),
    ("PER_TOKEN_HEAD", "bytes", {"k_scales": np.zeros((3, 4, 2), np.uint8)}, r"is of type uint8.*f32"),
    (
        "NVFP4",
        "f32",
        {"k_scales": np.zeros((PAGES, HEADS, SLOTS, 2), np.float32)},
        r"k_scales is of type f32; it should be fp8_e4m3 or uint8",
    ),
    (
        "NVFP4",
        "blocks-apart",
        {"v_scales": np.zeros((PAGES, HEADS, SLOTS, 4), np.uint8)[..., ::2]},
        r"v_scales .*side by side",
    ),
    (
        "PER_TOKEN_HEAD",
        "flat-scales",
        {"k_scales": np.zeros((PAGES, SLOTS * HEADS), np.float32)},
        r"k_scales has .* 2 dimensions; it should have 3: \[num_total_pages, page_size, num_kv_heads\]$",
    ),
    ("FP8", "no-v_data", {"v_data": None}, r"value and k_scale are given and v_data is None; v_data should"),
    (
        "PER_TOKEN_HEAD",
        "no-v_data",
        {"v_data": None},
        r"k_scales are given and v_data is None; v_data should",
    ),
    # Of operands with and without heads it is the odd one that is told.
    (
        "FP8_DS_MLA",
        "key-with-heads",
        {"key": np.zeros((ROWS, 1, 512), np.float16)},
        r"key has .* 3 dimensions; it should have 2: \[rows, head_dim\]$",
    ),
    (
        "FP8_DS_MLA",
        "flat-key",
        {"key": np.zeros(ROWS * 512, np.float16)},
        r"key has shape .*; it should have 2: \[rows, head_dim\]$",
    ),
    (
        "FP8_DS_MLA",
        "cache-with-heads",
        {"k_data": np.zeros((PAGES, 1, SLOTS, 656), np.uint8)},
        r"k_data has .* 4 dimensions; it should have 3: \[num_total_pages, page_size, head_dim\]$",
    ),
    (
        "FP8_DS_MLA",
        "flat-cache",
        {"k_data": np.zeros((PAGES * SLOTS, 656), np.uint8)},
        r"k_data has .* 2 dimensions; it should have 3: \[num_total_pages, page_size, head_dim\]$",
    ),
]


@pytest.mark.parametrize(
    ("transform", "change", "says"),
    [(transform, change, says) for transform, _, change, says in REFUSED],
    ids=[f"{transform}-{name}" for transform, name, _, _ in REFUSED],
)
def test_refused(transform: str, change: dict[str, Any], says: str) -> None:
    given = operands(transform) | stated(transform) | change
    before = {name: given[name].copy() for name in NAMES if given.get(name) is not None}
    with pytest.raises((bf.InvalidProblem, bf.Unsupported), match=says):
        bf.append_paged_kv(**given, stream=None)
    for name, array in before.items():
        assert np.array_equal(given[name].view(np.uint8), array.view(np.uint8)), name


def test_what_a_copy_quantises_is_refused() -> None:
    """fp8 rows by a scale, caches that it does not write, a value of another type than key."""
    given = operands("FP8")
    fp8 = {name: given[name].astype(ml_dtypes.float8_e4m3fn) for name in ("key", "value")}
    with pytest.raises(bf.InvalidProblem, match=r"key is of type fp8_e4m3; .*FP8 reads key and value of f16"):
        bf.append_paged_kv(**given | fp8, stream=None)
    f16 = {name: np.zeros((PAGES, HEADS, SLOTS, WIDTH), np.float16) for name in ("k_data", "v_data")}
    with pytest.raises(
        bf.Unsupported, match=r"k_data is of type f16; transform FP8 writes caches of fp8_e4m3"
    ):
        bf.append_paged_kv(**given | f16, stream=None)
    mixed = {"value": given["value"].astype(np.float32)}
    with pytest.raises(bf.Unsupported, match=r"value is of type f32; it should be f16, as key is"):
        bf.append_paged_kv(**given | mixed, stream=None)
    doubles = {name: given[name].astype(np.float64) for name in ("key", "value")}
    with pytest.raises(bf.Unsupported, match=r"key is of type float64; it should be f16, bf16 or f32$"):
        bf.append_paged_kv(**given | doubles, stream=None)


def test_caches_of_another_type_are_held_against_caches_and_not_against_rows() -> None:
    given = operands("FP8")
    e5m2 = {"v_data": given["v_data"].astype(ml_dtypes.float8_e5m2)}
    with pytest.raises(
        bf.Unsupported, match=r"v_data is of type fp8_e5m2; it should be fp8_e4m3, as k_data is$"
    ):
        bf.append_paged_kv(**given | e5m2, stream=None)
    with pytest.raises(bf.Unsupported, match=r"k_data is of type fp8_e4m3; it should be fp8_e5m2$"):
        bf.append_paged_kv(**given, element="fp8_e5m2", stream=None)
    given = operands("NVFP4")
    with pytest.raises(
        bf.Unsupported, match=r"k_data is of type int8; transform NVFP4 writes caches of uint8$"
    ):
        bf.append_paged_kv(
            **given | {"k_data": given["k_data"].view(np.int8)}, transform="NVFP4", stream=None
        )


def test_a_copy_into_a_quantised_cache_names_what_quantises() -> None:
    given = {name: operand for name, operand in operands("FP8").items() if "scale" not in name}
    with pytest.raises(
        bf.Unsupported, match=r"k_data is of type fp8_e4m3; .*as key is; with k_scale \(FP8\)"
    ):
        bf.append_paged_kv(**given, stream=None)
    with pytest.raises(
        bf.Unsupported, match=r"key is of type f16; it should be fp8_e4m3; with k_scale \(FP8\)"
    ):
        bf.append_paged_kv(**given, element="fp8_e4m3", stream=None)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_arguments_of_another_transform(transform: str) -> None:
    selected = plan(transform)
    for other in TRANSFORMS:
        if other != transform:
            args = bf.PagedKvAppendArgs(**operands(other))
            with pytest.raises(bf.InvalidProblem) as refused:
                selected.run(None, bf.Workspace.NONE, args)
            assert refused.value.function == "PagedKvAppendPlan.run"
    if transform != "FP8":
        return
    # What a launch was bound without stays absent.
    launch = selected.bind(None, bf.PagedKvAppendArgs(**operands("FP8")))
    with pytest.raises(bf.InvalidProblem, match="k_scales is given"):
        launch.rebind(k_scales=operands("PER_TOKEN_HEAD")["k_scales"])


def test_one_cache_stays_one() -> None:
    given = operands("FP8_DS_MLA")
    launch = plan("FP8_DS_MLA").bind(None, bf.PagedKvAppendArgs(**given))
    with pytest.raises(bf.InvalidProblem, match="v_data is given and the launch was bound to one cache"):
        launch.rebind(v_data=given["k_data"].copy())


@pytest.mark.parametrize("transform", ["COPY", *TRANSFORMS])
def test_what_a_plan_says_of_itself(transform: str) -> None:
    if transform == "COPY":
        cache = descriptor("FP8").paged_kv
        copy = bf.PagedKvAppendDescriptor(paged_kv=cache, addressing="SLOTS")
        assert copy.transform is bf.Transform.COPY
        assert copy.source_element is None
        sku = bf.PagedKvAppendPlan.select(None, copy).sku()
        assert (sku.aux_element, sku.epilogue) == (None, None)
        assert sku.precision_guarantee.accumulator is cache.element
    else:
        selected = plan(transform)
        sku = selected.sku()
        assert sku.aux_element is bf.ElementKind.F16
        assert sku.epilogue == transform
        assert sku.element is selected.descriptor.paged_kv.element
        assert selected.precision_guarantee().accumulator is bf.ElementKind.F32
        assert sku.backend is bf.BackendKind.HOST
    assert sku.precision_guarantee.math_precision is bf.MathPrecision.F32
    assert sku.precision_guarantee.deterministic
    assert sku.precision_guarantee.bit_stable_on_same_hardware


def test_descriptors() -> None:
    with pytest.raises(bf.InvalidProblem, match=r"source_element is None; with transform FP8"):
        plan("FP8", source_element=None)
    cache = descriptor("FP8").paged_kv
    with pytest.raises(bf.InvalidProblem, match=r"transform is 7"):
        bf.PagedKvAppendDescriptor(paged_kv=cache, transform=7)  # type: ignore[arg-type]
    copy = bf.PagedKvAppendDescriptor(paged_kv=cache, addressing="SLOTS", source_element="f16")
    with pytest.raises(bf.Unsupported, match=r"source_element is 1 \(f16\) and element is 4 \(fp8_e4m3\)"):
        bf.PagedKvAppendPlan.select(None, copy)
    same = descriptor("FP8")
    assert same == descriptor("FP8")
    assert hash(same) == hash(descriptor("FP8"))
    assert same != descriptor("FP8", source_element="bf16")
    assert "FP8" in repr(same)


def test_a_decode_of_an_unguarded_plan_quantises() -> None:
    """Not held to baracuda-kernels' checks: a head_dim of 32, padding, strided rows."""
    given = operands("FP8")
    del given["slot_mapping"]
    table = {
        "indices": np.array([2, -1, 1], np.int64),
        "indptr": np.array([0, 1, 2, 3], np.int32),
        "last_page_len": np.array([3, 0, 1], np.int32),
    }
    given |= table
    given["key"] = np.repeat(given["key"], 2, axis=0)[::2][:3]
    after = expected("FP8", given)
    plan("FP8", addressing="LAST_PAGE").run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**given))
    assert_as({name: given[name] for name in NAMES if name in given}, {n: after[n] for n in NAMES[:2]})
