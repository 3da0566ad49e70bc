"""What the site needs beyond mkdocs: links into the repository, and pages that its nav does not name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

_ROOT = Path(__file__).resolve().parents[2]

#: A link to a file of the repository that is no page.
_OUTWARD = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """Leave out pages that are not written yet, and add those that are not named to the first part."""
    folder = Path(config["docs_dir"])
    for part in config["nav"]:
        for name, pages in part.items():
            part[name] = [page for page in pages if (folder / page).is_file()]
    named = {page for part in config["nav"] for pages in part.values() for page in pages}
    first = next(iter(config["nav"][0].values()))
    first += sorted(path.name for path in folder.glob("*.md") if path.name not in named)
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name such a file, which the site does not have; it has to be there."""
    here = _ROOT / "docs" / Path(page.file.src_uri).parent

    def named(link: re.Match[str]) -> str:
        target = (here / link[2]).resolve()
        if target.is_relative_to(_ROOT / "docs"):
            return link[0]
        if not target.exists():
            raise PluginError(f"{page.file.src_uri} links to {link[2]}, which is not there")
        return f"{link[1]} (`{target.relative_to(_ROOT)}`)"

    return _OUTWARD.sub(named, markdown)
