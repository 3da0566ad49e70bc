"""One CUDA graph of an append, replayed over operands that have all changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import baracuda_ffi as bf

from .real_append import Put, RealAppend

REPLAYS = 4


def replay_over_other_operands(backend: Any, draw: Callable[[int], RealAppend]) -> None:
    """Captured once, as one kernel; between replays all memory is overwritten: rows, the caches' content,
    scales, and everything that says places. `draw` makes an append of a seed. Only those fit whose operands
    have the first one's shapes: they are drawn until enough do.
    """
    from ..devices import cuda

    first = draw(0)
    put = Put(first, backend)
    plan = bf.PagedKvAppendPlan.select(backend.stream, first.descriptor, bf.PlanPreference(guarded=True))
    launch = plan.bind(backend.stream, bf.PagedKvAppendArgs(**put.operands))
    with cuda.capture(backend.stream) as graph:
        launch()
    assert len(graph.kernel_names()) == 1
    put.check(first.memory.blocks)  # a capture runs nothing
    shapes = {name: view.shape for name, view in first.views.items()}
    unchanged = set(shapes)
    replays = 0
    for seed in range(1, 400):
        real = draw(seed)
        if {name: view.shape for name, view in real.views.items()} != shapes:
            continue
        for block, content in zip(put.blocks, real.memory.blocks, strict=True):
            backend.overwrite(block, content)
        unchanged -= {name for name in shapes if real.views[name].tobytes() != first.views[name].tobytes()}
        expected, _ = real.expected()
        graph.replay()
        put.check(expected)
        replays += 1
        if replays == REPLAYS:
            break
    assert replays == REPLAYS
    assert not unchanged
    plan.check(backend.stream)
