"""A small copy of pages as a caller in C has it, over host arrays."""

from __future__ import annotations

import ctypes

import numpy as np

from ..c_abi import abi
from ..c_abi.tensors import HostTensor
from ..devices.bits import Array, random_bits

PAGES = 6
PAGE = (2, 4, 8)  # of f16

#: By movement, what there is besides the caches.
OTHERS = {
    "COPY": ("source", "destination"),
    "GATHER": ("source", "buffer"),
    "SCATTER": ("destination", "buffer"),
}


def make_arrays(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        "k_data": random_bits(rng, (PAGES, *PAGE), np.float16),
        "v_data": random_bits(rng, (PAGES, *PAGE), np.float16),
        "source": np.array([0, 1, -1], np.int32),
        "destination": np.array([4, 2, 3], np.int32),
        "buffer": random_bits(rng, (3, 2, *PAGE), np.float16),
    }


def named(movement: str, parts: int = abi.KEY_AND_VALUE) -> tuple[str, ...]:
    caches = ("k_data",) if parts == abi.KEY else ("k_data", "v_data")
    return (*caches, *OTHERS[movement])


def make_copy(
    arrays: dict[str, Array], movement: str = "COPY", *, backend: int = abi.HOST, flags: int = 0
) -> abi.Copy:
    """It holds addresses only: keep the arrays."""
    op = abi.Copy(
        struct_size=ctypes.sizeof(abi.Copy),
        flags=flags,
        backend=backend,
        movement=abi.MOVEMENTS[movement],
        num_total_pages=PAGES,
        k_element_bytes=2,
        v_element_bytes=2,
        num_copies=3,
    )
    op.k_page[:3] = op.v_page[:3] = PAGE
    for name in named(movement):
        setattr(op, name, arrays[name].ctypes.data)
    if flags & abi.STRIDED:
        pack(op)
    return op


def pack(op: abi.Copy) -> None:
    """Strides that say what is so without them."""
    op.flags |= abi.STRIDED
    _, slots, width = PAGE
    op.k_data_strides[:4] = op.v_data_strides[:4] = (int(np.prod(PAGE)), slots * width, width, 1)


def run(op: abi.Copy) -> int:
    return int(abi.library().baracuda_paged_kv_copy_run(ctypes.addressof(op)))


def can_implement(op: abi.Copy) -> int:
    return int(abi.library().baracuda_paged_kv_copy_can_implement(ctypes.addressof(op)))


def preload(op: abi.Copy, arch: ctypes.c_int32 | None = None) -> int:
    where = None if arch is None else ctypes.addressof(arch)
    return int(abi.library().baracuda_paged_kv_copy_preload(ctypes.addressof(op), where))


def bind(op: abi.Copy, tensors: dict[str, HostTensor], count: int = len(abi.COPY_OPERANDS)) -> int:
    """baracuda_paged_kv_copy_bind with an array of `count` operands."""
    names = abi.COPY_OPERANDS[:count] + ("",) * (count - len(abi.COPY_OPERANDS))
    pointers = (ctypes.c_void_p * count)(
        *(ctypes.addressof(tensors[name].c) if name in tensors else None for name in names)
    )
    function = abi.library().baracuda_paged_kv_copy_bind
    return int(function(ctypes.addressof(op), ctypes.addressof(pointers), count))
