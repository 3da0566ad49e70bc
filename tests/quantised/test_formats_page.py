"""docs/formats.md: its examples, run as they stand over the host backend."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"


def test_every_example() -> None:
    failed, attempted = doctest.testfile(str(PAGE), module_relative=False, verbose=False)
    assert not failed
    assert attempted >= 35


def test_every_transform_has_one() -> None:
    text = PAGE.read_text()
    for transform in ("FP8", "PER_TOKEN_HEAD", "FP8_DS_MLA", "NVFP4"):
        section = text.split(f"## {transform}:")[1].split("\n## ")[0]
        assert ">>> bf.append_paged_kv(" in section
        assert "hexed(" in section
