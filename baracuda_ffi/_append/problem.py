"""The problems that appends begin with, as the library's struct: a plan's, which its descriptor states, and a
call's, which states nothing that its operands say.
"""

from __future__ import annotations

from ctypes import sizeof
from types import NoneType

from .._model.checks import INT64_MAX, choice, instance, integer
from .._model.descriptors import convention_of
from .._model.elements import element_kind
from .._model.enums import Addressing, BackendKind, ElementKind, KvLayout, LengthConvention, Transform
from .._model.errors import invalid_problem, unsupported
from .._native import abi
from .addressing import DECODE, FIRST_PLACE, PLACE_NAMES, set_of
from .arguments import caches, parts_of, rows_and_caches
from .operands import CAN_IMPLEMENT_SYMBOL
from .scales import NONE, kind_of, transform_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from .._interop.protocols import Operand
    from .._model.descriptors import PagedKvAppendDescriptor
    from .._model.elements import ElementLike
    from .._native.library import Library, Operands
    from .addressing import OperandSet
    from .error_record import ErrorRecord
    from .preference import PlanPreference

    # What a plain call says besides its operands: whether the stream is None, and the layout and convention,
    # as given.
    Form = tuple[bool, KvLayout, LengthConvention | None]
    # And what else says which problem it is: its parts, guarded, and what was asked for.
    Choices = tuple[Form, int, bool, BackendKind | None, Transform | None, ElementKind | None]
    # What any call says besides its operands: guarded; backend, transform and element, by their names too;
    # its skip_slot; and the address of its error record, or 0.
    Said = tuple[Form, bool, Any, Any, Any, int | None, int]

SELECT = "PagedKvAppendPlan.select"
CALL = "append_paged_kv"


def check_source(desc: PagedKvAppendDescriptor) -> None:
    if desc.transform is not Transform.COPY and desc.source_element is None:
        raise invalid_problem(
            SELECT,
            f"source_element is None; with transform {desc.transform.name} it should be the type of key and "
            "value: F16, BF16 or F32",
        )


def backend_of_plan(
    on_host: bool, placed_by: OperandSet, transform: Transform, pref: PlanPreference
) -> BackendKind:
    if on_host:
        return BackendKind.HOST
    by_positions = placed_by.addressing is Addressing.POSITIONS
    may_be_theirs = placed_by is DECODE or (by_positions and pref.prefer_backend is BackendKind.FLASHINFER)
    if may_be_theirs and transform is Transform.COPY and not pref.guarded:
        return BackendKind.FLASHINFER
    return BackendKind.BESPOKE


def stated_append(
    desc: PagedKvAppendDescriptor,
    placed_by: OperandSet,
    backend: BackendKind,
    guarded: bool,
    handle: int,
) -> abi.Append:
    cache = desc.paged_kv
    return abi.Append(
        struct_size=sizeof(abi.Append),
        flags=_flags_of_plan(desc, placed_by, backend, guarded),
        backend=backend,
        element=cache.element,
        layout=cache.layout,
        length_convention=desc.length_convention,
        batch_size=desc.batch_size or 0,
        page_size=cache.page_size,
        num_heads=cache.num_kv_heads,
        head_dim=cache.head_dim,
        value_head_dim=cache.value_head_dim,
        num_total_pages=cache.num_total_pages,
        stream=handle,
        addressing=desc.addressing,
        table=desc.table,
        lengths=desc.lengths,
        num_rows=desc.num_rows or 0,
        skip_slot=desc.skip_slot or 0,
        transform=desc.transform,
        source_element=desc.source_element or 0,
    )


def _flags_of_plan(
    desc: PagedKvAppendDescriptor, placed_by: OperandSet, backend: BackendKind, guarded: bool
) -> int:
    if placed_by is DECODE and not guarded and desc.transform is Transform.COPY:
        flags = abi.FLAG_MIRRORED
    else:
        judged = guarded or backend is BackendKind.BESPOKE
        flags = abi.FLAG_STRIDED | (abi.FLAG_GUARDED if judged else 0)
    if desc.skip_slot is not None:
        flags |= abi.FLAG_SKIP_SLOT
    return flags


def check_problem(opened: Library, op: abi.Append, desc: PagedKvAppendDescriptor) -> None:
    # To the library 0 means "not stated", or "as head_dim", neither of which a descriptor says so.
    if desc.paged_kv.num_total_pages == 0:
        raise invalid_problem(SELECT, "num_total_pages is 0; it should be at least 1")
    status = opened.can_implement(bytes(op))
    if status:
        raise opened.error(CAN_IMPLEMENT_SYMBOL, status)
    if desc.paged_kv.value_head_dim == 0:
        raise unsupported(SELECT, "value_head_dim is 0; it should be positive")


