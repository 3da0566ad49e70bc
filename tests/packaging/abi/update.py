"""Writes abi.txt anew, and the declarations that Rust and Go have of it.

Run it after deciding to change the binary interface, and read the difference.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from support.c_abi import abi_description, bindings

BINDINGS = Path(__file__).parents[3] / "native" / "bindings"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work_dir:
        description = abi_description.describe(Path(work_dir))
    Path(__file__).with_name("abi.txt").write_text(description)
    (BINDINGS / "rust" / "src" / "declarations.rs").write_text(bindings.rust(description))
    (BINDINGS / "go" / "declarations.go").write_text(bindings.go())
