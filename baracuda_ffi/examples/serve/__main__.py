"""``python -m baracuda_ffi.examples.serve``; ``--help`` says what it can."""

from __future__ import annotations

import os
import sys

# For matrices as small as these more threads only wait for each other. Read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .command import main

if __name__ == "__main__":
    sys.exit(main())
