"""The paths of the kernel suite, over operands as they are packed, and as engines have them."""

from __future__ import annotations

from functools import partial

from ...absent import Absent
from ...operands.forms import FORMS
from ...operands.torch_operands import check_writes, in_forms
from ...peers import device_copy, empty_kernel, flashinfer_python, header, indexing, vllm
from ...report.results import FLOOR, LIMIT, OURS, PEER
from ...running.paths import Call, Candidate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...operands.torch_operands import Operands

    # One call a set.
    Build = Callable[[list[Operands]], list[Call]]

FLASHINFER = "FlashInfer path"
GUARDED = "guarded"


def packed(sets: list[Operands], stream: int, quick: bool) -> list[Candidate]:
    """Every path, over contiguous operands."""

    def each(build: Callable[..., Call], *arguments: int) -> Build:
        return lambda sets: [build(operands, *arguments) for operands in sets]

    return [
        Candidate(empty_kernel.NAME, FLOOR, lambda: [empty_kernel.launch(stream)]),
        Candidate(device_copy.NAME, LIMIT, partial(device_copy.copies, sets)),
        Candidate(FLASHINFER, OURS, partial(checked, partial(_bound_launches, stream, False), sets)),
        Candidate(GUARDED, OURS, partial(checked, partial(_bound_launches, stream, True), sets)),
        Candidate(header.NAME, PEER, compiled(quick, each(header.append, stream), sets)),
        Candidate(flashinfer_python.NAME, PEER, compiled(quick, flashinfer_python.appends, sets)),
        Candidate(vllm.NAME, PEER, partial(checked, each(vllm.append), sets)),
        Candidate(indexing.TORCH, PEER, partial(checked, each(indexing.torch_index_put), sets)),
    ]


def strided(sets: list[Operands], stream: int, quick: bool) -> list[Candidate]:
    """Those that take real tensors, over the same rows in every form."""
    forms = in_forms(sets)
    guarded = partial(_bound_launches, stream, True)
    return [
        Candidate(device_copy.NAME, LIMIT, partial(device_copy.copies, sets)),
        *[Candidate(form.of(GUARDED), OURS, partial(checked, guarded, forms[form])) for form in FORMS],
        *[
            Candidate(
                form.of(flashinfer_python.NAME),
                PEER,
                compiled(quick, flashinfer_python.appends, forms[form]),
            )
            for form in FORMS
        ],
    ]


def _bound_launches(stream: int, guarded: bool, sets: list[Operands]) -> list[Call]:
    plan = sets[0].problem.select(stream, guarded=guarded)
    return [Call("launch()", {"launch": plan.bind(stream, operands.args())}) for operands in sets]


def compiled(quick: bool, build: Build, sets: list[Operands]) -> Callable[[], list[Call]]:
    """Of what compiles itself when it is first called."""

    def skip() -> list[Call]:
        raise Absent("left out by --quick: it has to be compiled first")

    return skip if quick else partial(checked, build, sets)


def checked(build: Build, sets: list[Operands]) -> list[Call]:
    """The calls, once the first and the last have written what they should."""
    calls = build(sets)
    for i in {0, len(sets) - 1}:
        check_writes(sets[i], calls[i])
    return calls
