"""The problems that appends begin with, as the library's struct: a plan's, which its descriptor states, and a
call's, which states nothing that its operands say.
"""

from __future__ import annotations

from ctypes import sizeof

from .._model.checks import INT64_MAX, choice, instance, integer
from .._model.descriptors import convention_of
from .._model.elements import element_kind
from .._model.enums import Addressing, BackendKind, ElementKind, KvLayout, LengthConvention, Transform
from .._model.errors import invalid_problem, unsupported
from .._native import abi
from .addressing import DECODE, PLACE_NAMES, set_of
from .arguments import parts_of, rows_and_caches
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

    # What a plain call's problem follows from: the set, whether the stream is None, and the layout and
    # convention, as given.
    Form = tuple[OperandSet, bool, KvLayout, LengthConvention | None]

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


# The problems of plain calls, those by default apart, and of calls that choose among enumerators, made when
# first asked for. An entry is set once or, by threads at once, to the same bytes.
DEFAULT_ON_HOST: dict[OperandSet, bytes] = {}
DEFAULT_ON_CUDA: dict[OperandSet, bytes] = {}
_PLAIN: dict[Form, bytes] = {}
_CHOSEN: dict[tuple[object, ...], bytes] = {}


def special(
    form: Form,
    operands: Operands,
    plain_op: bytes,
    /,
    *,
    guarded: bool = False,
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
) -> tuple[bytes, Operands]:
    """The problem and the operands of a call that is not plain."""
    key, value, k_data, v_data, *places = operands
    k_cache, v_cache = rows_and_caches(CALL, key, value, k_data, v_data, kv_data)
    operands = (key, value, k_cache, v_cache, *places)
    scales = (k_scale, v_scale, k_scales, v_scales)
    kind = kind_of(CALL, value, v_cache, scales)
    if kind != NONE:
        operands = (*operands, *[None] * (len(PLACE_NAMES) - len(places)), *scales)
    if kind != NONE or transform is not None:
        transform = transform_of(CALL, transform, kind, has_value=value is not None)
    if error_record is None and skip_slot is None:
        if (
            guarded is False
            and value is not None
            and backend is None
            and (transform is None or transform is Transform.COPY)
            and element is None
        ):
            return plain_op, operands
        if (
            type(guarded) is bool  # type: ignore[redundant-expr]
            and (backend is None or type(backend) is BackendKind)
            and (element is None or type(element) is ElementKind)
        ):
            choices = (form, value is None, guarded, backend, transform, element)
            op = _CHOSEN.get(choices)
            if op is None:
                op = _CHOSEN[choices] = bytes(_chosen(form, value, guarded, backend, transform, element))
            return op, operands
    special = _chosen(form, value, guarded, backend, transform, element)
    _ask_for_more(special, form[1], error_record, skip_slot)
    return bytes(special), operands


special.__qualname__ = CALL  # what Python's own errors name


def _chosen(
    form: Form,
    value: object,
    guarded: bool,
    backend: BackendKind | Literal["FLASHINFER", "HOST", "BESPOKE"] | None,
    transform: Transform | None,
    element: ElementLike | None,
) -> abi.Append:
    placed_by, on_host, layout, _ = form
    op = _unstated(placed_by, _backend_of_call(on_host, guarded, backend), guarded, layout, _convention(form))
    op.parts = parts_of(value)
    if transform is not None:
        op.transform = transform
    if element is not None:
        op.element = element_kind(CALL, "element", element)
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


def _backend_of_call(on_host: bool, guarded: bool, given: BackendKind | str | None) -> BackendKind:
    instance(CALL, "guarded", guarded, bool)
    ours = BackendKind.HOST if on_host else BackendKind.BESPOKE
    if given is None:
        return ours
    wanted = choice(CALL, "backend", given, BackendKind)
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


def _unstated(
    placed_by: OperandSet,
    backend: BackendKind,
    guarded: bool,
    layout: KvLayout,
    length_convention: LengthConvention,
) -> abi.Append:
    """An append that states no extent and no element: the library takes them from the operands."""
    judged = guarded or backend is BackendKind.BESPOKE
    return abi.Append(
        struct_size=sizeof(abi.Append),
        flags=abi.FLAG_STRIDED | abi.FLAG_INFER | (abi.FLAG_GUARDED if judged else 0),
        backend=backend,
        layout=layout,
        length_convention=length_convention,
        addressing=placed_by.addressing,
        table=placed_by.table,
        lengths=placed_by.lengths,
    )


def _convention(form: Form) -> LengthConvention:
    placed_by, _, _, given = form
    return convention_of(CALL, given, placed_by.addressing, placed_by.lengths)


def statement(
    *,
    on_host: bool,
    layout: KvLayout | str = KvLayout.HND,
    length_convention: LengthConvention | str | None = None,
    **given: Any,
) -> tuple[bytes, Operands]:
    """The problem that ``append_paged_kv`` would state, and its operands, for a caller that has none yet to
    look at, as a compiler that traces. ``given`` are its arguments by their names. Raises what it would."""
    operands = tuple([given.pop(name, None) for name in (*abi.OPERANDS[:4], *PLACE_NAMES)])
    if length_convention is not None:
        length_convention = choice(CALL, "length_convention", length_convention, LengthConvention)
    form = (set_of(CALL, operands[4:]), on_host, choice(CALL, "layout", layout, KvLayout), length_convention)
    return special(form, operands, plain(form), **given)


def plain(form: Form) -> bytes:
    """The problem of a call that says nothing else."""
    op = _PLAIN.get(form)
    if op is None:
        placed_by, on_host, layout, convention = form
        backend = _backend_of_call(on_host, False, None)
        op = _PLAIN[form] = bytes(_unstated(placed_by, backend, False, layout, _convention(form)))
        if layout is KvLayout.HND and convention is None:
            (DEFAULT_ON_HOST if on_host else DEFAULT_ON_CUDA)[placed_by] = op
    return op
