"""What README.md shows runs as it stands, on the host, and what it says can be read in two minutes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "README.md").read_text()


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


BLOCKS = blocks(TEXT)


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
    assert len(BLOCKS) == 2
    names = operands()
    for block in BLOCKS:
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
    """docs/pages.md."""
    import baracuda_ffi as bf

    names = operands() | {"bf": bf, "source": np.array([1, 2]), "destination": np.array([3, 4])}
    names |= {"pages": np.array([3, 0]), "buffer": np.zeros((2, 2, 8, 16, 128), np.float16)}
    for cache in (names["k_data"], names["v_data"]):
        cache[:] = np.arange(1024)[:, None, None, None]
    (block,) = (each for each in blocks((REPOSITORY / "docs/pages.md").read_text()) if "gather_pages" in each)
    exec(block, names)
    for cache in (names["k_data"], names["v_data"]):
        assert cache[:5, 0, 0, 0].tolist() == [0, 1, 2, 1, 2]
    assert names["buffer"][:, :, 0, 0, 0].tolist() == [[1, 1], [0, 0]]


def test_two_blocks_of_a_shell() -> None:
    assert len(re.findall(r"^```sh$", TEXT, re.MULTILINE)) == 2


def count(text: str) -> int:
    """Words, of links what is shown."""
    return len(re.findall(r"\S*[A-Za-z0-9]\S*", re.sub(r"\]\([^)]*\)", "]", text)))


def test_two_minutes_to_read() -> None:
    """At 240 words a minute; of code and of tables, which are looked at, a quarter."""
    code = "\n".join(re.findall(r"```.*?```", TEXT, re.DOTALL))
    lines = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL).splitlines()
    tables = "\n".join(line for line in lines if line.startswith("|"))
    prose = "\n".join(line for line in lines if not line.startswith("|"))
    assert count(prose) + (count(code) + count(tables)) / 4 <= 2 * 240


def section(title: str) -> str:
    found = re.search(rf"^##+ {title}\n(.*?)(?=^##)", TEXT, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def test_safe_lengths_come_first() -> None:
    assert section("Use").lstrip().startswith("**Say lengths by `seq_lens`**")
    assert "seq_lens=" in BLOCKS[0].split("\n\n")[1]
    assert "last_page_len=" not in "".join(BLOCKS)


def test_three_lines_each() -> None:
    """Prefill, slots, and the safe lengths, with their comments; and quantised caches."""
    for call in BLOCKS[0].strip().split("\n\n")[1:]:
        assert len(call.splitlines()) <= 3
    for beginning in ("**Say lengths", "**Quantised caches**"):
        paragraph = section("Use").partition(beginning)[2].partition("\n\n")[0]
        assert len(paragraph.splitlines()) <= 3
    for part in ("append_indptr=", "slot_mapping="):
        assert part in BLOCKS[0]


def test_the_layout_stands_beside_the_lengths() -> None:
    traps = section("Two traps")
    assert "FlashInfer's default is NHD" in traps
    assert "state `layout=`" in traps
    assert "destroys the newest token" in traps


def test_one_table_of_three_rows_of_figures() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE)
    figures = [table for table in tables if "H100" in table]
    assert len(figures) == 1
    assert len(figures[0].splitlines()) == 2 + 3
    assert re.search(r"flashinfer-python \d", figures[0])
    assert TEXT.count("H100") == 1
    assert "`plan.run`" in figures[0]
    assert "torch's tensors and stream" in figures[0]  # which the table of frameworks recommends
    assert "| PyTorch | `torch.cuda.current_stream()` |" in TEXT


def test_no_compiler_is_said_of_a_wheel() -> None:
    (sentence,) = re.findall(r"[^.]*no compiler[^.]*\.", " ".join(TEXT.split()))
    assert sentence.strip().startswith("A wheel")


def test_a_row_for_each_example() -> None:
    examples = REPOSITORY / "baracuda_ffi/examples"
    for file in examples.glob("*.py"):
        assert file.name.startswith("_") or f"(baracuda_ffi/examples/{file.name})" in TEXT
