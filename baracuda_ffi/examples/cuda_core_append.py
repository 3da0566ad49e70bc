"""cuda.core (CUDA Python): its buffers as operands, its stream by ``__cuda_stream__``.

A buffer is bytes on a device; ``StridedMemoryView`` says what they are, and is taken by DLPack. Copies and
the append are enqueued on one stream, in order.
"""

from __future__ import annotations

import numpy as np
from cuda.core import Buffer, Device, LegacyPinnedMemoryResource, Stream
from cuda.core.utils import StridedMemoryView

import baracuda_ffi as bf
from baracuda_ffi.examples._problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]

NAMES = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")


def pinned(size: int) -> tuple[Buffer, Array]:
    """Host memory that copies are made from and to, and its bytes."""
    buffer = LegacyPinnedMemoryResource().allocate(size)
    return buffer, np.from_dlpack(buffer).view(np.uint8)


def upload(array: Array, device: Device, stream: Stream) -> Buffer:
    staging, content = pinned(array.nbytes)
    content[:] = array.reshape(-1).view(np.uint8)
    buffer = device.allocate(array.nbytes, stream=stream)
    buffer.copy_from(staging, stream=stream)
    stream.sync()  # before the staging memory goes
    return buffer


def download(buffer: Buffer, like: Array, stream: Stream) -> Array:
    staging, content = pinned(like.nbytes)
    buffer.copy_to(staging, stream=stream)
    stream.sync()
    return content.view(like.dtype).reshape(like.shape).copy()


def main() -> None:
    device = Device()
    device.set_current()
    stream = device.create_stream()
    problem = Problem()
    arrays = {name: getattr(problem, name) for name in NAMES}
    buffers = {name: upload(array, device, stream) for name, array in arrays.items()}
    operands = [
        StridedMemoryView.from_buffer(buffers[name], array.shape, dtype=array.dtype)
        for name, array in arrays.items()
    ]
    bf.append_paged_kv(*operands, stream=stream)
    problem.check(*[download(buffers[name], arrays[name], stream) for name in ("k_data", "v_data")])


if __name__ == "__main__":
    main()
