"""What the examples append: a small problem made in NumPy, and what a cache should hold afterwards."""

from __future__ import annotations

import numpy as np

from baracuda_ffi.reference import append_paged_kv_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]

BATCH, HEADS, PAGE_SIZE, HEAD_DIM, PAGES = 4, 2, 16, 128, 12


class Problem:
    """Four requests over a cache of twelve pages, float16, HND, ``BEFORE_APPEND``: the operands as NumPy
    arrays."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.key = rng.standard_normal((BATCH, HEADS, HEAD_DIM)).astype(np.float16)
        self.value = rng.standard_normal((BATCH, HEADS, HEAD_DIM)).astype(np.float16)
        self.k_data = rng.standard_normal((PAGES, HEADS, PAGE_SIZE, HEAD_DIM)).astype(np.float16)
        self.v_data = rng.standard_normal((PAGES, HEADS, PAGE_SIZE, HEAD_DIM)).astype(np.float16)
        # Request 0 owns pages 7 and 2, request 1 page 5, request 2 pages 0, 9 and 4, request 3 page 11.
        self.indices = np.array([7, 2, 5, 0, 9, 4, 11], np.int32)
        self.indptr = np.array([0, 2, 3, 6, 7], np.int32)
        # Tokens in each last page so far; request 2's last page is new and still empty.
        self.last_page_len = np.array([3, 15, 0, 7], np.int32)

    def check(self, k_data: Array, v_data: Array) -> None:
        """Exit with an error unless these are the caches after the append, bit for bit and to the last
        byte."""
        k_right, v_right = self.k_data.copy(), self.v_data.copy()
        append_paged_kv_reference(
            self.key, self.value, k_right, v_right, self.indices, self.indptr, self.last_page_len
        )
        if k_data.tobytes() != k_right.tobytes() or v_data.tobytes() != v_right.tobytes():
            raise SystemExit("WRONG: the caches are not those of the reference")
        print(f"RIGHT: {BATCH} rows appended, every byte of both caches as in the NumPy reference")
