"""One plain device copy of as many bytes: what the memory allows."""

from __future__ import annotations

from ..paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..torch_operands import Operands

NAME = "device copy of the same bytes"


def copies(sets: list[Operands]) -> list[Call]:
    """One call a set, each from and to memory of its own."""
    torch, size, device = sets[0].torch, sets[0].problem.bytes, sets[0].device
    return [
        Call(
            "target.copy_(source)",
            {
                "source": _random(torch, size, device),
                "target": torch.empty(size, dtype=torch.uint8, device=device),
            },
        )
        for _ in sets
    ]


def _random(torch: Any, size: int, device: Any) -> Any:
    return torch.randint(0, 256, (size,), dtype=torch.uint8, device=device)
