"""What was asked for on the command line, as the suites see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SUITES = ("launch", "kernel", "graph", "cold", "host", "pages")
GRIDS = ("small", "full")
L2_MODES = ("decode", "rotate", "warm")
ELEMENTS = ("f16", "bf16", "f32")


@dataclass(frozen=True)
class Settings:
    """``quick`` takes fewer samples of fewer cases and leaves out peers that must be compiled first.

    ``grid`` is the kernel suite's, and so are ``element``, of which the small grid's rows are, and ``l2``,
    what its launches find in the L2 cache. ``decode``: as layer after layer in an engine's step, the rows and
    the page table, but not the cache, which is another for every launch. ``rotate``: nothing, everything is
    another. ``warm``: everything is the same.
    """

    quick: bool = False
    grid: str = "small"
    l2: str = "decode"
    element: str = "f16"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        return cls(
            quick=bool(data["quick"]),
            grid=str(data["grid"]),
            l2=str(data["l2"]),
            element=str(data.get("element", "f16")),  # of files from before it could be said
        )
