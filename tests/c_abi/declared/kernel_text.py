"""The pieces of FlashInfer's text that the build holds against hashes, and where its headers may be found."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

THIRD_PARTY = Path(__file__).parents[3] / "third_party"
CHECK = THIRD_PARTY / "FlashInferKernel.cmake"
EXPECTED = THIRD_PARTY / "flashinfer-kernel.sha256"
PIN = THIRD_PARTY / "flashinfer-requirements.txt"


@dataclass(frozen=True)
class Piece:
    """From the first occurrence of `first` in flashinfer/`header` to the end of the next `last`."""

    name: str
    header: str
    first: str
    last: str

    def text(self, include_dir: Path) -> str:
        whole = (include_dir / "flashinfer" / self.header).read_text()
        begin = whole.index(self.first)
        return whole[begin : whole.index(self.last, begin) + len(self.last)]

    def digest(self, include_dir: Path) -> str:
        return hashlib.sha256(self.text(include_dir).encode()).hexdigest()


def pieces() -> list[Piece]:
    rows = re.findall(r'"(\w+)\|([\w.]+)\|(.*?)\|(.*?)"', CHECK.read_text())
    return [Piece(name, header, first, last.replace("\\n", "\n")) for name, header, first, last in rows]


def expected() -> dict[str, str]:
    """Digest by the name of the piece."""
    rows = re.findall(r"^([0-9a-f]{64})  (\w+)$", EXPECTED.read_text(), re.MULTILINE)
    return {name: digest for digest, name in rows}


def pinned_version() -> str:
    found = re.search(r"^flashinfer-python==(\S+)", PIN.read_text(), re.MULTILINE)
    assert found
    return found[1]


def include_dir() -> Path | None:
    """The headers of the pinned release, where this machine has them."""
    places = [os.environ.get("FLASHINFER_INCLUDE_DIR"), THIRD_PARTY / "flashinfer" / "include"]
    try:
        installed = metadata.distribution("flashinfer-python")
        if installed.version == pinned_version():
            places.append(Path(str(installed.locate_file("flashinfer/data/include"))))
    except metadata.PackageNotFoundError:
        pass
    found = [Path(place) for place in places if place and (Path(place) / "flashinfer" / "page.cuh").is_file()]
    return found[0] if found else None
