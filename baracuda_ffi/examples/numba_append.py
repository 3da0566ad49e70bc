"""Numba: device arrays and a stream of numba.cuda.

Ordering: the copies and the append are enqueued on one stream. Kernels of yours that make key, value or the
page table belong on it too (``kernel[blocks, threads, stream](...)``), or before an event that it waits for.
"""

from __future__ import annotations

from numba import cuda

import baracuda_ffi as bf
from baracuda_ffi.examples._problem import Problem


def main() -> None:
    problem = Problem()
    stream = cuda.stream()
    names = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")
    operands = {name: cuda.to_device(getattr(problem, name), stream=stream) for name in names}
    bf.append_paged_kv(*operands.values(), stream=stream)
    k_after = operands["k_data"].copy_to_host(stream=stream)
    v_after = operands["v_data"].copy_to_host(stream=stream)
    stream.synchronize()
    problem.check(k_after, v_after)


if __name__ == "__main__":
    main()