def check_preference(
    pref: PlanPreference, backend: BackendKind, placed_by: OperandSet, transform: Transform
) -> None:
    prefer = pref.prefer_backend
    if prefer is None or prefer is backend:
        return
    if backend is BackendKind.HOST:
        raise invalid_problem(
            SELECT, f"prefer_backend is {prefer.name} and stream is None; a CUDA stream should come with it"
        )
    if prefer is BackendKind.HOST:
        raise invalid_problem(
            SELECT, "prefer_backend is HOST and stream is a CUDA stream; None should come with it"
        )
    raise unsupported(
        SELECT,
        f"prefer_backend is {prefer.name}, guarded is {pref.guarded} and transform {transform.name}, for "
        f"{placed_by}; on CUDA that should be {backend.name}",
    )


# The problems of calls, by what they say and a bit for each operand that they give; and of calls with a
# skip_slot or an error record, of which there are any number, the latest.
_OPS: dict[tuple[Said, int], bytes] = {}
_LATEST_OPS: dict[tuple[Said, int], bytes] = {}
_MOST_LATEST = 64


def told(
    form: Form,
    guarded: bool,
    given: Operands,
    /,
    backend: BackendKind | Literal["FLASHINFER", "HOST", "BESPOKE"] | None = None,
    error_record: ErrorRecord | None = None,
    transform: Transform | Literal["COPY", "FP8", "PER_TOKEN_HEAD", "FP8_DS_MLA", "NVFP4"] | None = None,
    element: ElementLike | None = None,
    k_scale: Operand | None = None,
    v_scale: Operand | None = None,
    k_scales: Operand | None = None,
    v_scales: Operand | None = None,
    kv_data: Operand | None = None,
    skip_slot: int | None = None,
) -> tuple[Said, Operands]:
    """What a call says besides its operands, and all of these. ``given`` are those before the scales."""
    if kv_data is not None:
        key, value, k_data, v_data, *places = given
        k_data, v_data = caches(CALL, value, k_data, v_data, kv_data)
        given = (key, value, k_data, v_data, *places)
    operands = (*given, k_scale, v_scale, k_scales, v_scales)
    # What is a key below is equal to nothing else: 1 is to more than one enumerator.
    if type(backend) not in (NoneType, str, BackendKind):
        backend = choice(CALL, "backend", backend, BackendKind)
    if type(transform) not in (NoneType, str, Transform):
        transform = choice(CALL, "transform", transform, Transform)
    if type(element) not in (NoneType, str, ElementKind):
        element = element_kind(CALL, "element", element)
    if skip_slot is not None and type(skip_slot) is not int:
        skip_slot = integer(CALL, "skip_slot", skip_slot, 0, INT64_MAX, "a slot, or None")
    record = 0 if error_record is None else _record_for(error_record, form[0])
    return (form, guarded, backend, transform, element, skip_slot, record), operands


told.__qualname__ = CALL  # what Python's own errors name


def _record_for(error_record: ErrorRecord, on_host: bool) -> int:
    """The address of a record that a launch will write to."""
    from .error_record import ErrorRecord

    record = instance(CALL, "error_record", error_record, ErrorRecord)
    record._check_reachable(CALL, on_host)
    record.will_be_launched()
    return record.address


def op_of(said: Said, operands: Operands) -> bytes:
    """The problem of a call. Raises where it is none."""
    call = said, given_by(operands)
    *_, skip_slot, record = said
    ops = _OPS if skip_slot is None and not record else _LATEST_OPS
    op = ops.get(call)
    if op is None:
        op = _op_of_new(said, operands)
        if ops is _LATEST_OPS and len(ops) >= _MOST_LATEST:
            ops.clear()
        ops[call] = op
    return op


def given_by(operands: Operands) -> int:
    """A bit for each operand that is given."""
    given = 0
    for i, operand in enumerate(operands):
        if operand is not None:
            given |= 1 << i
    return given


