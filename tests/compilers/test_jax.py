"""`baracuda_ffi.jax` on CPUs: compiled, donated, scanned over and sharded, against the oracle."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference
from support.processes.python import output_of

jax: Any = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from baracuda_ffi.jax import append_paged_kv  # noqa: E402

HEADS, WIDTH, PAGE_SIZE, PAGES = 2, 16, 4, 6
SLOTS = np.array([1, 6, 23], np.int32)


@pytest.fixture(autouse=True)
def _on_cpu() -> Any:
    with jax.default_device(jax.devices("cpu")[0]):
        yield


def random(*shape: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def own(array: Any) -> Any:
    """In memory of JAX's own, made by its own program: what it has of others it may not write to."""
    return jnp.array(array).copy()


def caches(dtype: Any = np.float32) -> tuple[Any, Any]:
    shape = PAGES, HEADS, PAGE_SIZE, WIDTH
    return own(random(*shape, dtype=dtype)), own(random(*shape, dtype=dtype) + dtype(1))


def rows(count: int = 3, dtype: Any = np.float32) -> Any:
    return jnp.asarray(random(count, HEADS, WIDTH).astype(dtype))


def expected(key: Any, value: Any, k_data: Any, v_data: Any, **operands: Any) -> list[Any]:
    """The caches afterwards, by the oracle."""
    after = [np.array(k_data), np.array(v_data)]
    append_paged_kv_reference(np.asarray(key), np.asarray(value), *after, **operands)
    return after


def assert_same(found: Any, right: Any) -> None:
    for one, other in zip(found, right, strict=True):
        assert np.asarray(one).tobytes() == other.tobytes()


def step(key: Any, value: Any, k_data: Any, v_data: Any, slots: Any) -> Any:
    return append_paged_kv(key, value, k_data, v_data, slot_mapping=slots)


HOW: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "as it is": lambda function: function,
    "jit": jax.jit,
    "jit, donated": lambda function: jax.jit(function, donate_argnums=(2, 3)),
}


@pytest.mark.parametrize("how", HOW)
def test_an_append(how: str) -> None:
    key, value, (k_data, v_data) = rows(), rows() + 1, caches()
    right = expected(key, value, k_data, v_data, slot_mapping=SLOTS)
    assert_same(HOW[how](step)(key, value, k_data, v_data, SLOTS), right)


def test_in_place_when_donated() -> None:
    key, (k_data, v_data) = rows(), caches()
    before = k_data.unsafe_buffer_pointer(), v_data.unsafe_buffer_pointer()
    k_new, v_new = HOW["jit, donated"](step)(key, key, k_data, v_data, SLOTS)
    assert (k_new.unsafe_buffer_pointer(), v_new.unsafe_buffer_pointer()) == before
    assert k_data.is_deleted()


@pytest.mark.parametrize("how", ["as it is", "jit"])
def test_a_copy_when_not_donated(how: str) -> None:
    key, (k_data, v_data) = rows(), caches()
    before = np.array(k_data), np.array(v_data)
    k_new, _ = HOW[how](step)(key, key, k_data, v_data, SLOTS)
    assert k_new.unsafe_buffer_pointer() != k_data.unsafe_buffer_pointer()
    assert_same((k_data, v_data), before)


