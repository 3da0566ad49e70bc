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
from .._model.errors import InvalidProblem, invalid_problem, unsupported
from .._native import abi
from .addressing import DECODE, FIRST_PLACE, PLACE_NAMES, SET_BY_GIVEN, bits_of, set_of
from .arguments import parts_of, rows_and_caches
from .operands import CAN_IMPLEMENT_SYMBOL
from .scales import NONE, kind_of, transform_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from .._interop.protocols import Operand
    from .._model.descriptors import PagedKvAppendDescriptor
    from .._model.elements import ElementLike
    from .._native.library import Library, Operands, Ops
    from .addressing import OperandSet
    from .error_record import ErrorRecord
    from .preference import PlanPreference

    # What a plain call says besides its operands: whether the stream is None, and the layout and convention,
    # as given.
    Form = tuple[bool, KvLayout, LengthConvention | None]
    # And what else says which problem it is: its parts, guarded, and what was asked for.
    Choices = tuple[Form, int, bool, BackendKind | None, Transform | None, ElementKind | None]

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
    # 0 means "not stated" to the library, which a descriptor cannot say.
    if desc.paged_kv.num_total_pages == 0:
        raise invalid_problem(SELECT, "num_total_pages is 0; it should be at least 1")
    status = opened.can_implement(bytes(op))
    if status:
        raise opened.error(CAN_IMPLEMENT_SYMBOL, status)


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


class PlainOps:
    """The problems of calls that say nothing but a layout and where they are, of one length convention, and
    of those that are guarded; None until first asked for. Set once, or by threads at once to the same."""

    __slots__ = ("guarded", "hnd_on_cuda", "hnd_on_host", "nhd_on_cuda", "nhd_on_host")

    guarded: PlainOps

    def __init__(self, guarded: PlainOps | None = None) -> None:
        self.guarded = guarded or self
        self.hnd_on_cuda: Ops | None = None
        self.hnd_on_host: Ops | None = None
        self.nhd_on_cuda: Ops | None = None
        self.nhd_on_host: Ops | None = None


# Of no convention that is said, and of each that there is.
UNSAID, BEFORE, AFTER = PlainOps(PlainOps()), PlainOps(PlainOps()), PlainOps(PlainOps())
_HELD = {None: UNSAID, LengthConvention.BEFORE_APPEND: BEFORE, LengthConvention.AFTER_APPEND: AFTER}
# And those of all calls that choose among enumerators, by what they say.
_CHOSEN: dict[Choices, Ops] = {}
# And those of plain calls as they say it: by names too, of which there are few.
_TOLD: dict[tuple[bool, object, object, bool], tuple[Form, Ops]] = {}


# Not by keywords alone: CPython looks each one up that is not given.
def special(
    form: Form,
    guarded: bool,
    places: Operands,
    key: object,
    value: object,
    k_data: object,
    v_data: object,
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
) -> tuple[Ops, tuple[Any, Any, Any, Any, Any, Any]]:
    """The problems of a call that is not plain, and its caches and scales."""
    if kv_data is not None or key is None or k_data is None or (value is None) is not (v_data is None):
        if kv_data is None and (key is None or k_data is None):
            set_of(CALL, places)  # what it raises comes first
        k_data, v_data = rows_and_caches(CALL, key, value, k_data, v_data, kv_data)
    kind = NONE
    if (
        k_scale is not None
        or v_scale is not None
        or k_scales is not None
        or v_scales is not None
        or (v_data is None and value is not None)
    ):
        kind = kind_of(CALL, value, v_data, (k_scale, v_scale, k_scales, v_scales))
    if kind != NONE or transform is not None:
        transform = transform_of(CALL, transform, kind, has_value=value is not None)
    if element is not None and type(element) is not ElementKind:
        element = element_kind(CALL, "element", element)
    if backend is not None and type(backend) is not BackendKind:
        backend = choice(CALL, "backend", backend, BackendKind)
    choices = (form, parts_of(value), guarded, backend, transform, element)
    if error_record is None and skip_slot is None:
        ops = _CHOSEN.get(choices) or _every_set(choices)
    else:
        asking = _unstated(choices, set_of(CALL, places))
        _ask_for_more(asking, form[0], error_record, skip_slot)
        ops = (bytes(asking),) * (1 << len(PLACE_NAMES))
    return ops, (k_data, v_data, k_scale, v_scale, k_scales, v_scales)


