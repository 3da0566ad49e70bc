"""What the suites of the GPU need of torch and flashinfer-python, over host memory and the host backend."""

from __future__ import annotations

import contextlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from baracuda_ffi.benchmarks.operands import torch_operands
from baracuda_ffi.benchmarks.running import replay
from baracuda_ffi.benchmarks.suites import kernel, launch


class FakeTorch:
    """torch, but for its GPU."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self.cuda = SimpleNamespace(
            Stream=lambda: SimpleNamespace(cuda_stream=None),  # so that plans are of the host backend
            stream=lambda stream: contextlib.nullcontext(),
            synchronize=lambda: None,
            empty_cache=lambda: None,
            mem_get_info=lambda: (1 << 40, 1 << 40),
            get_device_properties=lambda device: SimpleNamespace(L2_cache_size=1 << 20),
            get_device_name=lambda: "no GPU",
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch, name)


class FakeReplay:
    def __init__(self, torch: Any, stream: Any, calls: Any, launches: int) -> None:
        self._calls = calls

    def sample(self) -> float:
        return sum(float(call.seconds(1)) for call in self._calls) * 1e6


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips without torch."""
    torch = pytest.importorskip("torch")
    fake = FakeTorch(torch)
    caches, operand_set, operand_sets = (
        getattr(torch_operands, name) for name in ("caches", "operand_set", "operand_sets")
    )
    for suite in (kernel, launch):
        monkeypatch.setattr(suite, "torch_with_gpu", lambda: fake)
    monkeypatch.setattr(torch_operands, "caches", lambda _, problem, device: caches(torch, problem, "cpu"))
    monkeypatch.setattr(
        torch_operands,
        "operand_set",
        lambda _, problem, device, *rest, **named: operand_set(torch, problem, "cpu", *rest, **named),
    )
    monkeypatch.setattr(
        kernel,
        "operand_sets",
        lambda _, problem, device, count, l2: operand_sets(torch, problem, "cpu", min(count, 3), l2),
    )
    monkeypatch.setattr(replay, "Replay", FakeReplay)
    monkeypatch.setattr(kernel, "_ROUNDS", 3)
    monkeypatch.setitem(sys.modules, "flashinfer", _flashinfer(torch))


def _flashinfer(torch: Any) -> ModuleType:
    module: Any = ModuleType("flashinfer")
    module.__spec__ = ModuleSpec("flashinfer", None)
    module.conversions = 0

    def get_seq_lens(indptr: Any, last_page_len: Any, page_size: int) -> Any:
        return (indptr[1:] - indptr[:-1] - 1) * page_size + last_page_len

    def get_batch_indices_positions(row_indptr: Any, seq_lens: Any, rows: int) -> tuple[Any, Any]:
        module.conversions += 1
        owners = torch.repeat_interleave(torch.arange(len(seq_lens)), row_indptr.diff(), output_size=rows)
        positions = torch.arange(rows) + (seq_lens - row_indptr[1:])[owners]
        return owners.int(), positions.int()

    def append_paged_kv_cache(
        key: Any,
        value: Any,
        batch_indices: Any,
        positions: Any,
        kv_cache: Any,
        indices: Any,
        indptr: Any,
        last_page_len: Any,
        kv_layout: str,
    ) -> None:
        k_data, v_data = kv_cache
        page_size = k_data.shape[2 if kv_layout == "HND" else 1]
        pages = indices[indptr[batch_indices] + positions // page_size].long()
        slots = (positions % page_size).long()
        assert last_page_len.min() >= 1
        assert last_page_len.max() <= page_size
        for cache, rows in ((k_data, key), (v_data, value)):
            if kv_layout == "HND":
                cache[pages, :, slots] = rows
            else:
                cache[pages, slots] = rows

    module.get_seq_lens = get_seq_lens
    module.get_batch_indices_positions = get_batch_indices_positions
    module.append_paged_kv_cache = append_paged_kv_cache
    return module
