"""From the start of a process to its first append finished, in fresh processes taken in alternation."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path as FilePath

from ...._native.about import build_info
from ...._native.devices import find_devices
from ...absent import Absent
from ...report.results import FLOOR, MEASURED, OURS, PART, PEER, Case, Row, SuiteResult, Target
from ...report.statistics import summarise
from ...running.isolated import environment, python
from ...running.paths import Candidate, Path, build_all
from ...running.progress import Progress
from ...running.sampling import in_order, interleave
from . import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...settings import Settings

_CONTEXT = "CUDA context alone"
_OURS = "baracuda_ffi"
_THEIRS_COMPILING = "flashinfer-python, nothing compiled before"
_THEIRS_COMPILED = "flashinfer-python, compiled before"
_INTERPRETER = "interpreter alone"
_HOST = "baracuda_ffi, host backend"

_REPEATS, _QUICK_REPEATS = 9, 4
_TIMEOUT = 300.0  # seconds, for one process
_LIMIT = 0.15  # seconds beyond the context


def run(settings: Settings) -> SuiteResult:
    started = time.perf_counter()
    repeats = _QUICK_REPEATS if settings.quick else _REPEATS
    cases: list[Case] = []
    targets: list[Target] = []
    notes = {"samples": f"{repeats} fresh processes each; flashinfer-python's one each", "CUDA": "measured"}
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        notes["bytecode"] = "not written: modules that were installed without are compiled at every start"
    with Progress("cold", 3) as progress:
        progress.step("host backend")
        host = [_Kind(_INTERPRETER, FLOOR, "interpreter"), _Kind(_HOST, OURS, "host")]
        cases.append(_case("host", host, repeats))
        why_not = _why_no_gpu()
        if why_not:
            notes["CUDA"] = f"not measured: {why_not}"
            targets.append(Target(_target_name(), f"≤ {_LIMIT:g} s", None, None, why=why_not))
        else:
            progress.step("CUDA")
            cuda = [_Kind(_CONTEXT, FLOOR, "context"), _Kind(_OURS, OURS, "baracuda")]
            case = _case("cuda", cuda, repeats)
            progress.step("flashinfer-python, which compiles")
            case.rows.extend(_flashinfer(settings))
            cases.append(case)
            targets.append(_target(case))
    return SuiteResult("cold", MEASURED, time.perf_counter() - started, "", "", cases, targets, notes)


def _why_no_gpu() -> str:
    driver = find_devices()
    if not driver.devices:
        return driver.problem
    return "" if build_info().cuda else "this baracuda_ffi was built without CUDA"


@dataclass
class _Kind:
    """A way to start. ``parts`` collects seconds between its milestones, by name."""

    name: str
    role: str
    mode: str

    def __post_init__(self) -> None:
        self.parts: dict[str, list[float]] = {}

    def sample(self) -> float:
        return start(self.mode, self.parts)


def start(mode: str, parts: dict[str, list[float]], extra: Mapping[str, str] | None = None) -> float:
    """Seconds from just before the process is made to its last milestone. Raises what it reports."""
    command = python(str(FilePath(child.__file__)), mode)
    variables = environment(extra)
    began = time.monotonic_ns()
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise RuntimeError(f"the process ended with {done.returncode}: {done.stderr.strip()[-250:]}")
    answer = json.loads(lines[-1])
    if answer["error"]:
        raise RuntimeError(answer["error"])
    last = began
    for name, at in answer["marks"].items():
        parts.setdefault(name, []).append((at - last) / 1e9)
        last = at
    return (last - began) / 1e9


def _case(device: str, kinds: list[_Kind], repeats: int) -> Case:
    paths = [Path(kind.name, kind.role, kind.sample) for kind in kinds]
    # One round to warm the file cache and to write .pyc files.
    rows = interleave(paths, rounds=repeats, warmups=1)
    for kind in kinds:
        if len(kind.parts) > 1:
            rows += [
                Row(f"{kind.name}: to {name}", PART, MEASURED, summarise(samples[1:]))
                for name, samples in kind.parts.items()
                if len(samples) > 1
            ]
    return Case({"device": device, "batch": 8, "heads": 8, "head_dim": 128}, "s", rows)


def _flashinfer(settings: Settings) -> list[Row]:
    """Once with empty caches, so that everything is compiled, and once more with what that left."""
    with tempfile.TemporaryDirectory(prefix="baracuda-ffi-bench-") as folder:
        empty = {"FLASHINFER_WORKSPACE_BASE": folder, "TRITON_CACHE_DIR": f"{folder}/triton"}
        parts: dict[str, list[float]] = {}

        def build(first: bool) -> Callable[[], float]:
            if find_spec("flashinfer") is None:
                raise Absent("flashinfer-python is not installed")
            if settings.quick:
                raise Absent("left out by --quick: it compiles")
            return partial(start, "flashinfer", parts if first else {}, empty)

        candidates = [
            Candidate(_THEIRS_COMPILING, PEER, partial(build, True)),
            Candidate(_THEIRS_COMPILED, PEER, partial(build, False)),
        ]
        paths, missing = build_all(candidates, lambda c, sample: Path(c.name, c.role, sample))
        # One after the other: the second starts with what the first compiled.
        rows = [row for path in paths for row in interleave([path], rounds=1, warmups=0)]
        rows = in_order([candidate.name for candidate in candidates], rows + missing)
        return rows + [
            Row(f"{_THEIRS_COMPILING}: to {name}", PART, MEASURED, summarise(samples))
            for name, samples in parts.items()
        ]


def _target_name() -> str:
    return "first append finished, beyond the CUDA context"


def _target(case: Case) -> Target:
    ours, context = case.median(_OURS), case.median(_CONTEXT)
    if ours is None or context is None:
        return Target(_target_name(), f"≤ {_LIMIT:g} s", None, None, why="one of the two failed")
    beyond = ours - context
    return Target(_target_name(), f"≤ {_LIMIT:g} s", beyond, beyond <= _LIMIT, where="device cuda")
