"""On a GPU, by every set of operands that says places: graphs over which all of them change, launches taken
into a capture, and an append's stream."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.damaged.page_tables import WAYS, convention_for
from support.problems.elements import F16
from support.views.one_graph import replay_over_other_operands
from support.views.real_append import Put, RealAppend, RealCase, make

pytestmark = pytest.mark.gpu

BY_POSITIONS = "indices+indptr+batch_indices+positions"


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
    replay_over_other_operands(cuda_backend, lambda seed: make(case_of(way), seed, pages=40))


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


FLASHINFERS = ("indices+indptr+last_page_len", BY_POSITIONS)


def test_what_flashinfers_kernels_do_not_take(cuda_backend: Any) -> None:
    """The refusal says what takes it; so does that of int64."""
    for way in WAYS:
        if way == FLASHINFERS[0]:
            continue
        real = make(case_of(way), 3)
        put = Put(real, cuda_backend)
        says = "batch_indices is int64" if way == BY_POSITIONS else "LAST_PAGE_LEN, and POSITIONS"
        with pytest.raises(bf.Unsupported, match=rf"{says}.*bespoke"):
            bf.append_paged_kv(
                **put.operands,
                stream=cuda_backend.stream,
                layout="NHD",
                length_convention=real.case.convention,
                backend="FLASHINFER",
            )
        put.check(real.memory.blocks)


def by_positions(seed: int, *, requests: int = 5) -> RealAppend:
    """Without padding, which FlashInfer's kernel does not know."""
    case = replace(case_of(BY_POSITIONS), rows="fused-qkv", wide=())
    for drawn in range(seed, seed + 200):
        real = make(case, drawn, requests=requests)
        table = {name: real.views[name] for name in ("indices", "batch_indices")}
        if all(bool(np.all(view >= 0)) for view in table.values()):
            return real
    raise AssertionError("every table drawn is padded")


def test_positions_through_flashinfers_own_kernel(cuda_backend: Any) -> None:
    """By every way in that asks for it; a plan that does not is ours."""
    stream = cuda_backend.stream
    preference = bf.PlanPreference(prefer_backend="FLASHINFER")
    for seed, entrance in enumerate(("append_paged_kv", "run", "bind", "any batch")):
        real = by_positions(1000 * seed)
        put = Put(real, cuda_backend)
        expected, corrupt = real.expected()
        assert not corrupt
        args = bf.PagedKvAppendArgs(**put.operands)
        open_ended = entrance == "any batch"
        desc = real.descriptor.replace(batch_size=None) if open_ended else real.descriptor
        plan = bf.PagedKvAppendPlan.select(stream, desc, preference)
        assert plan.sku().backend is bf.BackendKind.FLASHINFER
        assert plan.sku().arch > 0
        plan.can_implement(args)
        if entrance == "append_paged_kv":
            bf.append_paged_kv(**put.operands, stream=stream, layout="NHD", backend="FLASHINFER")
        elif entrance == "run":
            plan.run(stream, bf.Workspace.NONE, args)
        else:
            plan.bind(stream, args)()
        put.check(expected)
    ours = bf.PagedKvAppendPlan.select(stream, desc)
    assert ours.sku().backend is bf.BackendKind.BESPOKE


def test_a_graph_of_flashinfers_kernel_by_positions(cuda_backend: Any) -> None:
    """Selecting has loaded it, so that the first launch may be captured."""
    from support.devices import cuda

    stream = cuda_backend.stream
    real = by_positions(7)
    put = Put(real, cuda_backend)
    expected, _ = real.expected()
    preference = bf.PlanPreference(prefer_backend=bf.BackendKind.FLASHINFER)
    plan = bf.PagedKvAppendPlan.select(stream, real.descriptor, preference)
    launch = plan.bind(stream, bf.PagedKvAppendArgs(**put.operands))
    with cuda.capture(stream) as graph:
        launch()
    (name,) = graph.kernel_names()
    assert "AppendPagedKVCacheKernel" in name
    put.check(real.memory.blocks)
    graph.replay()
    put.check(expected)


def test_a_preference_that_contradicts_what_says_places(cuda_backend: Any) -> None:
    for way in WAYS:
        if way in FLASHINFERS:
            continue
        preference = bf.PlanPreference(prefer_backend="FLASHINFER")
        with pytest.raises(
            bf.Unsupported, match=rf"is FLASHINFER, .* for {re.escape(str(WAYS[way]))}; .* BESPOKE"
        ):
            bf.PagedKvAppendPlan.select(cuda_backend.stream, make(case_of(way), 3).descriptor, preference)
    guarded = bf.PlanPreference(prefer_backend="FLASHINFER", guarded=True)
    with pytest.raises(bf.Unsupported, match="guarded is True"):
        bf.PagedKvAppendPlan.select(cuda_backend.stream, by_positions(0).descriptor, guarded)
