"""The targets of the kernel suite."""

from __future__ import annotations

from ...operands import places
from ...operands.forms import INTERLEAVED, SLICES, SLICES_INTERLEAVED
from ...peers import device_copy, flashinfer_python, header, vllm
from ...report.targets import at_most, same
from . import quantised
from .paths import FLASHINFER, GUARDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...report.results import Case, Target


def targets(cases: list[Case]) -> list[Target]:
    return [*_packed(cases), *_strided(cases), *_places(cases), *quantised.targets(cases)]


def _packed(cases: list[Case]) -> list[Target]:
    return [
        same("FlashInfer path as the header called directly", cases, FLASHINFER, header.NAME, 0.03),
        at_most(
            "FlashInfer path / flashinfer-python, 8 heads, batch 1 to 64",
            cases,
            FLASHINFER,
            flashinfer_python.NAME,
            0.7,
            lambda p: _batch(p) <= 64 and p["heads"] == 8,
        ),
        at_most(
            "FlashInfer path / flashinfer-python, 8 heads",
            cases,
            FLASHINFER,
            flashinfer_python.NAME,
            1.0,
            lambda p: p["heads"] == 8,
        ),
        at_most(
            "FlashInfer path / flashinfer-python, one head",
            cases,
            FLASHINFER,
            flashinfer_python.NAME,
            1.0,
            lambda p: p["heads"] == 1,
        ),
        at_most("guarded / flashinfer-python", cases, GUARDED, flashinfer_python.NAME, 1.0),
        at_most("guarded / FlashInfer path", cases, GUARDED, FLASHINFER, 1.05),
        at_most(
            "guarded / FlashInfer path, one head, batch 4096 up",
            cases,
            GUARDED,
            FLASHINFER,
            0.6,
            lambda p: _batch(p) >= 4096 and p["heads"] == 1,
        ),
        at_most(
            "guarded / device copy, batch 4096 up",
            cases,
            GUARDED,
            device_copy.NAME,
            1.3,
            lambda p: _batch(p) >= 4096,
        ),
    ]


def _strided(cases: list[Case]) -> list[Target]:
    ours, theirs = SLICES_INTERLEAVED.of(GUARDED), SLICES_INTERLEAVED.of(flashinfer_python.NAME)
    return [
        at_most("slices of a fused QKV / packed", cases, SLICES.of(GUARDED), GUARDED, 1.05),
        at_most("interleaved caches / separate", cases, INTERLEAVED.of(GUARDED), GUARDED, 1.05),
        same("slices, interleaved / flashinfer-python", cases, ours, theirs, 0.03),
        at_most(
            "slices, interleaved / flashinfer-python, batch 1 to 64",
            cases,
            ours,
            theirs,
            0.92,
            lambda p: _batch(p) <= 64,
        ),
    ]


def _places(cases: list[Case]) -> list[Target]:
    """Of appends that say places in other ways, among those of as many rows."""
    prefills = (places.RAGGED, places.POSITIONS)
    return [
        *[
            at_most(
                f"{way} / decode, 512 rows up", cases, way, places.DECODE, 1.05, lambda p: _batch(p) >= 512
            )
            for way in prefills
        ],
        *[
            at_most(
                f"{way} / device copy, 8 heads, 4096 rows up",
                cases,
                way,
                device_copy.NAME,
                1.1,
                lambda p: _batch(p) >= 4096 and p["heads"] == 8,
            )
            for way in prefills
        ],
        *[
            at_most(
                f"{way} / flashinfer-python, 64 rows up",
                cases,
                way,
                flashinfer_python.NAME,
                1.05,
                lambda p: _batch(p) >= 64,
            )
            for way in prefills
        ],
        at_most(
            "ragged / flashinfer-python's conversion and append, up to 64 rows",
            cases,
            places.RAGGED,
            flashinfer_python.STEP,
            0.45,
            lambda p: _batch(p) <= 64,
        ),
        at_most("decode by a dense table / decode", cases, places.DECODE_DENSE, places.DECODE, 1.05),
        at_most("slots / vLLM", cases, places.SLOTS, vllm.NAME, 0.8),
        at_most(
            "slots / vLLM, 1024 rows up", cases, places.SLOTS, vllm.NAME, 0.6, lambda p: _batch(p) >= 1024
        ),
    ]


def _batch(parameters: dict[str, str | int]) -> int:
    return int(parameters["batch"])
