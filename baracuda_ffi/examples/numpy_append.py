"""NumPy alone, on the host: a decode loop with the bookkeeping that an engine does around it.

There is no stream (None), so each append is finished when the call returns.
"""

from __future__ import annotations

import numpy as np

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference

BATCH, HEADS, PAGE_SIZE, HEAD_DIM, PAGES, STEPS = 2, 4, 4, 64, 8, 10


def main() -> None:
    rng = np.random.default_rng(0)
    cache = bf.PagedKvCacheDescriptor(
        page_size=PAGE_SIZE,
        num_total_pages=PAGES,
        num_kv_heads=HEADS,
        head_dim=HEAD_DIM,
        element=bf.ElementKind.F32,
        layout=bf.KvLayout.NHD,
    )
    # By seq_lens, which finds a page that is missing; they count the new token, as the attention wants them.
    desc = bf.PagedKvAppendDescriptor(
        batch_size=BATCH, paged_kv=cache, lengths="SEQ_LENS", length_convention="AFTER_APPEND"
    )
    plan = bf.PagedKvAppendPlan.select(None, desc)
    k_data, v_data = np.zeros(cache.shape, np.float32), np.zeros(cache.shape, np.float32)
    k_right, v_right = k_data.copy(), v_data.copy()

    free_pages = [int(page) for page in rng.permutation(PAGES)]
    pages = [[free_pages.pop()] for _ in range(BATCH)]
    lengths = [0] * BATCH
    for _ in range(STEPS):
        for request in range(BATCH):
            # A last page that is full gets a successor before the call.
            if lengths[request] == len(pages[request]) * PAGE_SIZE:
                pages[request].append(free_pages.pop())
        indices = np.array([page for owned in pages for page in owned], np.int32)
        indptr = np.cumsum([0, *[len(owned) for owned in pages]], dtype=np.int32)
        lengths = [length + 1 for length in lengths]
        seq_lens = np.array(lengths, np.int32)
        key = rng.standard_normal((BATCH, HEADS, HEAD_DIM), np.float32)
        value = rng.standard_normal((BATCH, HEADS, HEAD_DIM), np.float32)

        args = bf.PagedKvAppendArgs(
            key=key,
            value=value,
            k_data=k_data,
            v_data=v_data,
            indices=indices,
            indptr=indptr,
            seq_lens=seq_lens,
        )
        plan.run(None, bf.Workspace.NONE, args)

        append_paged_kv_reference(
            key,
            value,
            k_right,
            v_right,
            indices,
            indptr,
            seq_lens=seq_lens,
            layout=bf.KvLayout.NHD,
            length_convention="AFTER_APPEND",
        )
        if k_data.tobytes() != k_right.tobytes() or v_data.tobytes() != v_right.tobytes():
            raise SystemExit("WRONG: the caches are not those of the reference")
    print(f"RIGHT: {sum(lengths)} tokens in {sum(map(len, pages))} pages, as in the NumPy reference")


if __name__ == "__main__":
    main()
