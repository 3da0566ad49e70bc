"""``python -m baracuda_ffi.examples.serve``; ``--help`` says what it can."""

from __future__ import annotations

from ..._interrupts import end_the_process, run

end_the_process()

import os  # noqa: E402 -- what takes time comes after what listens
import sys  # noqa: E402

# For matrices as small as these more threads only wait for each other. Read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(run(main))
