"""A batch of no requests writes nothing, and needs neither pages nor memory for what has no elements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import baracuda_ffi as bf
from support.damaged.page_tables import ROLES, WAYS, convention_for
from support.devices.backends import Backend, HostBackend
from support.problems.elements import BF16, F16
from support.views.real_append import GUARDED, UNGUARDED, RealCase, append_and_check, make

CASE = RealCase(
    rows="padded-heads",
    caches="interleaved",
    element=F16,
    widths=(80, 48),
    heads=3,
    page_size=5,
    layout="NHD",
    convention="BEFORE_APPEND",
    entrance="run",
)
CASES = {
    "views": CASE,
    "pointers": replace(CASE, rows="packed", caches="packed", form="pointer"),
    "int64": replace(CASE, rows="more-rows", wide=ROLES),
    "key-alone": replace(CASE, widths=(64, 0), heads=0, element=BF16),
    "kv_data": replace(CASE, widths=(64, 64), caches="kv_data:page-major"),
}


@pytest.mark.parametrize("entrance", [*UNGUARDED, *GUARDED])
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_written(backend: Backend, case: str, entrance: str) -> None:
    append_and_check(backend, make(replace(CASES[case], entrance=entrance), 0, requests=0))


@pytest.mark.parametrize("entrance", [*UNGUARDED, *GUARDED])
@pytest.mark.parametrize("way", WAYS)
def test_no_requests(backend: Backend, way: str, entrance: str) -> None:
    """By every set of operands; slots need none."""
    convention = convention_for(way, CASE.convention)
    append_and_check(
        backend, make(replace(CASE, way=way, convention=convention, entrance=entrance), 0, requests=0)
    )


@pytest.mark.parametrize("pages", [0, 2])
def test_requests_without_pages_need_no_page_ids(host_backend: HostBackend, pages: int) -> None:
    """All is padding: indices may be empty, and at no address."""
    real = make(CASE, 0, requests=3)
    for name in ("indptr", "last_page_len"):
        real.views[name][...] = 0
    nowhere = bf.TensorView(ptr=0, shape=(0,), element="i32")
    before = [block.copy() for block in real.memory.blocks]
    operands = real.handed_over() | {"indices": np.zeros(pages, np.int32) if pages else nowhere}
    bf.append_paged_kv(**operands, stream=None, layout="NHD")
    for block, content in zip(real.memory.blocks, before, strict=True):
        assert (block == content).all()


def test_no_memory_at_all() -> None:
    """Rows, page ids and lengths without elements may be at no address."""

    def nowhere(shape: tuple[int, ...], element: object) -> bf.TensorView:
        return bf.TensorView(ptr=0, shape=shape, element=element)  # type: ignore[arg-type]

    cache = np.zeros((4, 3, 5, 80), np.float16)
    bf.append_paged_kv(
        nowhere((0, 3, 80), "f16"),
        nowhere((0, 3, 80), "f16"),
        cache,
        cache.copy(),
        nowhere((0,), "i32"),
        np.zeros(1, np.int32),
        nowhere((0,), "i64"),
        stream=None,
    )
    assert not cache.any()


def test_a_plan_held_to_baracuda_kernels_checks_has_a_batch(backend: Backend) -> None:
    real = make(replace(CASE, widths=(64, 64)), 0, requests=0)
    with pytest.raises(
        bf.InvalidProblem, match=r"batch_size is 0; .*at least 1 \(a guarded append takes 0\)"
    ):
        bf.PagedKvAppendPlan.select(backend.stream, real.descriptor)