special.__qualname__ = CALL  # what Python's own errors name


def _every_set(choices: Choices) -> Ops:
    """A problem for each set of operands that goes with the convention; found in ``_CHOSEN`` from now on."""
    form, _, guarded, backend, _, _ = choices
    _backend_of_call(form[0], guarded, backend)  # what it raises here is no set's
    ops: list[bytes | None] = [None] * (1 << len(PLACE_NAMES))
    for given, placed_by in SET_BY_GIVEN.items():
        try:  # noqa: SIM105 -- contextlib is loaded for nothing else
            ops[given] = bytes(_unstated(choices, placed_by))
        except InvalidProblem:
            pass
    made = _CHOSEN[choices] = tuple(ops)
    return made


def op_of(form: Form, ops: Ops, operands: Operands) -> bytes:
    """That of these operands. Raises where there is none."""
    placed_by = set_of(CALL, operands[FIRST_PLACE : FIRST_PLACE + len(PLACE_NAMES)])
    _convention(form, placed_by)
    op = ops[bits_of(placed_by)]
    assert op is not None  # what is missing was raised
    return op


def _ask_for_more(
    op: abi.Append, on_host: bool, error_record: ErrorRecord | None, skip_slot: int | None
) -> None:
    if skip_slot is not None:
        op.flags |= abi.FLAG_SKIP_SLOT
        op.skip_slot = integer(CALL, "skip_slot", skip_slot, 0, INT64_MAX, "a slot, or None")
        if op.addressing != Addressing.SLOTS:
            raise invalid_problem(CALL, f"skip_slot is {skip_slot} without slot_mapping; it goes with one")
    if error_record is not None:
        from .error_record import ErrorRecord

        record = instance(CALL, "error_record", error_record, ErrorRecord)
        if not op.flags & abi.FLAG_GUARDED:
            raise invalid_problem(
                CALL,
                "error_record is given and the append is not guarded; pass guarded=True with it",
            )
        record._check_reachable(CALL, on_host)
        record.will_be_launched()
        op.error_record = record.address


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
    key, value, k_data, v_data, *places = [
        given.pop(name, None) for name in (*abi.OPERANDS[:FIRST_PLACE], *PLACE_NAMES)
    ]
    form, _ = plain(on_host, layout, length_convention, guarded)
    ops, (k_data, v_data, *scales) = special(
        form, guarded, tuple(places), key, value, k_data, v_data, **given
    )
    operands = (key, value, k_data, v_data, *places, *scales)
    return op_of(form, ops, operands), operands


def plain(
    on_host: bool,
    layout: KvLayout | str,
    length_convention: LengthConvention | str | None,
    guarded: bool,
) -> tuple[Form, Ops]:
    """The problems of a call that says nothing else, and what it says."""
    told = (on_host, layout, length_convention, guarded)
    is_known = (
        type(layout) in (KvLayout, str)
        and type(length_convention) in (LengthConvention, str, NoneType)
        and type(guarded) is bool
    )
    if is_known and (found := _TOLD.get(told)) is not None:
        return found
    if type(layout) is not KvLayout:
        layout = choice(CALL, "layout", layout, KvLayout)
    if length_convention is not None and type(length_convention) is not LengthConvention:
        length_convention = choice(CALL, "length_convention", length_convention, LengthConvention)
    instance(CALL, "guarded", guarded, bool)
    form = (on_host, layout, length_convention)
    choices = (form, abi.PARTS_KEY_AND_VALUE, guarded, None, None, None)
    ops = _CHOSEN.get(choices) or _every_set(choices)
    held = _HELD[length_convention].guarded if guarded else _HELD[length_convention]
    setattr(held, f"{layout.name.lower()}_on_{'host' if on_host else 'cuda'}", ops)
    if is_known:
        _TOLD[told] = form, ops
    return form, ops
