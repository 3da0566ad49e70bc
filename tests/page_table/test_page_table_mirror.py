"""PageTable in device memory: what is copied, when, and from where. Without a GPU, over a driver whose
streams do as late as they can what they are told; with one, over CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from page_table.batches import MAX_PAGES, MAX_REQUESTS, MAX_ROWS, NUM_PAGES, PAGE_SIZE, Engine
from page_table.late_driver import OTHER_STREAM, STREAM, LateDriver

import baracuda_ffi as bf
from support.devices.bits import Array

FORMS = ("RAGGED", "POSITIONS", "SLOTS")


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[LateDriver]:
    """Tables over it are closed before another driver is there."""
    yield LateDriver(monkeypatch)
    for table in OPEN:
        table.close()
    OPEN.clear()


OPEN: list[bf.PageTable] = []


def new_table(stream: object) -> bf.PageTable:
    OPEN.append(bf.PageTable(PAGE_SIZE, MAX_REQUESTS, MAX_PAGES, max_rows=MAX_ROWS, stream=stream))
    return OPEN[-1]


def views(table: bf.PageTable) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for form in FORMS:
        found |= table.append_operands(form, padded=True)
    for name, view in table.append_operands("RAGGED", length_convention="BEFORE_APPEND", padded=True).items():
        found[f"{name} before"] = view
    found |= table.attention_view(padded=True) | table.attention_view("DENSE", padded=True)
    return found | table.copy_view(padded=True)


def contents(late: LateDriver, seen: dict[str, bf.TensorView], like: dict[str, Array]) -> dict[str, bytes]:
    return {name: late.read(view.ptr, like[name]).tobytes() for name, view in seen.items()}


@pytest.mark.parametrize("seed", range(20))
def test_every_step_is_seen_whole_however_late_the_device_is(late: LateDriver, seed: int) -> None:
    """Each step's work comes behind its update on the stream, and sees the arrays as they were then, whatever
    the host has done since."""
    chance, engine = Random(seed), Engine(seed)
    table, host = new_table(STREAM), new_table(None)
    seen = views(table)
    checked = []
    for _ in range(40):
        batch = engine.batch()
        for one in (table, host):
            one.update(engine.manager, batch.sequences, batch.new, copies=batch.copies)
        like = {name: array.copy() for name, array in views(host).items()}
        right = {name: array.tobytes() for name, array in like.items()}
        late.queues[STREAM].append(
            lambda like=like, right=right: checked.append(contents(late, seen, like) == right)
        )
        late.run(STREAM, chance.choice((0, 0, 1, 3, 30)))
    late.run(STREAM)
    assert checked == [True] * 40
    table.close()
    assert (late.memory, late.pinned) == ({}, set())


def test_only_what_has_changed_is_copied(late: LateDriver) -> None:
    table = bf.PageTable(16, 64, 256, stream=STREAM)
    OPEN.append(table)
    manager = bf.BlockManager(20_000, 16)
    sequences = [manager.add() for _ in range(64)]
    for sequence in sequences:
        manager.grow(sequence, 2001)
    manager.commit()
    table.update(manager, sequences)
    assert sum(late.copied) > 64 * 126 * 8  # each page once in indices, once in block_table
    late.copied.clear()
    table.update(manager, sequences)
    assert late.copied == []
    for _ in range(15):  # nobody needs a page
        for sequence in sequences:
            manager.grow(sequence, 1)
        table.update(manager, sequences)
    assert len(late.copied) == 15
    assert max(late.copied) < 5000
    late.copied.clear()
    manager.grow(sequences[-1], 1)
    table.update(manager, sequences, [*[0] * 63, 1])
    assert len(late.copied) <= 3  # lengths, the end of indices, one entry of block_table
    assert sum(late.copied) < 6000


def test_pinned_memory_is_made_as_the_host_runs_ahead_and_used_again(late: LateDriver) -> None:
    manager = bf.BlockManager(NUM_PAGES, PAGE_SIZE)
    sequence = manager.add()
    table = new_table(STREAM)
    for _ in range(9):
        manager.grow(sequence, 1)
        table.update(manager, [sequence])
    assert len(late.pinned) == 10  # with what the arrays began with
    for _ in range(20):
        late.run(STREAM)
        manager.grow(sequence, 1)
        table.update(manager, [sequence])
    assert len(late.pinned) == 10


def test_an_update_goes_to_the_stream_that_it_is_told(late: LateDriver) -> None:
    manager = bf.BlockManager(NUM_PAGES, PAGE_SIZE)
    manager.grow(sequence := manager.add(), 3)
    table = new_table(STREAM)
    late.run(STREAM)
    table.update(manager, [sequence], 3, stream=OTHER_STREAM)
    assert not late.queues[STREAM]
    late.run(OTHER_STREAM)
    lengths = table.attention_view()["seq_lens"]
    assert late.read(lengths.ptr, np.zeros(1, np.int32)).tolist() == [3]
    assert (lengths.shape, lengths.element, lengths.device) == ((1,), "i32", 3)


@pytest.mark.parametrize("stream", [STREAM, OTHER_STREAM])
def test_a_stream_that_is_being_captured_is_refused_and_nothing_is_changed(
    late: LateDriver, stream: int
) -> None:
    manager = bf.BlockManager(NUM_PAGES, PAGE_SIZE)
    manager.grow(sequence := manager.add(), 3)
    table = new_table(STREAM)
    late.capturing.add(stream)
    with pytest.raises(bf.InvalidProblem, match="is being captured into a graph"):
        table.update(manager, [sequence], 3, stream=stream)
    assert table.num_requests == 0
    late.capturing.clear()
    table.update(manager, [sequence], 3, stream=stream)
    assert table.num_requests == 1


def test_after_a_failure_everything_is_copied(late: LateDriver) -> None:
    manager = bf.BlockManager(NUM_PAGES, PAGE_SIZE)
    manager.grow(sequence := manager.add(), 3)
    table, host = new_table(STREAM), new_table(None)
    late.fails = True
    with pytest.raises(bf.CudaError, match="the CUDA driver says: an illegal address") as failed:
        table.update(manager, [sequence], 3)
    assert failed.value.function == "cuMemcpyHtoDAsync"
    late.fails = False
    late.copied.clear()
    for one in (table, host):
        one.update(manager, [sequence], 3)
    late.run(STREAM)
    like = views(host)
    assert contents(late, views(table), like) == {name: array.tobytes() for name, array in like.items()}


def test_a_view_of_device_memory_is_exported_to_frameworks(late: LateDriver) -> None:
    table = new_table(STREAM)
    view = table.attention_view("DENSE", padded=True)["block_table"]
    assert view.__cuda_array_interface__ == {
        "version": 3,
        "shape": (MAX_REQUESTS, MAX_PAGES),
        "typestr": np.dtype(np.int32).str,
        "data": (view.ptr, False),
        "strides": None,
    }
    slots = table.append_operands("SLOTS", padded=True)["slot_mapping"]
    assert slots.__cuda_array_interface__["typestr"] == np.dtype(np.int64).str
    on_host = bf.TensorView(ptr=0, shape=(1,), element="i32")
    nameless = bf.TensorView(ptr=0, shape=(1,), element="bf16", device=0)
    assert not hasattr(on_host, "__cuda_array_interface__")
    assert not hasattr(nameless, "__cuda_array_interface__")
    strided = bf.TensorView(ptr=64, shape=(2, 3), strides=(6, 2), element="f16", device=0)
    assert strided.__cuda_array_interface__["strides"] == (12, 4)


@pytest.mark.gpu
@pytest.mark.parametrize("seed", range(4))
def test_on_a_gpu_every_form_appends_where_the_host_does(cuda_backend: Any, seed: int) -> None:
    """Over padded views, taken once: by calls, and by a graph that is replayed after each update. Nothing is
    waited for."""
    from support.devices import cuda

    stream = cuda_backend.stream
    engine, rng = Engine(seed), np.random.default_rng(seed)
    table, host = new_table(stream), new_table(None)
    shape = (NUM_PAGES, 2, PAGE_SIZE, 8)
    rows = [rng.random((MAX_ROWS, 2, 8), np.float32) for _ in range(2)]
    on_device = [cuda_backend.put(array) for array in rows]
    right = [np.zeros(shape, np.float32) for _ in range(2)]
    by_call = {form: [cuda_backend.put(array) for array in right] for form in FORMS}
    by_graph = {form: [cuda_backend.put(array) for array in right] for form in FORMS}
    views = {form: table.append_view(form, padded=True) for form in FORMS}
    for form in FORMS:  # all padding: it loads the kernel, which a capture may not
        bf.append_paged_kv(*on_device, *by_call[form], **views[form], stream=stream)
    with cuda.capture(stream) as graph:
        for form in FORMS:
            bf.append_paged_kv(*on_device, *by_graph[form], **views[form], stream=stream)
    for _ in range(30):
        batch = engine.batch()
        for one in (table, host):
            one.update(engine.manager, batch.sequences, batch.new, copies=batch.copies)
        for form in FORMS:
            bf.append_paged_kv(*on_device, *by_call[form], **views[form], stream=stream)
        graph.launch()
        bf.append_paged_kv(*rows, *right, **host.append_view("SLOTS"), stream=None)
    for caches in [*by_call.values(), *by_graph.values()]:
        for cache, expected in zip(caches, right, strict=True):
            assert cuda_backend.get(cache).tobytes() == expected.tobytes()
    table.close()


@pytest.mark.gpu
def test_on_a_gpu_torch_sees_the_arrays(cuda_backend: Any) -> None:
    torch = pytest.importorskip("torch")
    manager = bf.BlockManager(NUM_PAGES, PAGE_SIZE)
    manager.grow(sequence := manager.add(), 6)
    stream = torch.cuda.current_stream()
    with new_table(stream) as table:
        table.update(manager, [None, sequence], [0, 6])
        seen = {
            name: torch.as_tensor(view, device="cuda").tolist()
            for name, view in table.attention_view().items()
        }
        assert seen["indices"] == [0, 1]
        assert seen["indptr"] == [0, 0, 2]
        assert seen["last_page_len"] == [0, 2]
        stream.synchronize()
