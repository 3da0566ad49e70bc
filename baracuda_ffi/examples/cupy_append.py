"""CuPy: its arrays as operands, on a stream of its own.

Ordering: everything below is enqueued on one stream, so the append comes after the uploads and before the
downloads. Arrays that were made on another stream need an event between:
``stream.wait_event(other.record())``.
"""

from __future__ import annotations

import cupy

import baracuda_ffi as bf
from baracuda_ffi.examples._problem import Problem


def main() -> None:
    problem = Problem()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        k_data, v_data = cupy.asarray(problem.k_data), cupy.asarray(problem.v_data)
        bf.append_paged_kv(
            cupy.asarray(problem.key),
            cupy.asarray(problem.value),
            k_data,
            v_data,
            cupy.asarray(problem.indices),
            cupy.asarray(problem.indptr),
            cupy.asarray(problem.last_page_len),
            stream=stream,
        )
        # CuPy's pool gives memory back in the order of the stream, so the temporaries above outlive the
        # append.
        k_after, v_after = k_data.get(), v_data.get()
    problem.check(k_after, v_after)


if __name__ == "__main__":
    main()
