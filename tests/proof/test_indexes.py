"""The indexes of tests/ and tests/support/ have a line for everything that is there, and for nothing else.
What the pages for contributors name is there too.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent


def listed(folder: Path) -> list[str]:
    """The first cells of the index's rows, `in such quotes`; each row says something of what it names."""
    return re.findall(r"^\| `([^`]+)` \| \S.* \|$", (folder / "README.md").read_text(), re.MULTILINE)


def test_every_folder_of_tests() -> None:
    folders = [path.name for path in TESTS.iterdir() if any(path.glob("*.py"))]
    assert sorted(listed(TESTS)) == sorted(folders)


def test_every_module_of_support() -> None:
    support = TESTS / "support"
    modules = [
        str(path.relative_to(support)) for path in support.glob("*/*.py") if path.name != "__init__.py"
    ]
    assert sorted(listed(support)) == sorted(modules)


@pytest.mark.parametrize("page", ["building", "contributing"])
def test_every_path_of_the_pages_for_contributors(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    paths = set(re.findall(r"`((?:native|baracuda_ffi|tests|third_party|docs)/[\w./-]+)", text))
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
