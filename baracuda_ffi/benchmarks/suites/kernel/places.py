"""The paths of the kernel suite by each way to say places: a problem's rows, decoded one a request, or
prefilled for a few requests."""

from __future__ import annotations

from functools import partial

from ...._model.enums import BackendKind
from ...absent import Absent
from ...operands.places import DECODES, POSITIONS, PREFILLS, RAGGED, SLOTS
from ...operands.torch_operands import elsewhere
from ...ours.by_places import call
from ...ours.statements import BOUND
from ...peers import device_copy, flashinfer_python, vllm
from ...report.results import LIMIT, OURS, PEER
from ...running.paths import Call, Candidate
from .paths import checked, compiled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...operands.torch_operands import Operands

FLASHINFERS_POSITIONS = "positions, FlashInfer path"


def by_places(sets: list[Operands], stream: int, quick: bool, requests: int) -> list[Candidate]:
    """Ours by every way, and the peers that prefill, all but the decodes to the same places."""
    prefill = elsewhere(sets, RAGGED, requests)
    positions = elsewhere(sets, POSITIONS, requests)
    return [
        Candidate(device_copy.NAME, LIMIT, partial(device_copy.copies, sets)),
        *[
            Candidate(
                way, OURS, partial(checked, partial(_launches, stream, None), elsewhere(sets, way, requests))
            )
            for way in (*DECODES, *PREFILLS)
        ],
        Candidate(
            FLASHINFERS_POSITIONS,
            OURS,
            partial(checked, partial(_launches, stream, BackendKind.FLASHINFER), positions),
        ),
        Candidate(flashinfer_python.NAME, PEER, compiled(quick, flashinfer_python.appends, prefill)),
        Candidate(flashinfer_python.STEP, PEER, compiled(quick, flashinfer_python.steps, prefill)),
        Candidate(
            vllm.NAME,
            PEER,
            partial(
                checked,
                lambda sets: [vllm.append(operands) for operands in sets],
                elsewhere(sets, SLOTS, requests),
            ),
        ),
    ]


def _launches(stream: int | None, prefer: BackendKind | None, sets: list[Operands]) -> list[Call]:
    if prefer is not None and stream is None:
        raise Absent("it needs a GPU")
    made = []
    for operands in sets:
        assert operands.placed is not None
        way, requests = operands.placed.way, operands.placed.requests
        made.append(call(BOUND, operands.problem, way, requests, operands.seven(), stream, prefer))
    return made
