"""On a GPU, by every set of operands that says places: graphs over which all of them change, launches taken
into a capture, and an append's stream."""

from __future__ import annotations

from typing import Any

import pytest

import baracuda_ffi as bf
from support.damaged.page_tables import WAYS, convention_for
from support.problems.elements import F16
from support.views.real_append import Put, RealCase, make

pytestmark = pytest.mark.gpu


def case_of(way: str) -> RealCase:
    return RealCase(
        rows="packed",
        caches="interleaved",
        element=F16,
        widths=(64, 64),
        heads=3,
        page_size=4,
        layout="NHD",
        convention=convention_for(way, "AFTER_APPEND"),
        wide=("owners", "targets"),
        entrance="bind",
        way=way,
    )


@pytest.mark.parametrize("way", WAYS)
def test_one_graph_whose_operands_all_change(cuda_backend: Any, way: str) -> None:
    """Captured once; between replays rows, caches' content and everything that says places are overwritten.
    Only tables of as many entries fit: they are drawn until enough do."""
    from support.devices import cuda

    first = make(case_of(way), 0, pages=40)
    put = Put(first, cuda_backend)
    preference = bf.PlanPreference(guarded=True)
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, first.descriptor, preference)
    launch = plan.bind(cuda_backend.stream, bf.PagedKvAppendArgs(**put.operands))
    with cuda.capture(cuda_backend.stream) as graph:
        launch()
    assert len(graph.kernel_names()) == 1
    shapes = {name: view.shape for name, view in first.views.items()}
    replays = 0
    for seed in range(1, 400):
        real = make(case_of(way), seed, pages=40)
        if {name: view.shape for name, view in real.views.items()} != shapes:
            continue
        for block, content in zip(put.blocks, real.memory.blocks, strict=True):
            cuda_backend.overwrite(block, content)
        expected, _ = real.expected()
        graph.replay()
        put.check(expected)
        replays += 1
        if replays == 4:
            break
    assert replays == 4
    plan.check(cuda_backend.stream)


@pytest.mark.parametrize("way", WAYS)
def test_a_launch_is_taken_into_a_capture(cuda_backend: Any, way: str) -> None:
    """Bound to one stream and called while another is captured it runs outside the graph; `on` takes it
    in."""
    from support.devices import cuda

    driver = cuda.driver
    real = make(case_of(way), 3)
    put = Put(real, cuda_backend)
    expected, _ = real.expected()
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, real.descriptor, bf.PlanPreference(guarded=True))
    launch = plan.bind(cuda_backend.stream, bf.PagedKvAppendArgs(**put.operands))
    other = cuda.create_stream()
    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
    cuda.check(driver.cuStreamBeginCapture(other, mode))
    outside = cuda.Graph(other)
    launch()
    outside.finish()
    assert outside.kernel_names() == []
    put.check(expected)  # it has run

    for block, content in zip(put.blocks, real.memory.blocks, strict=True):
        cuda_backend.overwrite(block, content)
    with cuda.capture(other) as inside:
        launch.on(other)()
    assert len(inside.kernel_names()) == 1
    put.check(real.memory.blocks)
    inside.replay()
    put.check(expected)
    cuda.check(driver.cuStreamDestroy(other))


def test_a_launch_for_cuda_takes_no_none(cuda_backend: Any) -> None:
    real = make(case_of("slot_mapping"), 3)
    put = Put(real, cuda_backend)
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, real.descriptor)
    launch = plan.bind(cuda_backend.stream, bf.PagedKvAppendArgs(**put.operands))
    with pytest.raises(bf.InvalidProblem, match=r"stream is None and the launch is for CUDA; it should be a"):
        launch.on(None)


def test_flashinfers_kernel_takes_a_decode_alone(cuda_backend: Any) -> None:
    """And its page table of int32; the refusal says what takes the others."""
    for way in WAYS:
        if way == "indices+indptr+last_page_len":
            continue
        real = make(case_of(way), 3)
        put = Put(real, cuda_backend)
        with pytest.raises(bf.Unsupported):
            bf.append_paged_kv(
                **put.operands,
                stream=cuda_backend.stream,
                layout="NHD",
                length_convention=real.case.convention,
                backend="FLASHINFER",
            )
        put.check(real.memory.blocks)
