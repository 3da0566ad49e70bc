"""One suite in a process of its own: ``python -m baracuda_ffi.benchmarks.child SUITE SETTINGS RESULT``.

SETTINGS is JSON, RESULT the file that the result's JSON goes to. A crash, a poisoned CUDA context or the
threads and memory of one suite then touch no other.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .report.results import suite_to_json
from .settings import Settings
from .suites import run_suite


def main(name: str, settings: str, result: str) -> None:
    finished = run_suite(name, Settings.from_json(json.loads(settings)))
    Path(result).write_text(json.dumps(suite_to_json(finished)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:4])
