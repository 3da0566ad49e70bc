"""What README.md shows runs as it stands, on the host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

TEXT = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def operands() -> dict[str, Any]:
    """Two requests, of 20 and 3 tokens with the new ones, in a cache of the README's extents."""
    k_data, v_data = (np.zeros((1024, 8, 16, 128), np.float16) for _ in range(2))
    key, value, next_key, next_value = (np.full((2, 8, 128), n, np.float16) for n in range(1, 5))
    return {
        "stream": None,
        "captured_stream": None,
        "key": key,
        "value": value,
        "next_key": next_key,
        "next_value": next_value,
        "k_data": k_data,
        "v_data": v_data,
        "indices": np.array([7, 5, 9], np.int32),
        "indptr": np.array([0, 2, 3], np.int32),
        "seq_lens": np.array([20, 3], np.int32),
        "append_indptr": np.array([0, 1, 2]),
        "block_table": np.array([[7, 5], [9, -1]], np.int32),
        "slot_mapping": np.array([5 * 16 + 3, 9 * 16 + 2]),
    }


def test_each_statement() -> None:
    """All of them say the same two places."""
    assert len(BLOCKS) == 3
    names = operands()
    for block in BLOCKS[:2]:
        exec(block, names)
    k_data, v_data = names["k_data"], names["v_data"]
    for cache, row in ((k_data, 3), (v_data, 4)):  # the rows that rebind gave
        assert (cache[5, :, 3] == row).all()
        assert (cache[9, :, 2] == row).all()
        assert np.count_nonzero(cache) == 2 * 8 * 128


def test_each_call_by_itself() -> None:
    calls = [call for call in BLOCKS[0].split("\n\n") if "append_paged_kv(" in call]
    assert len(calls) == 4
    for call in calls:
        names = operands()
        exec("import baracuda_ffi as bf", names)
        exec(call, names)
        assert (names["k_data"][5, :, 3] == 1).all()
        assert (names["v_data"][9, :, 2] == 2).all()
        assert np.count_nonzero(names["k_data"]) == 2 * 8 * 128


def test_pages_are_copied_and_come_back() -> None:
    import baracuda_ffi as bf

    names = operands() | {"bf": bf, "source": np.array([1, 2]), "destination": np.array([3, 4])}
    names |= {"pages": np.array([3, 0]), "buffer": np.zeros((2, 2, 8, 16, 128), np.float16)}
    for cache in (names["k_data"], names["v_data"]):
        cache[:] = np.arange(1024)[:, None, None, None]
    exec(BLOCKS[2], names)
    for cache in (names["k_data"], names["v_data"]):
        assert cache[:5, 0, 0, 0].tolist() == [0, 1, 2, 1, 2]
    assert names["buffer"][:, :, 0, 0, 0].tolist() == [[1, 1], [0, 0]]


def test_two_blocks_of_a_shell() -> None:
    assert len(re.findall(r"^```sh$", TEXT, re.MULTILINE)) == 2
