"""Appends that quantise in CUDA graphs: one capture of one kernel, replayed over rows, tables and scales that
have all changed; and a first append in a process, captured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.damaged.page_tables import WAYS, convention_for
from support.problems.elements import BF16, Element
from support.processes.python import output_of
from support.quantised.quantised_append import KIND_IDS, KINDS, QuantisedCase, make
from support.views.one_graph import replay_over_other_operands
from support.views.real_append import Put

pytestmark = pytest.mark.gpu

each_kind = pytest.mark.parametrize(("transform", "element"), KINDS, ids=KIND_IDS)


def case_of(transform: str, element: Element, way: str, **others: Any) -> QuantisedCase:
    mla = transform == "FP8_DS_MLA"
    said: dict[str, Any] = {
        "rows": "packed",
        "caches": "packed" if mla else "interleaved",
        "element": element,
        "widths": (512, 64) if mla else (64, 64),
        "heads": 0 if mla else 3,
        "page_size": 4,
        "layout": "NHD",
        "convention": convention_for(way, "AFTER_APPEND"),
        "wide": ("owners", "targets"),
        "entrance": "bind",
        "way": way,
        "transform": transform,
        "source": BF16,
        "scale": "heads" if not mla else "one",
        "values": "numbers",
    }
    return QuantisedCase(**said | others)


@each_kind
@pytest.mark.parametrize("way", WAYS)
def test_one_graph_whose_operands_all_change(
    cuda_backend: Any, transform: str, element: Element, way: str
) -> None:
    """Scales too: those that are given are read at each replay, those that are written are written anew."""
    case = case_of(transform, element, way)
    replay_over_other_operands(cuda_backend, lambda seed: make(case, seed, pages=40))


@each_kind
def test_a_launch_is_rebound_within_a_capture(cuda_backend: Any, transform: str, element: Element) -> None:
    """One launch a layer, each with its own caches and scales."""
    from support.devices import cuda

    layers = [make(case_of(transform, element, "slot_mapping"), 50 + i, pages=12) for i in range(4)]
    puts = [Put(layer, cuda_backend) for layer in layers]
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, layers[0].descriptor)
    launch = plan.bind(cuda_backend.stream, bf.PagedKvAppendArgs(**puts[0].operands))
    with cuda.capture(cuda_backend.stream) as graph:
        for put in puts:
            launch.rebind(**put.operands)
            launch()
    assert len(graph.kernel_names()) == len(layers)
    graph.replay()
    for layer, put in zip(layers, puts, strict=True):
        put.check(layer.expected()[0])


@each_kind
def test_the_one_liner_is_captured(cuda_backend: Any, transform: str, element: Element) -> None:
    from support.devices import cuda

    real = make(case_of(transform, element, "slot_mapping"), 7)
    warm, put = Put(real, cuda_backend), Put(real, cuda_backend)
    said = real.said_to_the_one_liner | {"layout": "NHD", "length_convention": real.case.convention}
    bf.append_paged_kv(**warm.operands, stream=cuda_backend.stream, **said)  # which loads the kernel
    with cuda.capture(cuda_backend.stream) as graph:
        bf.append_paged_kv(**put.operands, stream=cuda_backend.stream, **said)
    put.check(real.memory.blocks)
    graph.replay()
    put.check(real.expected()[0])


# In a process of its own: nothing has been launched or loaded there when the capture begins.
FIRST = """
import sys
import baracuda_ffi as bf
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.quantised.quantised_append import KINDS, make
from support.views.real_append import Put
from gpu.test_gpu_transforms import case_of

backend = CudaBackend(cuda.Device(0), cuda.create_stream())
real = make(case_of(*KINDS[int(sys.argv[1])], "slot_mapping"), 3)
put = Put(real, backend)
plan = bf.PagedKvAppendPlan.select(backend.stream, real.descriptor)
with cuda.capture(backend.stream) as graph:
    plan.run(backend.stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**put.operands))
put.check(real.memory.blocks)
graph.replay()
put.check(real.expected()[0])
print("captured first")
"""


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KIND_IDS)
def test_the_first_append_of_a_process_is_captured(kind: int) -> None:
    """select has loaded whatever the operands then ask for."""
    assert output_of(FIRST, str(kind)).strip() == "captured first"


@each_kind
def test_memory_of_the_other_kind(cuda_backend: Any, transform: str, element: Element) -> None:
    """A scale in host memory is refused for a CUDA stream, before anything is launched."""
    real = make(case_of(transform, element, "slot_mapping"), 3)
    put = Put(real, cuda_backend)
    said = real.said_to_the_one_liner | {"layout": "NHD", "length_convention": real.case.convention}
    for name in ("k_scale", "v_scale", "k_scales", "v_scales"):
        if name not in real.views:
            continue
        held = np.array(real.views[name])
        with pytest.raises(bf.InvalidProblem, match=rf"{name} is host memory"):
            bf.append_paged_kv(**put.operands | {name: held}, stream=cuda_backend.stream, **said)
    put.check(real.memory.blocks)
