"""The append for JAX: in ``jax.jit``, ``lax.scan`` and ``shard_map``, on CPUs and on CUDA devices.

JAX's arrays do not change, so ``append_paged_kv`` here returns the caches as they are afterwards. Donate them
(``jax.jit(step, donate_argnums=...)``) and they are written where they are, without a copy; without donation
XLA copies them first, and those that were given stay as they were. XLA orders the append with its other work,
on streams of its own, which is why there is no stream to give.

It has no derivative and no batching rule: JAX refuses to differentiate or to ``vmap`` it.

Importing this imports JAX; ``import baracuda_ffi`` does not.
"""

from __future__ import annotations

from ._compilers.xla_target import call as _call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import jax

__all__ = ["append_paged_kv"]


def append_paged_kv(
    key: jax.Array,
    value: jax.Array | None = None,
    k_data: jax.Array | None = None,
    v_data: jax.Array | None = None,
    indices: jax.Array | None = None,
    indptr: jax.Array | None = None,
    last_page_len: jax.Array | None = None,
    *,
    append_indptr: jax.Array | None = None,
    batch_indices: jax.Array | None = None,
    positions: jax.Array | None = None,
    slot_mapping: jax.Array | None = None,
    block_table: jax.Array | None = None,
    seq_lens: jax.Array | None = None,
    k_scale: jax.Array | None = None,
    v_scale: jax.Array | None = None,
    k_scales: jax.Array | None = None,
    v_scales: jax.Array | None = None,
    kv_data: jax.Array | None = None,
    error_record: jax.Array | None = None,
    **options: Any,
) -> jax.Array | tuple[jax.Array, ...]:
    """``baracuda_ffi.append_paged_kv``, as JAX has it.

    Parameters
    ----------
    key, value, k_data, v_data, indices, indptr, last_page_len, append_indptr, batch_indices, positions
        As for ``baracuda_ffi.append_paged_kv``, as arrays of JAX, or tracers of them. XLA's arrays are
        packed: a slice of a fused projection is copied by XLA before it is appended.
    slot_mapping, block_table, seq_lens, k_scale, v_scale, k_scales, v_scales, kv_data
        The same. A number for a scale would be a constant of the compiled program, as any is in JAX.
    error_record
        64 bytes, int32 ``[16]`` of zeros, with guarded. Read what a guarded append left there by
        ``ErrorRecord(numpy.array(record).view(numpy.int64)).check(None)``.
    **options
        As for ``baracuda_ffi.append_paged_kv``, but stream and backend: CUDA devices run our kernel, which is
        always guarded, and CPUs the host backend.

    Returns
    -------
    jax.Array, or a tuple of them
        What was written, in this order: k_data and v_data (k_data alone where there is no v_data); k_scales
        and v_scales where they are given; kv_data; error_record.

    Raises
    ------
    BaracudaError
        While JAX traces: operands that do not fit each other, by their shapes and types. What is only found
        when the program runs, a corrupt page table on the host, JAX raises as an error of its own, with our
        message.
    """
    arrays = {name: value for name, value in locals().items() if name != "options"}
    results = _call(arrays, options)
    return results[0] if len(results) == 1 else tuple(results)
