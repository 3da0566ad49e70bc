"""`baracuda_ffi.jax` on CUDA devices: in place when donated, ordered by XLA, in its CUDA graphs, sharded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference

pytestmark = pytest.mark.gpu

jax: Any = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from baracuda_ffi.jax import append_paged_kv  # noqa: E402

HEADS, WIDTH, PAGE_SIZE, PAGES, ROWS = 4, 128, 16, 64, 9
DTYPES = ["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]


def gpus() -> list[Any]:
    """JAX's own; without its CUDA plug-in it has none, whatever the machine has."""
    try:
        return list(jax.devices("gpu"))
    except RuntimeError as error:
        pytest.skip(f"JAX has no GPU here: {error}")


@pytest.fixture(autouse=True)
def _on_gpu() -> Any:
    with jax.default_device(gpus()[0]):
        yield


def random(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def operands(dtype: str = "float16") -> tuple[Any, ...]:
    """key, value, k_data, v_data, slots."""
    kind = getattr(jnp, dtype)
    key = jnp.asarray(random(ROWS, HEADS, WIDTH)).astype(kind)
    cache = jnp.asarray(random(PAGES, HEADS, PAGE_SIZE, WIDTH)).astype(kind)
    slots = np.random.default_rng(1).permutation(PAGES * PAGE_SIZE)[:ROWS].astype(np.int32)
    return key, key[::-1], cache, cache[::-1], jnp.asarray(slots)


def step(key: Any, value: Any, k_data: Any, v_data: Any, slots: Any) -> Any:
    return append_paged_kv(key, value, k_data, v_data, slot_mapping=slots)


def expected(key: Any, value: Any, k_data: Any, v_data: Any, slots: Any) -> list[Any]:
    after = [np.array(k_data), np.array(v_data)]
    append_paged_kv_reference(np.asarray(key), np.asarray(value), *after, slot_mapping=np.asarray(slots))
    return after


def assert_same(found: Any, right: Any) -> None:
    for one, other in zip(found, right, strict=True):
        assert np.asarray(one).tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("donated", [True, False])
def test_an_append(donated: bool, dtype: str) -> None:
    given = operands(dtype)
    right = expected(*given)
    before = [array.unsafe_buffer_pointer() for array in given[2:4]]
    found = jax.jit(step, donate_argnums=(2, 3) if donated else ())(*given)
    assert_same(found, right)
    assert ([array.unsafe_buffer_pointer() for array in found] == before) == donated


def test_ordered_with_what_comes_before_and_after() -> None:
    """key is made, and the cache read, by kernels of the same program."""
    key, value, k_data, v_data, slots = operands("float32")

    def between(key: Any, k_data: Any) -> Any:
        for _ in range(20):
            key = jnp.sin(key) + key
        k_data, _ = append_paged_kv(key, value, k_data, v_data, slot_mapping=slots)
        return key, k_data.sum(axis=(1, 3)), k_data

    key_after, sums, cache = jax.jit(between)(key, k_data)
    (right, _) = expected(key_after, value, k_data, v_data, slots)
    assert np.asarray(cache).tobytes() == right.tobytes()
    np.testing.assert_allclose(sums, right.sum(axis=(1, 3)), rtol=2e-3, atol=2e-2)


def test_inside_a_scan() -> None:
    _, _, k_data, v_data, _ = operands("float32")
    keys = jnp.asarray(random(8, ROWS, HEADS, WIDTH))
    slots = np.random.default_rng(2).permutation(PAGES * PAGE_SIZE)[: 8 * ROWS].astype(np.int32)

    def body(carried: Any, of_step: Any) -> Any:
        return step(of_step[0], of_step[0] + 1, *carried, of_step[1]), 0

    flat = keys.reshape(-1, HEADS, WIDTH)
    right = expected(flat, flat + 1, k_data, v_data, slots)
    compiled = jax.jit(
        lambda carried, xs: jax.lax.scan(body, carried, xs)[0],
        donate_argnums=0,
    )
    before = k_data.unsafe_buffer_pointer()
    found = compiled((k_data, v_data), (keys, jnp.asarray(slots.reshape(8, ROWS))))
    assert found[0].unsafe_buffer_pointer() == before
    assert_same(found, right)


def test_again_and_again() -> None:
    """What XLA runs as CUDA graphs, it captures after a first run, and replays with other buffers."""
    compiled = jax.jit(
        lambda key, value, k_data, v_data, slots: step(key * 2, value + 1, k_data, v_data, slots),
        donate_argnums=(2, 3),
    )
    key, value, k_data, v_data, slots = operands("float32")
    for turn in range(6):
        of_turn = (slots + 17 * turn) % (PAGES * PAGE_SIZE)
        right = expected(key * 2, value + 1, k_data, v_data, of_turn)
        k_data, v_data = compiled(key, value, k_data, v_data, of_turn)
        assert_same((k_data, v_data), right)


def test_a_corrupt_slot_is_not_written_and_recorded() -> None:
    key, value, k_data, v_data, slots = operands()
    bad = slots.at[4].set(PAGES * PAGE_SIZE)
    right = expected(
        np.delete(key, 4, 0), np.delete(value, 4, 0), k_data, v_data, np.delete(np.asarray(slots), 4)
    )

    def recorded(record: Any) -> Any:
        return append_paged_kv(
            key, value, k_data, v_data, slot_mapping=bad, guarded=True, error_record=record
        )

    *found, record = jax.jit(recorded)(jnp.zeros(16, jnp.int32))
    assert_same(found, right)
    with pytest.raises(bf.CorruptPageTable, match="row 4 was not served: its slot_mapping is 1024"):
        bf.ErrorRecord(np.array(record).view(np.int64)).check(None)
    assert_same(jax.jit(step)(key, value, k_data, v_data, bad), right)  # without a record too


@pytest.mark.multigpu
def test_on_another_device() -> None:
    second = gpus()[1]
    given = [jax.device_put(array, second) for array in operands()]
    right = expected(*given)
    found = jax.jit(step)(*given)
    assert found[0].devices() == {second}
    assert_same(found, right)


@pytest.mark.multigpu
def test_sharded_over_devices() -> None:
    mesh = jax.sharding.Mesh(np.array(gpus()[:2]), ("heads",))
    by_heads, whole = jax.sharding.PartitionSpec(None, "heads"), jax.sharding.PartitionSpec()
    given = operands()
    right = expected(*given)
    specs = (by_heads, by_heads, by_heads, by_heads, whole)
    put = [
        jax.device_put(array, jax.sharding.NamedSharding(mesh, spec))
        for array, spec in zip(given, specs, strict=True)
    ]
    compiled = jax.jit(
        jax.shard_map(step, mesh=mesh, in_specs=specs, out_specs=(by_heads, by_heads)), donate_argnums=(2, 3)
    )
    before = [shard.data.unsafe_buffer_pointer() for shard in put[2].addressable_shards]
    found = compiled(*put)
    assert [shard.data.unsafe_buffer_pointer() for shard in found[0].addressable_shards] == before
    assert_same(found, right)
