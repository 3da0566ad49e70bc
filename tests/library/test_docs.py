"""The pages of docs/: what they quote is in the programs that tests run, and nothing public is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import baracuda_ffi as bf

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
NATIVE = ROOT / "native"

#: The programs that a page is about, and the languages of its blocks that are lines of it.
QUOTED = {
    "c.md": (["examples/c/append.c"], {"c"}),
    "cpp.md": (["examples/cpp/append.cpp", "examples/cpp/CMakeLists.txt"], {"cpp", "cmake"}),
    "rust.md": (
        [
            "examples/rust/Cargo.toml",
            "examples/rust/build.rs",
            "examples/rust/src/main.rs",
            "bindings/rust/src/lib.rs",
        ],
        {"rust", "toml"},
    ),
    "go.md": (["examples/go/main.go"], {"go"}),
}


def blocks(page: str, languages: set[str]) -> list[str]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [code for language, code in found if language in languages]


@pytest.mark.parametrize("page", QUOTED)
def test_a_page_quotes_its_program(page: str) -> None:
    """Line by line: each is in it, in this order within a block."""
    files, languages = QUOTED[page]
    lines = [line.strip() for file in files for line in (NATIVE / file).read_text().splitlines()]
    quoted = blocks(page, languages)
    assert quoted
    for block in quoted:
        at = 0
        for line in filter(None, map(str.strip, block.splitlines())):
            assert line in lines[at:], (page, line)
            at = lines.index(line, at) + 1


def test_the_first_page_runs() -> None:
    names: dict[str, Any] = {}
    for block in blocks("index.md", {"python"}):
        exec(block, names)
    for cache in ("ckv_cache", "kpe_cache", "cache"):
        assert names[cache].reshape(128, -1).any(axis=1).nonzero()[0].tolist() == [3, 17]


def test_safe_lengths_come_first() -> None:
    """Before anything else is tried, the first page says what finds a page that is missing."""
    text = (DOCS / "index.md").read_text()
    first, *_ = blocks("index.md", {"python"})
    assert "`seq_lens`" in text.partition("```python")[0]
    assert "seq_lens=seq_lens" in first
    assert "last_page_len" not in first


def test_how_to_comes_first_and_the_contract_after() -> None:
    nav = (ROOT / ".mkdocs.yml").read_text().partition("\nnav:")[2].partition("\nmarkdown_extensions")[0]
    parts = re.findall(r"^  - (.+):$", nav, re.MULTILINE)
    assert parts[:3] == ["How to", "Contract", "API reference"]
    assert set(QUOTED) <= set(re.findall(r"- (\S+\.md)", nav.partition("Contract")[0]))


def test_every_public_name_is_in_the_reference_once() -> None:
    text = "".join([(DOCS / page).read_text() for page in PAGES if page.startswith("reference/")])
    named = re.findall(r"^::: baracuda_ffi\.(\S+)$", text, re.MULTILINE)
    assert sorted(name for name in named if "." not in name) == sorted(bf.__all__)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (DOCS / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in link:
            assert ((DOCS / page).parent / link).exists(), (page, link)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_a_folder_of_a_machine(page: str) -> None:
    assert not re.search(r"/(home|root|tmp|work|Users)/", (DOCS / page).read_text())
