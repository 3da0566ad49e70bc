"""One plain device copy of as many bytes: what the memory allows."""

from __future__ import annotations

from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.torch_operands import Operands

NAME = "device copy of the same bytes"


def copies(sets: list[Operands]) -> list[Call]:
    """One call a set, each to memory of its own, and from memory of its own unless the sets share their
    rows."""
    torch, size, device = sets[0].torch, sets[0].problem.bytes, sets[0].device
    if sets[0].key is sets[-1].key:
        sources = [_random(torch, size, device)] * len(sets)
    else:
        sources = [_random(torch, size, device) for _ in sets]
    return [
        Call(
            "target.copy_(source)",
            {"source": source, "target": torch.empty(size, dtype=torch.uint8, device=device)},
        )
        for source in sources
    ]


def _random(torch: Any, size: int, device: Any) -> Any:
    return torch.randint(0, 256, (size,), dtype=torch.uint8, device=device)
