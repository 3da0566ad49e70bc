"""Writes abi.txt anew. Run it after deciding to change the binary interface, and read the difference."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from support.c_abi import abi_description

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work_dir:
        Path(__file__).with_name("abi.txt").write_text(abi_description.describe(Path(work_dir)))
