"""Rows by batch_indices and positions through FlashInfer's own kernel: what it takes, and where they go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.placed import WAYS, Placed
from support.c_abi.real_tensors import OnDevice, OnHost
from support.c_abi.tensors import bind
from support.problems.elements import BF16, F16, F32, FP8_E4M3
from support.views.views import CACHES, ROWS, Extents

POSITIONS = next(way for way in WAYS if way.addressing == "POSITIONS")

#: Whose strides are multiples of 16 bytes.
TAKEN = (
    "packed",
    "fused-qkv",
    "more-rows",
    "padded-tokens",
    "vector-between-heads",
    "heads-first",
    "broadcast",
)

#: With one set of strides for both.
ALIKE = ("packed", "interleaved", "side-by-side", "page-major", "alternating-pages", "other-order")


class JudgedOnly(OnHost):
    """Operands in host memory, of which the backend's checks see addresses alone."""

    backend = abi.FLASHINFER


def placed(
    rows: str = "packed", caches: str = "packed", extents: Extents | None = None, **options: Any
) -> Placed:
    return Placed(POSITIONS, ROWS[rows], CACHES[caches], extents, padding=False, behind=0, **options)


@pytest.mark.parametrize("rows", ROWS)
def test_rows_by_strides(rows: str) -> None:
    op = placed(rows).stated(JudgedOnly())
    status = abi.can_implement(op)
    if rows in (*TAKEN, "shared"):
        assert status == abi.OK, abi.message()
    else:
        assert status in (abi.UNSUPPORTED, abi.MISALIGNED_OPERAND)
        assert "bespoke backend takes any" in abi.message()


@pytest.mark.parametrize("name", ["key", "value"])
@pytest.mark.parametrize("dimension", [0, 1])
@pytest.mark.parametrize("stride", [-64, 4, 100])
def test_strides_that_it_does_not_take(name: str, dimension: int, stride: int) -> None:
    """One set of operands after another, each right but for one stride."""
    op = placed().stated(JudgedOnly())
    getattr(op, f"{name}_strides")[dimension] = stride
    assert abi.can_implement(op) == abi.UNSUPPORTED
    for part in (name, f"stride of {2 * stride} bytes", "multiples of 16 bytes", "bespoke backend"):
        assert part in abi.message()
    op.num_heads = op.num_rows = 1  # a stride that is never taken
    assert abi.can_implement(op) == abi.OK, abi.message()


def test_no_rows() -> None:
    """Nothing is looked at, and without CUDA nothing is refused but the launch."""
    op = placed().stated(JudgedOnly())
    op.num_rows = 0
    op.key = op.k_data = op.batch_indices = None
    assert abi.can_implement(op) == abi.OK, abi.message()


@pytest.mark.gpu
@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("caches", ALIKE)
@pytest.mark.parametrize("rows", TAKEN)
def test_rows_go_to_their_places(cuda_backend: Any, rows: str, caches: str, layout: str) -> None:
    for element, width in ((F16, 64), (BF16, 128), (F32, 256), (FP8_E4M3, 128)):
        extents = Extents(element=element, width=width, value_width=width)
        for entrance in ("stated", "bound"):
            place = OnDevice(cuda_backend, abi.FLASHINFER)
            real = placed(rows, caches, extents, layout=layout)
            assert all(at is not None for at in real.places())
            real.run_and_check(place, getattr(real, entrance)(place))


@pytest.mark.gpu
def test_no_rows_launch_nothing(cuda_backend: Any) -> None:
    """A grid of no blocks would be an error of CUDA's."""
    place = OnDevice(cuda_backend, abi.FLASHINFER)
    real = placed()
    op = real.stated(place)
    op.num_rows = 0
    assert abi.run(op) == abi.OK, abi.message()
    real.check(place, real.memory.blocks)


@pytest.mark.gpu
def test_int64_is_refused_by_name(cuda_backend: Any) -> None:
    for name in POSITIONS.operands:
        place = OnDevice(cuda_backend, abi.FLASHINFER)
        real = placed(index_types={name: np.int64})
        assert bind(real.asked(place), real.described(place)) == abi.UNSUPPORTED
        assert f"{name} is int64; FlashInfer's kernels read int32" in abi.message()
