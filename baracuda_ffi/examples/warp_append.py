"""NVIDIA Warp: its arrays as operands, its stream, and the append in a graph that Warp captures.

Ordering: Warp's kernels and copies run on the device's current stream, and the append is enqueued on the same
one. Warp's arrays have at most four dimensions, which is what a cache has. Without a GPU the same code runs
on Warp's CPU device, with None for the stream.
"""

from __future__ import annotations

import warp as wp

import baracuda_ffi as bf
from baracuda_ffi.examples._problem import Problem

NAMES = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")


def main() -> None:
    wp.config.quiet = True
    wp.init()
    on_gpu = wp.is_cuda_available()
    device = "cuda:0" if on_gpu else "cpu"
    problem = Problem()
    with wp.ScopedDevice(device):
        operands = [wp.array(getattr(problem, name)) for name in NAMES]
        stream = wp.get_stream() if on_gpu else None
        bf.append_paged_kv(*operands, stream=stream)
        if on_gpu:
            # Once more, in a graph: the same rows to the same places. A capture runs on the current stream.
            with wp.ScopedCapture() as capture:
                bf.append_paged_kv(*operands, stream=wp.get_stream())
            wp.capture_launch(capture.graph)
        _, _, k_data, v_data, *_ = operands
        problem.check(k_data.numpy(), v_data.numpy())  # numpy() waits for the stream


if __name__ == "__main__":
    main()
