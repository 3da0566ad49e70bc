"""docs/guarantees.md names tests that exist, and a test for every promise."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text()
REFERENCES = sorted(set(re.findall(r"`(tests/[^`]+)`", TEXT)))


def rows() -> list[list[str]]:
    """The cells of every row of the tables with three columns."""
    found = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in TEXT.splitlines()
        if line[:1] == "|"
    ]
    return [cells for cells in found if len(cells) == 3 and cells[0] not in ("Promised", "---")]


@pytest.mark.parametrize("reference", REFERENCES)
def test_what_is_named_exists(reference: str) -> None:
    path, _, test = reference.partition("::")
    file = ROOT / path
    assert file.is_file()
    if test:
        functions = [
            node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)
        ]
        assert test in functions


def test_every_row_names_a_test() -> None:
    assert len(rows()) > 20
    assert [cells[0] for cells in rows() if not re.search(r"`tests/", cells[2])] == []
    assert [cells for cells in rows() if not cells[0] and not cells[1]] == []
