"""JAX: arrays as operands, outside of ``jit``.

Ordering: JAX tells nobody its streams. So its arrays are made ready first (``block_until_ready``), the append
goes to the default stream, and the device is synchronised before JAX reads the caches again.

JAX takes its arrays for immutable. Appending writes into them in place: keep one array per cache, that
nothing else shares, and pass it to no computation while an append on it runs.
"""

from __future__ import annotations

import jax
import numpy as np
from cuda.bindings import runtime

import baracuda_ffi as bf
from baracuda_ffi.examples._problem import Problem

DEFAULT_STREAM = 0


def main() -> None:
    problem = Problem()
    names = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")
    operands = {name: jax.device_put(getattr(problem, name), may_alias=False) for name in names}
    jax.block_until_ready(list(operands.values()))
    bf.append_paged_kv(*operands.values(), stream=DEFAULT_STREAM)
    (status,) = runtime.cudaDeviceSynchronize()
    if status != runtime.cudaError_t.cudaSuccess:
        raise SystemExit(f"cudaDeviceSynchronize said {status.name}")
    problem.check(np.asarray(operands["k_data"]), np.asarray(operands["v_data"]))


if __name__ == "__main__":
    main()