def _op_of_new(said: Said, operands: Operands) -> bytes:
    form, guarded, backend, transform, element, skip_slot, record = said
    key, value, k_data, v_data = operands[:FIRST_PLACE]
    places = operands[FIRST_PLACE : FIRST_PLACE + len(PLACE_NAMES)]
    if key is None or k_data is None:
        set_of(CALL, places)  # what it raises comes first
    if key is None or k_data is None or (value is None) is not (v_data is None):
        rows_and_caches(CALL, key, value, k_data, v_data, None)
    kind = kind_of(CALL, value, v_data, operands[FIRST_PLACE + len(PLACE_NAMES) :])
    if kind != NONE or transform is not None:
        transform = transform_of(CALL, transform, kind, has_value=value is not None)
    if element is not None:
        element = element_kind(CALL, "element", element)
    if backend is not None:
        backend = choice(CALL, "backend", backend, BackendKind)
    _backend_of_call(form[0], guarded, backend)  # what it raises comes before what says places
    choices = (form, parts_of(value), guarded, backend, transform, element)
    op = _unstated(choices, set_of(CALL, places))
    if skip_slot is not None or record:
        _ask_for_more(op, skip_slot, record)
    return bytes(op)


def _ask_for_more(op: abi.Append, skip_slot: int | None, record: int) -> None:
    if skip_slot is not None:
        op.flags |= abi.FLAG_SKIP_SLOT
        op.skip_slot = integer(CALL, "skip_slot", skip_slot, 0, INT64_MAX, "a slot, or None")
        if op.addressing != Addressing.SLOTS:
            raise invalid_problem(CALL, f"skip_slot is {skip_slot} without slot_mapping; it goes with one")
    if record:
        if not op.flags & abi.FLAG_GUARDED:
            raise invalid_problem(
                CALL,
                "error_record is given and the append is not guarded; pass guarded=True with it",
            )
        op.error_record = record


def _backend_of_call(on_host: bool, guarded: bool, wanted: BackendKind | None) -> BackendKind:
    ours = BackendKind.HOST if on_host else BackendKind.BESPOKE
    if wanted is None:
        return ours
    if on_host != (wanted is BackendKind.HOST):
        stream = "None" if on_host else "a CUDA stream"
        raise invalid_problem(
            CALL,
            f"backend is {wanted.name} and stream is {stream}; with it the backend should be {ours.name}"
            + ("" if on_host else " or FLASHINFER"),
        )
    if guarded and wanted is BackendKind.FLASHINFER:
        raise unsupported(
            CALL, "backend is FLASHINFER and guarded is True; its kernel does not, BESPOKE does"
        )
    return wanted


def _unstated(choices: Choices, placed_by: OperandSet) -> abi.Append:
    """An append that states no extent: the library takes them from the operands."""
    form, parts, guarded, wanted, transform, element = choices
    on_host, layout, _ = form
    backend = _backend_of_call(on_host, guarded, wanted)
    judged = guarded or backend is BackendKind.BESPOKE
    return abi.Append(
        struct_size=sizeof(abi.Append),
        flags=abi.FLAG_STRIDED | abi.FLAG_INFER | (abi.FLAG_GUARDED if judged else 0),
        backend=backend,
        layout=layout,
        length_convention=_convention(form, placed_by),
        addressing=placed_by.addressing,
        table=placed_by.table,
        lengths=placed_by.lengths,
        parts=parts,
        transform=transform or Transform.COPY,
        element=element or 0,
    )


def _convention(form: Form, placed_by: OperandSet) -> LengthConvention:
    return convention_of(CALL, form[2], placed_by.addressing, placed_by.lengths)


def statement(
    *,
    on_host: bool,
    layout: KvLayout | str = KvLayout.HND,
    length_convention: LengthConvention | str | None = None,
    guarded: bool = False,
    **given: Any,
) -> tuple[bytes, Operands]:
    """The problem that ``append_paged_kv`` would state, and its operands, for a caller that has none yet to
    look at, as a compiler that traces. ``given`` are its arguments by their names. Raises what it would."""
    names = (*abi.OPERANDS[:FIRST_PLACE], *PLACE_NAMES)
    first = tuple([given.pop(name, None) for name in names])
    form = form_of_call(on_host, layout, length_convention, guarded)
    said, operands = told(form, guarded, first, **given)
    return op_of(said, operands), operands


def form_of_call(
    on_host: bool,
    layout: KvLayout | str,
    length_convention: LengthConvention | str | None,
    guarded: bool,
) -> Form:
    """What any call says. Raises for what is not that, ``guarded`` too."""
    layout = choice(CALL, "layout", layout, KvLayout)
    if length_convention is not None:
        length_convention = choice(CALL, "length_convention", length_convention, LengthConvention)
    instance(CALL, "guarded", guarded, bool)
    return on_host, layout, length_convention
