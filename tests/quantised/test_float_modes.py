"""How the calling thread rounds, and what it does with subnormals, changes nothing that the host writes, and
is as it was afterwards.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc's fesetround")

#: <fenv.h>'s FE_DOWNWARD, FE_UPWARD and FE_TOWARDZERO.
MODES = {"x86_64": (0x400, 0x800, 0xC00), "aarch64": (0x800000, 0x400000, 0xC00000)}.get(
    platform.machine(), ()
)

#: So many rows that the host backend uses threads, which begin in the mode of the thread that makes them.
ROWS = 4100
HEADS, HEAD_DIM = 8, 64


@contextmanager
def rounding(mode: int) -> Iterator[None]:
    libm = ctypes.CDLL("libm.so.6")
    assert libm.fesetround(mode) == 0
    try:
        yield
        found = libm.fegetround()
    finally:
        libm.fesetround(0)
    assert found == mode


@contextmanager
def flushing() -> Iterator[None]:
    """Subnormals are zero, read or made."""
    torch = pytest.importorskip("torch")
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot be told to flush subnormals")
    try:
        yield
        least = torch.tensor([1e-40], dtype=torch.float32)
        found = float((least * 1.0).item())
    finally:
        torch.set_flush_denormal(False)
    assert found == 0.0


def rows() -> np.ndarray:
    """Among them such as are subnormal, and such as become so."""
    rng = np.random.default_rng(3)
    numbers = rng.standard_normal((ROWS, HEADS, HEAD_DIM), dtype=np.float32)
    numbers[:, 0] *= np.float32(1e-39)
    numbers[:, 1] *= np.float32(1e-3)
    return numbers


@pytest.fixture(params=["FP8", "PER_TOKEN_HEAD", "NVFP4"])
def launch(request: pytest.FixtureRequest) -> tuple[bf.BoundLaunch, list[np.ndarray], list[np.ndarray]]:
    """An append of its transform, what it writes to, and what it has to write there."""
    transform = bf.Transform[request.param]
    nvfp4 = transform is bf.Transform.NVFP4
    caches = [np.zeros((ROWS, 1, HEADS, HEAD_DIM // 2 if nvfp4 else HEAD_DIM), np.uint8) for _ in "kv"]
    scales = {}
    if transform is not bf.Transform.PER_TOKEN_HEAD:
        # By a scale that is subnormal itself what is so becomes large.
        given = np.array([1e-40, *[0.037] * (HEADS - 1)], np.float32)
        scales |= {"k_scale": given, "v_scale": given}
    written = []
    if transform is not bf.Transform.FP8:
        shape = (ROWS, 1, HEADS, HEAD_DIM // 16) if nvfp4 else (ROWS, 1, HEADS)
        written = [np.zeros(shape, np.uint8 if nvfp4 else np.float32) for _ in "kv"]
        scales |= {"k_scales": written[0], "v_scales": written[1]}
    operands = {"key": rows(), "value": rows(), "slot_mapping": np.arange(ROWS), **scales}
    cache = bf.PagedKvCacheDescriptor(
        page_size=1,
        num_total_pages=ROWS,
        num_kv_heads=HEADS,
        head_dim=HEAD_DIM,
        element=bf.ElementKind.U8 if nvfp4 else bf.ElementKind.FP8_E4M3,
        layout=bf.KvLayout.NHD,
    )
    desc = bf.PagedKvAppendDescriptor(
        batch_size=None,
        paged_kv=cache,
        addressing=bf.Addressing.SLOTS,
        transform=transform,
        source_element=bf.ElementKind.F32,
    )
    plan = bf.PagedKvAppendPlan.select(None, desc, bf.PlanPreference())
    args = bf.PagedKvAppendArgs(k_data=caches[0], v_data=caches[1], **operands)
    bound = plan.bind(None, args)
    bound()
    targets = [*caches, *written]
    expected = [np.zeros_like(target) for target in targets]
    names = ("k_data", "v_data", "k_scales", "v_scales")
    append_paged_kv_reference(
        **{**operands, **dict(zip(names, expected, strict=False))},
        layout=bf.KvLayout.NHD,
        transform=transform,
        element=cache.element,
    )
    for target, wanted in zip(targets, expected, strict=True):
        assert np.array_equal(target.view(np.uint8), wanted.view(np.uint8))
        target[...] = 0
    return bound, targets, expected


Launch = tuple[bf.BoundLaunch, list[np.ndarray], list[np.ndarray]]


@pytest.mark.parametrize("mode", MODES)
def test_how_the_caller_rounds(launch: Launch, mode: int) -> None:
    bound, targets, expected = launch
    with rounding(mode):
        bound()
    for target, wanted in zip(targets, expected, strict=True):
        assert np.array_equal(target.view(np.uint8), wanted.view(np.uint8))


def test_that_the_caller_flushes_subnormals(launch: Launch) -> None:
    bound, targets, expected = launch
    with flushing():
        bound()
    for target, wanted in zip(targets, expected, strict=True):
        assert np.array_equal(target.view(np.uint8), wanted.view(np.uint8))
