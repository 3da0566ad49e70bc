"""The paths of the kernel suite that quantise, beside the copy of the same rows to the same places."""

from __future__ import annotations

from functools import partial

from ...absent import Absent
from ...operands.places import DECODE, POSITIONS, RAGGED, SLOTS
from ...operands.torch_operands import check_writes, elsewhere
from ...operands.torch_quantised import DS_MLA, E4M3_BY_ROW, FORMATS, FP8, INT8_BY_ROW, NVFP4, in_format
from ...operands.torch_quantised import check_writes as check_quantised
from ...ours.by_places import call
from ...ours.statements import BOUND
from ...peers import device_copy, flashinfer_python, vllm
from ...report.results import LIMIT, OURS, PEER
from ...report.targets import at_most, at_most_above
from ...running.paths import Candidate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...operands.torch_operands import Operands
    from ...operands.torch_quantised import Format
    from ...report.results import Case, Target
    from ...running.paths import Call

    Parameters = dict[str, str | int]

COPY = "copy"
WAYS = (DECODE, RAGGED, POSITIONS, SLOTS)
_VLLMS = (
    (FP8.name, vllm.FP8),
    (E4M3_BY_ROW.name, vllm.E4M3_BY_ROW),
    (INT8_BY_ROW.name, vllm.INT8_BY_ROW),
)
QUICK_WAYS = (SLOTS,)


def candidates(sets: list[Operands], stream: int, quick: bool, way: str, requests: int) -> list[Candidate]:
    """Ours in every format, and by slots the peers in theirs."""
    placed = elsewhere(sets, way, requests)
    found = [
        Candidate(device_copy.NAME, LIMIT, partial(device_copy.copies, sets)),
        Candidate(COPY, OURS, partial(_launches, stream, placed, None)),
        *[Candidate(form.name, OURS, partial(_launches, stream, placed, form)) for form in FORMATS],
    ]
    if way != SLOTS:
        return found
    return [
        *found,
        Candidate(vllm.FP8, PEER, partial(_each, placed, FP8, vllm.append_fp8)),
        Candidate(
            vllm.E4M3_BY_ROW, PEER, partial(_each, placed, E4M3_BY_ROW, vllm.append_by_row, exact=False)
        ),
        Candidate(
            vllm.INT8_BY_ROW, PEER, partial(_each, placed, INT8_BY_ROW, vllm.append_by_row, exact=False)
        ),
        Candidate(vllm.DS_MLA, PEER, partial(_each, placed, DS_MLA, vllm.append_ds_mla, exact=False)),
        Candidate(
            flashinfer_python.NVFP4,
            PEER,
            _skip if quick else partial(_each, placed, NVFP4, flashinfer_python.nvfp4_append),
        ),
    ]


def _skip() -> list[Call]:
    raise Absent("left out by --quick: it has to be compiled first")


def _launches(stream: int, placed: list[Operands], form: Format | None) -> list[Call]:
    def launch(operands: Operands) -> Call:
        assert operands.placed is not None
        there = operands.placed
        return call(BOUND, operands.problem, there.way, there.requests, operands.seven(), stream)

    return _each(placed, form, launch)


def _each(
    placed: list[Operands], form: Format | None, build: Callable[[Operands], Call], *, exact: bool = True
) -> list[Call]:
    """One call a set, once the first and the last have written what they should."""
    sets = placed if form is None else in_format(placed, form)
    calls = [build(operands) for operands in sets]
    check = check_writes if form is None else partial(check_quantised, exact=exact)
    for i in {0, len(sets) - 1}:
        check(sets[i], calls[i])
    return calls


def targets(cases: list[Case]) -> list[Target]:
    """Of the copy of the same rows, and of peers."""
    by_row = (E4M3_BY_ROW.name, INT8_BY_ROW.name)
    return [
        at_most_above(
            "fp8 above the copy, up to 1024 rows, us", cases, FP8.name, COPY, 0.5, _rows(most=1024)
        ),
        at_most("fp8 / copy, 4096 rows", cases, FP8.name, COPY, 1.1, _rows(4096, 4096)),
        at_most("fp8 / copy, 16384 rows up", cases, FP8.name, COPY, 0.85, _fills_lines),
        *[at_most(f"{name} / fp8", cases, name, FP8.name, 1.15) for name in by_row],
        *[at_most(f"{ours} / vLLM", cases, ours, theirs, 0.8) for ours, theirs in _VLLMS],
        *[
            at_most(f"{ours} / vLLM, 1024 rows up", cases, ours, theirs, 0.6, _rows(1024))
            for ours, theirs in _VLLMS
        ],
        at_most("fp8_ds_mla / vLLM", cases, DS_MLA.name, vllm.DS_MLA, 1.0),
        at_most("nvfp4 / flashinfer-python", cases, NVFP4.name, flashinfer_python.NVFP4, 1.0),
    ]


def _rows(least: int = 0, most: int = 1 << 31) -> Callable[[Parameters], bool]:
    return lambda parameters: least <= int(parameters["batch"]) <= most


def _fills_lines(parameters: Parameters) -> bool:
    """Many rows, of which none by itself is half a line of the cache."""
    return _rows(16384)(parameters) and (int(parameters["head_dim"]) > 64 or parameters["layout"] == "NHD")
