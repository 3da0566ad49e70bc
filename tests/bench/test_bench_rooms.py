"""Which room of the benchmarks may know of which."""

from __future__ import annotations

import ast
from pathlib import Path

from baracuda_ffi import benchmarks

_ROOT = Path(benchmarks.__file__).parent
# Each may import from those before it. The modules outside of rooms are the command's, but for the first two.
_ORDER = ("absent", "settings", "report", "running", "operands", "ours", "peers", "suites", "command's")


def _room(parts: tuple[str, ...]) -> str:
    return parts[0] if parts and parts[0] in _ORDER else "command's"


def _imported(path: Path) -> set[str]:
    """The rooms of what the module imports, also for its types alone, from the benchmarks."""
    package = path.relative_to(_ROOT).parts[:-1]
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level or node.level > len(package) + 1:
            continue
        base = package[: len(package) + 1 - node.level]
        named = tuple((node.module or "").split(".")) if node.module else (node.names[0].name,)
        rooms.add(_room((*base, *named)))
    return rooms


def test_no_room_imports_from_one_above() -> None:
    found = 0
    for path in _ROOT.rglob("*.py"):
        own = _ORDER.index(_room(path.relative_to(_ROOT).with_suffix("").parts))
        for room in _imported(path):
            found += 1
            assert _ORDER.index(room) <= own, f"{path.relative_to(_ROOT)} imports from {room}"
    assert found > 50
