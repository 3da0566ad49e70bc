"""Uses an installed package as a newcomer would. Run by the scripts beside it: use_install.py cuda|host.

The argument says what the library has to have been built with. An AssertionError says what is not so.
"""

from __future__ import annotations

import sys

import numpy as np

import baracuda_ffi as bf


def aligned_zeros(*shape: int) -> np.ndarray:
    """float32, on a multiple of 16 bytes."""
    size = int(np.prod(shape))
    buffer = np.zeros(size + 4, np.float32)
    start = -buffer.ctypes.data % 16 // 4
    return buffer[start : start + size].reshape(shape)


def append_on_the_host() -> None:
    page_size, heads, head_dim = 2, 3, 64
    key, value = aligned_zeros(1, heads, head_dim), aligned_zeros(1, heads, head_dim)
    key[:], value[:] = 1, 2
    k_data, v_data = (aligned_zeros(2, heads, page_size, head_dim) for _ in range(2))
    table = [np.array(values, np.int32) for values in ([1], [0, 1], [1])]
    bf.append_paged_kv(key, value, k_data, v_data, *table, stream=None)
    assert (k_data[1, :, 1] == 1).all(), "the new key is not in page 1, slot 1"
    assert (v_data[1, :, 1] == 2).all(), "the new value is not in page 1, slot 1"
    assert k_data.sum() == heads * head_dim, "something else in the cache changed"
    assert v_data.sum() == 2 * heads * head_dim, "something else in the cache changed"


def select_on_the_gpu() -> bf.BaracudaError | None:
    cache = bf.PagedKvCacheDescriptor(
        page_size=16, num_total_pages=4, num_kv_heads=2, head_dim=64, element=bf.ElementKind.F16
    )
    try:
        bf.PagedKvAppendPlan.select(
            0, bf.PagedKvAppendDescriptor(batch_size=1, paged_kv=cache), bf.PlanPreference()
        )
    except bf.BaracudaError as error:
        return error
    return None


def main(expected: str) -> None:
    info = bf.build_info()
    print(f"{bf.library_path()}: {info}")
    append_on_the_host()
    error = select_on_the_gpu()
    if expected == "cuda":
        assert info.cuda is not None, "the library was built without CUDA"
        assert info.flashinfer == "0.6.9"
        assert not isinstance(error, bf.Unsupported), error
    else:
        assert info.cuda is None, "the library was built with CUDA"
        assert isinstance(error, bf.Unsupported), repr(error)
        assert "BARACUDA_FFI_PYPI_CUDA" in str(error), "the message does not say how to get CUDA"
    print(f"append on the host: every byte as expected; select on a CUDA stream: {error or 'selected'}")


if __name__ == "__main__":
    main(sys.argv[1])
