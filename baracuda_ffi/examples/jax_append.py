"""JAX: an append inside ``jax.jit``, by ``baracuda_ffi.jax``, on a GPU or on the CPU.

JAX's arrays do not change, so the append returns the caches as they are afterwards. The caches are donated:
they are written where they are, and no copy is made. XLA orders the append with its other work; there is no
stream to give, and nothing to wait for.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from baracuda_ffi.examples._problem import Problem
from baracuda_ffi.jax import append_paged_kv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def decode_step(key: Any, value: Any, k_data: Any, v_data: Any, *table: Any) -> Any:
    return append_paged_kv(key, value, k_data, v_data, *table)


def main() -> None:
    problem = Problem()
    names = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")
    # Copies that JAX made by a program of its own: it donates no memory that it has of NumPy.
    operands = {name: jnp.array(getattr(problem, name)).copy() for name in names}
    compiled = jax.jit(decode_step, donate_argnames=("k_data", "v_data"))
    before = operands["k_data"].unsafe_buffer_pointer()
    k_data, v_data = compiled(*operands.values())
    if k_data.unsafe_buffer_pointer() != before:
        raise SystemExit("WRONG: the cache was copied")
    problem.check(np.asarray(k_data), np.asarray(v_data))


if __name__ == "__main__":
    main()