DTYPES = ["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int8", "uint8"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type(dtype: str) -> None:
    kind = getattr(jnp, dtype)
    key = jnp.asarray(random(3, HEADS, WIDTH) * 10).astype(kind)
    zeros = jnp.zeros((PAGES, PAGE_SIZE, HEADS, WIDTH), kind)
    found = jax.jit(lambda cache: append_paged_kv(key, key, cache, cache, slot_mapping=SLOTS, layout="NHD"))(
        zeros
    )
    for cache in found:
        flat = np.asarray(cache).reshape(PAGES * PAGE_SIZE, HEADS, WIDTH)
        assert flat[SLOTS].tobytes() == np.asarray(key).tobytes()
        assert not np.delete(flat.view(np.uint8), SLOTS, axis=0).any()


def as_csr(lengths: str) -> dict[str, Any]:
    table = {"indices": np.array([3, 1, 5], np.int32), "indptr": np.array([0, 2, 3], np.int32)}
    return table | {lengths: np.array([2, 1] if lengths == "last_page_len" else [6, 1], np.int32)}


SETS: dict[str, dict[str, Any]] = {
    "last_page_len": as_csr("last_page_len"),
    "seq_lens": as_csr("seq_lens"),
    "block_table": {
        "block_table": np.array([[3, 1], [5, -1]], np.int32),
        "seq_lens": np.array([6, 1], np.int32),
    },
    "ragged": as_csr("seq_lens")
    | {"append_indptr": np.array([0, 1, 2], np.int32), "length_convention": "AFTER_APPEND"},
    "positions": {
        "indices": np.array([3, 1, 5], np.int32),
        "indptr": np.array([0, 2, 3], np.int32),
        "batch_indices": np.array([1, 0], np.int32),
        "positions": np.array([2, 5], np.int32),
    },
    "slots": {"slot_mapping": np.array([9, -1], np.int32)},
    "skip_slot": {"slot_mapping": np.array([0, 11], np.int32), "skip_slot": 0},
}


@pytest.mark.parametrize("name", SETS)
def test_every_set_of_operands(name: str) -> None:
    operands = dict(SETS[name])
    options = {key: operands.pop(key) for key in ("length_convention", "skip_slot") if key in operands}
    key, (k_data, v_data) = rows(2), caches()
    compiled = jax.jit(lambda *caches, **given: append_paged_kv(key, key, *caches, **given, **options))
    right = expected(key, key, k_data, v_data, **operands, **options)
    assert_same(compiled(k_data, v_data, **operands), right)


def test_both_caches_in_one() -> None:
    key, value = rows(), rows() + 1
    kv_data = own(random(PAGES, 2, HEADS, PAGE_SIZE, WIDTH))
    right = expected(key, value, kv_data[:, 0], kv_data[:, 1], slot_mapping=SLOTS)
    compiled = jax.jit(
        lambda kv_data: append_paged_kv(key, value, kv_data=kv_data, slot_mapping=SLOTS), donate_argnums=0
    )
    before = kv_data.unsafe_buffer_pointer()
    found = compiled(kv_data)
    assert found.unsafe_buffer_pointer() == before
    assert_same((found[:, 0], found[:, 1]), right)


def test_key_alone_without_a_head_dimension() -> None:
    key, k_data = jnp.asarray(random(3, 576)), jnp.zeros((PAGES, PAGE_SIZE, 576))
    found = jax.jit(lambda cache: append_paged_kv(key, None, cache, slot_mapping=SLOTS))(k_data)
    assert np.array_equal(np.asarray(found).reshape(-1, 576)[SLOTS], key)
    assert np.count_nonzero(found) == key.size


def test_inside_a_scan() -> None:
    keys = jnp.asarray(random(5, 3, HEADS, WIDTH))
    slots = np.random.default_rng(1).permutation(PAGES * PAGE_SIZE)[:15].astype(np.int32).reshape(5, 3)

    def body(carried: Any, of_step: Any) -> Any:
        key, slots = of_step
        return append_paged_kv(key, key + 1, *carried, slot_mapping=slots), 0

    compiled = jax.jit(lambda carried: jax.lax.scan(body, carried, (keys, slots))[0], donate_argnums=0)
    k_data, v_data = caches()
    right = expected(
        keys.reshape(-1, HEADS, WIDTH),
        keys.reshape(-1, HEADS, WIDTH) + 1,
        k_data,
        v_data,
        slot_mapping=slots.reshape(-1),
    )
    before = k_data.unsafe_buffer_pointer()
    found = compiled((k_data, v_data))
    assert found[0].unsafe_buffer_pointer() == before
    assert_same(found, right)


SHARDED = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from baracuda_ffi.jax import append_paged_kv
assert jax.device_count() == 2
mesh = jax.make_mesh((2,), ("heads",))
by_heads, whole = PartitionSpec(None, "heads"), PartitionSpec()
put = lambda array, spec: jax.device_put(array, NamedSharding(mesh, spec))
step = jax.jit(
    jax.shard_map(
        lambda key, k_data, v_data, slots: append_paged_kv(key, key + 1, k_data, v_data, slot_mapping=slots),
        mesh=mesh,
        in_specs=(by_heads, by_heads, by_heads, whole),
        out_specs=(by_heads, by_heads),
    ),
    donate_argnums=(1, 2),
)
pointers = lambda array: [shard.data.unsafe_buffer_pointer() for shard in array.addressable_shards]
key = np.random.default_rng(0).standard_normal((3, 4, 16)).astype(np.float32)
k_data, v_data = (put(jnp.zeros((6, 4, 8, 16)), by_heads) for _ in range(2))
before = pointers(k_data), pointers(v_data)
found = step(put(key, by_heads), k_data, v_data, put(np.array([1, 16, 47], np.int32), whole))
assert (pointers(found[0]), pointers(found[1])) == before and len(set(before[0])) == 2
for array, rows in zip(found, (key, key + 1)):
    for page, slot, row in zip((0, 2, 5), (1, 0, 7), rows):
        assert np.array_equal(array[page, :, slot], row)
    assert np.count_nonzero(array) == rows.size
print("right")
"""


def test_sharded_over_devices() -> None:
    flags = "--xla_force_host_platform_device_count=2"
    assert output_of(SHARDED, XLA_FLAGS=flags, JAX_PLATFORMS="cpu").strip() == "right"


def quantised(transform: str) -> tuple[Any, Any, dict[str, Any]]:
    """k_data, v_data, and the scales, as NumPy arrays."""
    shape = PAGES, HEADS, PAGE_SIZE
    scale = {"k_scale": np.float32([0.5]), "v_scale": np.linspace(0.1, 1, HEADS, dtype=np.float32)}
    if transform == "FP8":
        return *(np.zeros((*shape, WIDTH), ml_dtypes.float8_e4m3fn) for _ in range(2)), scale
    if transform == "NVFP4":
        scales = {name: np.zeros((*shape, 1), np.uint8) for name in ("k_scales", "v_scales")}
        scale["v_scale"] = scale["k_scale"]
        return *(np.zeros((*shape, WIDTH // 2), np.uint8) for _ in range(2)), scale | scales
    scales = {name: np.zeros((PAGES, PAGE_SIZE, HEADS), np.float32) for name in ("k_scales", "v_scales")}
    return *(np.zeros((*shape, WIDTH), np.int8) for _ in range(2)), scales


@pytest.mark.parametrize("transform", ["FP8", "PER_TOKEN_HEAD", "NVFP4"])
def test_every_transform_of_two_parts(transform: str) -> None:
    key, value = rows(dtype=ml_dtypes.bfloat16), rows(dtype=ml_dtypes.bfloat16) * 3
    *caches, scales = quantised(transform)
    options = {"transform": transform, "slot_mapping": SLOTS}

    def quantise(caches: Any, written: Any, read: Any) -> Any:
        return append_paged_kv(key, value, *caches, **written, **read, **options)

    given = [own(cache) for cache in caches]
    by_role: list[dict[str, Any]] = [{}, {}]
    for name, array in scales.items():
        by_role[name.endswith("scale")][name] = own(array)
    before = given[0].unsafe_buffer_pointer()
    found = jax.jit(quantise, donate_argnums=(0, 1))(given, *by_role)
    assert found[0].unsafe_buffer_pointer() == before
    append_paged_kv_reference(np.asarray(key), np.asarray(value), *caches, **scales, **options)
    written = [*caches, *(scales[name] for name in ("k_scales", "v_scales") if name in scales)]
    assert_same(found, written)
    assert all(array.view(np.uint8).any() for array in written)


def test_no_rows() -> None:
    key, (k_data, v_data) = rows(0), caches()
    before = np.array(k_data), np.array(v_data)
    assert_same(jax.jit(step)(key, key, k_data, v_data, SLOTS[:0]), before)


def test_guarded_with_an_error_record() -> None:
    key, (k_data, v_data) = rows(), caches()
    slots = np.array([1, 1000, 23], np.int32)
    record = jnp.zeros(16, jnp.int32)

    def guarded(k_data: Any, v_data: Any, record: Any) -> Any:
        return append_paged_kv(
            key, key, k_data, v_data, slot_mapping=slots, guarded=True, error_record=record
        )

    right = expected(key[::2], key[::2], k_data, v_data, slot_mapping=slots[::2])
    *found, record = jax.jit(guarded)(k_data, v_data, record)
    assert_same(found, right)
    with pytest.raises(bf.CorruptPageTable, match="row 1 was not served: its slot_mapping is 1000"):
        bf.ErrorRecord(np.array(record).view(np.int64)).check(None)


def test_a_corrupt_table_is_an_error_of_jax_with_our_message() -> None:
    key, (k_data, v_data) = rows(), caches()
    with pytest.raises(Exception, match="row 1: its slot_mapping is 1000; it should be below 24"):
        jax.block_until_ready(jax.jit(step)(key, key, k_data, v_data, np.array([1, 1000, 23], np.int32)))


def refused() -> dict[str, tuple[type, str, Callable[[], Any]]]:
    key, (k_data, v_data) = rows(), caches()
    return {
        "a shape": (
            bf.InvalidProblem,
            r"value has shape \[3, 2, 16\]; it should be \[3 or more, 1, 16\]",
            lambda: step(key[:, :1], key, k_data, v_data, SLOTS),
        ),
        "a type": (
            bf.Unsupported,
            "value is of type f32; it should be f16",
            lambda: step(key.astype(jnp.float16), key, k_data, v_data, SLOTS),
        ),
        "a type that no operand has": (
            bf.Unsupported,
            "key is of type complex64",
            lambda: step(key.astype(jnp.complex64), key, k_data, v_data, SLOTS),
        ),
        "no places": (
            bf.InvalidProblem,
            "nothing says where the rows go",
            lambda: append_paged_kv(key, key, k_data, v_data),
        ),
        "a layout": (
            bf.InvalidProblem,
            "layout is 'HDN'",
            lambda: append_paged_kv(key, key, k_data, v_data, slot_mapping=SLOTS, layout="HDN"),
        ),
        "a record that is too small": (
            bf.Unsupported,
            r"error_record is int32\[8\]; it should be int32\[16\]",
            lambda: append_paged_kv(
                key,
                key,
                k_data,
                v_data,
                slot_mapping=SLOTS,
                guarded=True,
                error_record=jnp.zeros(8, jnp.int32),
            ),
        ),
        "no array": (
            bf.Unsupported,
            "value is an object",
            lambda: step(key, object(), k_data, v_data, SLOTS),
        ),
    }


@pytest.mark.parametrize("name", refused())
def test_what_is_refused_while_it_is_traced(name: str) -> None:
    kind, says, call = refused()[name]
    with pytest.raises(kind, match=says):
        jax.jit(call)()


def test_no_derivative_and_no_batching() -> None:
    key, (k_data, v_data) = rows(), caches()
    with pytest.raises(ValueError, match=r"baracuda_ffi_append_paged_kv.* cannot be differentiated"):
        jax.grad(lambda key: step(key, key, k_data, v_data, SLOTS)[0].sum())(key)
    with pytest.raises(NotImplementedError, match="vmap"):
        jax.vmap(lambda key: step(key, key, k_data, v_data, SLOTS))(jnp.stack([key, key]))


def test_many_calls_in_many_threads() -> None:
    """XLA calls the handler without the GIL, on threads of its own."""
    from support.processes.threads import run_together

    key, (k_data, v_data) = rows(), caches()
    right = expected(key, key, k_data, v_data, slot_mapping=SLOTS)
    compiled = jax.jit(step)
    compiled(key, key, k_data, v_data, SLOTS)

    def work() -> None:
        for _ in range(50):
            assert_same(compiled(key, key, k_data, v_data, SLOTS), right)

    with warnings.catch_warnings():
        run_together([work] * 4)


def test_importing_the_package_imports_no_jax() -> None:
    every_name = "[getattr(bf, name) for name in bf.__all__]"
    program = f"import sys, baracuda_ffi as bf; {every_name}; print('jax' in sys.modules)"
    assert output_of(program).strip() == "False"
