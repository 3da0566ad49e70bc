"""Positions and lengths that 32 bits do not hold, in tables that name a page again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.devices.backends import Backend

PAGE_SIZE = 1 << 20


@pytest.mark.parametrize("total", [2**31, 2**31 + 5, 2**32, 2**32 + 7])
@pytest.mark.parametrize("way", ["seq_lens", "positions", "append_indptr"])
def test_beyond_32_bits(backend: Backend, way: str, total: int) -> None:
    listed = -(-total // PAGE_SIZE)
    says: dict[str, dict[str, Any]] = {
        "seq_lens": {"seq_lens": np.array([total])},
        "positions": {"batch_indices": np.zeros(1, np.int32), "positions": np.array([total - 1])},
        "append_indptr": {"seq_lens": np.array([total]), "append_indptr": np.array([0, 1], np.int32)},
    }
    operands = {"indices": np.full(listed, 1, np.int32), "indptr": np.array([0, listed], np.int32)} | says[
        way
    ]
    k_data = backend.put(np.zeros((3, PAGE_SIZE, 1, 2), np.float16))
    bf.append_paged_kv(
        backend.put(np.full((1, 1, 2), 7, np.float16)),
        None,
        k_data,
        None,
        **{name: backend.put(part) for name, part in operands.items()},
        layout="NHD",
        length_convention="AFTER_APPEND",
        stream=backend.stream,
    )
    found = backend.get(k_data)
    slot = (total - 1) % PAGE_SIZE
    assert (found[1, slot] == 7).all()
    assert np.count_nonzero(found) == 2
